/* SPDX-License-Identifier: MIT */
/* Time of threads, calls in flight, the replayed cache, services and thresholds. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../analyzer/io_cache.h"
#include "../../analyzer/io_pattern.h"
#include "../../analyzer/io_service.h"
#include "../../analyzer/io_thresholds.h"
#include "../../analyzer/io_wall.h"

static struct event call(unsigned number, uint64_t start, uint64_t end, uint32_t thread)
{
	struct event e;

	memset(&e, 0, sizeof(e));
	e.kind = LAR_EV_IO;
	e.call = (uint16_t)number;
	e.ticks = e.time_ns = end;
	e.thread = thread;
	e.field[1] = end - start;
	e.field[2] = 5;
	e.field[3] = 1;
	e.field[4] = 1;
	e.field[5] = UINT64_MAX;
	return e;
}

static uint64_t time_in(const struct io_wall *w, enum io_time time)
{
	return w->thread[0].ticks[time];
}

static void test_calls_in_calls(void **state)
{
	struct io_wall w = { 0 };
	struct event e;

	(void)state;
	/* two writes of 10 and 20 in a close of 100, which so took 70 itself */
	e = call(LAR_CALL_stdio_write, 110, 120, 1);
	assert_int_equal(io_wall_event(&w, &e, LAR_TARGET_FILE), 0);
	e = call(LAR_CALL_stdio_write, 130, 150, 1);
	assert_int_equal(io_wall_event(&w, &e, LAR_TARGET_SOCKET), 0);
	e = call(LAR_CALL_fclose, 100, 200, 1);
	assert_int_equal(io_wall_event(&w, &e, LAR_TARGET_FILE), 0);
	assert_int_equal(time_in(&w, IO_TIME_FILE), 80);
	assert_int_equal(time_in(&w, IO_TIME_NETWORK), 20);
	/* what was asked of streams takes no time; sleeping and waiting do */
	e = call(LAR_CALL_fputs, 150, 250, 1);
	assert_int_equal(io_wall_event(&w, &e, LAR_TARGET_FILE), 0);
	e = call(LAR_CALL_nanosleep, 300, 400, 1);
	assert_int_equal(io_wall_event(&w, &e, LAR_TARGET_UNKNOWN), 0);
	e = call(LAR_CALL_poll, 400, 470, 1);
	assert_int_equal(io_wall_event(&w, &e, LAR_TARGET_SOCKET), 0);
	e = call(LAR_CALL_flock, 500, 507, 1);
	assert_int_equal(io_wall_event(&w, &e, LAR_TARGET_FILE), 0);
	assert_int_equal(time_in(&w, IO_TIME_FILE), 80);
	assert_int_equal(time_in(&w, IO_TIME_SLEEP), 100);
	assert_int_equal(time_in(&w, IO_TIME_EVENT), 70);
	assert_int_equal(time_in(&w, IO_TIME_LOCK), 7);
	assert_int_equal(w.thread[0].first_ticks, 100);
	assert_int_equal(w.thread[0].last_ticks, 507);
	io_wall_fini(&w);
}

static uint64_t heat_sum(const struct io_heat *h)
{
	uint64_t sum = 0;

	for (unsigned r = 0; r < IO_HEAT_ROWS; r++)
		for (unsigned c = 0; c < IO_HEAT_COLUMNS; c++)
			sum += h->calls[r][c];
	return sum;
}

static void test_heat_doubles(void **state)
{
	struct io_wall w = { 0 };

	(void)state;
	for (uint64_t i = 1; i <= 1000; i++) {
		struct event e = call(LAR_CALL_read, i * 10000000, i * 10000000 + 700, 1);

		assert_int_equal(io_wall_event(&w, &e, LAR_TARGET_FILE), 0);
	}
	assert_int_equal(heat_sum(&w.heat), 1000);
	/* 10 s in at most 64 columns, all of them in the row of 512 to 1023 */
	assert_in_range(w.heat.columns, 33, 64);
	assert_true(w.heat.column_ns * 64 >= 10000000000ull);
	for (unsigned c = 0; c < w.heat.columns; c++)
		assert_true(w.heat.calls[10][c] > 0);
	io_wall_fini(&w);
}

