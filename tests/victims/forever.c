/* SPDX-License-Identifier: MIT */
/*
 * Four threads that allocate, resize, free, and hand blocks to each other for millions of times,
 * the same each time it runs: what it did is known to the byte, when it did it is not.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include "expect.h"

#define THREADS 4
#define STEPS	1000 /* of a thread, between two handings over */
#define BLOCKS	256

static int rounds;
static pthread_barrier_t barrier;

struct block {
	void *p;
	size_t size;
};

static struct worker {
	pthread_t thread;
	uint64_t random;
	struct block own[BLOCKS], given[BLOCKS]; /* given: by the thread before */
	long long allocations, frees, allocated, freed, reallocations;
	void *kept; /* a list of blocks that nobody frees */
} worker[THREADS];

static uint32_t any(struct worker *w, uint32_t below)
{
	w->random = w->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(w->random >> 33) % below;
}

#define SITE(name)                                                                                 \
	static __attribute__((noinline, no_icf)) void *name(size_t size)                           \
	{                                                                                          \
		void *p = malloc(size);                                                            \
		__asm__ volatile("" : "+r"(p));                                                    \
		return p;                                                                          \
	}
SITE(small)
SITE(middle)
SITE(large)
SITE(leaky)

static void take(struct worker *w, struct block *b)
{
	static void *(*const site[])(size_t) = { small, middle, large };
	uint32_t kind = any(w, 3);

	b->size = any(w, 40u << 2 * kind);
	b->p = site[kind](b->size);
	w->allocations++;
	w->allocated += (long long)b->size;
}

static void give(struct worker *w, struct block *b)
{
	if (!b->p)
		return;
	free(b->p);
	w->frees++;
	w->freed += (long long)b->size;
	b->p = NULL;
}

static void resize(struct worker *w, struct block *b)
{
	size_t size = 1 + any(w, 3000);
	void *p = realloc(b->p, size);

	__asm__ volatile("" : "+r"(p));
	w->reallocations++;
	w->allocations++;
	w->frees++;
	w->freed += (long long)b->size;
	w->allocated += (long long)size;
	*b = (struct block){ p, size };
}

static void step(struct worker *w)
{
	struct block *b = &w->own[any(w, BLOCKS)];

	if (!b->p) {
		take(w, b);
		if (any(w, 4) == 0)
			give(w, b);
	} else if (any(w, 8) == 0) {
		resize(w, b);
	} else {
		give(w, b);
	}
}

static void leak(struct worker *w)
{
	void **p = leaky(100);

	*p = w->kept;
	w->kept = p;
	w->allocations++;
	w->allocated += 100;
}

static void *work(void *arg)
{
	struct worker *w = arg, *next = &worker[(w - worker + 1) % THREADS];

	for (int round = 0; round < rounds; round++) {
		for (int i = 0; i < STEPS; i++)
			step(w);
		if (round % 16 == 0)
			leak(w);
		pthread_barrier_wait(&barrier);
		for (int i = 0; i < BLOCKS; i += 2) {
			next->given[i] = w->own[i];
			w->own[i].p = NULL;
		}
		pthread_barrier_wait(&barrier);
		for (int i = 0; i < BLOCKS; i++)
			give(w, &w->given[i]);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	rounds = argc > 1 ? atoi(argv[1]) : 100;
	pthread_barrier_init(&barrier, NULL, THREADS);
	for (int i = 0; i < THREADS; i++) {
		worker[i].random = (uint64_t)i + 1;
		pthread_create(&worker[i].thread, NULL, work, &worker[i]);
	}
	for (int i = 0; i < THREADS; i++) {
		struct worker *w = &worker[i];

		pthread_join(w->thread, NULL);
		expect_add("heap.allocations", w->allocations);
		expect_add("heap.allocated_bytes", w->allocated);
		expect_add("heap.frees", w->frees);
		expect_add("heap.freed_bytes", w->freed);
		expect_add("heap.reallocations", w->reallocations);
		expect_add("heap.live_blocks", w->allocations - w->frees);
		expect_add("heap.live_bytes", w->allocated - w->freed);
		expect_add("leaks.unfreed.bytes", w->allocated - w->freed);
	}
	expect_print();
	return 0;
}
