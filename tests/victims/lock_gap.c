/* SPDX-License-Identifier: MIT */
/*
 * Locks that are free when they are looked at, and taken by another thread before libc comes to
 * them: every call of the main thread waits, although nothing was in its way. Needs libgap.so
 * behind the recorder. One line of JSON for each function that waits.
 */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "asleep.h"
#include "expect.h"

void gap_in_next(void (*what)(void)) __attribute__((weak));

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER, writers_first;
static sem_t sem;
static int main_tid;
static volatile int wanted, ready;

static const struct timespec *late(clockid_t clock)
{
	static struct timespec t;

	clock_gettime(clock, &t);
	t.tv_sec += 1000;
	return &t;
}

enum { MUTEX, RWLOCK, SEM, WRITER, WANTED_END };

static void main_sleeps(void)
{
	ready = 1;
	while (!asleep(main_tid))
		usleep(200);
}

/* Takes what is wanted, and gives it back when the main thread waits for it. */
static void *other(void *arg)
{
	for (;;) {
		while (wanted < 0)
			sched_yield();
		switch (wanted) {
		case MUTEX:
			pthread_mutex_lock(&mutex);
			main_sleeps();
			pthread_mutex_unlock(&mutex);
			break;
		case RWLOCK:
			pthread_rwlock_wrlock(&rwlock);
			main_sleeps();
			pthread_rwlock_unlock(&rwlock);
			break;
		case SEM:
			sem_wait(&sem);
			main_sleeps();
			sem_post(&sem);
			break;
		default:
			return arg;
		}
		wanted = -1;
	}
}

static volatile int writer_tid;

static void *writes(void *arg)
{
	writer_tid = (int)syscall(SYS_gettid);
	pthread_rwlock_wrlock(&writers_first);
	pthread_rwlock_unlock(&writers_first);
	return arg;
}

/* Reads until the main thread waits behind a writer that waits for this one. */
static void *reads(void *arg)
{
	pthread_rwlock_rdlock(&writers_first);
	main_sleeps();
	pthread_rwlock_unlock(&writers_first);
	return arg;
}

static int next;
static pthread_t writer;

static void taken(void)
{
	ready = 0;
	wanted = next;
	while (!ready)
		sched_yield();
}

static void writer_comes(void)
{
	pthread_create(&writer, NULL, writes, NULL);
	/* this thread is not to be seen asleep */
	while (!writer_tid || !asleep(writer_tid))
		sched_yield();
}

static void gap(int what)
{
	next = what;
	gap_in_next(what == WRITER ? writer_comes : taken);
}

#define WAITER(name, what, take, give)                                                             \
	static void __attribute__((noinline)) name(void)                                           \
	{                                                                                          \
		gap(what);                                                                         \
		take;                                                                              \
		give;                                                                              \
		while (wanted >= 0)                                                                \
			sched_yield();                                                             \
		printf("{\"function\":\"%s\"}\n", #name);                                          \
		expect_add("locks.totals.contended", 1);                                           \
		expect_add("locks.totals.acquisitions", 2);                                        \
	}

WAITER(mutex_lock, MUTEX, pthread_mutex_lock(&mutex), pthread_mutex_unlock(&mutex))
WAITER(wrlock, RWLOCK, pthread_rwlock_wrlock(&rwlock), pthread_rwlock_unlock(&rwlock))
WAITER(rdlock, RWLOCK, pthread_rwlock_rdlock(&rwlock), pthread_rwlock_unlock(&rwlock))
WAITER(timedrdlock, RWLOCK, pthread_rwlock_timedrdlock(&rwlock, late(CLOCK_REALTIME)),
       pthread_rwlock_unlock(&rwlock))
WAITER(clockrdlock, RWLOCK,
       pthread_rwlock_clockrdlock(&rwlock, CLOCK_MONOTONIC, late(CLOCK_MONOTONIC)),
       pthread_rwlock_unlock(&rwlock))
WAITER(wait_sem, SEM, sem_wait(&sem), sem_post(&sem))
WAITER(timedwait_sem, SEM, sem_timedwait(&sem, late(CLOCK_REALTIME)), sem_post(&sem))
WAITER(clockwait_sem, SEM, sem_clockwait(&sem, CLOCK_MONOTONIC, late(CLOCK_MONOTONIC)),
       sem_post(&sem))
WAITER(rdlock_behind_writer, WRITER, pthread_rwlock_rdlock(&writers_first),
       pthread_rwlock_unlock(&writers_first))

int main(void)
{
	pthread_rwlockattr_t attr;
	pthread_t thread, reader;

	if (!gap_in_next)
		return 2;
	main_tid = (int)syscall(SYS_gettid);
	wanted = -1;
	sem_init(&sem, 0, 1);
	pthread_create(&thread, NULL, other, NULL);
	mutex_lock();
	wrlock();
	rdlock();
	timedrdlock();
	clockrdlock();
	wait_sem();
	timedwait_sem();
	clockwait_sem();

	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&writers_first, &attr);
	ready = 0;
	pthread_create(&reader, NULL, reads, NULL);
	while (!ready)
		sched_yield();
	rdlock_behind_writer();
	/* the writer waited, too */
	expect_add("locks.totals.contended", 1);
	expect_add("locks.totals.acquisitions", 1);

	wanted = WANTED_END;
	pthread_join(thread, NULL);
	pthread_join(reader, NULL);
	pthread_join(writer, NULL);
	fflush(stdout);
	expect_print();
	return 0;
}
