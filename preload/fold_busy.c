/* SPDX-License-Identifier: MIT */
/* Union of intervals; see fold_busy.h. */
#include "fold_busy.h"

#include <string.h>

#define SPANS_FIRST 2u

static bool span_room(struct fold *f, struct fold_busy *b, uint32_t most)
{
	uint32_t half = b->count / 2, room = b->room ? b->room * 2 : SPANS_FIRST;

	if (b->count < b->room)
		return true;
	if (room <= most) {
		struct fold_span *p =
			fold_grow(f, b->span, b->count * sizeof(*p), room * sizeof(*p));

		if (!p)
			return false;
		b->span = p;
		b->room = room;
		return true;
	}
	for (uint32_t i = 0; i < half; i++)
		b->settled += b->span[i].end - b->span[i].start;
	b->settled_until = b->span[half - 1].end;
	b->count -= half;
	memmove(b->span, b->span + half, b->count * sizeof(*b->span));
	return true;
}

void fold_busy_add(struct fold *f, struct fold_busy *b, uint64_t start, uint64_t end, uint32_t most)
{
	uint32_t i;

	if (start < b->settled_until) {
		start = b->settled_until;
		b->at_least = true;
		if (end < start)
			return;
	}
	/* out of order by the time between a look at the clock and a commit */
	if (b->count && end < b->span[b->count - 1].start) {
		b->at_least = true;
		return;
	}
	for (i = b->count; i && b->span[i - 1].end >= start; i--)
		;
	if (i == b->count) {
		if (!span_room(f, b, most)) {
			b->at_least = true;
			return;
		}
		b->span[b->count++] = (struct fold_span){ start, end };
		return;
	}
	if (b->span[i].start < start)
		start = b->span[i].start;
	if (b->span[b->count - 1].end > end)
		end = b->span[b->count - 1].end;
	b->span[i] = (struct fold_span){ start, end };
	b->count = i + 1;
}
