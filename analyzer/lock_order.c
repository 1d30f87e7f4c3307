/* SPDX-License-Identifier: MIT */
/* The order of locks; see lock_order.h. */
#include "lock_order.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../preload/format/event.h"

#define MAX_EDGES (1u << 20)
#define MAX_STEPS 4000000u /* of the search */

void lock_order_fini(struct lock_order *o)
{
	free(o->edge);
}

int lock_order_add(struct lock_order *o, const struct lock_edge *e, uint64_t info)
{
	struct lock_edge *to;

	if (o->count == MAX_EDGES) {
		o->left_out++;
		return 0;
	}
	if (array_reserve((void **)&o->edge, &o->size, o->count, sizeof(*o->edge)))
		return -ENOMEM;
	to = &o->edge[o->count];
	*to = *e;
	to->number = o->count++;
	to->place = info & 0xff;
	to->of = info >> 8 & 0xff;
	to->to_shared = info >> 16 & LAR_ORDER_SHARED;
	to->behind_writers = (info >> 16 & LAR_ORDER_WRITERS_FIRST) != 0;
	to->from_shared = (info >> 16 & LAR_ORDER_HELD_SHARED) != 0;
	return 0;
}

static int by_thread(const void *a, const void *b)
{
	const struct lock_edge *x = a, *y = b;

	if (x->thread != y->thread)
		return x->thread < y->thread ? -1 : 1;
	return x->number < y->number ? -1 : 1;
}

/* Those of one acquisition follow each other; a set that is not whole could hide a common lock. */
static void find_sets(struct lock_order *o)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < o->count;) {
		uint32_t n = 1;

		while (i + n < o->count && o->edge[i + n].place == n &&
		       o->edge[i + n].thread == o->edge[i].thread &&
		       o->edge[i + n].to == o->edge[i].to && o->edge[i + n].of == o->edge[i].of)
			n++;
		if (o->edge[i].place == 0 && o->edge[i].of == n) {
			for (uint32_t k = 0; k < n; k++) {
				o->edge[kept + k] = o->edge[i + k];
				o->edge[kept + k].set_first = kept;
				o->edge[kept + k].set_size = n;
			}
			kept += n;
		}
		i += n;
	}
	o->count = kept;
}

/* Can both be the case at the same time? Not in one thread, nor where a lock keeps them apart. */
static bool together(const struct lock_order *o, const struct lock_edge *a,
		     const struct lock_edge *b)
{
	if (a->thread == b->thread)
		return false;
	for (uint32_t i = 0; i < a->set_size; i++)
		for (uint32_t k = 0; k < b->set_size; k++) {
			const struct lock_edge *x = &o->edge[a->set_first + i];
			const struct lock_edge *y = &o->edge[b->set_first + k];

			if (x->from == y->from && !(x->from_shared && y->from_shared))
				return false;
		}
	return true;
}

struct search {
	struct lock_order *o;
	uint32_t *by_from; /* edges sorted by their first lock */
	uint32_t *first;   /* per lock: its first in that list; one more at the end */
	struct keymap known;
	uint32_t path[LOCK_ORDER_DEEPEST];
	uint32_t depth, start;
	uint32_t steps;
};

/* What two edges that follow each other are about does make a thread wait: one that wants to share
 * what the other shares, only if a writer waits in between. */
static bool blocks(const struct lock_edge *a, const struct lock_edge *b)
{
	return !(a->to_shared && b->from_shared) || a->behind_writers;
}

/* Circles of the same stacks are one. */
static int keep(struct search *s)
{
	struct lock_order *o = s->o;
	uint32_t known = s->known.count;
	uint64_t key = 0;

	for (uint32_t i = 0; i < s->depth; i++) {
		const struct lock_edge *e = &o->edge[s->path[i]];

		key = lock_mix(lock_mix(lock_mix(key, e->from), e->stack), e->held_stack);
	}
	if (keymap_number(&s->known, key) == KEYMAP_NONE)
		return -ENOMEM;
	if (s->known.count == known)
		return 0;
	if (o->circles == LOCK_ORDER_CIRCLES) {
		o->given_up = true;
		return 0;
	}
	o->circle[o->circles].count = s->depth;
	memcpy(o->circle[o->circles].edge, s->path, s->depth * sizeof(*s->path));
	o->circles++;
	return 0;
}

/* From the lock that the path leads to; only by locks above the first, so that each circle is found
 * from its lowest. */
static int look(struct search *s, uint32_t lock)
{
	struct lock_order *o = s->o;
	int err = 0;

	for (uint32_t i = s->first[lock]; i < s->first[lock + 1] && !err && !o->given_up; i++) {
		const struct lock_edge *e = &o->edge[s->by_from[i]];
		bool fits = s->steps++ < MAX_STEPS;

		o->given_up |= !fits;
		if (e->to < s->start || (e->to == s->start && !s->depth))
			continue;
		for (uint32_t k = 0; k < s->depth && fits; k++)
			fits = together(o, e, &o->edge[s->path[k]]) &&
			       (e->to != o->edge[s->path[k]].from || k == 0);
		if (fits && s->depth)
			fits = blocks(&o->edge[s->path[s->depth - 1]], e);
		if (!fits)
			continue;
		s->path[s->depth++] = s->by_from[i];
		if (e->to == s->start)
			err = blocks(e, &o->edge[s->path[0]]) ? keep(s) : 0;
		else if (s->depth < LOCK_ORDER_DEEPEST)
			err = look(s, e->to);
		s->depth--;
	}
	return err;
}

/* Sorted by counting. */
static int sort_by_from(struct search *s, uint32_t locks)
{
	const struct lock_order *o = s->o;

	s->by_from = calloc(o->count + 1, sizeof(*s->by_from));
	s->first = calloc(locks + 2ull, sizeof(*s->first));
	if (!s->by_from || !s->first)
		return -ENOMEM;
	for (uint32_t i = 0; i < o->count; i++)
		s->first[o->edge[i].from + 2]++;
	for (uint32_t i = 2; i < locks + 2; i++)
		s->first[i] += s->first[i - 1];
	for (uint32_t i = 0; i < o->count; i++)
		s->by_from[s->first[o->edge[i].from + 1]++] = i;
	return 0;
}

void lock_order_writers(const struct lock_order *o, bool *written)
{
	for (uint32_t i = 0; i < o->count; i++) {
		const struct lock_edge *e = &o->edge[i];

		written[e->to] |= !e->to_shared;
		written[e->from] |= !e->from_shared;
	}
}

int lock_order_finish(struct lock_order *o, uint32_t locks, const bool *written)
{
	struct search s = { .o = o };
	int err;

	if (!o->count)
		return 0;
	for (uint32_t i = 0; i < o->count; i++)
		o->edge[i].behind_writers &= written[o->edge[i].to];
	qsort(o->edge, o->count, sizeof(*o->edge), by_thread);
	find_sets(o);
	err = sort_by_from(&s, locks);
	for (s.start = 0; s.start < locks && !err && !o->given_up; s.start++)
		err = look(&s, s.start);
	free(s.by_from);
	free(s.first);
	keymap_fini(&s.known);
	return err;
}
