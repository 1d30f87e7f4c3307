/* SPDX-License-Identifier: MIT */
/* Union of intervals; see busy_time.h. */
#include "busy_time.h"

#include <stdlib.h>
#include <string.h>

/* Settles the older half; the first call for room doubles the array until the bound. */
static bool span_room(struct busy_time *b)
{
	struct busy_span *grown;
	uint32_t half = b->count / 2;
	uint32_t size = b->size ? b->size * 2 : 8;

	if (b->count < b->size)
		return true;
	if (size <= BUSY_TIME_SPANS) {
		grown = reallocarray(b->spans, size, sizeof(*grown));
		if (grown) {
			b->spans = grown;
			b->size = size;
			return true;
		}
	}
	if (!half)
		return false;
	for (uint32_t i = 0; i < half; i++)
		b->settled += b->spans[i].end - b->spans[i].start;
	b->settled_until = b->spans[half - 1].end;
	b->count -= half;
	memmove(b->spans, b->spans + half, b->count * sizeof(*b->spans));
	return true;
}

void busy_time_add(struct busy_time *b, uint64_t start, uint64_t end)
{
	uint32_t i;

	if (start < b->settled_until) {
		start = b->settled_until;
		b->at_least = true;
		if (end < start)
			return;
	}
	/* out of order by the time between a look at the clock and a commit */
	if (b->count && end < b->spans[b->count - 1].start) {
		b->at_least = true;
		return;
	}
	/* spans from i on touch the new one, but for those that begin after its end */
	for (i = b->count; i && b->spans[i - 1].end >= start; i--)
		;
	if (i == b->count) {
		if (!span_room(b)) {
			b->at_least = true;
			return;
		}
		b->spans[b->count++] = (struct busy_span){ start, end };
		return;
	}
	if (b->spans[i].start < start)
		start = b->spans[i].start;
	if (b->spans[b->count - 1].end > end)
		end = b->spans[b->count - 1].end;
	b->spans[i] = (struct busy_span){ start, end };
	b->count = i + 1;
}

uint64_t busy_time_sum(const struct busy_time *b)
{
	uint64_t sum = b->settled;

	for (uint32_t i = 0; i < b->count; i++)
		sum += b->spans[i].end - b->spans[i].start;
	return sum;
}

void busy_time_fini(struct busy_time *b)
{
	free(b->spans);
	memset(b, 0, sizeof(*b));
}
