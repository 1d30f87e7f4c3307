/* SPDX-License-Identifier: MIT */
/* The I/O model and the union of intervals. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../analyzer/io_model.h"

static struct io_model m;

static void call(unsigned number, uint32_t thread, uint64_t start, uint64_t took, uint32_t target,
		 int64_t result, uint64_t asked)
{
	struct event e = { .kind = LAR_EV_IO,
			   .call = (uint16_t)number,
			   .thread = thread,
			   .stack = number,
			   .ticks = start + took,
			   .time_ns = start + took };

	e.field[0] = start + took;
	e.field[1] = took;
	e.field[2] = lar_fd_target(3, target);
	e.field[3] = (uint64_t)result;
	e.field[4] = asked;
	assert_int_equal(io_model_event(&m, &e), 0);
}

static int setup(void **state)
{
	(void)state;
	return io_model_init(&m, NULL, 0, 3);
}

static int teardown(void **state)
{
	(void)state;
	io_model_fini(&m);
	return 0;
}

static void totals(void **state)
{
	const struct io_figures *r = &m.total[IO_READ], *w = &m.total[IO_WRITE];

	(void)state;
	call(LAR_CALL_read, 1, 0, 10, 1, 100, 100);
	call(LAR_CALL_pread64, 1, 20, 10, 1, 40, 100); /* short */
	call(LAR_CALL_read, 1, 40, 10, 1, 0, 100);     /* end of file: neither short nor failed */
	call(LAR_CALL_read, 1, 60, 10, 1, -EAGAIN, 100);
	call(LAR_CALL_write, 1, 80, 5, 2, 7, 7);
	call(LAR_CALL_openat, 1, 90, 5, 3, -ENOENT, 0);
	call(LAR_CALL_fsync, 1, 100, 50, 2, 0, 0);
	assert_int_equal(r->calls, 4);
	assert_int_equal(r->bytes, 140);
	assert_int_equal(r->errors, 1);
	assert_int_equal(r->short_calls, 1);
	assert_int_equal(r->latency.sum, 40);
	assert_int_equal(w->calls, 1);
	assert_int_equal(w->bytes, 7);
	assert_int_equal(m.total[IO_OPEN].errors, 1);
	assert_int_equal(m.total[IO_OPEN].bytes, 0);
	assert_int_equal(m.total[IO_SYNC].calls, 1);
	assert_int_equal(m.total[IO_SYNC].bytes, 0);
	assert_int_equal(m.error_map.count, 2);
	assert_int_equal(m.error[0].number, EAGAIN);
	assert_int_equal(m.error[0].op, IO_READ);
	assert_int_equal(m.error[1].number, ENOENT);
}

static void targets_and_sites(void **state)
{
	(void)state;
	call(LAR_CALL_read, 1, 0, 10, 1, 100, 100);
	call(LAR_CALL_write, 1, 20, 10, 1, 30, 30);
	call(LAR_CALL_read, 1, 40, 10, 2, 5, 5);
	call(LAR_CALL_close, 1, 60, 1, 2, 0, 0);
	assert_int_equal(m.target_map.count, 2);
	assert_int_equal(m.target[0].id, 1);
	assert_int_equal(m.target[0].op[IO_TARGET_READ].bytes, 100);
	assert_int_equal(m.target[0].op[IO_TARGET_WRITE].bytes, 30);
	assert_int_equal(m.target[0].bytes, 130);
	assert_int_equal(m.target[1].op[IO_TARGET_OTHER].calls, 1);
	assert_int_equal(m.target[1].time_ticks, 11);
	assert_int_equal(m.sites.count, 3);
	assert_int_equal(m.site[0].read_bytes, 105);
	assert_true(m.site[0].more_targets);
	assert_false(m.site[1].more_targets);
	assert_int_equal(m.site[1].by_op[IO_WRITE], 1);
}

/* Two threads at once: the sum counts twice what the union counts once. */
static void overlap(void **state)
{
	(void)state;
	call(LAR_CALL_read, 2, 10, 10, 1, 1, 1);
	call(LAR_CALL_read, 1, 0, 30, 1, 1, 1);
	call(LAR_CALL_read, 2, 50, 10, 1, 1, 1);
	assert_int_equal(m.total[IO_READ].latency.sum, 50);
	assert_int_equal(busy_time_sum(&m.total[IO_READ].busy), 40);
}

