/* SPDX-License-Identifier: MIT */
/*
 * What is usual the heap model takes in a quick way, all else in a general one. Both must count the
 * same of whatever comes: events of several threads at the same few addresses, many at one time, in
 * any order, most of which no program could do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../analyzer/churn_model.h"
#include "../../analyzer/growth_model.h"
#include "../../analyzer/sharing_model.h"

#define BRK	  0x555555559000u
#define MAPPING	  0x7ffff0000010u
#define ADDRESSES 6
#define THREADS	  3
#define STACKS	  5
#define EVENTS	  4000
#define RUNS	  200

struct way {
	struct heap_model heap;
	struct growth_model growth;
	struct churn_model churn;
	struct sharing_model sharing;
};

static struct way quick, general;
static uint64_t random_state = 88172645463325252ull;

static uint64_t random_below(uint64_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state >> 20) % n;
}

/* Whoever looks at each event has it taken in the general way. */
static void nothing(void *arg, const struct event *e)
{
	(void)arg;
	(void)e;
}

static void way_init(struct way *w)
{
	heap_model_init(&w->heap, NULL, 0);
	assert_int_equal(heap_model_start_line(&w->heap, 0), 0);
	assert_int_equal(growth_model_init(&w->growth, &w->heap), 0);
	assert_int_equal(churn_model_init(&w->churn, &w->heap), 0);
	assert_int_equal(sharing_model_init(&w->sharing, &w->heap), 0);
}

static void way_fini(struct way *w)
{
	sharing_model_fini(&w->sharing);
	growth_model_fini(&w->growth);
	churn_model_fini(&w->churn);
	heap_model_fini(&w->heap);
}

/* On pages that they share; the last may have a mapping of its own. */
static uint64_t some_address(void)
{
	uint64_t i = random_below(ADDRESSES);

	return i + 1 < ADDRESSES ? BRK + i * 3000 : MAPPING;
}

static uint64_t some_size(void)
{
	if (random_below(2))
		return 24;
	return random_below(random_below(16) ? 9000 : 400000);
}

static struct event some_event(uint64_t now, uint32_t threads)
{
	struct event e = { .thread = (uint32_t)random_below(threads) + 1,
			   .stack = (uint32_t)random_below(STACKS),
			   .ticks = now,
			   .time_ns = now };
	uint64_t address = some_address(), size = some_size();

	e.field[0] = now;
	switch (random_below(5)) {
	case 0:
		e.kind = LAR_EV_FREE;
		e.field[1] = address;
		break;
	case 1:
		e.kind = LAR_EV_ALLOC;
		e.field[1] = address;
		e.field[2] = size;
		break;
	default:
		e.kind = LAR_EV_REALLOC;
		e.field[1] = random_below(3);
		e.field[2] = address;
		e.field[3] = random_below(8) ? address : some_address();
		e.field[4] = size;
	}
	return e;
}

static void same_site(const struct heap_site *a, const struct heap_site *b)
{
	assert_int_equal(a->allocations, b->allocations);
	assert_int_equal(a->allocated_bytes, b->allocated_bytes);
	assert_int_equal(a->frees, b->frees);
	assert_int_equal(a->freed_bytes, b->freed_bytes);
	assert_int_equal(a->live_blocks, b->live_blocks);
	assert_int_equal(a->live_bytes, b->live_bytes);
	assert_int_equal(a->peak_bytes, b->peak_bytes);
	assert_int_equal(a->at_peak_bytes, b->at_peak_bytes);
	assert_int_equal(a->at_peak_blocks, b->at_peak_blocks);
	assert_int_equal(a->size_min, b->size_min);
	assert_int_equal(a->size_max, b->size_max);
	assert_int_equal(a->temporary, b->temporary);
	assert_int_equal(a->failed, b->failed);
	assert_int_equal(a->lifetime.count, b->lifetime.count);
	assert_int_equal(a->lifetime.sum, b->lifetime.sum);
	assert_int_equal(a->line.value, b->line.value);
	assert_int_equal(a->line.min, b->line.min);
	assert_int_equal(a->line.max, b->line.max);
}

static void same_churn(const struct churn_site *a, const struct churn_site *b)
{
	assert_int_equal(a->of_size, b->of_size);
	assert_memory_equal(a->hits, b->hits, sizeof(a->hits));
	assert_int_equal(a->batches, b->batches);
	assert_int_equal(a->batch_blocks, b->batch_blocks);
	assert_int_equal(a->grown, b->grown);
	assert_int_equal(a->moved, b->moved);
	assert_int_equal(a->copied_bytes, b->copied_bytes);
}

static void same_growth(const struct growth_model *a, const struct growth_model *b)
{
	assert_int_equal(growth_held_bytes(a), growth_held_bytes(b));
	assert_int_equal(a->held_peak_bytes, b->held_peak_bytes);
	assert_int_equal(a->main_pages, b->main_pages);
	assert_int_equal(a->mapped_bytes, b->mapped_bytes);
	assert_int_equal(a->unmapped_bytes, b->unmapped_bytes);
	assert_memory_equal(a->total, b->total, sizeof(a->total));
}

static void same(void)
{
	heap_model_finish(&quick.heap);
	heap_model_finish(&general.heap);
	assert_memory_equal(&quick.heap.total, &general.heap.total, sizeof(quick.heap.total));
	assert_int_equal(quick.heap.live.count, general.heap.live.count);
	assert_int_equal(quick.heap.sites.count, general.heap.sites.count);
	for (uint32_t i = 0; i < quick.heap.sites.count; i++)
		same_site(&quick.heap.site[i], &general.heap.site[i]);
	same_growth(&quick.growth, &general.growth);
	assert_int_equal(churn_model_finish(&quick.churn), 0);
	assert_int_equal(churn_model_finish(&general.churn), 0);
	for (uint32_t i = 0; i < quick.heap.sites.count; i++)
		same_churn(&quick.churn.site[i], &general.churn.site[i]);
	assert_int_equal(quick.sharing.line_count, general.sharing.line_count);
}

static void one_run(uint32_t threads, uint32_t events)
{
	uint64_t now = 1;

	way_init(&quick);
	way_init(&general);
	general.heap.look.event = nothing;
	for (uint32_t i = 0; i < events; i++) {
		struct event e = some_event(now += random_below(2), threads);

		assert_int_equal(heap_model_event(&quick.heap, &e), 0);
		assert_int_equal(heap_model_event(&general.heap, &e), 0);
	}
	same();
	way_fini(&quick);
	way_fini(&general);
}

static void one_thread(void **state)
{
	(void)state;
	one_run(1, EVENTS);
}

static void several_threads(void **state)
{
	(void)state;
	for (uint32_t run = 0; run < RUNS; run++)
		one_run(THREADS, 1 + run * (EVENTS / RUNS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_thread),
		cmocka_unit_test(several_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
