/* SPDX-License-Identifier: MIT */
/* Pages, extensions of the heap, pools, arenas and reserves, on blocks made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../analyzer/churn_model.h"
#include "../../analyzer/growth_model.h"
#include "../../analyzer/trends.h"

#define BRK   0x555555559000u
#define ARENA 0x7ffff0000000u
#define KIB   1024u

static struct heap_model m;
static struct growth_model g;
static struct churn_model c;
static uint64_t now;

static void give(const struct event *e)
{
	assert_int_equal(heap_model_event(&m, e), 0);
	if (e->kind == LAR_EV_MAP)
		assert_int_equal(growth_model_event(&g, e), 0);
}

static void alloc(uint32_t stack, uint64_t address, uint64_t size)
{
	struct event e = { .kind = LAR_EV_ALLOC,
			   .thread = 1,
			   .stack = stack,
			   .time_ns = ++now,
			   .field = { now, address, size } };

	give(&e);
}

static void release(uint64_t address)
{
	struct event e = {
		.kind = LAR_EV_FREE, .thread = 1, .time_ns = ++now, .field = { now, address }
	};

	give(&e);
}

static void resize(uint32_t stack, uint64_t old, uint64_t new, uint64_t size)
{
	struct event e = { .kind = LAR_EV_REALLOC,
			   .thread = 1,
			   .stack = stack,
			   .time_ns = ++now,
			   .field = { now, 0, old, new, size } };

	give(&e);
}

static int setup(void **state)
{
	(void)state;
	now = 0;
	heap_model_init(&m, NULL, 0);
	assert_int_equal(heap_model_start_line(&m, 0), 0);
	assert_int_equal(growth_model_init(&g, &m), 0);
	assert_int_equal(churn_model_init(&c, &m), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	growth_model_fini(&g);
	churn_model_fini(&c);
	heap_model_fini(&m);
	return 0;
}

static const struct churn_site *site(uint32_t stack)
{
	assert_int_equal(churn_model_finish(&c), 0);
	return &c.site[sites_number(&m.sites, stack, 1)];
}

static void pages_are_held_by_live_blocks(void **state)
{
	(void)state;
	alloc(1, BRK + 100, 200);
	alloc(1, BRK + 400, 200);
	assert_int_equal(growth_held_bytes(&g), 4096);
	/* over an edge */
	alloc(1, BRK + 4000, 200);
	assert_int_equal(growth_held_bytes(&g), 2 * 4096);
	/* from within a page, over three more */
	alloc(1, BRK + 8192 + 16, 4 * 4096);
	assert_int_equal(growth_held_bytes(&g), 7 * 4096);
	alloc(1, BRK + 0x10000, 0);
	assert_int_equal(growth_held_bytes(&g), 8 * 4096);
	assert_int_equal(g.main_pages, 8);
	release(BRK + 100);
	release(BRK + 4000);
	/* the second page had only the one */
	assert_int_equal(growth_held_bytes(&g), 7 * 4096);
	release(BRK + 400);
	release(BRK + 8192 + 16);
	release(BRK + 0x10000);
	assert_int_equal(growth_held_bytes(&g), 0);
	assert_int_equal(g.main_pages, 0);
	assert_int_equal(g.held_peak_bytes, 8 * 4096);
}

#define BLOCKS 40

/* Pages on which any of the blocks lies, counted one by one. */
static uint64_t pages_of(const uint64_t *start, const uint64_t *size)
{
	static bool held[4 * BLOCKS];
	uint64_t count = 0;

	memset(held, 0, sizeof(held));
	for (unsigned i = 0; i < BLOCKS; i++) {
		uint64_t last = start[i] + size[i] - (size[i] > 0);

		for (uint64_t p = start[i] / 4096; size[i] != UINT64_MAX && p <= last / 4096; p++)
			held[p - BRK / 4096] = true;
	}
	for (unsigned i = 0; i < 4 * BLOCKS; i++)
		count += held[i];
	return count;
}

/* Blocks that grow and shrink in their places, over edges of pages and back; any may go. */
static void pages_of_resized_blocks(void **state)
{
	uint64_t start[BLOCKS], size[BLOCKS], random = 1;

	(void)state;
	for (unsigned i = 0; i < BLOCKS; i++) {
		start[i] = BRK + i * 10000;
		size[i] = UINT64_MAX; /* none */
	}
	for (unsigned k = 0; k < 20000; k++) {
		unsigned i = k % BLOCKS;

		random = random * 6364136223846793005u + 1442695040888963407u;
		if (size[i] == UINT64_MAX) {
			alloc(1, start[i], size[i] = random >> 33 & 31);
		} else if (random >> 61) {
			resize(2, start[i], start[i], size[i] = (random >> 33) % 10000);
		} else {
			release(start[i]);
			size[i] = UINT64_MAX;
		}
		assert_int_equal(growth_held_bytes(&g), 4096 * pages_of(start, size));
		assert_int_equal(m.held_bytes, growth_held_bytes(&g));
		assert_int_equal(m.main_held_bytes, growth_held_bytes(&g));
	}
}

