/* SPDX-License-Identifier: MIT */
/* Events on their way to the heap model; see heap_feed.h. */
#include "heap_feed.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "processors.h"

#define BATCHES 64 /* about as long as the decoding of a block takes */

/* The lock guards handed, taken, err and stop. Batch n is in place n % BATCHES. */
struct heap_feed {
	struct heap_model *heap;
	struct growth_model *growth;
	struct sparetime *spare;
	bool alone, threaded;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work, room;
	uint64_t handed, taken; /* batches; the caller fills batch `handed` */
	int err;
	bool stop;
	struct heap_feed_batch batch[]; /* BATCHES, or one without a thread */
};

static int take_batch(struct heap_feed *f, const struct heap_feed_batch *b)
{
	const struct event *e = b->event, *end = e + b->count;
	int err = 0;

	heap_model_fetch(f->heap, e, b->count > HEAP_AHEAD ? e + HEAP_AHEAD : end);
	while (e < end && !err) {
		e = heap_model_events(f->heap, e, end, &err);
		if (!err && e[-1].kind == LAR_EV_MAP && f->growth)
			err = growth_model_event(f->growth, &e[-1]);
	}
	return err;
}

/* Under the lock, which it leaves for a piece of other work; false when there is none. */
static bool use_time(struct heap_feed *f)
{
	bool did;

	pthread_mutex_unlock(&f->lock);
	did = sparetime_use(f->spare);
	pthread_mutex_lock(&f->lock);
	return did;
}

static void *work(void *arg)
{
	struct heap_feed *f = arg;
	int err;

	pthread_mutex_lock(&f->lock);
	while (!f->stop) {
		if (f->taken == f->handed) {
			if (!use_time(f) && f->taken == f->handed && !f->stop)
				pthread_cond_wait(&f->work, &f->lock);
			continue;
		}
		pthread_mutex_unlock(&f->lock);
		err = f->err ? 0 : take_batch(f, &f->batch[f->taken % BATCHES]);
		pthread_mutex_lock(&f->lock);
		if (err)
			f->err = err;
		f->taken++;
		/* the caller waits for half the places, so that it seldom has to */
		if (f->handed - f->taken <= BATCHES / 2)
			pthread_cond_signal(&f->room);
	}
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

struct heap_feed *heap_feed_start(struct heap_model *heap, struct growth_model *growth, bool alone,
				  struct sparetime *spare)
{
	struct heap_feed *f = NULL;

	alone = alone || !processors_several();
	if (!alone)
		f = malloc(sizeof(*f) + BATCHES * sizeof(*f->batch));
	if (!f) { /* also where there is little memory */
		alone = true;
		f = malloc(sizeof(*f) + sizeof(*f->batch));
	}
	if (!f)
		return NULL;
	f->heap = heap;
	f->growth = growth;
	f->spare = spare;
	f->alone = alone;
	f->threaded = false;
	f->handed = f->taken = 0;
	f->err = 0;
	f->stop = false;
	f->batch[0].count = 0;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->work, NULL);
	pthread_cond_init(&f->room, NULL);
	return f;
}

bool heap_feed_is_threaded(const struct heap_feed *f)
{
	return !f->alone;
}

struct heap_feed_batch *heap_feed_batch(struct heap_feed *f)
{
	return &f->batch[f->threaded ? f->handed % BATCHES : 0];
}

uint32_t heap_feed_room(const struct heap_feed *f)
{
	/* what stays with one processor is to stay in its nearest cache */
	return f->alone ? HEAP_FEED_BATCH / 8 : HEAP_FEED_BATCH;
}

/* Under the lock: until at most `most` batches are left to take. */
static void wait_for(struct heap_feed *f, uint64_t most)
{
	while (f->handed - f->taken > most)
		if (!use_time(f) && f->handed - f->taken > most)
			pthread_cond_wait(&f->room, &f->lock);
}

int heap_feed_hand_over(struct heap_feed *f)
{
	int err;

	if (!f->threaded && !f->alone && f->batch[0].count == HEAP_FEED_BATCH) {
		/* not for a short trace */
		f->threaded = !pthread_create(&f->thread, NULL, work, f);
		f->alone = !f->threaded;
	}
	if (!f->threaded) {
		if (!f->err)
			f->err = take_batch(f, &f->batch[0]);
		f->batch[0].count = 0;
		return f->err;
	}
	pthread_mutex_lock(&f->lock);
	f->handed++;
	/* the thread, once it sleeps, is woken for several batches */
	if (f->handed - f->taken >= BATCHES / 2)
		pthread_cond_signal(&f->work);
	if (f->handed - f->taken == BATCHES)
		wait_for(f, BATCHES / 2);
	err = f->err;
	pthread_mutex_unlock(&f->lock);
	f->batch[f->handed % BATCHES].count = 0;
	return err;
}

int heap_feed_drain(struct heap_feed *f)
{
	int err = heap_feed_hand_over(f);

	if (!f->threaded)
		return err;
	pthread_mutex_lock(&f->lock);
	pthread_cond_signal(&f->work);
	wait_for(f, 0);
	err = f->err;
	pthread_mutex_unlock(&f->lock);
	return err;
}

void heap_feed_stop(struct heap_feed *f)
{
	if (!f)
		return;
	if (f->threaded) {
		pthread_mutex_lock(&f->lock);
		f->stop = true;
		pthread_cond_signal(&f->work);
		pthread_mutex_unlock(&f->lock);
		pthread_join(f->thread, NULL);
	}
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->work);
	pthread_cond_destroy(&f->room);
	free(f);
}
