/* SPDX-License-Identifier: MIT */
/* Pools, arenas and reserves tried out on a trace; see churn_model.h. */
#include "churn_model.h"

#include <emmintrin.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Less than this is not worth a line of code to the program's author. */
#define POOL_LEAST    1000 /* allocations of the size */
#define ARENA_BLOCKS  1000 /* blocks in batches */
#define RESERVE_LEAST 100  /* reallocations that grow a block */

#define POOL_BLOCKS   1, 4, 16, 64, 256, 1024
const uint32_t churn_pool_blocks[CHURN_POOLS] = { POOL_BLOCKS };
static const churn_spare pool_most = { POOL_BLOCKS };

static int sites_reserve(struct churn_model *c, uint32_t site)
{
	return array_reserve((void **)&c->site, &c->size, site, sizeof(*c->site));
}

/*
 * A larger pool never has less to spare than a smaller one: both get and give the same blocks. So
 * all from the first that has some have some, and that one's number tells of all.
 */
static inline void pool_take(struct churn_site *s, uint64_t size)
{
	churn_spare some;
	unsigned bytes;

	if (!s->of_size)
		s->size_bytes = size;
	if (size != s->size_bytes)
		return;
	s->of_size++;
	some = s->spare > 0;
	s->spare += some; /* -1 where it is so */
	bytes = (unsigned)_mm_movemask_epi8((__m128i)some) | 1u << 2 * CHURN_POOLS;
	s->hits[(unsigned)__builtin_ctz(bytes) / 2]++;
}

static inline void pool_give(struct churn_site *s, uint64_t size)
{
	if (size == s->size_bytes)
		s->spare -= s->spare < pool_most;
}

/* Each pool's hits, when there are no more events. */
static void pool_finish(struct churn_site *s)
{
	for (unsigned p = 1; p < CHURN_POOLS; p++)
		s->hits[p] += s->hits[p - 1];
}

static inline void batch_birth(struct churn_site *s)
{
	s->broken |= s->freed > 0;
	s->made++;
}

static __attribute__((noinline)) void batch_end(struct churn_site *s)
{
	if (!s->broken && s->made >= ARENA_LEAST) {
		s->batches++;
		s->batch_blocks += s->made;
	}
	s->made = s->freed = 0;
	s->broken = false;
}

static inline void batch_death(struct churn_site *s)
{
	if (++s->freed >= s->made)
		batch_end(s);
}

/* Made by a realloc. */
static __attribute__((noinline)) void resized(struct churn_model *c, const struct live_block *b,
					      const struct event *e)
{
	struct churn_site *s = &c->site[b->site];

	if (!c->dying_address || e->field[2] != c->dying_address)
		return;
	c->dying_address = 0;
	if (b->size_bytes <= c->dying_bytes)
		return;
	s->grown++;
	if (e->field[2] == e->field[3])
		return;
	s->moved++;
	s->copied_bytes += c->dying_bytes;
}

static inline __attribute__((always_inline)) void
born(struct churn_model *c, const struct live_block *b, const struct event *e)
{
	struct churn_site *s = &c->site[b->site];

	pool_take(s, b->size_bytes);
	batch_birth(s);
	if (e->kind == LAR_EV_REALLOC)
		resized(c, b, e);
}

static __attribute__((noinline)) int
born_at_new_site(struct churn_model *c, const struct live_block *b, const struct event *e)
{
	if (sites_reserve(c, b->site))
		return -ENOMEM;
	born(c, b, e);
	return 0;
}

static int block_born(void *arg, const struct live_block *b, const struct event *e)
{
	struct churn_model *c = arg;

	if (__builtin_expect(b->site >= c->size, 0))
		return born_at_new_site(c, b, e);
	born(c, b, e);
	return 0;
}

static void block_died(void *arg, const struct live_block *b, const struct event *e, uint64_t now)
{
	struct churn_model *c = arg;
	struct churn_site *s = b->site < c->size ? &c->site[b->site] : NULL;

	(void)now;
	if (!s)
		return;
	pool_give(s, b->size_bytes);
	batch_death(s);
	if (e->kind == LAR_EV_REALLOC && e->field[2] == b->address) {
		c->dying_address = b->address;
		c->dying_bytes = b->size_bytes;
	}
}

int churn_model_init(struct churn_model *c, struct heap_model *heap)
{
	memset(c, 0, sizeof(*c));
	if (heap->watches == HEAP_WATCHES)
		return -EBUSY;
	c->heap = heap;
	heap->watch[heap->watches++] = (struct heap_watch){ c, block_born, block_died, NULL };
	return 0;
}

void churn_model_fini(struct churn_model *c)
{
	free(c->site);
	memset(c, 0, sizeof(*c));
}

unsigned churn_best_pool(const struct churn_site *s)
{
	uint64_t most = s->hits[CHURN_POOLS - 1];
	unsigned p = 0;

	while (p + 1 < CHURN_POOLS && s->hits[p] < most - most / 50)
		p++;
	return p;
}

int churn_model_finish(struct churn_model *c)
{
	uint32_t sites = c->heap->sites.count;

	if (sites && sites_reserve(c, sites - 1))
		return -ENOMEM;
	for (uint32_t i = 0; i < sites; i++) {
		struct churn_site *s = &c->site[i];
		uint64_t hits;

		pool_finish(s);
		hits = s->hits[churn_best_pool(s)];
		/* a pool pays where most of its blocks are used again */
		if (s->of_size >= POOL_LEAST && hits >= s->of_size - s->of_size / 4)
			s->pool_order = hits;
		if (s->batch_blocks >= ARENA_BLOCKS &&
		    s->batch_blocks >= c->heap->site[i].allocations / 2)
			s->arena_order = s->batch_blocks - s->batches;
		if (s->grown >= RESERVE_LEAST && s->moved)
			s->reserve_order = s->copied_bytes;
	}
	return 0;
}
