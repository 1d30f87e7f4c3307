/* SPDX-License-Identifier: MIT */
/* build: -O1 -fno-builtin */
/*
 * Threads that hand blocks to each other: half of the frees are another thread's blocks, and
 * reallocs run against other threads' mallocs of the same addresses. Nothing is left at the end,
 * every count is known. "nothing" only starts the threads.
 */
#include <pthread.h>
#include <stdlib.h>

#include "expect.h"

#define THREADS 4
#define ROUNDS	20000
#define SHELF	64

static void *shelf[SHELF];
static int rounds = ROUNDS;
static long long allocations[THREADS], frees[THREADS], bytes[THREADS];

static void *work(void *arg)
{
	int self = (int)(long)arg;
	unsigned random = (unsigned)self * 7919 + 1;

	for (int i = 0; i < rounds; i++) {
		random = random * 1103515245 + 12345;
		size_t size = random / 65536 % 300 + 1;
		void *p = malloc(size), *q;

		allocations[self]++;
		bytes[self] += (long long)size;
		if (i % 4 == 0) {
			p = realloc(p, size * 2);
			allocations[self]++;
			frees[self]++;
			bytes[self] += (long long)size * 2;
		}
		q = __atomic_exchange_n(&shelf[random % SHELF], p, __ATOMIC_ACQ_REL);
		frees[self] += q != NULL;
		free(q);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread[THREADS];

	(void)argv;
	if (argc > 1)
		rounds = 0;

	for (long i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, work, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	for (int i = 0; i < SHELF; i++) {
		frees[0] += shelf[i] != NULL;
		free(shelf[i]);
	}
	for (int i = 0; i < THREADS; i++) {
		expect_add("heap.allocations", allocations[i]);
		expect_add("heap.allocated_bytes", bytes[i]);
		expect_add("heap.frees", frees[i]);
		expect_add("heap.freed_bytes", bytes[i]);
	}
	expect_add("heap.live_blocks", 0);
	expect_add("heap.live_bytes", 0);
	expect_print();
	return 0;
}
