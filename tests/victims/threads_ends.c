/* SPDX-License-Identifier: MIT */
/*
 * Ends of threads: left by pthread_exit() and thrd_exit() with and without what they hold given
 * back, cancelled in each kind of wait that can be cancelled, detached by themselves and by others.
 * What a cancelled wait left behind is right if the locks taken and given back afterwards are.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#include "asleep.h"
#include "churn.h"
#include "expect.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_t sleeper;
static sem_t sem;
static volatile int tid, ended, wrong;

static void check(int right)
{
	wrong += !right;
}

static const struct timespec *late(void)
{
	static __thread struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += 1000;
	return &t;
}

static void lock_again(void)
{
	pthread_mutex_lock(&mutex);
	pthread_mutex_unlock(&mutex);
	expect_add("locks.totals.acquisitions", 1);
}

/* Called by the end of a thread that waited for the condition: it has the mutex again. */
static void give_back(void *lock)
{
	check(!pthread_mutex_unlock(lock));
	lock_again();
}

static void clean(void *unused)
{
	(void)unused;
	lock_again();
}

#define CANCELLED(name, handler, argument, ...)                                                    \
	static void *name(void *arg)                                                               \
	{                                                                                          \
		(void)arg;                                                                         \
		pthread_cleanup_push(handler, argument);                                           \
		__atomic_store_n(&tid, (int)syscall(SYS_gettid), __ATOMIC_RELEASE);                \
		__VA_ARGS__                                                                        \
		pthread_cleanup_pop(0);                                                            \
		return NULL;                                                                       \
	}

CANCELLED(in_cond_wait, give_back, &mutex, pthread_mutex_lock(&mutex);
	  pthread_cond_wait(&cond, &mutex);)
CANCELLED(in_cond_timedwait, give_back, &mutex, pthread_mutex_lock(&mutex);
	  pthread_cond_timedwait(&cond, &mutex, late());)
CANCELLED(in_cond_clockwait, give_back, &mutex, pthread_mutex_lock(&mutex);
	  pthread_cond_clockwait(&cond, &mutex, CLOCK_REALTIME, late());)
CANCELLED(in_sem_wait, clean, NULL, sem_wait(&sem);)
CANCELLED(in_sem_timedwait, clean, NULL, sem_timedwait(&sem, late());)
CANCELLED(in_sem_clockwait, clean, NULL, sem_clockwait(&sem, CLOCK_REALTIME, late());)
CANCELLED(in_join, clean, NULL, pthread_join(sleeper, NULL);)
CANCELLED(in_pause, clean, NULL, pause();)

static void cancel(void *(*function)(void *), int locks)
{
	pthread_t thread;
	void *result;

	tid = 0;
	check(!pthread_create(&thread, NULL, function, NULL));
	while (!tid || !asleep(tid))
		usleep(500);
	check(!pthread_cancel(thread));
	check(!pthread_join(thread, &result) && result == PTHREAD_CANCELED);
	expect_add("threads.created", 1);
	expect_add("locks.totals.acquisitions", locks);
}

static void *sleep_on(void *arg)
{
	(void)arg;
	pause();
	return NULL;
}

static void cancelled(void)
{
	check(!pthread_create(&sleeper, NULL, sleep_on, NULL));
	for (int i = 0; i < 5; i++) {
		cancel(in_cond_wait, 1);
		cancel(in_cond_timedwait, 1);
		cancel(in_cond_clockwait, 1);
		cancel(in_sem_wait, 0);
		cancel(in_sem_timedwait, 0);
		cancel(in_sem_clockwait, 0);
		cancel(in_join, 0);
		cancel(in_pause, 0);
	}
	check(!pthread_cancel(sleeper) && !pthread_join(sleeper, NULL));
	expect_add("threads.created", 1);
	expect_add("locks.totals.unowned_unlocks", 0);
}

static void __attribute__((noinline)) deeper(int n)
{
	if (n > 20)
		pthread_exit(&mutex);
	if (n >= 0)
		deeper(n + 1);
	__asm__ volatile("");
}

static void *leaves(void *arg)
{
	lock_again();
	deeper(arg ? 0 : 20);
	return NULL;
}

static int c11_leaves(void *arg)
{
	lock_again();
	if (arg)
		thrd_exit(9);
	return 9;
}

static int detached_c11(void *arg)
{
	(void)arg;
	__atomic_fetch_add(&ended, 1, __ATOMIC_RELEASE);
	return 0;
}

static void *detaches_itself(void *arg)
{
	check(!pthread_detach(pthread_self()));
	__atomic_fetch_add(&ended, 1, __ATOMIC_RELEASE);
	return arg;
}

static void left(void)
{
	pthread_t thread;
	thrd_t c11;
	void *value;
	int nine;

	for (long i = 0; i < 8; i++) {
		check(!pthread_create(&thread, NULL, leaves, (void *)(i & 1)));
		check(!pthread_join(thread, &value) && value == &mutex);
		check(thrd_create(&c11, c11_leaves, (void *)(i & 1)) == thrd_success);
		check(thrd_join(c11, &nine) == thrd_success && nine == 9);
		check(thrd_create(&c11, detached_c11, NULL) == thrd_success);
		check(thrd_detach(c11) == thrd_success);
		check(!pthread_create(&thread, NULL, detaches_itself, NULL));
	}
	while (__atomic_load_n(&ended, __ATOMIC_ACQUIRE) < 16)
		usleep(500);
	expect_add("threads.created", 32);
}

int main(int argc, char **argv)
{
	sem_init(&sem, 0, 0);
	cancelled();
	left();
	if (argc > 1 && !strcmp(argv[1], "wrap"))
		churn(600000);
	expect_add("threads.unjoined", 0);
	expect_print();
	return wrong ? 1 : 0;
}
