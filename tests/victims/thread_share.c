/* SPDX-License-Identifier: MIT */
/*
 * thread_share COUNT: more threads than a small trace has slots for, all at work at a time. Thread
 * i, from 0, allocates TIMES blocks of 1000 + i bytes and takes a lock at every third.
 */
#include <pthread.h>
#include <stdlib.h>

#define TIMES 1500

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t all;

static void *work(void *arg)
{
	size_t size = 1000 + (size_t)arg;

	pthread_barrier_wait(&all);
	for (int i = 0; i < TIMES; i++) {
		void *volatile p = malloc(size);

		free(p);
		if (i % 3 == 0) {
			pthread_mutex_lock(&lock);
			pthread_mutex_unlock(&lock);
		}
	}
	pthread_barrier_wait(&all);
	return NULL;
}

int main(int argc, char **argv)
{
	long count = argc > 1 ? atol(argv[1]) : 0;
	pthread_t *thread = calloc((size_t)count + 1, sizeof(*thread));

	if (!thread || count < 1 || pthread_barrier_init(&all, NULL, (unsigned)count))
		return 1;
	for (long i = 0; i < count; i++)
		if (pthread_create(&thread[i], NULL, work, (void *)i))
			return 1;
	for (long i = 0; i < count; i++)
		pthread_join(thread[i], NULL);
	free(thread);
	return 0;
}
