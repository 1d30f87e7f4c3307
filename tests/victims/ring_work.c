/* SPDX-License-Identifier: MIT */
/*
 * Twelve threads, four at a time, each with a file, a lock and blocks of its own, and a lock that
 * all share: far more events than a small ring holds. What each does is known beforehand.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "expect.h"

#define ROUNDS	3
#define THREADS 4
#define TIMES	30000

static pthread_mutex_t shared = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t own[THREADS];
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static volatile int wrong;

static void wait_for_nothing(void)
{
	struct timespec past = { 1, 0 };

	pthread_mutex_lock(&shared);
	wrong += pthread_cond_timedwait(&never, &shared, &past) != ETIMEDOUT;
	pthread_mutex_unlock(&shared);
}

static void once(int fd, int k, int i)
{
	static const char zeros[128];
	static const int first[] = { 1, 3, 6 }; /* all that the file has then */
	char buffer[128];

	wrong += write(fd, zeros, (size_t)(1 + i % 100)) != 1 + i % 100;
	wrong += pread(fd, buffer, 7, 0) != (i < 3 ? first[i] : 7);
	if (i % 10 == 0)
		wrong += read(-1, buffer, 1) != -1;
	pthread_mutex_lock(&own[k]);
	pthread_mutex_unlock(&own[k]);
	if (i % 3 == 0) {
		pthread_mutex_lock(&shared);
		pthread_mutex_unlock(&shared);
	}
	if (i % 1000 == 0)
		wait_for_nothing();
}

static void *worker(void *arg)
{
	int k = (int)(long)arg, fd;
	char name[16];

	snprintf(name, sizeof(name), "data.%d", k);
	fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	for (int i = 0; i < TIMES; i++) {
		void *volatile p = malloc((size_t)(1 + i % 500));

		once(fd, k, i);
		free(p);
	}
	close(fd);
	return NULL;
}

/* A hundred bytes a round of 1 to 100; the first three preads find less. */
static void state_the_truth(void)
{
	long long threads = ROUNDS * THREADS, times = threads * TIMES;

	expect_add("io.totals.write.calls", times);
	expect_add("io.totals.write.bytes", times / 100 * 5050);
	expect_add("io.totals.write.errors", 0);
	expect_add("io.totals.read.calls", times + times / 10);
	expect_add("io.totals.read.bytes", times * 7 - threads * 11);
	expect_add("io.totals.read.short", 3 * threads);
	expect_add("io.totals.read.errors", times / 10);
	expect_add("io.totals.open.calls", threads);
	expect_add("io.totals.close.calls", threads);
	expect_add("locks.totals.acquisitions", times + times / 3 + times / 1000);
	expect_add("locks.totals.condition_waits", times / 1000);
	expect_add("locks.totals.errors", 0);
	expect_add("locks.totals.unowned_unlocks", 0);
	expect_add("threads.created", threads);
	expect_add("threads.unjoined", 0);
	expect_add("threads.peak", THREADS + 1);
}

int main(void)
{
	pthread_t thread[THREADS];

	for (int k = 0; k < THREADS; k++)
		pthread_mutex_init(&own[k], NULL);
	for (int round = 0; round < ROUNDS; round++) {
		for (long k = 0; k < THREADS; k++)
			pthread_create(&thread[k], NULL, worker, (void *)k);
		for (int k = 0; k < THREADS; k++)
			pthread_join(thread[k], NULL);
	}
	state_the_truth();
	expect_print();
	return wrong != 0;
}
