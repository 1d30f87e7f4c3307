/* SPDX-License-Identifier: MIT */
/* What the files that fold events of locks share: fold_lock.c and fold_wait.c. */
#ifndef LARIAT_FOLD_LOCK_H
#define LARIAT_FOLD_LOCK_H

#include "fold_rows.h"

/* Locks and sites that have no row of their own share the last. */
#define LOCK_OTHERS    FOLD_NONE

#define LOCK_WAIT_BITS 4

/* Which site: 0 = none, 1 = others, else its node + 2. */
typedef uint64_t site_name;

/*
 * A thread's first use of a lock at a place, whose figures no LOCKSUM has told yet: that one will
 * not have a stack. A LOCKSUM without one goes to the others.
 */
struct fold_pair {
	uint64_t key;
	uint64_t address, caller;
	uint32_t thread, node;
};

struct fold_pairs {
	struct fold_index index;
	struct fold_pair *pair;
	uint32_t most;
};

/* NULL: there is none. */
const struct fold_pair *fold_pair_find(const struct fold_pairs *p, uint32_t thread,
				       uint64_t address, uint64_t caller);

/* A thread that is about to wait, or waits. */
struct fold_waiting {
	uint32_t thread, node;
	unsigned call;
	uint64_t address, since;
	uint64_t holder; /* node of where the lock in the way was taken, + 1; 0 = not known */
};

struct fold_blame {
	site_name waits, holds;
	uint64_t lock; /* as in tables: 0 = others, else its row + 1 */
	uint64_t count, ticks, most;
};

struct fold_order {
	uint64_t lock, held;
	uint32_t node, held_node, thread;
	uint64_t info, ticks;
};

/* Who waits, whom for, and in what order locks are taken. */
struct fold_waits {
	uint32_t most;
	struct fold_index threads;
	struct fold_waiting *waiting;
	struct fold_rows blame;
	struct fold_blame other_blame;
	struct fold_order *order;
	uint32_t orders;
	uint64_t orders_left_out;
};

/* A LOCKWAIT. */
void fold_wait_begin(struct fold *f, struct fold_waits *w, const struct fold_pairs *p,
		     const struct fold_event *e);

/* The thread's wait is over; false when it was not known of. */
bool fold_wait_end(struct fold *f, struct fold_waits *w, uint32_t thread, struct fold_waiting *was);

void fold_blame_add(struct fold *f, struct fold_waits *w, const struct fold_blame *b);
void fold_order_add(struct fold *f, struct fold_waits *w, const struct fold_order *o);
void fold_waits_write(struct fold_out *o, const struct fold_waits *w);

#endif
