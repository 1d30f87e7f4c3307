/* SPDX-License-Identifier: MIT */
/*
 * Which lock it is, and who had it last: locks that go from thread to thread a known number of
 * times, also where threads contend for them (the program counts under the lock), locks that are
 * destroyed or made anew at the same address, or lie on the stack of a thread that ends, and some
 * that nobody gives back.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "churn.h"
#include "expect.h"

#define TURNS	    100
#define CROWD	    4
#define CROWD_TAKES 20000

static pthread_mutex_t turns = PTHREAD_MUTEX_INITIALIZER, reused, again, crowded, left, kept;
static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static pthread_mutex_t condition_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static volatile int turn, crowd_last = -1, woken;
static long crowd_changes;

static void took(long n)
{
	expect_add("locks.totals.acquisitions", n);
}

static void changed(long n)
{
	expect_add("locks.totals.owner_changes", n);
}

static void until(int whose)
{
	while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) != whose)
		;
}

static void next(int whose)
{
	__atomic_store_n(&turn, whose, __ATOMIC_RELEASE);
}

static void use(pthread_mutex_t *m, int times)
{
	for (int i = 0; i < times; i++) {
		pthread_mutex_lock(m);
		pthread_mutex_unlock(m);
	}
	took(times);
}

static void *other_turns(void *arg)
{
	(void)arg;
	for (int i = 0; i < TURNS; i++) {
		until(1);
		use(&turns, 3); /* only the first of them is a change */
		pthread_rwlock_wrlock(&rw);
		pthread_rwlock_unlock(&rw);
		pthread_rwlock_rdlock(&rw);
		pthread_rwlock_unlock(&rw);
		took(2);
		next(0);
	}
	return NULL;
}

static void in_turns(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, other_turns, NULL);
	for (int i = 0; i < TURNS; i++) {
		until(0);
		use(&turns, 2);
		pthread_rwlock_rdlock(&rw);
		pthread_rwlock_unlock(&rw);
		pthread_rwlock_wrlock(&rw);
		pthread_rwlock_unlock(&rw);
		took(2);
		next(1);
	}
	pthread_join(thread, NULL);
	changed(2 * (2 * TURNS - 1)); /* of the mutex, of those who write */
}

/* Another lock is at `reused` and `again` each time: nobody has had it before. */
static void *other_uses(void *arg)
{
	(void)arg;
	until(1);
	use(&reused, 5);
	use(&again, 50);
	next(0);
	until(1);
	use(&reused, 7);
	use(&again, 70);
	next(0);
	return NULL;
}

static void made_anew(void)
{
	pthread_t thread;

	pthread_mutex_init(&reused, NULL);
	pthread_mutex_init(&again, NULL);
	pthread_create(&thread, NULL, other_uses, NULL);
	use(&reused, 10);
	use(&again, 100);
	next(1);
	until(0);
	pthread_mutex_destroy(&reused);
	pthread_mutex_init(&reused, NULL);
	memset(&again, 0, sizeof(again)); /* as memory that was given back is */
	pthread_mutex_init(&again, NULL);
	next(1);
	until(0);
	use(&reused, 20);
	use(&again, 200);
	pthread_join(thread, NULL);
	changed(4);
}

static void *on_the_stack(void *arg)
{
	pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;

	*(uintptr_t *)arg = (uintptr_t)&m;
	use(&m, 4);
	return NULL;
}

static void on_one_stack(void)
{
	size_t size = 1 << 20;
	void *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uintptr_t place[2];
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstack(&attr, stack, size);
	for (int i = 0; i < 2; i++) {
		pthread_t thread;

		pthread_create(&thread, &attr, on_the_stack, &place[i]);
		pthread_join(thread, NULL);
	}
	pthread_attr_destroy(&attr);
	if (place[0] != place[1])
		abort();
}

static void *one_of_crowd(void *arg)
{
	int me = *(int *)arg;

	for (int i = 0; i < CROWD_TAKES; i++) {
		pthread_mutex_lock(&crowded);
		crowd_changes += crowd_last >= 0 && crowd_last != me;
		crowd_last = me;
		pthread_mutex_unlock(&crowded);
	}
	return NULL;
}

static void crowd(void)
{
	pthread_t thread[CROWD];
	int number[CROWD];

	for (int i = 0; i < CROWD; i++) {
		number[i] = i;
		pthread_create(&thread[i], NULL, one_of_crowd, &number[i]);
	}
	for (int i = 0; i < CROWD; i++)
		pthread_join(thread[i], NULL);
	took(CROWD * CROWD_TAKES);
	changed(crowd_changes);
}

static void *wakes(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&condition_mutex);
	woken = 1;
	pthread_cond_signal(&condition);
	pthread_mutex_unlock(&condition_mutex);
	return NULL;
}

/* A wait gives the lock away and gets it back. */
static void given_away(void)
{
	pthread_t thread;

	pthread_mutex_lock(&condition_mutex);
	pthread_create(&thread, NULL, wakes, NULL);
	while (!woken)
		pthread_cond_wait(&condition, &condition_mutex);
	pthread_mutex_unlock(&condition_mutex);
	pthread_join(thread, NULL);
	took(2);
	changed(2);
}

static void *leaves(void *arg)
{
	pthread_mutex_lock(&left);
	return arg;
}

static void not_given_back(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, leaves, NULL);
	pthread_join(thread, NULL);
	pthread_mutex_lock(&kept);
	took(2);
	expect_add("locks.totals.abandoned", 1);
}

int main(int argc, char **argv)
{
	in_turns();
	made_anew();
	on_one_stack();
	crowd();
	if (argc > 1 && !strcmp(argv[1], "wrap"))
		churn(600000);
	given_away();
	not_given_back();
	expect_print();
	return 0;
}
