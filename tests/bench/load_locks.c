/* SPDX-License-Identifier: MIT */
/*
 * Locks: load_locks WAY COUNT [THREADS]. `alone` locks and unlocks four mutexes in turn that nobody
 * else wants; `share`: so many threads want one mutex, with a little work under it and outside;
 * `read`: they read under one lock for readers and writers; `turns`: two threads wake each other by
 * a condition, COUNT times in all. Its last line is how often a lock was taken or given back by a
 * call of its own.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_THREADS 64

static pthread_mutex_t mutex[4] = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
				    PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER };
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static long count;
static volatile long shared;

__attribute__((noinline)) static void pair(pthread_mutex_t *m)
{
	pthread_mutex_lock(m);
	pthread_mutex_unlock(m);
}

static void *alone(void *arg)
{
	for (long i = 0; i < count; i++)
		pair(&mutex[i & 3]);
	return arg;
}

static void outside(void)
{
	volatile long own = 0;

	for (int k = 0; k < 200; k++)
		own++;
}

static void *share(void *arg)
{
	for (long i = 0; i < count; i++) {
		pthread_mutex_lock(&mutex[0]);
		for (int k = 0; k < 20; k++)
			shared++;
		pthread_mutex_unlock(&mutex[0]);
		outside();
	}
	return arg;
}

static void *read_only(void *arg)
{
	long sum = 0;

	for (long i = 0; i < count; i++) {
		pthread_rwlock_rdlock(&rwlock);
		for (int k = 0; k < 20; k++)
			sum += shared;
		pthread_rwlock_unlock(&rwlock);
		outside();
	}
	return sum < 0 ? NULL : arg;
}

/* The odd turns are the second thread's. */
static void *turns(void *arg)
{
	for (long i = (long)arg; i < 2 * count; i += 2) {
		pthread_mutex_lock(&mutex[0]);
		while (shared != i)
			pthread_cond_wait(&cond, &mutex[0]);
		shared++;
		pthread_cond_signal(&cond);
		pthread_mutex_unlock(&mutex[0]);
	}
	return NULL;
}

static const struct {
	const char *name;
	void *(*run)(void *arg);
	long threads; /* 0: as asked for */
} ways[] = { { "alone", alone, 1 },
	     { "share", share, 0 },
	     { "read", read_only, 0 },
	     { "turns", turns, 2 } };

int main(int argc, char **argv)
{
	long total = argc > 2 ? atol(argv[2]) : 0, threads = argc > 3 ? atol(argv[3]) : 0;
	pthread_t thread[MOST_THREADS];
	size_t way = 0;

	while (argc > 1 && way < sizeof(ways) / sizeof(ways[0]) && strcmp(argv[1], ways[way].name))
		way++;
	if (argc < 3 || way == sizeof(ways) / sizeof(ways[0]))
		return 2;
	if (ways[way].threads)
		threads = ways[way].threads;
	if (threads < 1 || threads > MOST_THREADS)
		return 2;
	count = total / threads;
	if (threads == 1)
		ways[way].run(NULL);
	for (long i = 0; threads > 1 && i < threads; i++)
		pthread_create(&thread[i], NULL, ways[way].run, (void *)i);
	for (long i = 0; threads > 1 && i < threads; i++)
		pthread_join(thread[i], NULL);
	printf("calls %ld\n", count * threads * 2);
	return 0;
}
