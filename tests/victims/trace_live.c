/* SPDX-License-Identifier: MIT */
/*
 * Allocates known numbers of blocks of a known size in several threads, says "ready", and waits:
 * for a byte on standard input, then the same again, without end. Nobody but SIGKILL ends it.
 *
 *	trace_live THREADS BLOCKS SIZE
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static size_t blocks, size;
static pthread_barrier_t start, done;

static void *work(void *arg)
{
	void **p = calloc(blocks, sizeof(*p));

	for (;;) {
		pthread_barrier_wait(&start);
		for (size_t i = 0; i < blocks; i++)
			p[i] = malloc(size);
		for (size_t i = 0; i < blocks; i++)
			free(p[i]);
		pthread_barrier_wait(&done);
	}
	return arg;
}

int main(int argc, char **argv)
{
	unsigned threads = argc > 3 ? (unsigned)atoi(argv[1]) : 0;
	char byte;

	if (!threads)
		return 2;
	blocks = (size_t)atol(argv[2]);
	size = (size_t)atol(argv[3]);
	pthread_barrier_init(&start, NULL, threads + 1);
	pthread_barrier_init(&done, NULL, threads + 1);
	for (unsigned i = 0; i < threads; i++) {
		pthread_t t;

		if (pthread_create(&t, NULL, work, NULL))
			return 2;
	}
	do {
		pthread_barrier_wait(&start);
		pthread_barrier_wait(&done);
		if (write(1, "ready\n", 6) != 6)
			return 1;
	} while (read(0, &byte, 1) == 1);
	return 0;
}
