/* SPDX-License-Identifier: MIT */
/*
 * The lock model: who has the acquisitions that made no event, what counts as a wait, whose fault
 * it is, and in what order locks may be taken.
 */
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

static void sum(uint32_t thread, uint64_t address, uint64_t caller, uint64_t acquisitions,
		uint64_t hold, uint64_t longest)
{
	struct event e = { .kind = LAR_EV_LOCKSUM,
			   .call = LAR_CALL_pthread_mutex_lock,
			   .thread = thread,
			   .time_ns = 2000 };

	e.field[1] = address;
	e.field[2] = acquisitions;
	e.field[3] = hold;
	e.field[4] = longest;
	e.field[6] = caller;
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

/* A cell's figures are of the site that was first at its place; a wait is of its own. */
static void acquisitions(void **state)
{
	(void)state;
	lock_as(MUTEX, LAR_LOCK_FIRST, 1, 10, 0xa0, 0, 0x501);
	lock_as(MUTEX, LAR_LOCK_FIRST, 1, 11, 0xa0, 0, 0x502);
	lock_as(MUTEX, LAR_LOCK_CONTENDED | LAR_LOCK_NO_CELL, 1, 12, 0xa0, 500, 0);
	lock_as(MUTEX, LAR_LOCK_CONTENDED | LAR_LOCK_NO_CELL, 1, 10, 0xa0, 300, 0);
	lock_as(MUTEX, LAR_LOCK_FIRST, 2, 13, 0xa0, 0, 0x501);
	sum(1, 0xa0, 0x501, 100, 5000, 90);
	sum(1, 0xa0, 0x502, 20, 500, 60);
	sum(2, 0xa0, 0x501, 7, 70, 95);
	/* behind its sum the place is a new one */
	lock_as(MUTEX, LAR_LOCK_FIRST, 1, 14, 0xa0, 0, 0x501);
	sum(1, 0xa0, 0x501, 3, 0, 0);
	assert_int_equal(lock_model_finish(&m), 0);
	assert_int_equal(m.total.acquisitions, 132);
	assert_int_equal(m.total.contended, 2);
	assert_int_equal(m.total.wait.sum, 800);
	assert_int_equal(m.total.hold_ticks, 5570);
	assert_int_equal(m.total.hold_max_ticks, 95);
	assert_int_equal(site_of(10)->f.acquisitions, 101);
	assert_int_equal(site_of(11)->f.acquisitions, 20);
	assert_int_equal(site_of(12)->f.acquisitions, 1);
	assert_int_equal(site_of(13)->f.acquisitions, 7);
	assert_int_equal(site_of(14)->f.acquisitions, 3);
	assert_int_equal(site_of(10)->f.contended, 1);
	assert_int_equal(site_of(12)->f.wait.sum, 500);
	assert_int_equal(m.lock[0].f.acquisitions, 132);
	assert_int_equal(m.lock[0].address, 0xa0);
}

/* A sum without a first, and one of a cell that several places share: nobody's. */
static void sums_of_nobody(void **state)
{
	(void)state;
	lock_as(MUTEX, LAR_LOCK_FIRST, 2, 20, 0xa0, 0, 0x501);
	sum(3, 0xa0, 0x501, 50, 0, 0);
	sum(2, 0xa0, 0x502, 4, 0, 0);
	sum(2, 0xa0, 0, 6, 0, 0);
	assert_int_equal(site_of(20)->f.acquisitions, 0);
	assert_int_equal(site_of(0)->f.acquisitions, 60);
	assert_int_equal(m.total.acquisitions, 60);
}

/* Buckets of holds, and one that made an event. */
static void holds(void **state)
{
	struct event e = { .kind = LAR_EV_LOCKHOLDS,
			   .call = LAR_CALL_pthread_mutex_lock,
			   .thread = 1 };

	(void)state;
	lock_as(MUTEX, LAR_LOCK_FIRST, 1, 10, 0xa0, 0, 0x501);
	e.field[1] = 0xa0;
	e.field[2] = 0x501;
	e.field[3] = 12 | 5ull << 16;  /* of [4096, 6144) ticks on; 5 releases with waiters */
	e.field[4] = 30 | 60ull << 16; /* ... and of [6144, 8192) */
	assert_int_equal(lock_model_event(&m, &e), 0);
	sum(1, 0xa0, 0x501, 91, 1000000, 9000000);
	lock_as(MUTEX, LAR_LOCK_FIRST, 1, 10, 0xa0, 0, 0x501);
	lock_as(LAR_CALL_pthread_mutex_unlock, LAR_LOCK_HELD, 1, 30, 0xa0, 9000000, 0x501);
	assert_int_equal(m.total.held.count, 91);
	assert_int_equal(m.total.waiters, 5);
	assert_int_equal(site_of(10)->f.held.count, 91);
	assert_in_range(histogram_quantile(&m.total.held, 300), 4096, 6143);
	assert_in_range(histogram_quantile(&m.total.held, 500), 6144, 8191);
	assert_int_equal(m.total.held.max, 9000000);
	assert_int_equal(m.total.hold_ticks, 1000000);
}

static void wait_for(uint32_t thread, uint32_t stack, uint64_t address, uint32_t holder,
		     uint64_t caller)
{
	struct event e = { .kind = LAR_EV_LOCKWAIT,
			   .call = LAR_CALL_pthread_mutex_lock,
			   .thread = thread,
			   .stack = stack,
			   .ticks = 77 };

	e.field[1] = address;
	e.field[2] = holder;
	e.field[3] = caller;
	assert_int_equal(lock_model_event(&m, &e), 0);
}

/* Whoever had it when the wait began has caused it. */
static void blame(void **state)
{
	const struct lock_blame *b;

	(void)state;
	lock_as(MUTEX, LAR_LOCK_FIRST, 1, 10, 0xa0, 0, 0x501);
	lock_as(MUTEX, LAR_LOCK_FIRST, 1, 11, 0xa0, 0, 0x502);
	wait_for(2, 20, 0xa0, 1, 0x502);
	lock_as(MUTEX, LAR_LOCK_CONTENDED | LAR_LOCK_NO_CELL, 2, 20, 0xa0, 700, 0);
	wait_for(2, 20, 0xa0, 1, 0x502);
	lock_as(MUTEX, LAR_LOCK_CONTENDED | LAR_LOCK_NO_CELL, 2, 20, 0xa0, 200, 0);
	wait_for(3, 20, 0xa0, 1, 0x501);
	lock_as(MUTEX, LAR_LOCK_CONTENDED, 3, 20, 0xa0, 50, ETIMEDOUT);
	wait_for(3, 21, 0xa0, 9, 0x501); /* nobody that is known */
	lock_as(MUTEX, LAR_LOCK_CONTENDED | LAR_LOCK_NO_CELL, 3, 21, 0xa0, 5, 0);
	assert_int_equal(m.waits.blame_map.count, 3);
	b = &m.waits.blame[0];
	assert_ptr_equal(&m.site[b->waits], site_of(20));
	assert_ptr_equal(&m.site[b->holds], site_of(11));
	assert_int_equal(b->count, 2);
	assert_int_equal(b->ticks, 900);
	assert_int_equal(b->most, 700);
	assert_int_equal(site_of(11)->caused_ticks, 900);
	assert_int_equal(site_of(10)->caused, 1);
	assert_int_equal(m.waits.blame[2].holds, SITE_NONE);
}

static void order(uint32_t thread, uint32_t stack, uint64_t address, unsigned shared, unsigned n,
		  const uint64_t *held)
{
	for (unsigned i = 0; i < n; i++) {
		struct event e = { .kind = LAR_EV_LOCKORDER,
				   .call = LAR_CALL_pthread_mutex_lock,
				   .thread = thread,
				   .stack = stack };

		e.field[1] = address;
		e.field[2] = held[i];
		e.field[4] = i | n << 8 | shared << 16;
		assert_int_equal(lock_model_event(&m, &e), 0);
	}
}

#define ORDER(thread, stack, address, shared, ...)                                                 \
	order(thread, stack, address, shared, sizeof((uint64_t[]){ __VA_ARGS__ }) / 8,             \
	      (uint64_t[]){ __VA_ARGS__ })

static void expect_circles(uint32_t circles)
{
	assert_int_equal(lock_model_finish(&m), 0);
	assert_int_equal(m.order.circles, circles);
	assert_false(m.order.given_up);
}

static void order_of_two(void **state)
{
	(void)state;
	ORDER(1, 10, 0xb0, 0, 0xa0);
	ORDER(2, 20, 0xa0, 0, 0xb0);
	ORDER(3, 30, 0xc0, 0, 0xb0); /* on the way to nowhere */
	expect_circles(1);
	assert_int_equal(m.order.circle[0].count, 2);
	assert_int_equal(m.order.edge[m.order.circle[0].edge[0]].stack +
				 m.order.edge[m.order.circle[0].edge[1]].stack,
			 30);
}

static void order_of_four(void **state)
{
	(void)state;
	ORDER(1, 10, 0xb0, 0, 0xa0);
	ORDER(2, 20, 0xc0, 0, 0xb0);
	ORDER(3, 30, 0xd0, 0, 0xc0);
	ORDER(4, 40, 0xa0, 0, 0xd0);
	expect_circles(1);
	assert_int_equal(m.order.circle[0].count, 4);
}

static void order_of_one_thread(void **state)
{
	(void)state;
	ORDER(1, 10, 0xb0, 0, 0xa0);
	ORDER(1, 20, 0xa0, 0, 0xb0);
	expect_circles(0);
}

/* A lock around both keeps them apart; one that only readers have does not. */
static void order_with_gate(void **state)
{
	(void)state;
	ORDER(1, 10, 0xb0, 0, 0xe0, 0xa0);
	ORDER(2, 20, 0xa0, 0, 0xe0, 0xb0);
	expect_circles(0);
}

static void order_with_readers_gate(void **state)
{
	(void)state;
	ORDER(1, 10, 0xb0, LAR_ORDER_HELD_SHARED, 0xe0, 0xa0);
	ORDER(2, 20, 0xa0, LAR_ORDER_HELD_SHARED, 0xe0, 0xb0);
	expect_circles(1);
}

/* Readers do not wait for readers. */
static void order_of_readers(void **state)
{
	(void)state;
	ORDER(1, 10, 0xb0, LAR_ORDER_SHARED | LAR_ORDER_HELD_SHARED, 0xa0);
	ORDER(2, 20, 0xa0, LAR_ORDER_SHARED | LAR_ORDER_HELD_SHARED, 0xb0);
	expect_circles(0);
}

#define READS (LAR_ORDER_SHARED | LAR_ORDER_HELD_SHARED | LAR_ORDER_WRITERS_FIRST)

/* But where writers go first, for a writer that waits for the other reader; if there are any. */
static void order_of_readers_behind_writers(void **state)
{
	(void)state;
	ORDER(1, 10, 0xb0, READS, 0xa0);
	ORDER(2, 20, 0xa0, READS, 0xb0);
	lock_as(LAR_CALL_pthread_rwlock_wrlock, LAR_LOCK_NO_CELL, 3, 30, 0xa0, 0, 0);
	lock_as(LAR_CALL_pthread_rwlock_wrlock, LAR_LOCK_NO_CELL, 3, 30, 0xb0, 0, 0);
	expect_circles(1);
}

static void order_of_readers_without_writers(void **state)
{
	(void)state;
	ORDER(1, 10, 0xb0, READS, 0xa0);
	ORDER(2, 20, 0xa0, READS, 0xb0);
	lock_as(LAR_CALL_pthread_rwlock_wrlock, LAR_LOCK_NO_CELL, 3, 30, 0xa0, 0, 0);
	expect_circles(0);
}

static void holds_at_end(uint32_t thread, uint64_t address)
{
	struct event e = { .kind = LAR_EV_LOCKSUM,
			   .flags = TRACE_FROM_CELL | TRACE_CELL_HELD,
			   .call = LAR_CALL_pthread_mutex_lock,
			   .thread = thread };

	e.field[1] = address;
	assert_int_equal(lock_model_event(&m, &e), 0);
}

/* Three wait for each other, a fourth for one of them, a fifth for one that does not wait. */
static void deadlock(void **state)
{
	(void)state;
	wait_for(1, 10, 0xb0, 2, 0);
	wait_for(2, 20, 0xc0, 3, 0);
	wait_for(3, 30, 0xa0, 1, 0);
	wait_for(4, 40, 0xa0, 1, 0);
	wait_for(5, 50, 0xe0, 6, 0);
	wait_for(7, 70, 0xa0, 1, 0);
	lock_as(MUTEX, LAR_LOCK_CONTENDED, 7, 70, 0xa0, 5, ETIMEDOUT);
	holds_at_end(1, 0xa0);
	holds_at_end(2, 0xb0);
	holds_at_end(3, 0xc0);
	holds_at_end(6, 0xe0);
	assert_int_equal(lock_model_finish(&m), 0);
	assert_int_equal(m.waits.circle_count, 1);
	assert_int_equal(m.waits.circle[0].count, 3);
	for (uint32_t i = 0; i < 3; i++)
		assert_in_range(m.waits.waiting[m.waits.circle_thread[i]].thread, 1, 3);
	assert_int_equal(lock_waits_holder(&m.waits, &m.waits.waiting[4])->thread, 6);
}

static void failures(void **state)
{
	(void)state;
	lock_as(LAR_CALL_pthread_mutex_trylock, LAR_LOCK_TRY, 1, 10, 0xa0, 0, EBUSY);
	lock_as(LAR_CALL_pthread_mutex_timedlock, LAR_LOCK_CONTENDED, 1, 11, 0xa0, 99, ETIMEDOUT);
	lock_as(MUTEX, 0, 1, 12, 0xa0, 0, EDEADLK);
	lock_as(MUTEX, LAR_LOCK_CONTENDED | LAR_LOCK_NO_CELL, 1, 13, 0xa0, 5, EOWNERDEAD);
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
	assert_int_equal(m.total.acquisitions, 1);
	assert_int_equal(m.total.owner_died, 1);
	lock_as(MUTEX, LAR_LOCK_NO_CELL, 1, 15, 0xa1, 0, 0);
	assert_int_equal(m.total.acquisitions, 2);
	assert_int_equal(site_of(15)->f.acquisitions, 1);

	/* nor for this one, which had to wait */
	lock_as(MUTEX, LAR_LOCK_NO_CELL | LAR_LOCK_CONTENDED, 1, 16, 0xa1, 5, 0);
	assert_int_equal(m.total.acquisitions, 3);
	assert_int_equal(site_of(16)->f.acquisitions, 1);
	assert_int_equal(m.total.contended, 3);

	/* cancelled: it waited, and had nothing */
	lock_as(LAR_CALL_sem_wait, LAR_LOCK_CONTENDED, 1, 17, 0xa2, 8, ECANCELED);
	assert_int_equal(m.total.cancelled, 1);
	assert_int_equal(m.total.errors, 1);
	assert_int_equal(m.total.contended, 4);
	assert_int_equal(m.total.acquisitions, 3);
	assert_int_equal(site_of(17)->f.cancelled, 1);
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
	assert_int_equal(m.lock_count, 0);
	assert_int_equal(m.condition_total.waits, 2);
	assert_int_equal(m.condition_total.wait.sum, 1000);
	assert_int_equal(m.condition[0].timeouts, 1);
	lock_as(LAR_CALL_pthread_cond_wait, 0, 1, 10, 0xc0, 5, ECANCELED);
	assert_int_equal(m.condition[0].cancelled, 1);
	assert_int_equal(m.condition[0].errors, 0);
	assert_int_equal(m.condition[0].wait.sum, 1005);
}

static void kinds(void **state)
{
	(void)state;
	assert_string_equal(lock_kind(LAR_CALL_pthread_mutex_lock), "mutex");
	assert_string_equal(lock_kind(LAR_CALL_pthread_cond_wait), "condition");
	assert_string_equal(lock_kind(1000), "lock");
}

static void sum_changes(uint32_t thread, uint64_t caller, uint64_t acquisitions, uint64_t changes)
{
	struct event e = { .kind = LAR_EV_LOCKSUM, .call = MUTEX, .thread = thread };

	e.field[1] = 0xa0;
	e.field[2] = acquisitions;
	e.field[5] = changes << 32 | 2;
	e.field[6] = caller;
	assert_int_equal(lock_model_event(&m, &e), 0);
}

/* What a cell counts is of the lock that it was made for, also when that is no more. */
static void lives(void **state)
{
	(void)state;
	lock_as(MUTEX, LAR_LOCK_FIRST, 1, 10, 0xa0, 5, 0x501);
	lock_as(MUTEX, LAR_LOCK_FIRST, 2, 11, 0xa0, 5, 0x502);
	lock_as(MUTEX, LAR_LOCK_CONTENDED | LAR_LOCK_NO_CELL, 2, 12, 0xa0, 500, 0);
	sum_changes(1, 0x501, 100, 7);
	/* destroyed; another thread's cell is told of when it comes there again */
	lock_as(MUTEX, LAR_LOCK_FIRST, 1, 13, 0xa0, 9, 0x501);
	lock_as(MUTEX, LAR_LOCK_CONTENDED | LAR_LOCK_NO_CELL, 1, 12, 0xa0, 300, 0);
	sum_changes(2, 0x502, 20, 8);
	sum_changes(1, 0x501, 3, 1);
	/* of an address whose lock was never told, nothing is known */
	lock_as(MUTEX, LAR_LOCK_FIRST, 1, 14, 0xb0, 0, 0x503);
	assert_int_equal(lock_model_finish(&m), 0);
	assert_int_equal(m.lock_count, 3);
	assert_int_equal(m.lock[0].address, 0xa0);
	assert_int_equal(m.lock[0].instance, 1);
	assert_int_equal(m.lock[0].f.acquisitions, 121);
	assert_int_equal(m.lock[0].f.owner_changes, 15);
	assert_int_equal(m.lock[0].f.failed_try, 4);
	assert_int_equal(m.lock[0].f.wait.sum, 500);
	assert_int_equal(m.lock[1].address, 0xa0);
	assert_int_equal(m.lock[1].instance, 2);
	assert_int_equal(m.lock[1].f.acquisitions, 4);
	assert_int_equal(m.lock[1].f.owner_changes, 1);
	assert_int_equal(m.lock[1].f.wait.sum, 300);
	assert_int_equal(m.total.owner_changes, 16);
	assert_int_equal(m.lock[2].life, 0);
}

/* Where there are very many, those that come later at an address share its row. */
static void many_lives(void **state)
{
	(void)state;
	for (uint32_t i = 1; i <= LOCK_ROWS_MOST + 10; i++)
		lock_as(MUTEX, LAR_LOCK_FIRST, 1, 10, 0xa0, i, 0x501);
	assert_int_equal(m.lock_count, LOCK_ROWS_MOST);
	assert_int_equal(m.lock[LOCK_ROWS_MOST - 1].instance, LOCK_ROWS_MOST);
	assert_int_equal(m.lock[LOCK_ROWS_MOST - 1].more_lives, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lives, setup, teardown),
		cmocka_unit_test_setup_teardown(many_lives, setup, teardown),
		cmocka_unit_test_setup_teardown(acquisitions, setup, teardown),
		cmocka_unit_test_setup_teardown(sums_of_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(holds, setup, teardown),
		cmocka_unit_test_setup_teardown(blame, setup, teardown),
		cmocka_unit_test_setup_teardown(order_of_two, setup, teardown),
		cmocka_unit_test_setup_teardown(order_of_four, setup, teardown),
		cmocka_unit_test_setup_teardown(order_of_one_thread, setup, teardown),
		cmocka_unit_test_setup_teardown(order_with_gate, setup, teardown),
		cmocka_unit_test_setup_teardown(order_with_readers_gate, setup, teardown),
		cmocka_unit_test_setup_teardown(order_of_readers, setup, teardown),
		cmocka_unit_test_setup_teardown(order_of_readers_behind_writers, setup, teardown),
		cmocka_unit_test_setup_teardown(order_of_readers_without_writers, setup, teardown),
		cmocka_unit_test_setup_teardown(deadlock, setup, teardown),
		cmocka_unit_test_setup_teardown(failures, setup, teardown),
		cmocka_unit_test_setup_teardown(conditions, setup, teardown),
		cmocka_unit_test(kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
