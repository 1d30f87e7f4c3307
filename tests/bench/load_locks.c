/* SPDX-License-Identifier: MIT */
/*
 * Locks: load_locks COUNT [THREADS]. Without THREADS, a thread locks and unlocks four mutexes in
 * turn that nobody else wants; with it, so many share one, with a little work under it and outside.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define MOST_THREADS 64

static pthread_mutex_t mutex[4] = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
				    PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER };
static long count;
static volatile long shared;

__attribute__((noinline)) static void pair(pthread_mutex_t *m)
{
	pthread_mutex_lock(m);
	pthread_mutex_unlock(m);
}

static void *contend(void *arg)
{
	volatile long own = 0;

	for (long i = 0; i < count; i++) {
		pthread_mutex_lock(&mutex[0]);
		for (int k = 0; k < 20; k++)
			shared++;
		pthread_mutex_unlock(&mutex[0]);
		for (int k = 0; k < 200; k++)
			own++;
	}
	return arg;
}

int main(int argc, char **argv)
{
	long total = argc > 1 ? atol(argv[1]) : 0, threads = argc > 2 ? atol(argv[2]) : 0;
	pthread_t thread[MOST_THREADS];

	for (long i = 0; i < total && !threads; i++)
		pair(&mutex[i & 3]);
	if (threads > MOST_THREADS)
		return 2;
	count = threads ? total / threads : 0;
	for (long i = 0; i < threads; i++)
		pthread_create(&thread[i], NULL, contend, NULL);
	for (long i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	printf("calls %ld\n", (threads ? count * threads : total) * 2);
	return 0;
}
