/* SPDX-License-Identifier: MIT */
/*
 * How many threads there are over time, and how many of them wait: in slots of equal length over
 * the part of the run whose events are known. One thread at a time.
 */
#ifndef LARIAT_CONCURRENCY_H
#define LARIAT_CONCURRENCY_H

#include <stdint.h>

#include "thread_model.h"
#include "trace.h"

#define CONCURRENCY_SLOTS 64

struct concurrency {
	uint64_t from_ns, slot_ns;
	uint64_t waiting_ns[CONCURRENCY_SLOTS]; /* of all threads, in calls that wait */
};

void concurrency_init(struct concurrency *c, uint64_t from_ns, uint64_t until_ns);

/* Takes one event, of whatever kind. */
void concurrency_event(struct concurrency *c, const struct trace *trace, const struct event *e);

/* After the last event: the time that threads lived in each slot, and no wait is longer. */
void concurrency_finish(struct concurrency *c, const struct trace *trace,
			const struct thread_model *m, uint64_t alive_ns[CONCURRENCY_SLOTS]);

#endif
