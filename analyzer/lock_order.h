/* SPDX-License-Identifier: MIT */
/*
 * The order in which locks are taken, and circles in it: threads that take the same locks in
 * different orders can come to wait for each other, also where that has not happened yet.
 *
 * A thread that takes a lock while it holds others makes an edge from each of those to it. A circle
 * of edges is a warning if each is of another thread, no two of them are made under a common lock
 * (one that guards them: they cannot happen at the same time), and not all of them are of readers
 * alone. One thread at a time.
 */
#ifndef LARIAT_LOCK_ORDER_H
#define LARIAT_LOCK_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "keymap.h"

#define LOCK_ORDER_DEEPEST 6  /* locks of a circle */
#define LOCK_ORDER_CIRCLES 64 /* that are kept */

/* Mixes a number into a hash. */
static inline uint64_t lock_mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15ull;
	return h ^ h >> 29;
}

/* A lock was taken while another was held: one LOCKORDER. */
struct lock_edge {
	uint32_t from, to; /* locks */
	uint32_t thread;
	uint32_t held_stack, stack;   /* where each was taken */
	uint16_t place, of;	      /* of the held ones, in the order in which they were taken */
	uint32_t number;	      /* in the order of the events */
	uint32_t set_first, set_size; /* edges of all that were held then */
	bool from_shared, to_shared;
	bool behind_writers; /* to_shared: it waits for a writer that waits, and there are some */
	uint64_t ticks;
};

struct lock_order_circle {
	uint32_t count;
	uint32_t edge[LOCK_ORDER_DEEPEST];
};

struct lock_order {
	struct lock_edge *edge;
	uint32_t count, size;
	struct lock_order_circle circle[LOCK_ORDER_CIRCLES];
	uint32_t circles;
	uint64_t left_out; /* LOCKORDERs that there was no room for */
	bool given_up;	   /* there were more circles, or more to look through, than is looked at */
};

void lock_order_fini(struct lock_order *o);

/* One LOCKORDER, in order within its thread; info is its last field. 0 or -ENOMEM. */
int lock_order_add(struct lock_order *o, const struct lock_edge *e, uint64_t info);

/* Which of so many locks are taken by writers, as far as orders tell: adds to *written. */
void lock_order_writers(const struct lock_order *o, bool *written);

/* After the last event: looks for circles among so many locks, of which these have writers. 0 or
 * -ENOMEM. */
int lock_order_finish(struct lock_order *o, uint32_t locks, const bool *written);

#endif
