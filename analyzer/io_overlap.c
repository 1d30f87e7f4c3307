/* SPDX-License-Identifier: MIT */
/* Operations in flight together; see io_overlap.h. */
#include "io_overlap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int io_overlaps_init(struct io_overlaps *o, uint32_t most)
{
	memset(o, 0, sizeof(*o));
	o->room = most;
	o->beside = calloc(most + 1, sizeof(*o->beside));
	o->order = calloc(most + 1, sizeof(*o->order));
	if (!o->beside || !o->order)
		return -ENOMEM;
	for (uint32_t i = 0; i < most; i++)
		o->order[i] = i;
	return 0;
}

void io_overlaps_fini(struct io_overlaps *o)
{
	free(o->beside);
	free(o->order);
}

/* Times are whole steps: what touches within one does not overlap. */
static uint64_t together(const struct io_overlaps *o, const struct io_overlap_call *a,
			 const struct io_overlap_call *b)
{
	uint64_t start = a->start > b->start ? a->start : b->start;
	uint64_t end = a->end < b->end ? a->end : b->end;

	return end > start && end - start > o->step_ticks ? end - start : 0;
}

static void add(const struct io_overlaps *o, struct io_beside *b, const struct io_overlap_call *c)
{
	uint64_t ticks = c->thread == b->of.thread ? 0 : together(o, &b->of, c);
	unsigned at = IO_OVERLAP_TOP;

	if (!ticks)
		return;
	b->count++;
	while (at && b->top[at - 1].ticks < ticks)
		at--;
	if (at == IO_OVERLAP_TOP)
		return;
	memmove(&b->top[at + 1], &b->top[at], (IO_OVERLAP_TOP - 1 - at) * sizeof(b->top[0]));
	b->top[at].ticks = ticks;
	b->top[at].call = *c;
}

void io_overlaps_event(struct io_overlaps *o, const struct io_overlap_call *c)
{
	/* those behind the first that had ended before this began had ended, too */
	for (uint32_t i = o->count; i-- > 0;) {
		struct io_beside *b = &o->beside[o->order[i]];

		if (b->of.end <= c->start)
			break;
		add(o, b, c);
	}
	o->recent[o->seen++ % IO_OVERLAP_KEPT] = *c;
}

uint32_t io_overlaps_follow(struct io_overlaps *o)
{
	uint64_t kept = o->seen < IO_OVERLAP_KEPT ? o->seen : IO_OVERLAP_KEPT;
	struct io_beside *b;
	uint32_t index;

	if (!kept || o->count == o->room)
		return IO_OVERLAP_NONE;
	index = o->order[o->count++];
	b = &o->beside[index];
	memset(b, 0, sizeof(*b));
	b->of = o->recent[(o->seen - 1) % IO_OVERLAP_KEPT];
	b->at_least = o->seen > kept;
	for (uint64_t i = 2; i <= kept; i++) {
		const struct io_overlap_call *c = &o->recent[(o->seen - i) % IO_OVERLAP_KEPT];

		if (c->end <= b->of.start) {
			b->at_least = false;
			break;
		}
		add(o, b, c);
	}
	return index;
}

void io_overlaps_drop(struct io_overlaps *o, uint32_t index)
{
	uint32_t at = 0;

	if (index == IO_OVERLAP_NONE)
		return;
	while (at < o->count && o->order[at] != index)
		at++;
	if (at == o->count)
		return;
	memmove(&o->order[at], &o->order[at + 1], (o->count - 1 - at) * sizeof(o->order[0]));
	o->order[--o->count] = index;
}
