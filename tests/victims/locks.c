/* SPDX-License-Identifier: MIT */
/*
 * Mutexes of every type, taken a known number of times, with and without another holder. A thread
 * is known to wait when the kernel shows it asleep; then it is let through.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "asleep.h"
#include "expect.h"

static volatile int waiter_tid;

/* Counts one lock call; `contended`: somebody else held it when it was called. */
static int took(const char *name, int result, int contended)
{
	int got = !result || result == EOWNERDEAD;
	int try = !strcmp(name, "pthread_mutex_trylock");

	expect_add("locks.totals.acquisitions", got);
	expect_add("locks.totals.contended", contended && !try);
	expect_add("locks.totals.failed_try", try && !got);
	expect_add("locks.totals.timeouts", result == ETIMEDOUT);
	return result;
}

static struct timespec soon(clockid_t clock, long ns)
{
	struct timespec t;

	clock_gettime(clock, &t);
	t.tv_nsec += ns;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	return t;
}

struct waiter {
	pthread_mutex_t *mutex;
	const char *name;
};

static void *waiter(void *arg)
{
	struct waiter *w = arg;
	struct timespec t = soon(CLOCK_REALTIME, 0);
	int result;

	t.tv_sec += 1000;
	__atomic_store_n(&waiter_tid, (int)syscall(SYS_gettid), __ATOMIC_RELEASE);
	if (!strcmp(w->name, "pthread_mutex_timedlock"))
		result = pthread_mutex_timedlock(w->mutex, &t);
	else if (!strcmp(w->name, "pthread_mutex_clocklock"))
		result = pthread_mutex_clocklock(w->mutex, CLOCK_REALTIME, &t);
	else
		result = pthread_mutex_lock(w->mutex);
	took(w->name, result, 1);
	pthread_mutex_unlock(w->mutex);
	return NULL;
}

/* The caller holds the mutex; another thread comes to wait for it, then gets it. */
static void contend(pthread_mutex_t *mutex, const char *name)
{
	struct waiter w = { mutex, name };
	pthread_t thread;

	waiter_tid = 0;
	took("pthread_mutex_lock", pthread_mutex_lock(mutex), 0);
	pthread_create(&thread, NULL, waiter, &w);
	while (!__atomic_load_n(&waiter_tid, __ATOMIC_ACQUIRE) || !asleep(waiter_tid))
		usleep(1000);
	pthread_mutex_unlock(mutex);
	pthread_join(thread, NULL);
}

/* Another thread's tries at a mutex that the main thread holds. */
static void *outsider(void *arg)
{
	pthread_mutex_t *mutex = arg;
	struct timespec t;

	for (int i = 0; i < 10; i++)
		took("pthread_mutex_trylock", pthread_mutex_trylock(mutex), 1);
	t = soon(CLOCK_REALTIME, 2000000);
	took("pthread_mutex_timedlock", pthread_mutex_timedlock(mutex, &t), 1);
	t = soon(CLOCK_MONOTONIC, 2000000);
	took("pthread_mutex_clocklock", pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, &t), 1);
	return NULL;
}

static void init(pthread_mutex_t *mutex, int type, int robust)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, type);
	pthread_mutexattr_setrobust(&attr, robust);
	pthread_mutex_init(mutex, &attr);
	pthread_mutexattr_destroy(&attr);
}

