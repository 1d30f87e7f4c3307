/* SPDX-License-Identifier: MIT */
/*
 * Which sites would gain from another way to allocate, tried out on the trace itself: a pool of
 * blocks of one size, an arena for what is made together and freed together, room reserved for
 * what is resized again and again. Looks on at a heap model's blocks. One thread at a time.
 */
#ifndef LARIAT_CHURN_MODEL_H
#define LARIAT_CHURN_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "heap_model.h"

/* Pools of these many free blocks are tried. */
#define CHURN_POOLS 6
extern const uint32_t churn_pool_blocks[CHURN_POOLS];

/* A number for each pool, and two that stay 0. */
typedef int16_t churn_spare __attribute__((vector_size(16)));

struct churn_site {
	/* Pool: blocks of the site's first size. A pool keeps up to so many freed blocks and
	 * answers allocations from them. */
	churn_spare spare; /* free blocks in the pool now */
	uint64_t size_bytes;
	uint64_t of_size; /* allocations of that size */
	/* ... answered from a pool; while events come, those of which this is the smallest pool
	 * that could; last, those that none could */
	uint64_t hits[CHURN_POOLS + 1];
	/* Arena: batches of blocks, of which none was freed before the last was made, and none
	 * made before the last was freed. */
	uint64_t batches, batch_blocks; /* whole ones of ARENA_LEAST blocks and more */
	uint64_t made, freed;		/* in the present batch */
	bool broken;			/* ... which is none */
	/* Reserve: reallocations recorded with this stack. */
	uint64_t grown, moved, copied_bytes;
	/* for lists */
	uint64_t pool_order, arena_order, reserve_order;
};

#define ARENA_LEAST 8

struct churn_model {
	struct heap_model *heap;
	struct churn_site *site; /* by the heap model's numbers */
	uint32_t size;
	uint64_t dying_bytes; /* of the old block of the realloc that is being taken */
	uint64_t dying_address;
};

int churn_model_init(struct churn_model *c, struct heap_model *heap);
void churn_model_fini(struct churn_model *c);

/* After the last event: decides which sites are worth listing. Returns 0 or -ENOMEM. */
int churn_model_finish(struct churn_model *c);

/* The smallest pool that answers nearly as much as the largest: an index of churn_pool_blocks. */
unsigned churn_best_pool(const struct churn_site *s);

#endif