static void slowest(void **state)
{
	static const uint64_t took[] = { 5, 90, 30, 90, 1, 70, 2, 60 };

	(void)state;
	for (size_t i = 0; i < sizeof(took) / sizeof(*took); i++)
		call(LAR_CALL_read, 1, i * 100, took[i], (uint32_t)i, 1, 1);
	io_model_finish(&m);
	assert_int_equal(m.slow_count, 3);
	assert_int_equal(m.slow[0].start_ticks, 100);
	assert_int_equal(m.slow[1].start_ticks, 300);
	assert_int_equal(m.slow[2].took_ticks, 70);
	assert_int_equal(m.slow[2].target, 5);
}

/* Calls of other threads that overlap the slow one, whether they end before it or behind it. */
static void in_flight(void **state)
{
	const struct io_beside *b;

	(void)state;
	call(LAR_CALL_write, 2, 0, 100, 1, 1, 1); /* over when the slow one begins */
	call(LAR_CALL_read, 2, 110, 40, 2, 1, 1); /* 30 of it together */
	call(LAR_CALL_read, 1, 155, 5, 2, 1, 1);  /* its own thread's */
	call(LAR_CALL_fsync, 3, 150, 50, 3, 0, 0);
	call(LAR_CALL_poll, 4, 100, 150, 4, 1, 1); /* waits are no operations */
	call(LAR_CALL_read, 1, 120, 1000, 1, 1, 1);
	call(LAR_CALL_write, 5, 1119, 11, 5, 1, 1); /* 1 together */
	call(LAR_CALL_close, 6, 1120, 30, 5, 0, 0); /* begins when it ends */
	call(LAR_CALL_pread64, 2, 300, 900, 6, 1, 1);
	io_model_finish(&m);
	assert_int_equal(m.slow[0].took_ticks, 1000);
	b = &m.overlaps.beside[m.slow[0].beside];
	assert_int_equal(b->count, 4);
	assert_false(b->at_least);
	assert_int_equal(b->top[0].call.call, LAR_CALL_pread64);
	assert_int_equal(b->top[0].ticks, 820);
	assert_int_equal(b->top[1].call.call, LAR_CALL_fsync);
	assert_int_equal(b->top[1].ticks, 50);
	assert_int_equal(b->top[2].call.thread, 2);
	assert_int_equal(b->top[2].ticks, 30);
	assert_int_equal(m.slow[1].took_ticks, 900);
	b = &m.overlaps.beside[m.slow[1].beside];
	assert_int_equal(b->count, 3); /* the slow one, write and close */
	assert_int_equal(b->top[0].ticks, 820);
}

/* Only so many are looked back at; slower ones take the place of those followed before. */
static void in_flight_at_least(void **state)
{
	const uint32_t most = IO_OVERLAP_KEPT;

	(void)state;
	for (uint32_t i = 0; i < 2 * most; i++)
		call(LAR_CALL_read, 2, 10 * i, 5, 1, 1, 1);
	call(LAR_CALL_read, 1, 0, 20 * most, 1, 1, 1);
	call(LAR_CALL_read, 1, 20 * most, 7, 1, 1, 1);
	io_model_finish(&m);
	assert_int_equal(m.overlaps.beside[m.slow[0].beside].count, most - 1);
	assert_true(m.overlaps.beside[m.slow[0].beside].at_least);
	assert_int_equal(m.slow[1].took_ticks, 7);
	assert_int_equal(m.overlaps.beside[m.slow[1].beside].count, 0);
	assert_false(m.overlaps.beside[m.slow[1].beside].at_least);
	assert_int_equal(m.overlaps.count, 3);
}

static void asked(uint32_t thread, uint64_t first, uint64_t now, int64_t bytes)
{
	call(LAR_CALL_fputs, thread, first, now - first, 1, bytes, 1);
}

