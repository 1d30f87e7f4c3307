/* SPDX-License-Identifier: MIT */
/* Locks that nobody else wants: load_locks COUNT locks and unlocks four mutexes in turn. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_mutex_t mutex[4] = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
				    PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER };

__attribute__((noinline)) static void pair(pthread_mutex_t *m)
{
	pthread_mutex_lock(m);
	pthread_mutex_unlock(m);
}

int main(int argc, char **argv)
{
	long count = argc > 1 ? atol(argv[1]) : 0;

	for (long i = 0; i < count; i++)
		pair(&mutex[i & 3]);
	printf("calls %ld\n", count * 2);
	return 0;
}
