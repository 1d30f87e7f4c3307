/* SPDX-License-Identifier: MIT */
/*
 * Who waits for whom: the pairs of a stack that waited and a stack that had taken what it waited
 * for, and what threads wait for and hold at the end, with the circles of those that wait for each
 * other. One thread at a time.
 */
#ifndef LARIAT_LOCK_WAIT_H
#define LARIAT_LOCK_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "keymap.h"

struct lock_blame {
	uint32_t waits, holds; /* sites; holds SITE_NONE: not known */
	uint32_t lock;
	uint64_t count, ticks, most;
};

/* A thread that waits. */
struct lock_waiting {
	uint32_t thread, stack;
	uint16_t call;
	bool waits; /* else it is over */
	/* not for a lock and the like, but in a call of I/O, or a join, that is not over: address
	 * is the descriptor (-1 = none) or the thread */
	bool in_call, joins;
	bool holder_known;
	uint32_t target;       /* of the descriptor */
	uint32_t holder_stack; /* where the lock in the way was taken */
	uint64_t address, since_ticks;
	uint64_t io_ticks; /* when the thread's last I/O was over */
	uint16_t io_call;
};

/* A lock that a thread holds at the end. */
struct lock_holding {
	uint32_t thread, stack;
	uint16_t call;
	uint64_t address;
	uint64_t ticks; /* for how long */
};

/* Threads of which each waits for what the next one holds, and the last for the first's. */
struct lock_circle {
	uint32_t first, count; /* in lock_waits.circle_thread: indices of waiting */
};

struct lock_waits {
	struct keymap blame_map;
	struct lock_blame *blame;
	uint32_t blame_size;
	struct keymap threads; /* number -> index of waiting */
	struct lock_waiting *waiting;
	uint32_t waiting_size;
	struct lock_holding *holding;
	uint32_t holding_count, holding_size;
	uint32_t *circle_thread;
	struct lock_circle *circle;
	uint32_t circle_count;
};

void lock_waits_fini(struct lock_waits *w);

/* The thread's entry, made when it is new; NULL = no memory. */
struct lock_waiting *lock_waits_thread(struct lock_waits *w, uint32_t thread);

/* Adds waits; 0 or -ENOMEM. */
int lock_waits_blame(struct lock_waits *w, const struct lock_blame *b);

int lock_waits_hold(struct lock_waits *w, const struct lock_holding *h);

/* After the last event: looks for circles. 0 or -ENOMEM. */
int lock_waits_finish(struct lock_waits *w);

/* What the thread waits for is held by this one: NULL when nobody is known to. */
const struct lock_holding *lock_waits_holder(const struct lock_waits *w,
					     const struct lock_waiting *waiting);

#endif
