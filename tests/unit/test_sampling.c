/* SPDX-License-Identifier: MIT */
/* Weights of sampled allocations, and the heap and thread models on events that have them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../analyzer/heap_model.h"
#include "../../analyzer/thread_model.h"

#define PERIOD 65536

static struct heap_model m;
static struct thread_model threads;

static void give(const struct event *e)
{
	assert_int_equal(heap_model_event(&m, e), 0);
	assert_int_equal(thread_model_event(&threads, e), 0);
}

static void alloc(uint64_t time, uint32_t stack, uint64_t address, uint64_t size)
{
	struct event e = { .kind = LAR_EV_ALLOC,
			   .call = LAR_CALL_malloc,
			   .thread = 1,
			   .stack = stack,
			   .ticks = time,
			   .time_ns = time,
			   .field = { time, address, size } };

	give(&e);
}

static void release(uint64_t time, uint64_t address)
{
	struct event e = { .kind = LAR_EV_FREE,
			   .call = LAR_CALL_free,
			   .thread = 1,
			   .ticks = time,
			   .time_ns = time,
			   .field = { time, address } };

	give(&e);
}

static void resize(uint64_t time, uint32_t stack, uint64_t old, uint64_t address, uint64_t size)
{
	struct event e = { .kind = LAR_EV_REALLOC,
			   .call = LAR_CALL_realloc,
			   .thread = 1,
			   .stack = stack,
			   .ticks = time,
			   .time_ns = time,
			   .field = { time, 0, old, address, size } };

	give(&e);
}

static void start(uint64_t period)
{
	heap_model_init(&m, NULL, 0);
	thread_model_init(&threads, 0);
	m.sampling.period = threads.sampling.period = period;
}

static void finish(void)
{
	heap_model_finish(&m);
	thread_model_finish(&threads);
}

static int teardown(void **state)
{
	(void)state;
	heap_model_fini(&m);
	thread_model_fini(&threads);
	return 0;
}

static double stands_for(double size)
{
	return 1 / (1 - exp(-size / PERIOD));
}

/* Within the rounding of a whole number and of `events` fixed-point ones. */
static void near(uint64_t got, double expected, double events)
{
	assert_true(fabs((double)got - expected) <= 0.5 + events / SAMPLING_ONE);
}

static const struct heap_site *site_of(uint32_t stack)
{
	return &m.site[sites_number(&m.sites, stack, 1)];
}

static void weights(void **state)
{
	const struct sampling none = { 0 }, some = { PERIOD };
	struct lar_weight w = sampling_weigh(&none, UINT64_MAX);

	(void)state;
	assert_int_equal(w.blocks, 1);
	assert_true(w.bytes == UINT64_MAX);
	w = sampling_weigh(&some, 100);
	near(w.blocks, stands_for(100) * SAMPLING_ONE, 0);
	near(w.bytes, stands_for(100) * 100 * SAMPLING_ONE, 0);
	/* always recorded, as near as makes no difference */
	w = sampling_weigh(&some, 100 << 20);
	assert_int_equal(w.blocks, SAMPLING_ONE);
	assert_int_equal(w.bytes, (uint64_t)(100 << 20) * SAMPLING_ONE);
	w = sampling_weigh(&some, 0);
	assert_int_equal(w.blocks, SAMPLING_ONE);
	assert_int_equal(w.bytes, 0);
	/* no size and no period overflows */
	w = sampling_weigh(&some, UINT64_MAX);
	assert_true(w.bytes <= 1ull << 60);
	w = sampling_weigh(&(struct sampling){ UINT64_MAX }, 1);
	assert_true(w.blocks <= 1ull << 60 && w.blocks);
}

