/* SPDX-License-Identifier: MIT */
/* The lock model: who has the acquisitions that made no event, what counts as a wait. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../analyzer/lock_model.h"

static struct lock_model m;

static void lock_as(unsigned call, unsigned flags, uint32_t thread, uint32_t stack,
		    uint64_t address, uint64_t waited, uint64_t result)
{
	struct event e = { .kind = LAR_EV_LOCK,
			   .flags = (uint8_t)flags,
			   .call = (uint16_t)call,
			   .thread = thread,
			   .stack = stack,
			   .time_ns = 1000 };

	e.field[1] = waited;
	e.field[2] = address;
	e.field[3] = result;
	assert_int_equal(lock_model_event(&m, &e), 0);
}

static void sum(uint32_t thread, uint64_t address, uint64_t acquisitions, uint64_t hold,
		uint64_t longest)
{
	struct event e = { .kind = LAR_EV_LOCKSUM,
			   .call = LAR_CALL_pthread_mutex_lock,
			   .thread = thread,
			   .time_ns = 2000 };

	e.field[1] = address;
	e.field[2] = acquisitions;
	e.field[3] = hold;
	e.field[4] = longest;
	assert_int_equal(lock_model_event(&m, &e), 0);
}

static void sum_failed(uint32_t thread, uint64_t address, uint64_t failed)
{
	struct event e = { .kind = LAR_EV_LOCKSUM, .thread = thread, .time_ns = 2000 };

	e.field[1] = address;
	e.field[5] = failed;
	assert_int_equal(lock_model_event(&m, &e), 0);
}

static const struct lock_site *site_of(uint32_t stack)
{
	return &m.site[sites_number(&m.sites, stack, 1)];
}

static int setup(void **state)
{
	(void)state;
	lock_model_init(&m, NULL, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	lock_model_fini(&m);
	return 0;
}

#define MUTEX LAR_CALL_pthread_mutex_lock

/* The first acquisition's site has all that no event of another site has. */
static void acquisitions(void **state)
{
	(void)state;
	lock_as(MUTEX, LAR_LOCK_FIRST, 1, 10, 0xa0, 0, 0);
	lock_as(MUTEX, LAR_LOCK_CONTENDED, 1, 11, 0xa0, 500, 0);
	lock_as(MUTEX, LAR_LOCK_CONTENDED, 1, 10, 0xa0, 300, 0);
	lock_as(MUTEX, LAR_LOCK_FIRST | LAR_LOCK_CONTENDED, 2, 12, 0xa0, 200, 0);
	sum(1, 0xa0, 100, 5000, 90);
	sum(2, 0xa0, 7, 70, 95);
	lock_model_finish(&m);
	assert_int_equal(m.total.acquisitions, 107);
	assert_int_equal(m.total.contended, 3);
	assert_int_equal(m.total.wait.sum, 1000);
	assert_int_equal(m.total.hold_ticks, 5070);
	assert_int_equal(m.total.hold_max_ticks, 95);
	assert_int_equal(site_of(10)->f.acquisitions, 99);
	assert_int_equal(site_of(11)->f.acquisitions, 1);
	assert_int_equal(site_of(12)->f.acquisitions, 7);
	assert_int_equal(site_of(10)->f.contended, 1);
	assert_int_equal(site_of(11)->f.wait.sum, 500);
	assert_int_equal(m.lock[0].f.acquisitions, 107);
	assert_int_equal(m.lock[0].address, 0xa0);
}

/* A sum that stands for an ended thread, and one whose first event is lost. */
static void sums_of_others(void **state)
{
	(void)state;
	lock_as(MUTEX, LAR_LOCK_FIRST, 2, 20, 0xa0, 0, 0);
	lock_as(MUTEX, LAR_LOCK_CONTENDED, 2, 21, 0xa0, 10, 0);
	sum(3, 0xa0, 50, 0, 0);
	sum(4, 0xb0, 6, 0, 0);
	lock_model_finish(&m);
	assert_int_equal(site_of(20)->f.acquisitions, 49);
	assert_int_equal(site_of(21)->f.acquisitions, 1);
	assert_int_equal(site_of(0)->f.acquisitions, 6);
	assert_int_equal(m.total.acquisitions, 56);
}

