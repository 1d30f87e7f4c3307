/* SPDX-License-Identifier: MIT */
/* build: -O1 -fno-builtin */
/*
 * Threads that hand blocks to each other: half of the frees are another thread's blocks, and
 * reallocs run against other threads' mallocs of the same addresses. Nothing is left at the end,
 * every count is known. "crowd": many more threads than
 * processors, which are held up in the middle of everything. "throng": as many as a server has, all
 * of them there until the last one is done, and taking turns. "nothing" after that, or alone, only
 * starts the threads.
 */
#include <pthread.h>
#include <stdlib.h>

#include "expect.h"

#define THREADS 4
#define CROWD	24
#define THRONG	400
#define TURNS	5
#define ROUNDS	20000
#define SHELF	64

static void *shelf[SHELF];
static int threads = THREADS, rounds = ROUNDS, sizes = 300;
static long long allocations[THRONG], frees[THRONG], bytes[THRONG];
static pthread_barrier_t turn;
static int turns;

static void *work(void *arg)
{
	int self = (int)(long)arg;
	unsigned random = (unsigned)self * 7919 + 1;

	for (int i = 0; i < rounds; i++) {
		random = random * 1103515245 + 12345;
		size_t size = random / 65536 % (unsigned)sizes + 1;
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
		if (turns && i % (rounds / turns) == 0)
			pthread_barrier_wait(&turn);
	}
	if (turns)
		pthread_barrier_wait(&turn);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread[THRONG];
	pthread_attr_t attr;

	if (argc > 1 && !strcmp(argv[1], "crowd")) {
		threads = CROWD;
		rounds = ROUNDS / 3;
		sizes = 2;
	}
	if (argc > 1 && !strcmp(argv[1], "throng")) {
		threads = THRONG;
		turns = TURNS;
		rounds = TURNS * 20;
		pthread_barrier_init(&turn, NULL, THRONG);
	}
	if (argc > 1 && !strcmp(argv[argc - 1], "nothing"))
		rounds = 0;

	/* small enough for libc to keep all: what it frees of ended threads is in no count here */
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 1 << 17);
	for (long i = 0; i < threads; i++)
		pthread_create(&thread[i], &attr, work, (void *)i);
	for (int i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	for (int i = 0; i < SHELF; i++) {
		frees[0] += shelf[i] != NULL;
		free(shelf[i]);
	}
	for (int i = 0; i < threads; i++) {
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
