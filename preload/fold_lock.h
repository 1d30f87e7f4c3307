/* SPDX-License-Identifier: MIT */
/* What the files that fold events of locks share: fold_lock.c, fold_wait.c, fold_lock_write.c. */
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
	uint32_t thread, node, lock;
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

struct lock_figures {
	uint64_t acquisitions, failed_try, timeouts, errors, cancelled;
	uint64_t hold, hold_max, owner_died, waiters, owner_changes;
	struct fold_histogram wait; /* of contended acquisitions */
	struct fold_histogram held;
};

struct lock {
	uint64_t address;
	uint64_t more_lives; /* further locks at the address that share the row */
	uint32_t life;	     /* the process' number of it, 0 = not known */
	uint32_t call;
	site_name first_site;
	uint64_t shared; /* acquisitions by readers */
	struct lock_figures f;
};

struct site {
	uint32_t node;
	uint32_t lock; /* the one met first */
	bool used, more_locks;
	uint64_t caused, caused_ticks; /* waits of others for what was taken here */
	struct lock_figures f;
};

struct condition {
	uint32_t node, call;
	bool used;
	uint64_t timeouts, errors, cancelled, signals, in_vain;
	struct fold_histogram wait;
};

struct locks {
	uint32_t most;			       /* rows of each kind */
	uint64_t unowned_unlocks, abandoned;   /* the latter: held when their thread ended */
	uint32_t unowned_node, abandoned_node; /* of the first of those */
	struct fold_rows locks, sites, conditions;
	struct fold_rows addresses; /* of each, row + 1 of the lock that is there now */
	struct lock other_locks;
	struct site other_sites;
	struct condition other_conditions[2]; /* conditions, and barriers and the like */
	uint64_t signals[LAR_SIGNALS], in_vain[LAR_SIGNALS];
	uint64_t forks_held;
	uint32_t fork_node; /* of the first of those */
	struct fold_pairs pairs;
	struct fold_waits waits;
};

/* A lock in a table: 0 = others, else its row + 1. */
static inline uint64_t lock_name(uint32_t lock)
{
	return lock == LOCK_OTHERS ? 0 : lock + 1ull;
}

#endif
