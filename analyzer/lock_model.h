/* SPDX-License-Identifier: MIT */
/*
 * Lock figures from a stream of events in time order: totals, by lock, by site, and waits on
 * conditions apart. Durations are in ticks. One thread at a time. Memory grows
 * with sites, locks and (thread, lock) pairs.
 *
 * An uncontended acquisition makes no event: LOCKSUM events count all of them per thread and lock,
 * and the LOCK event of the thread's first names the site they belong to. A LOCKSUM can stand for
 * threads that ended before; where its own thread never was first, the latest thread's that was has
 * them.
 */
#ifndef LARIAT_LOCK_MODEL_H
#define LARIAT_LOCK_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "histogram.h"
#include "keymap.h"
#include "sites.h"
#include "trace.h"

struct lock_figures {
	uint64_t acquisitions, contended, failed_try, timeouts, errors;
	uint64_t hold_ticks, hold_max_ticks;
	struct histogram wait; /* of contended acquisitions */
};

struct lock_one {
	uint64_t address;
	uint16_t call;	      /* a call of calls.def on it: tells its kind */
	uint32_t first_site;  /* of the first event on it */
	uint32_t latest_site; /* of the latest thread that was first on it */
	struct lock_figures f;
};

struct lock_site {
	uint32_t lock; /* index of the lock met first */
	bool more_locks;
	bool used;
	struct lock_figures f;
};

struct lock_pair {
	uint32_t lock;
	uint32_t first_site; /* where this thread first took this lock */
	uint64_t elsewhere;  /* acquisitions since the last LOCKSUM that other sites have */
};

struct condition_site {
	uint64_t waits, timeouts, errors;
	struct histogram wait;
};

struct lock_model {
	struct lock_figures total;
	uint64_t unowned_unlocks;
	struct keymap lock_map; /* address -> index */
	struct lock_one *lock;
	uint32_t lock_size;
	struct keymap pair_map; /* thread, lock -> index */
	struct lock_pair *pair;
	uint32_t pair_size;
	struct sites sites, condition_sites;
	struct lock_site *site;
	uint32_t site_size;
	struct condition_site *condition;
	uint32_t condition_size;
	struct condition_site condition_total;
	uint64_t since_ns;
};

void lock_model_init(struct lock_model *m, const struct site_rule *rule, uint64_t since_ns);
void lock_model_fini(struct lock_model *m);

/* Takes one event, of whatever kind. Returns 0 or -ENOMEM. */
int lock_model_event(struct lock_model *m, const struct event *e);

/* After the last event: settles what LOCKSUMs of other threads stood for. */
void lock_model_finish(struct lock_model *m);

/* "mutex", "condition", ...: what a lock call works on. */
const char *lock_kind(unsigned call);

#endif
