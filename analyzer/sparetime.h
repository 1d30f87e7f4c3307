/* SPDX-License-Identifier: MIT */
/*
 * What a thread does rather than wait for another: work that somebody offers, piece by piece. So as
 * many threads as there are processors have something to do, and none has to be woken for it. Any
 * thread.
 */
#ifndef LARIAT_SPARETIME_H
#define LARIAT_SPARETIME_H

#include <pthread.h>
#include <stdbool.h>

/* The lock guards the rest. */
struct sparetime {
	pthread_mutex_t lock;
	pthread_cond_t done;
	bool (*piece)(void *arg); /* NULL = nothing is offered */
	void *arg;
	unsigned doing; /* threads that are at a piece */
};

void sparetime_init(struct sparetime *s);
void sparetime_fini(struct sparetime *s);

/* From now on: piece() does a piece of the work, in any thread and in several at once, and returns
 * whether there was one. One offer at a time. */
void sparetime_offer(struct sparetime *s, bool (*piece)(void *arg), void *arg);

/* Returns when no thread is at a piece any more. */
void sparetime_withdraw(struct sparetime *s);

/* Does a piece; false when there is none. s may be NULL. */
bool sparetime_use(struct sparetime *s);

#endif
