/* SPDX-License-Identifier: MIT */
/* Events to the models; see intake.h. */
#include "intake.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PROGRESS_EVENTS 262144 /* between two looks at the clock */
#define PROGRESS_NS	1000000000ull
#define MANY_EVENTS	200000 /* of a trace: reading takes as long as opening symbols */
#define OWN_EVENTS	64     /* made at a time where there is no batch */

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void progress(struct analysis *a)
{
	uint64_t now = clock_ns(), all = a->facts->events_kept;

	a->progress_next = a->events + PROGRESS_EVENTS;
	if (now < a->progress_at_ns)
		return;
	a->progress_at_ns = now + PROGRESS_NS / 5;
	a->progress_shown = true;
	fprintf(a->context->err, "\rlariat: reading %s: %u %%\033[K", a->facts->path,
		all ? (unsigned)(a->events < all ? a->events * 100 / all : 100) : 0);
	fflush(a->context->err);
}

static void progress_end(struct analysis *a)
{
	if (a->progress_shown)
		fputs("\r\033[K", a->context->err);
}

/* From the beginning of a batch on. */
static void batch_begin(struct analysis *a)
{
	a->batch = heap_feed_batch(a->feed);
	a->place = &a->batch->event[0];
	a->place_end = a->place + heap_feed_room(a->feed);
}

static int heap_hand_over(struct analysis *a, bool drain)
{
	int err;

	a->batch->count = (uint32_t)(a->place - a->batch->event);
	err = drain ? heap_feed_drain(a->feed) : heap_feed_hand_over(a->feed);
	batch_begin(a);
	return err;
}

/* All but the heap's; *heap: is the event for that, too? */
static int to_models(struct analysis *a, const struct event *e, bool *heap)
{
	int err = 0;

	if (a->threads) {
		err = thread_model_event(a->threads, e);
		concurrency_event(&a->concurrency, a->trace, e);
	}
	if (a->cpu && !err)
		err = cpu_model_event(a->cpu, e);
	if (err)
		return err;
	if (a->heap &&
	    ((e->kind >= LAR_EV_ALLOC && e->kind <= LAR_EV_MAP) || e->kind == LAR_EV_TICK)) {
		*heap = true;
		return 0;
	}
	if (e->kind == LAR_EV_IO) {
		if (a->io)
			err = io_model_event(a->io, e);
		if (!err && a->locks)
			err = lock_model_event(a->locks, e);
		/* its rate stands on the timeline */
		*heap = a->heap && a->heap->line;
		return err;
	}
	if (a->io && (e->kind == LAR_EV_LOCK ||
		      (e->kind >= LAR_EV_THREAD_START && e->kind <= LAR_EV_THREAD_JOIN)))
		err = io_model_event(a->io, e);
	if (err)
		return err;
	return a->locks ? lock_model_event(a->locks, e) : 0;
}

/* Of what was before, only idle threads' last events are left: no history to see a trend in. */
static int restart_line(struct analysis *a)
{
	struct event e;
	int err;

	if (!a->facts->events_overwritten || !a->heap || !a->heap->line ||
	    a->dense_ns <= a->heap->since_ns)
		return 0;
	/* the event in hand is not in the batch yet, and the place stays its own */
	e = *a->place;
	err = heap_hand_over(a, true);
	*a->place = e;
	if (!err)
		heap_model_start_line(a->heap, a->dense_ns);
	return err;
}

/* What is done at few events only: sets the number of the next one. */
static int look_up(struct analysis *a)
{
	uint64_t dense = a->facts->events_kept / 100, n = a->events;
	int err = 0;

	if (!n)
		a->first_ns = a->place->time_ns;
	if (n == dense) {
		a->dense_ns = a->place->time_ns;
		if (!a->following && a->facts->events_kept >= MANY_EVENTS)
			frames_expect(a->frames);
		err = restart_line(a);
	}
	if (n + 1 >= a->progress_next)
		progress(a);
	a->look_at = a->progress_next - 1;
	if (n < dense && dense < a->look_at)
		a->look_at = dense;
	return err;
}