static void each_type(int type)
{
	pthread_mutex_t mutex;
	struct timespec t = { 0, 0 };
	pthread_t thread;

	init(&mutex, type, PTHREAD_MUTEX_STALLED);
	for (int i = 0; i < 1000; i++) {
		took("pthread_mutex_lock", pthread_mutex_lock(&mutex), 0);
		pthread_mutex_unlock(&mutex);
	}
	for (int i = 0; i < 100; i++) {
		took("pthread_mutex_trylock", pthread_mutex_trylock(&mutex), 0);
		pthread_mutex_unlock(&mutex);
		took("pthread_mutex_timedlock", pthread_mutex_timedlock(&mutex, &t), 0);
		pthread_mutex_unlock(&mutex);
		took("pthread_mutex_clocklock",
		     pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &t), 0);
		pthread_mutex_unlock(&mutex);
	}
	contend(&mutex, "pthread_mutex_lock");
	contend(&mutex, "pthread_mutex_timedlock");
	contend(&mutex, "pthread_mutex_clocklock");
	took("pthread_mutex_lock", pthread_mutex_lock(&mutex), 0);
	pthread_create(&thread, NULL, outsider, &mutex);
	pthread_join(thread, NULL);
	pthread_mutex_unlock(&mutex);
	pthread_mutex_destroy(&mutex);
}

static int owner_results(void)
{
	pthread_mutex_t mutex;
	int wrong = 0;

	init(&mutex, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_STALLED);
	for (int i = 0; i < 50; i++)
		wrong += took("pthread_mutex_lock", pthread_mutex_lock(&mutex), 0) != 0;
	for (int i = 0; i < 50; i++)
		wrong += pthread_mutex_unlock(&mutex) != 0;
	wrong += pthread_mutex_unlock(&mutex) != EPERM;
	pthread_mutex_destroy(&mutex);
	init(&mutex, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_STALLED);
	took("pthread_mutex_lock", pthread_mutex_lock(&mutex), 0);
	wrong += took("pthread_mutex_lock", pthread_mutex_lock(&mutex), 0) != EDEADLK;
	wrong += took("pthread_mutex_trylock", pthread_mutex_trylock(&mutex), 0) != EBUSY;
	wrong += pthread_mutex_destroy(&mutex) != EBUSY;
	wrong += pthread_mutex_unlock(&mutex) != 0;
	wrong += pthread_mutex_unlock(&mutex) != EPERM;
	pthread_mutex_destroy(&mutex);
	return wrong;
}

static void *die_with_it(void *arg)
{
	took("pthread_mutex_lock", pthread_mutex_lock(arg), 0);
	return NULL;
}

static int robust(void)
{
	pthread_mutex_t mutex;
	pthread_t thread;
	int wrong = 0;

	init(&mutex, PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST);
	for (int i = 0; i < 5; i++) {
		pthread_create(&thread, NULL, die_with_it, &mutex);
		pthread_join(thread, NULL);
		wrong += took("pthread_mutex_lock", pthread_mutex_lock(&mutex), 0) != EOWNERDEAD;
		wrong += pthread_mutex_consistent(&mutex) != 0;
		wrong += pthread_mutex_unlock(&mutex) != 0;
	}
	pthread_create(&thread, NULL, die_with_it, &mutex);
	pthread_join(thread, NULL);
	wrong += took("pthread_mutex_trylock", pthread_mutex_trylock(&mutex), 0) != EOWNERDEAD;
	pthread_mutex_unlock(&mutex);
	wrong += took("pthread_mutex_lock", pthread_mutex_lock(&mutex), 0) != ENOTRECOVERABLE;
	pthread_mutex_destroy(&mutex);
	return wrong;
}

/* More locks held at once than a thread has cells for. */
static void many_at_once(void)
{
	static pthread_mutex_t mutex[200];

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 200; i++)
			took("pthread_mutex_lock", pthread_mutex_lock(&mutex[i]), 0);
		for (int i = 0; i < 200; i++)
			pthread_mutex_unlock(&mutex[i]);
	}
}

int main(void)
{
	int wrong;

	each_type(PTHREAD_MUTEX_NORMAL);
	each_type(PTHREAD_MUTEX_RECURSIVE);
	each_type(PTHREAD_MUTEX_ERRORCHECK);
	each_type(PTHREAD_MUTEX_ADAPTIVE_NP);
	wrong = owner_results() + robust();
	many_at_once();
	expect_print();
	return wrong ? 1 : 0;
}