/* How much is in the buffer of a stream and since when, whoever tells it and in what order. */
static void buffered(void **state)
{
	const struct io_buffered *b;

	(void)state;
	m.unflushed_ticks = 100;
	asked(1, 10, 50, 30);
	b = &m.target[0].buffered;
	assert_int_equal(b->bytes, 30);
	assert_int_equal(b->since, 10);
	call(LAR_CALL_stdio_write, 1, 150, 10, 1, 30, 30);
	assert_int_equal(b->bytes, 0);
	assert_int_equal(b->since, 0);
	assert_int_equal(b->longest, 140);
	assert_int_equal(b->times, 1);
	/* the call that makes the stream write is told behind the write */
	call(LAR_CALL_stdio_write, 1, 200, 10, 1, 20, 20);
	assert_int_equal(b->bytes, -20);
	asked(1, 199, 300, 25);
	assert_int_equal(b->bytes, 5);
	assert_int_equal(b->since, 210);
	/* what another thread asked went with that write, as far as it is older */
	asked(2, 20, 310, 8);
	assert_int_equal(b->since, 210);
	/* part of it is left */
	call(LAR_CALL_stdio_write, 2, 320, 10, 1, 10, 10);
	assert_int_equal(b->bytes, 3);
	assert_int_equal(b->since, 330);
	assert_int_equal(b->times, 2);
	assert_int_equal(b->longest, 140);
	/* another thread has asked for what was written; then the stream is closed */
	call(LAR_CALL_stdio_write, 2, 332, 1, 1, 10, 10);
	call(LAR_CALL_fclose, 2, 334, 1, 1, 0, 0);
	asked(3, 300, 335, 10);
	assert_int_equal(b->bytes, 3);
	call(LAR_CALL_fclose, 2, 336, 1, 1, 0, 0);
	assert_int_equal(b->bytes, 0);
	asked(1, 330, 337, 3);
	assert_int_equal(b->since, 333);
	/* a write that failed took nothing; other writes are not the stream's */
	call(LAR_CALL_stdio_write, 2, 340, 10, 1, -ENOSPC, 3);
	call(LAR_CALL_write, 2, 360, 10, 1, 3, 3);
	assert_int_equal(b->bytes, 3);
	assert_int_equal(b->since, 333);
}

static void slowest_of_none(void **state)
{
	(void)state;
	io_model_fini(&m);
	assert_int_equal(io_model_init(&m, NULL, 0, 0), 0);
	call(LAR_CALL_read, 1, 0, 5, 1, 1, 1);
	io_model_finish(&m);
	assert_int_equal(m.slow_count, 0);
}

static void window(void **state)
{
	(void)state;
	m.since_ns = 100;
	call(LAR_CALL_read, 1, 0, 50, 1, 10, 10);
	call(LAR_CALL_read, 1, 90, 50, 1, 10, 10);
	assert_int_equal(m.total[IO_READ].calls, 1);
	assert_int_equal(m.sites.count, 1);
}

/* Random intervals in the order of their ends, against a bitmap of time. */
static void union_of_random_intervals(void **state)
{
	enum { TIME = 4000, N = 900 };
	static unsigned char busy[TIME];
	struct busy_time b = { 0 };
	uint64_t expected = 0, end = 0;

	(void)state;
	srand(7);
	memset(busy, 0, sizeof(busy));
	for (int i = 0; i < N; i++) {
		uint64_t length = (uint64_t)(rand() % 6), start;

		end += (uint64_t)(rand() % 9);
		if (rand() % 40 == 0)
			length = (uint64_t)(rand() % 300);
		start = length < end ? end - length : 0;
		assert_true(end < TIME);
		memset(busy + start, 1, end - start);
		busy_time_add(&b, start, end);
	}
	for (int i = 0; i < TIME; i++)
		expected += busy[i];
	assert_int_equal(busy_time_sum(&b), expected);
	assert_false(b.at_least);
	busy_time_fini(&b);
}

/* More separate spans than are kept: exact as long as nothing reaches behind them. */
static void union_of_many_spans(void **state)
{
	struct busy_time b = { 0 };
	const uint64_t n = 3 * BUSY_TIME_SPANS;

	(void)state;
	for (uint64_t i = 0; i < n; i++)
		busy_time_add(&b, i * 10, i * 10 + 4);
	assert_int_equal(busy_time_sum(&b), n * 4);
	assert_false(b.at_least);
	assert_true(b.count <= BUSY_TIME_SPANS);
	busy_time_add(&b, 0, n * 10);
	assert_true(b.at_least);
	assert_true(busy_time_sum(&b) <= n * 10);
	assert_true(busy_time_sum(&b) >= n * 4);
	busy_time_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(totals, setup, teardown),
		cmocka_unit_test_setup_teardown(targets_and_sites, setup, teardown),
		cmocka_unit_test_setup_teardown(overlap, setup, teardown),
		cmocka_unit_test_setup_teardown(slowest, setup, teardown),
		cmocka_unit_test_setup_teardown(in_flight, setup, teardown),
		cmocka_unit_test_setup_teardown(in_flight_at_least, setup, teardown),
		cmocka_unit_test_setup_teardown(buffered, setup, teardown),
		cmocka_unit_test_setup_teardown(slowest_of_none, setup, teardown),
		cmocka_unit_test_setup_teardown(window, setup, teardown),
		cmocka_unit_test(union_of_random_intervals),
		cmocka_unit_test(union_of_many_spans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