static void estimates(void **state)
{
	double small = stands_for(100), middle = stands_for(10240);

	(void)state;
	start(PERIOD);
	for (uint64_t i = 0; i < 10; i++)
		alloc(i, 1, 0x1000 + i * 0x1000, 100);
	for (uint64_t i = 0; i < 4; i++)
		alloc(10 + i, 2, 0x100000 + i * 0x10000, 10240);
	for (uint64_t i = 0; i < 7; i++)
		release(20 + i, 0x1000 + i * 0x1000);
	release(30, 0x100000);
	alloc(40, 3, 0, 1 << 30); /* failed: always recorded */
	finish();
	assert_int_equal(m.total.samples, 14);
	near(m.total.allocations, 10 * small + 4 * middle, 14);
	near(m.total.allocated_bytes, 1000 * small + 40960 * middle, 14);
	near(m.total.frees, 7 * small + middle, 8);
	near(m.total.live_blocks, 3 * small + 3 * middle, 22);
	near(m.total.peak_bytes, 1000 * small + 40960 * middle, 14);
	assert_int_equal(m.total.failed, 1);
	assert_int_equal(m.total.unpaired_frees, 0);
	assert_int_equal(m.total.temporary, 0);
	near(site_of(1)->allocations, 10 * small, 10);
	near(site_of(1)->frees, 7 * small, 7);
	near(site_of(1)->live_bytes, 300 * small, 17);
	near(site_of(2)->freed_bytes, 10240 * middle, 1);
	near(site_of(2)->at_peak_bytes, 40960 * middle, 4);
	near(site_of(2)->peak_bytes, 40960 * middle, 4);
	assert_int_equal(site_of(1)->size_min, 100);
	near(threads.thread[0].allocations, 10 * small + 4 * middle, 14);
	near(threads.thread[0].allocated_bytes, 1000 * small + 40960 * middle, 14);
}

/* What a block brought its end takes away, to the last unit. */
static void nothing_left(void **state)
{
	(void)state;
	start(3);
	for (uint64_t i = 1; i <= 10000; i++)
		alloc(i, 1 + i % 3, i * 64, i % 97);
	for (uint64_t i = 1; i <= 10000; i++)
		release(10000 + i, i * 64);
	assert_int_equal(m.total.live_blocks, 0);
	assert_int_equal(m.total.live_bytes, 0);
	finish();
	assert_int_equal(m.total.allocations, m.total.frees);
	assert_int_equal(m.total.allocated_bytes, m.total.freed_bytes);
	assert_int_equal(site_of(2)->live_bytes, 0);
}

static void reallocations(void **state)
{
	double half = stands_for(32768), whole = stands_for(65536);

	(void)state;
	start(PERIOD);
	alloc(1, 1, 0x1000, 32768);
	resize(2, 2, 0x1000, 0x20000, 65536); /* both recorded */
	resize(3, 2, 0, 0x40000, 65536);      /* the new one only */
	resize(4, 2, 0x20000, 0, 0);	      /* the old one only */
	finish();
	near(m.total.reallocations, half * whole, 1);
	near(m.total.allocations, half + 2 * whole, 3);
	near(m.total.frees, half + whole, 2);
	near(m.total.live_bytes, 65536 * whole, 5);
	assert_int_equal(m.total.failed, 0);
}

/* The frequent short lives of small blocks weigh more than the few recorded of them. */
static void lifetimes(void **state)
{
	(void)state;
	start(PERIOD);
	alloc(0, 1, 0x1000, 100);
	for (uint64_t i = 0; i < 20; i++)
		alloc(0, 1, 0x100000 + i * 0x100000, 1 << 20);
	release(10, 0x1000);
	for (uint64_t i = 0; i < 20; i++)
		release(1000000, 0x100000 + i * 0x100000);
	finish();
	assert_in_range(histogram_quantile(&site_of(1)->lifetime, 900), 9, 11);
	assert_in_range(histogram_quantile(&site_of(1)->lifetime, 999), 800000, 1000000);
}

static void exact(void **state)
{
	(void)state;
	start(0);
	alloc(1, 1, 0x1000, (1ull << 62) + 1);
	release(2, 0x1000);
	alloc(3, 1, 0x1000, 7);
	resize(4, 1, 0x1000, 0x2000, 9);
	finish();
	assert_int_equal(m.total.allocations, 3);
	assert_int_equal(m.total.samples, 3);
	assert_int_equal(m.total.allocated_bytes, (1ull << 62) + 17);
	assert_int_equal(m.total.reallocations, 1);
	assert_int_equal(m.total.temporary, 2);
	assert_int_equal(m.total.live_bytes, 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(weights),
		cmocka_unit_test_teardown(estimates, teardown),
		cmocka_unit_test_teardown(nothing_left, teardown),
		cmocka_unit_test_teardown(reallocations, teardown),
		cmocka_unit_test_teardown(lifetimes, teardown),
		cmocka_unit_test_teardown(exact, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
