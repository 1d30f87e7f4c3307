/* SPDX-License-Identifier: MIT */
/*
 * Lock figures from a stream of events in time order: totals, by lock, by site; waits on conditions
 * and the like apart. Durations are in ticks. One thread at a time. Memory grows with sites, locks
 * and first uses of a lock by a thread at a place.
 *
 * An uncontended acquisition makes no event: LOCKSUM events count all of them per thread, lock and
 * return address, and a LOCK event of the first names the site that they belong to. Behind a
 * LOCKSUM the next use is a first one again. One whose first is lost belongs to the empty stack.
 */
#ifndef LARIAT_LOCK_MODEL_H
#define LARIAT_LOCK_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "../preload/format/event.h"
#include "histogram.h"
#include "keymap.h"
#include "lock_order.h"
#include "lock_wait.h"
#include "sites.h"
#include "trace.h"

struct lock_figures {
	uint64_t acquisitions, contended, failed_try, timeouts, errors;
	uint64_t cancelled; /* waits that ended with their thread */
	uint64_t hold_ticks, hold_max_ticks;
	uint64_t owner_died; /* acquisitions from an owner that had died */
	uint64_t waiters;    /* times that others waited when it was released, as far as it knew */
	uint64_t owner_changes; /* times that it was taken by another thread than before, after a
				 * condition too; of readers none */
	struct histogram wait;	/* of contended acquisitions */
	struct histogram
		held; /* holds that are over: count and buckets are right, the sum is not */
};

#define LOCK_ROWS_MOST 65536 /* behind that, locks at one address share a row */

/* A lock that is destroyed or made anew is another one, although at the same address. */
struct lock_one {
	uint64_t address;
	uint32_t life; /* the process' number of it; 0 = not known, then owner changes neither */
	uint32_t instance;   /* the how-manieth at its address, from 1 */
	uint64_t more_lives; /* further ones that share the row */
	uint16_t call;	     /* a call of calls.def on it: tells its kind */
	uint32_t first_site; /* of the first event on it */
	uint64_t shared;     /* acquisitions by readers */
	struct lock_figures f;
};

struct lock_site {
	uint32_t lock; /* index of the lock met first */
	uint16_t call; /* of the event met first; 0 = not known */
	bool more_locks;
	bool used;
	uint64_t caused, caused_ticks; /* waits of others for what was taken here */
	/* long holds with I/O in them, of those events that the trace still has; the last I/O */
	uint64_t io_holds, io_hold_ticks, io_hold_max_ticks;
	uint16_t io_call;
	struct lock_figures f;
};

/* A thread's first use of a lock at a place, until a LOCKSUM tells of those behind it. */
struct lock_pair {
	uint32_t stack, lock;
	bool open;
};

/* Where threads wait for what is no lock, or let others go on. */
struct condition_site {
	uint16_t call; /* of the event met first */
	uint64_t waits, timeouts, errors, cancelled;
	uint64_t signals, in_vain;
	struct histogram wait;
};

struct lock_model {
	struct lock_figures total;
	uint64_t shared;			 /* acquisitions by readers */
	uint64_t unowned_unlocks, abandoned;	 /* the latter: held when their thread ended */
	uint32_t unowned_stack, abandoned_stack; /* of the first */
	uint64_t signals[LAR_SIGNALS], in_vain[LAR_SIGNALS];
	uint64_t forks_held; /* forks by a thread that held a lock */
	uint32_t fork_stack; /* of the first */
	struct lock_one *lock;
	uint32_t lock_count, lock_size;
	struct keymap addresses; /* address -> index of: */
	uint32_t *address;	 /* index of the lock that is there now, + 1 */
	uint32_t address_size;
	struct keymap pair_map; /* thread, address, return address -> index */
	struct lock_pair *pair;
	uint32_t pair_size;
	struct sites sites, condition_sites;
	struct lock_site *site;
	uint32_t site_size;
	struct condition_site *condition;
	uint32_t condition_size;
	struct condition_site condition_total; /* conditions only */
	struct condition_site other_total;     /* barriers, once, futexes */
	struct lock_waits waits;
	struct lock_order order;
	uint64_t since_ns;
};

void lock_model_init(struct lock_model *m, const struct site_rule *rule, uint64_t since_ns);
void lock_model_fini(struct lock_model *m);

/*
 * The lock that is at an address now, the one of that life (of its number, which grows), a site, a
 * pair and a site of conditions, made where they are new. KEYMAP_NONE, SITE_NONE or NULL = no
 * memory. A pair is found only where there was no LOCKSUM since the first use.
 */
uint32_t lock_model_lock(struct lock_model *m, uint64_t address, unsigned call);
uint32_t lock_model_life(struct lock_model *m, uint64_t address, uint32_t life, unsigned call);
uint32_t lock_model_site(struct lock_model *m, uint32_t stack, uint32_t thread, uint32_t lock);
struct lock_pair *lock_model_pair(struct lock_model *m, uint32_t thread, uint64_t address,
				  uint64_t caller);
struct lock_pair *lock_model_pair_find(const struct lock_model *m, uint32_t thread,
				       uint64_t address, uint64_t caller);
struct condition_site *lock_model_condition(struct lock_model *m, uint32_t stack, uint32_t thread,
					    unsigned call);

/* Takes one event, of whatever kind. Returns 0 or -ENOMEM. */
int lock_model_event(struct lock_model *m, const struct event *e);

/* After the last event: circles, in the order of locks and of waiting threads. 0 or -ENOMEM. */
int lock_model_finish(struct lock_model *m);

/* "mutex", "condition", ...: what a lock call works on. */
const char *lock_kind(unsigned call);

/* A wait on a condition: not one for a barrier, a futex or what is done once. */
bool lock_call_condition(unsigned call);

#endif
