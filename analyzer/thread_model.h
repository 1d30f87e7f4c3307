/* SPDX-License-Identifier: MIT */
/*
 * The life and work of each thread, from a stream of events in time order. Times and durations are
 * in ticks. One thread at a time. Memory grows with the threads recorded.
 */
#ifndef LARIAT_THREAD_MODEL_H
#define LARIAT_THREAD_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "../preload/format/idle.h"
#include "../preload/format/recent.h"
#include "keymap.h"
#include "sampling.h"
#include "trace.h"

struct thread_figures {
	uint32_t number, tid, creator;
	uint64_t number_order; /* UINT64_MAX - number: the key of a list by number */
	uint32_t stack;	       /* of its creation, 0 = unknown */
	bool created;	       /* its pthread_create was seen */
	bool started, ended, joined, detached;
	uint64_t start_ticks, end_ticks; /* end: of the thread or, while it runs, its last event */
	uint64_t cpu_ns;
	uint64_t allocations, allocated_bytes;
	uint64_t io_calls, io_bytes, io_ticks;
	uint64_t lock_waits, lock_wait_ticks;
	uint64_t idle_ticks; /* waits for conditions and the like, for descriptors, other threads */
	uint64_t stack_bytes, stack_used; /* 0 = not known: it runs, or is the first */
	uint64_t cpu_before_ns;		  /* CPU time that the record does not have */
	/* where CPU time is sampled: samples, periods without one, samples in the recorder */
	uint64_t samples, missed, in_recorder;
	uint64_t in_locks, in_io, in_idle; /* samples in calls that count as such */
	struct lar_recent recent;
	struct lar_idle idle; /* where it waits without work, when that is over */
	uint64_t wait_ticks;  /* a wait began then, 0 = it is over; in the end: it never was */
	bool wait_idle;	      /* ... without work, else for a lock */
	bool wait_io;	      /* ... in a call of I/O that is not over */
};

struct thread_model {
	struct sampling sampling; /* set it after thread_model_init(), before the first event */
	uint64_t created, create_failures;
	uint64_t running, peak, peak_at_ticks;
	struct keymap map; /* number -> index */
	struct thread_figures *thread;
	/* threads of a checkpoint that had no room to tell them apart: those below a number that
	 * are not in the map */
	struct thread_figures others;
	uint64_t gone, gone_unjoined; /* how many, and of them: neither joined nor detached */
	uint32_t gone_below;
	uint64_t last_ticks; /* of all events, or when the process ended */
	uint32_t size;
	uint64_t since_ns;
	struct thread_figures *plain; /* as of thread_model_plain(); NULL = none */
};

/* Work before since_ns is left out, births and deaths are not. */
void thread_model_init(struct thread_model *m, uint64_t since_ns);
void thread_model_fini(struct thread_model *m);

/* For figures that come from elsewhere: a thread, made where it is new. NULL = no memory. */
struct thread_figures *thread_model_thread(struct thread_model *m, uint32_t number);

/* Takes one event, of whatever kind. Returns 0 or -ENOMEM. */
int thread_model_event(struct thread_model *m, const struct event *e);

/* The slow path of the next one: the thread if it is at work and all is recorded, else NULL. */
struct thread_figures *thread_model_plain(struct thread_model *m, uint32_t number);

static inline bool thread_event_is_heap(const struct event *e)
{
	const uint32_t kinds = 1u << LAR_EV_ALLOC | 1u << LAR_EV_FREE | 1u << LAR_EV_REALLOC;

	return kinds >> e->kind & 1;
}
_Static_assert(LAR_EV_MAX <= 32, "a kind is a bit");

/*
 * Takes the calls of the heap from e on, up to `end`, another thread's or another kind of event;
 * returns where it stopped. Where that is at e, thread_model_event() has to take it. Without
 * branches on what call it is, as that cannot be foreseen.
 */
static inline const struct event *
thread_model_heap_run(struct thread_model *m, const struct event *e, const struct event *end)
{
	uint64_t allocations = 0, bytes = 0, latest = 0, since_ns = m->since_ns;
	struct thread_figures *t = m->plain;
	const struct event *p = e;

	if (!t || t->number != e->thread) {
		t = thread_model_plain(m, e->thread);
		if (!t)
			return e;
	}
	for (uint32_t number = t->number;
	     p < end && thread_event_is_heap(p) && p->thread == number && p->time_ns >= since_ns;
	     p++) {
		const uint64_t *block = &p->field[p->kind == LAR_EV_REALLOC ? 3 : 1];
		uint64_t made = (uint64_t)(p->kind != LAR_EV_FREE) & (uint64_t)(block[0] != 0);

		allocations += made;
		bytes += -made & block[1];
		latest = p->ticks > latest ? p->ticks : latest;
	}
	if (p == e)
		return e;
	if (latest > m->last_ticks)
		m->last_ticks = latest;
	if (latest > t->end_ticks)
		t->end_ticks = latest;
	t->tid = p[-1].tid;
	t->allocations += allocations;
	t->allocated_bytes += bytes;
	lar_recent_forget(&t->recent);
	return p;
}

/* Threads that were created at one place. */
struct thread_pool {
	uint32_t stack;
	uint64_t threads, ended, brief; /* brief: of the ended, those that lived less than 10 ms */
	uint64_t life_ticks, idle_ticks, lock_wait_ticks, io_ticks, cpu_ns;
	uint64_t busy_ticks;  /* life without the three */
	struct lar_idle idle; /* where they wait for work; when that is over */
	uint64_t stack_used;  /* the most of one */
};

#define THREAD_BRIEF_NS 10000000u

/*
 * Pools of at least two threads, in the order of their first: for free(). brief_ticks: what
 * THREAD_BRIEF_NS is. NULL and *count 0 where there is none, or no memory.
 */
struct thread_pool *thread_model_pools(const struct thread_model *m, uint64_t brief_ticks,
				       uint32_t *count);

/* After the last event: rounds estimates; threads that run, and their waits, last until then. */
void thread_model_finish(struct thread_model *m);

/* Created, and neither joined nor detached. */
uint64_t thread_model_unjoined(const struct thread_model *m);

#endif