static void failures(void **state)
{
	(void)state;
	lock_as(LAR_CALL_pthread_mutex_trylock, LAR_LOCK_TRY, 1, 10, 0xa0, 0, EBUSY);
	lock_as(LAR_CALL_pthread_mutex_timedlock, LAR_LOCK_CONTENDED, 1, 11, 0xa0, 99, ETIMEDOUT);
	lock_as(MUTEX, 0, 1, 12, 0xa0, 0, EDEADLK);
	lock_as(MUTEX, LAR_LOCK_CONTENDED, 1, 13, 0xa0, 5, EOWNERDEAD);
	lock_as(LAR_CALL_pthread_mutex_unlock, LAR_LOCK_UNOWNED, 1, 14, 0xa0, 0, 0);
	assert_int_equal(m.total.failed_try, 1);
	assert_int_equal(m.total.timeouts, 1);
	assert_int_equal(m.total.errors, 1);
	assert_int_equal(m.total.contended, 2);
	assert_int_equal(m.unowned_unlocks, 1);
	assert_int_equal(site_of(13)->f.acquisitions, 1);
	assert_int_equal(site_of(11)->f.acquisitions, 0);

	/* failed tries at a known lock make no event of their own */
	sum_failed(1, 0xa0, 40);
	assert_int_equal(m.total.failed_try, 41);
	assert_int_equal(m.lock[0].f.failed_try, 41);

	/* no cell was free for this one: the event is all there is */
	assert_int_equal(m.total.acquisitions, 0);
	lock_as(MUTEX, LAR_LOCK_NO_CELL, 1, 15, 0xa1, 0, 0);
	assert_int_equal(m.total.acquisitions, 1);
	assert_int_equal(site_of(15)->f.acquisitions, 1);

	/* nor for this one, which had to wait */
	lock_as(MUTEX, LAR_LOCK_NO_CELL | LAR_LOCK_CONTENDED, 1, 16, 0xa1, 5, 0);
	lock_model_finish(&m);
	assert_int_equal(m.total.acquisitions, 2);
	assert_int_equal(site_of(16)->f.acquisitions, 1);
	assert_int_equal(m.total.contended, 3);
}

/* A wait on a condition is no contention. */
static void conditions(void **state)
{
	(void)state;
	lock_as(LAR_CALL_pthread_cond_wait, 0, 1, 10, 0xc0, 700, 0);
	lock_as(LAR_CALL_pthread_cond_timedwait, 0, 1, 10, 0xc0, 300, ETIMEDOUT);
	assert_int_equal(m.total.contended, 0);
	assert_int_equal(m.total.wait.sum, 0);
	assert_int_equal(m.total.timeouts, 0);
	assert_int_equal(m.lock_map.count, 0);
	assert_int_equal(m.condition_total.waits, 2);
	assert_int_equal(m.condition_total.wait.sum, 1000);
	assert_int_equal(m.condition[0].timeouts, 1);
}

static void kinds(void **state)
{
	(void)state;
	assert_string_equal(lock_kind(LAR_CALL_pthread_mutex_lock), "mutex");
	assert_string_equal(lock_kind(LAR_CALL_pthread_cond_wait), "condition");
	assert_string_equal(lock_kind(1000), "lock");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(acquisitions, setup, teardown),
		cmocka_unit_test_setup_teardown(sums_of_others, setup, teardown),
		cmocka_unit_test_setup_teardown(failures, setup, teardown),
		cmocka_unit_test_setup_teardown(conditions, setup, teardown),
		cmocka_unit_test(kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
