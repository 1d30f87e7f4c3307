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
		b->settled_ns += b->spans[i].end_ns - b->spans[i].start_ns;
	b->settled_until_ns = b->spans[half - 1].end_ns;
	b->count -= half;
	memmove(b->spans, b->spans + half, b->count * sizeof(*b->spans));
	return true;
}

void busy_time_add(struct busy_time *b, uint64_t start_ns, uint64_t end_ns)
{
	uint32_t i;

	if (start_ns < b->settled_until_ns) {
		start_ns = b->settled_until_ns;
		b->at_least = true;
		if (end_ns < start_ns)
			return;
	}
	/* spans from i on touch the new one, but for those that begin after its end */
	for (i = b->count; i && b->spans[i - 1].end_ns >= start_ns; i--)
		;
	if (i == b->count) {
		if (!span_room(b)) {
			b->at_least = true;
			return;
		}
		b->spans[b->count++] = (struct busy_span){ start_ns, end_ns };
		return;
	}
	if (b->spans[i].start_ns < start_ns)
		start_ns = b->spans[i].start_ns;
	if (b->spans[b->count - 1].end_ns > end_ns)
		end_ns = b->spans[b->count - 1].end_ns;
	b->spans[i] = (struct busy_span){ start_ns, end_ns };
	b->count = i + 1;
}

uint64_t busy_time_sum(const struct busy_time *b)
{
	uint64_t sum = b->settled_ns;

	for (uint32_t i = 0; i < b->count; i++)
		sum += b->spans[i].end_ns - b->spans[i].start_ns;
	return sum;
}

void busy_time_fini(struct busy_time *b)
{
	free(b->spans);
	memset(b, 0, sizeof(*b));
}