static int take_other(struct analysis *a, struct event *e, bool *heap)
{
	/* sums of locks are of the whole run, whatever the window */
	if (e->time_ns > a->context->until_ns && e->kind != LAR_EV_LOCKSUM &&
	    e->kind != LAR_EV_LOCKHOLDS)
		return 0;
	/* the growth model wants them in nanoseconds */
	if (e->kind == LAR_EV_MAP)
		e->field[1] = trace_span_ns(a->trace, e->field[1]);
	return to_models(a, e, heap);
}

/* Up to the event that wants a look; that one comes alone. */
static uint32_t room(void *arg)
{
	const struct analysis *a = arg;
	uint64_t left = a->look_at - a->events, most = OWN_EVENTS;

	if (a->events >= a->look_at)
		return 1;
	if (a->feed)
		most = (uint64_t)(a->place_end - a->place);
	return (uint32_t)(most < left ? most : left);
}

/* Takes the calls of the heap from e on that are nothing to other models than the threads'. */
static inline const struct event *take_heap_run(struct analysis *a, const struct event *e,
						const struct event *end)
{
	if (!a->plain)
		return e;
	if (a->threads)
		return thread_model_heap_run(a->threads, e, end);
	while (e < end && thread_event_is_heap(e))
		e++;
	return e;
}

/* The heap's events stay where they are, or move up to those before them. */
static int take_events(void *arg, uint32_t count)
{
	struct analysis *a = arg;
	struct event *e, *end, *to;
	int err = 0;

	if (a->events >= a->look_at)
		err = look_up(a);
	a->events += count;
	e = to = a->place;
	for (end = e + count; e < end && !err; e++) {
		/* nearly all of most traces */
		size_t run = (size_t)(take_heap_run(a, e, end) - e);
		bool heap = false;

		if (to != e && run)
			memmove(to, e, run * sizeof(*e));
		to += run;
		e += run;
		if (e == end)
			break;
		err = take_other(a, e, &heap);
		if (!heap)
			continue;
		if (to != e)
			*to = *e;
		to++;
	}
	a->place = to;
	return a->feed && to == a->place_end && !err ? heap_hand_over(a, false) : err;
}

static int take_event(void *arg, const struct event *at_place)
{
	(void)at_place;
	return take_events(arg, 1);
}

/* Sites by the look of a stack need the trace, which is still being read. */
static int feed_start(struct analysis *a)
{
	a->look_at = a->events;
	a->plain = a->heap && !a->cpu && a->context->until_ns == UINT64_MAX;
	if (a->heap) {
		a->feed = heap_feed_start(a->heap, a->growth, a->heap->sites.rule.group != NULL,
					  &a->spare);
		if (!a->feed)
			return -ENOMEM;
	}
	if (a->feed)
		batch_begin(a);
	else
		a->place = a->own = calloc(OWN_EVENTS, sizeof(*a->own));
	return a->place ? 0 : -ENOMEM;
}

void intake_init(struct analysis *a)
{
	a->progress_next = a->context->progress ? PROGRESS_EVENTS : UINT64_MAX;
	a->progress_at_ns = clock_ns() + PROGRESS_NS;
}

int intake_run(struct analysis *a, const struct trace_taker *rest)
{
	struct trace_taker to = { take_event, a, &a->place, room, take_events, NULL };
	bool ordered = true;
	int err;

	sparetime_init(&a->spare);
	err = feed_start(a);
	if (a->feed && heap_feed_is_threaded(a->feed))
		to.spare = &a->spare;
	if (!err && rest)
		err = trace_follow(a->trace, &to, rest);
	else if (!err)
		err = trace_events_to(a->trace, ordered, &to);
	if (!err && a->heap)
		err = heap_hand_over(a, true);
	free(a->own);
	a->own = NULL;
	heap_feed_stop(a->feed);
	a->feed = NULL;
	sparetime_fini(&a->spare);
	progress_end(a);
	return err;
}
