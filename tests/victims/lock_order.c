/* SPDX-License-Identifier: MIT */
/*
 * Locks in orders that can end in a deadlock, and such that cannot; with `deadlock`, threads that
 * do wait for each other, until the program is killed.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "churn.h"

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER, b = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t c = PTHREAD_MUTEX_INITIALIZER, d = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t e = PTHREAD_MUTEX_INITIALIZER, f = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t x = PTHREAD_RWLOCK_INITIALIZER, y = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t barrier;

static void __attribute__((noinline)) take_two(pthread_mutex_t *first, pthread_mutex_t *second)
{
	pthread_mutex_lock(first);
	pthread_mutex_lock(second);
	pthread_mutex_unlock(second);
	pthread_mutex_unlock(first);
	__asm__ volatile("");
}

#define THREAD(name, ...)                                                                          \
	static void *name(void *arg)                                                               \
	{                                                                                          \
		(void)arg;                                                                         \
		__VA_ARGS__                                                                        \
		return NULL;                                                                       \
	}

THREAD(a_then_b, take_two(&a, &b);)
THREAD(b_then_a, take_two(&b, &a);)
THREAD(gated_c_d, pthread_mutex_lock(&gate); take_two(&c, &d); pthread_mutex_unlock(&gate);)
THREAD(gated_d_c, pthread_mutex_lock(&gate); take_two(&d, &c); pthread_mutex_unlock(&gate);)
THREAD(both_orders, take_two(&e, &f); take_two(&f, &e);)
THREAD(x_then_y, pthread_rwlock_rdlock(&x); pthread_rwlock_wrlock(&y); pthread_rwlock_unlock(&y);
       pthread_rwlock_unlock(&x);)
THREAD(y_then_x, pthread_rwlock_rdlock(&y); pthread_rwlock_wrlock(&x); pthread_rwlock_unlock(&x);
       pthread_rwlock_unlock(&y);)

static void alone(void *(*function)(void *))
{
	pthread_t thread;

	pthread_create(&thread, NULL, function, NULL);
	pthread_join(thread, NULL);
}

static void __attribute__((noinline)) take_for_ever(pthread_mutex_t *mine, pthread_mutex_t *theirs)
{
	pthread_mutex_lock(mine);
	pthread_barrier_wait(&barrier);
	pthread_mutex_lock(theirs);
	pthread_mutex_unlock(theirs);
	__asm__ volatile("");
}

THREAD(first, take_for_ever(&a, &b);)
THREAD(second, take_for_ever(&b, &c);)
THREAD(third, take_for_ever(&c, &a);)

static void deadlock(void)
{
	pthread_t thread;

	pthread_barrier_init(&barrier, NULL, 3);
	pthread_create(&thread, NULL, first, NULL);
	pthread_create(&thread, NULL, second, NULL);
	pthread_create(&thread, NULL, third, NULL);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "deadlock"))
		deadlock();
	alone(a_then_b);
	alone(b_then_a);
	alone(gated_c_d);
	alone(gated_d_c);
	alone(both_orders);
	alone(x_then_y);
	alone(y_then_x);
	if (argc > 1 && !strcmp(argv[1], "wrap"))
		churn(600000);
	return 0;
}