/* What glibc asks for: the block and 128 KiB on top; then nothing until that is used. */
static void extensions_are_seen_from_addresses(void **state)
{
	(void)state;
	alloc(1, BRK + 0x2a0, 100);
	for (uint64_t at = 0x400; at + 0x1000 < 132 * KIB; at += 0x1000)
		alloc(2, BRK + at, 0x1000 - 16);
	alloc(3, BRK + 132 * KIB + 0x400, 100);
	/* of its own mapping, and in a heap of a thread */
	alloc(4, ARENA + 0x8000000 + 16, 200 * KIB);
	alloc(5, ARENA + 0x8c0, 64);
	release(ARENA + 0x8000000 + 16);
	growth_model_finish(&g);
	assert_int_equal(g.count, 4);
	assert_int_equal(g.event[0].kind, GROWTH_BRK);
	assert_int_equal(g.event[0].bytes, 132 * KIB);
	assert_int_equal(g.event[0].stack, 1);
	assert_int_equal(g.event[1].kind, GROWTH_BRK);
	assert_int_equal(g.event[1].stack, 3);
	assert_int_equal(g.event[1].bytes, 132 * KIB);
	assert_int_equal(g.event[2].kind, GROWTH_MMAP);
	assert_int_equal(g.event[2].bytes, 204 * KIB);
	assert_int_equal(g.event[3].kind, GROWTH_ARENA);
	assert_int_equal(g.mapped_bytes, 0);
	for (unsigned i = 0; i < 4; i++)
		assert_false(g.event[i].recorded);
}

static void calls_are_recorded(void **state)
{
	struct event e = { .kind = LAR_EV_MAP, .call = LAR_CALL_mmap, .stack = 7, .time_ns = 5 };

	(void)state;
	e.field[1] = 300; /* ns */
	e.field[2] = ARENA;
	e.field[3] = 1 << 20;
	give(&e);
	e.call = LAR_CALL_munmap;
	e.field[5] = 1 << 20;
	give(&e);
	e.call = LAR_CALL_mmap;
	e.field[6] = (uint64_t)-12; /* failed */
	give(&e);
	growth_model_finish(&g);
	assert_int_equal(g.count, 1);
	assert_true(g.event[0].recorded);
	assert_int_equal(g.event[0].took_ns, 300);
	assert_int_equal(g.event[0].bytes, 1 << 20);
	assert_int_equal(m.mapped_now, 0);
}

/* The list keeps the largest, the totals all. */
static void the_list_is_bounded(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= 5000; i++) {
		alloc(1, ARENA + ((uint64_t)i << 30) + 16, 1024 * KIB + i * 4096);
		release(ARENA + ((uint64_t)i << 30) + 16);
	}
	growth_model_finish(&g);
	assert_in_range(g.count, GROWTH_EVENTS / 2, GROWTH_EVENTS);
	assert_int_equal(g.count + g.left_out, 5000);
	assert_int_equal(g.total[GROWTH_MMAP][0].events, 5000);
	/* the largest is there, and in the order of time */
	assert_int_equal(g.event[g.count - 1].bytes, 1024 * KIB + 5000 * 4096 + 4096);
	for (uint32_t i = 1; i < g.count; i++)
		assert_true(g.event[i - 1].at_ns <= g.event[i].at_ns);
}

/*
 * Rounds of ten allocated, ten freed: a pool of one answers one of ten, of four four, of sixteen
 * all but those of the first round.
 */
static void pools_are_replayed(void **state)
{
	const struct churn_site *s;

	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		for (uint64_t i = 0; i < 10; i++)
			alloc(1, BRK + 16 * i, 10);
		for (uint64_t i = 0; i < 10; i++)
			release(BRK + 16 * i);
	}
	s = site(1);
	assert_int_equal(s->of_size, 2000);
	assert_int_equal(s->hits[0], 199 * 1);
	assert_int_equal(s->hits[1], 199 * 4);
	assert_int_equal(s->hits[2], 199 * 10);
	assert_int_equal(s->hits[5], 199 * 10);
	assert_int_equal(churn_pool_blocks[churn_best_pool(s)], 16);
	assert_int_equal(s->pool_order, 1990);
	/* ... and they were made and freed together */
	assert_int_equal(s->batches, 200);
	assert_int_equal(s->batch_blocks, 2000);
	assert_int_equal(s->arena_order, 1800);
}

static void what_is_freed_in_between_is_no_batch(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		for (uint64_t i = 0; i < 10; i++)
			alloc(1, BRK + 16 * i, 10);
		release(BRK);
		alloc(1, BRK, 11); /* of another size: no business of the pool */
		for (uint64_t i = 0; i < 10; i++)
			release(BRK + 16 * i);
	}
	assert_int_equal(site(1)->batches, 0);
	assert_int_equal(site(1)->arena_order, 0);
	assert_int_equal(site(1)->of_size, 2000);
}

static void what_lives_on_is_for_no_pool(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 3000; i++)
		alloc(1, BRK + 16 * i, 10);
	assert_int_equal(site(1)->of_size, 3000);
	assert_int_equal(site(1)->hits[5], 0);
	assert_int_equal(site(1)->pool_order, 0);
}

/* A block that grows by 100 bytes a time, moves every other time: 100, 300, 500, ... copied. */
static void reserves_count_what_was_copied(void **state)
{
	uint64_t at = BRK, copied = 0;

	(void)state;
	alloc(1, at, 100);
	for (unsigned i = 1; i <= 200; i++) {
		uint64_t to = i % 2 ? at + 0x100000 : at;

		copied += i % 2 ? 100 * i : 0;
		resize(2, at, to, 100 * (i + 1));
		at = to;
	}
	resize(2, at, at, 50); /* smaller: no growth */
	assert_int_equal(site(2)->grown, 200);
	assert_int_equal(site(2)->moved, 100);
	assert_int_equal(site(2)->copied_bytes, copied);
	assert_int_equal(site(2)->reserve_order, copied);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		TEST(pages_are_held_by_live_blocks),
		TEST(pages_of_resized_blocks),
		TEST(extensions_are_seen_from_addresses),
		TEST(calls_are_recorded),
		TEST(the_list_is_bounded),
		TEST(pools_are_replayed),
		TEST(what_is_freed_in_between_is_no_batch),
		TEST(what_lives_on_is_for_no_pool),
		TEST(reserves_count_what_was_copied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
