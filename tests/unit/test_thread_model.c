/* SPDX-License-Identifier: MIT */
/* The thread model: births, deaths, joins and what each thread did. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../analyzer/thread_model.h"

static struct thread_model m;

static void take(unsigned kind, unsigned call, uint32_t thread, uint64_t time, uint64_t f1,
		 uint64_t f2, uint64_t f3)
{
	struct event e = { .kind = (uint8_t)kind,
			   .call = (uint16_t)call,
			   .thread = thread,
			   .tid = 1000 + thread,
			   .stack = 42,
			   .ticks = time,
			   .time_ns = time };

	e.field[0] = time;
	e.field[1] = f1;
	e.field[2] = f2;
	e.field[3] = f3;
	assert_int_equal(thread_model_event(&m, &e), 0);
}

static void create(uint32_t by, uint64_t time, uint32_t number, int result)
{
	take(LAR_EV_THREAD_CREATE, LAR_CALL_pthread_create, by, time, 5, number, (uint64_t)result);
}

static void create_detached(uint32_t by, uint64_t time, uint32_t number)
{
	struct event e = { .kind = LAR_EV_THREAD_CREATE,
			   .flags = LAR_THREAD_DETACHED,
			   .thread = by,
			   .ticks = time,
			   .time_ns = time };

	e.field[2] = number;
	assert_int_equal(thread_model_event(&m, &e), 0);
}

static void start(uint32_t number, uint64_t time)
{
	take(LAR_EV_THREAD_START, LAR_CALL_none, number, time, number, 0, 0);
}

static void end(uint32_t number, uint64_t time, uint64_t cpu)
{
	take(LAR_EV_THREAD_END, LAR_CALL_none, number, time, number, cpu, 0);
}

static int setup(void **state)
{
	(void)state;
	thread_model_init(&m, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	thread_model_fini(&m);
	return 0;
}

static const struct thread_figures *thread(uint32_t number)
{
	return &m.thread[keymap_find(&m.map, number)];
}

static void life(void **state)
{
	(void)state;
	create(1, 10, 2, 0);
	start(2, 12);
	create(1, 20, 3, 0);
	start(3, 22);
	create(1, 25, 0, EAGAIN);
	end(2, 30, 7);
	create(1, 40, 4, 0);
	start(4, 42);
	end(3, 50, 8);
	take(LAR_EV_THREAD_JOIN, LAR_CALL_pthread_join, 1, 60, 5, 2, 0);
	take(LAR_EV_THREAD_JOIN, LAR_CALL_pthread_detach, 1, 61, 5, 4, 0);
	take(LAR_EV_THREAD_JOIN, LAR_CALL_pthread_join, 1, 62, 5, 3, EINVAL);
	create_detached(1, 70, 5);
	assert_int_equal(m.created, 4);
	assert_int_equal(m.create_failures, 1);
	assert_int_equal(m.peak, 3); /* the first thread, 2 and 3; later 1, 3 and 4 */
	assert_int_equal(m.peak_at_ticks, 22);
	assert_int_equal(thread_model_unjoined(&m), 1); /* 3 */
	assert_int_equal(thread(2)->start_ticks, 12);
	assert_int_equal(thread(2)->end_ticks, 30);
	assert_int_equal(thread(2)->cpu_ns, 7);
	assert_int_equal(thread(2)->creator, 1);
	assert_int_equal(thread(2)->stack, 42);
	assert_true(thread(2)->joined);
	assert_true(thread(4)->detached);
	assert_false(thread(4)->ended);
}

/* The new thread can start before its creator's call has returned and been recorded. */
static void start_before_create(void **state)
{
	(void)state;
	take(LAR_EV_FREE, LAR_CALL_free, 1, 5, 0x10, 0, 0);
	start(2, 10);
	end(2, 11, 1);
	create(1, 12, 2, 0);
	assert_int_equal(m.created, 1);
	assert_int_equal(m.peak, 2);
	assert_int_equal(thread(2)->creator, 1);
	assert_int_equal(thread(2)->end_ticks, 11);
	assert_int_equal(m.running, 1);
}

static void work(void **state)
{
	(void)state;
	take(LAR_EV_ALLOC, LAR_CALL_malloc, 1, 1, 0x10, 100, 0);
	take(LAR_EV_ALLOC, LAR_CALL_malloc, 1, 2, 0, 100, 0); /* failed */
	take(LAR_EV_IO, LAR_CALL_read, 1, 3, 50, 0, 30);
	take(LAR_EV_IO, LAR_CALL_read, 1, 4, 50, 0, (uint64_t)-5);
	take(LAR_EV_IO, LAR_CALL_open, 1, 5, 50, 0, 3);
	take(LAR_EV_LOCK, LAR_CALL_pthread_cond_wait, 1, 6, 1000, 0, 0);
	assert_int_equal(thread(1)->allocations, 1);
	assert_int_equal(thread(1)->allocated_bytes, 100);
	assert_int_equal(thread(1)->io_calls, 3);
	assert_int_equal(thread(1)->io_bytes, 30);
	assert_int_equal(thread(1)->io_ticks, 150);
	assert_int_equal(thread(1)->lock_wait_ticks, 0);
	assert_int_equal(thread(1)->tid, 1001);
	assert_int_equal(thread(1)->end_ticks, 6);
}

/* Numbers of a damaged trace: huge, and out of order. */
static void strange_numbers(void **state)
{
	(void)state;
	start(UINT32_MAX, 5);
	start(7, 6);
	start(1, 7);
	create(1, 8, 0, 0);
	take(LAR_EV_THREAD_END, LAR_CALL_none, 1, 9, 1ull << 40, 5, 0);
	assert_int_equal(m.map.count, 3);
	assert_int_equal(m.created, 0);
	assert_int_equal(thread(7)->start_ticks, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(life, setup, teardown),
		cmocka_unit_test_setup_teardown(start_before_create, setup, teardown),
		cmocka_unit_test_setup_teardown(work, setup, teardown),
		cmocka_unit_test_setup_teardown(strange_numbers, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