static void test_in_flight(void **state)
{
	/* at 14 three are under way; one that begins when another ends is not beside it */
	static const uint64_t calls[][2] = { { 10, 15 }, { 12, 16 }, { 14, 20 }, { 20, 30 } };
	struct io_patterns p;

	(void)state;
	assert_int_equal(io_patterns_init(&p, 1 << 20), 0);
	for (unsigned i = 0; i < 4; i++) {
		struct event e = call(LAR_CALL_pread, calls[i][0], calls[i][1], i + 1);

		e.field[5] = i * 100;
		assert_int_equal(io_patterns_event(&p, 0, LAR_TARGET_FILE, &e), 0);
	}
	assert_int_equal(io_patterns_of(&p, 0)->most_in_flight, 3);
	assert_int_equal(io_patterns_of(&p, 0)->first_ticks, 10);
	assert_int_equal(io_patterns_of(&p, 0)->last_ticks, 30);
	assert_null(io_patterns_of(&p, 1));
	io_patterns_fini(&p, 1);
}

static void test_cache(void **state)
{
	struct io_cache c;
	unsigned hits = 0;

	(void)state;
	assert_int_equal(io_cache_init(&c, 3 * IO_CACHE_PAGE), 0);
	/* four pages in turn never find theirs in a cache of three; three always do, but at first
	 */
	for (unsigned i = 0; i < 40; i++)
		hits += (unsigned)io_cache_read(&c, 1, i % 4);
	assert_int_equal(hits, 0);
	for (unsigned i = 0; i < 30; i++)
		hits += (unsigned)io_cache_read(&c, 2, i % 3);
	assert_int_equal(hits, 27);
	/* the same page of another file is another */
	assert_int_equal(io_cache_read(&c, 3, 0), 0);
	assert_int_equal(io_cache_read(&c, 3, 0), 1);
	io_cache_fini(&c);
}

static const char *service(unsigned kind, const char *name)
{
	struct trace_target t = { .name = name, .kind = kind };
	const struct io_service *s = io_service_of(&t);

	return s ? s->name : "";
}

static void test_services(void **state)
{
	(void)state;
	assert_string_equal(service(LAR_TARGET_SOCKET, "tcp 192.0.2.1:5432"), "PostgreSQL");
	assert_string_equal(service(LAR_TARGET_SOCKET, "tcp [2001:db8::1]:6379"), "Redis");
	assert_string_equal(service(LAR_TARGET_SOCKET, "udp 192.0.2.1:53"), "DNS");
	assert_string_equal(service(LAR_TARGET_SOCKET, "unix /run/mysqld/mysqld.sock"), "MySQL");
	assert_string_equal(service(LAR_TARGET_SOCKET, "tcp 192.0.2.1:54321"), "");
	assert_string_equal(service(LAR_TARGET_SOCKET, "unix /run/other"), "");
	assert_string_equal(service(LAR_TARGET_FILE, "/data/a.sqlite3"), "SQLite");
	assert_string_equal(service(LAR_TARGET_FILE, "/data/tcp:5432"), "");
	assert_string_equal(service(LAR_TARGET_UNKNOWN, ""), "");
}

static void test_thresholds(void **state)
{
	(void)state;
	assert_int_equal(io_threshold(IO_THRESHOLD_opens), 100);
	assert_int_equal(io_threshold_set("opens=7"), 0);
	assert_int_equal(io_threshold(IO_THRESHOLD_opens), 7);
	assert_int_equal(io_threshold_set("merge_bytes=2M"), 0);
	assert_int_equal(io_threshold(IO_THRESHOLD_merge_bytes), 2 << 20);
	assert_int_equal(io_threshold(IO_THRESHOLD_syncs), 100);
	assert_int_equal(io_threshold_set("opens"), -EINVAL);
	assert_int_equal(io_threshold_set("opens="), -EINVAL);
	assert_int_equal(io_threshold_set("opens=-1"), -EINVAL);
	assert_int_equal(io_threshold_set("opens=1KB"), -EINVAL);
	assert_int_equal(io_threshold_set("opens=99999999999G"), -EINVAL);
	assert_int_equal(io_threshold_set("open=1"), -EINVAL);
	assert_int_equal(io_threshold(IO_THRESHOLD_opens), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls_in_calls), cmocka_unit_test(test_heat_doubles),
		cmocka_unit_test(test_in_flight),      cmocka_unit_test(test_cache),
		cmocka_unit_test(test_services),       cmocka_unit_test(test_thresholds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
