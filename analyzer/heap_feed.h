/* SPDX-License-Identifier: MIT */
/*
 * Takes events to the heap model and those that look on at it: in batches, so that the memory that
 * an event needs is fetched while those before it are worked on, and on a thread of their own where
 * there are processors for it. The models see the same events in the same order either way.
 *
 * The caller is one thread. While batches are handed over, the models are not the
 * caller's to look at, until heap_feed_drain() or heap_feed_stop().
 */
#ifndef LARIAT_HEAP_FEED_H
#define LARIAT_HEAP_FEED_H

#include "growth_model.h"
#include "heap_model.h"
#include "sparetime.h"

#define HEAP_FEED_BATCH 1024 /* events */

struct heap_feed_batch {
	uint32_t count;
	struct event event[HEAP_FEED_BATCH];
};

struct heap_feed;

/*
 * `growth` may be NULL. With `alone` no thread is started: for models whose sites are found with
 * the trace's help. Where the caller or the thread would wait for the other, it uses its time for
 * what `spare` offers. NULL = no memory.
 */
struct heap_feed *heap_feed_start(struct heap_model *heap, struct growth_model *growth, bool alone,
				  struct sparetime *spare);

/* Is there going to be a thread, as far as is known? */
bool heap_feed_is_threaded(const struct heap_feed *f);

/* The batch that is being filled: another one after each call of the next two. */
struct heap_feed_batch *heap_feed_batch(struct heap_feed *f);

/* How many events it takes. */
uint32_t heap_feed_room(const struct heap_feed *f);

/* Hands the batch over, full or not; returns 0 or -ENOMEM, which may be an earlier batch's. */
int heap_feed_hand_over(struct heap_feed *f);

/* Returns when the models have taken all events: 0 or -ENOMEM. */
int heap_feed_drain(struct heap_feed *f);

/* Ends the thread; what it has not taken is dropped. NULL is allowed. */
void heap_feed_stop(struct heap_feed *f);

#endif
