/* SPDX-License-Identifier: MIT */
/*
 * Lock figures from a stream of events in time order: totals, by lock, by site, and waits on
 * conditions apart. Durations are in ticks. One thread at a time. Memory grows
 * with sites, locks and (thread, lock) pairs.
 *
 * An uncontended acquisition makes no event: LOCKSUM events count all of them per thread and lock,
 * and the LOCK event of the thread's first names the site they belong to. Behind a LOCKSUM the
 * thread's next use of the lock is a first one again. A LOCKSUM can stand for threads that ended
 * before; where its own thread was not first, the latest thread's that was has them.
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
	uint64_t elsewhere;   /* acquisitions counted at both that site and another */
	struct lock_figures f;
};

struct lock_site {
	uint32_t lock; /* index of the lock met first */
	bool more_locks;
	bool used;
	struct lock_figures f;
};

/* A thread that has been first on a lock, until a LOCKSUM tells of its acquisitions. */
struct lock_pair {
	uint32_t lock;
	uint32_t first_site; /* where it was first; SITE_NONE = there is no pair */
	uint64_t elsewhere;  /* acquisitions since that other sites have, too */
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

/*
 * For figures that come from elsewhere: a lock, a site, a pair and a site of conditions, made where
 * they are new. KEYMAP_NONE, SITE_NONE or NULL = no memory.
 */
uint32_t lock_model_lock(struct lock_model *m, uint64_t address, unsigned call);
uint32_t lock_model_site(struct lock_model *m, uint32_t stack, uint32_t thread, uint32_t lock);
struct lock_pair *lock_model_pair(struct lock_model *m, uint32_t thread, uint32_t lock);
struct condition_site *lock_model_condition(struct lock_model *m, uint32_t stack, uint32_t thread);

/* Takes one event, of whatever kind. Returns 0 or -ENOMEM. */
int lock_model_event(struct lock_model *m, const struct event *e);

/* After the last event: settles what LOCKSUMs of other threads stood for. */
void lock_model_finish(struct lock_model *m);

/* "mutex", "condition", ...: what a lock call works on. */
const char *lock_kind(unsigned call);

#endif
