/* SPDX-License-Identifier: MIT */
/* link: preload/reach_index.o */
/* The leak scan's index and filter of blocks against a search of the whole list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../preload/reach_index.h"

#define BLOCKS 3000
#define GIB    (1ull << 30)

static void *taken[64];
static unsigned takings;

void *reach_memory(struct reach *r, size_t size)
{
	(void)r;
	assert_true(takings < 64);
	return taken[takings++] = calloc(1, size);
}

struct fixture {
	struct reach r;
	struct reach_block block[BLOCKS];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->r.block = f->block;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	while (takings)
		free(taken[--takings]);
	free(*state);
	return 0;
}

static uint64_t random_next(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return *seed >> 33;
}

/* The list itself, from its first block to its last. */
static uint32_t searched(const struct reach *r, uint64_t address)
{
	for (uint32_t i = 0; i < r->count; i++)
		if (address - r->block[i].start < (r->block[i].size ? r->block[i].size : 1))
			return i;
	return UINT32_MAX;
}

static void check(const struct reach *r, uint64_t address)
{
	uint32_t wanted = searched(r, address);

	assert_int_equal(reach_find(r, address), wanted);
	if (wanted != UINT32_MAX)
		assert_true(reach_filter_passes(r->filter, address));
}

static void check_all(const struct reach *r, uint64_t *seed)
{
	for (uint32_t i = 0; i < r->count; i++) {
		uint64_t start = r->block[i].start, size = r->block[i].size;

		check(r, start - 1);
		check(r, start);
		check(r, start + size - 1);
		check(r, start + size);
		check(r, start + size + random_next(seed) % 100000);
		if (size)
			check(r, start + (random_next(seed) << 20) % size);
	}
}

/* A heap of small blocks, some of them over the edge of what a bit stands for. */
static void dense_heap(void **state)
{
	struct fixture *f = *state;
	uint64_t seed = 1, at = 0x55d0c0ffe010;

	for (f->r.count = 0; f->r.count < BLOCKS; f->r.count++) {
		uint64_t size = random_next(&seed) % 20 ? random_next(&seed) % 200
							: random_next(&seed) % 200000;

		f->block[f->r.count] = (struct reach_block){ at, size };
		at += ((size + 8) | 15) + 1 + (random_next(&seed) % 3 ? 0 : 48);
	}
	reach_index(&f->r);
	check_all(&f->r, &seed);
	assert_false(reach_filter_passes(f->r.filter, f->block[0].start - (1 << 20)));
	assert_false(reach_filter_passes(f->r.filter, at + (1 << 20)));
}

/* Heap, mappings of their own far above, and more than all bits together stand for. */
static void far_apart(void **state)
{
	static const struct reach_block blocks[] = {
		{ 0x400010, 24 },	   { 0x55d000000010, 0 },
		{ 0x55d00000fff0, 32 },	   { 0x55d100000010, 5 * GIB },
		{ 0x7f0000000010, 1 },	   { 0x7f0000010000, 65536 },
		{ 0x7f0000020000, 1 },	   { 0x7f8000000010, 4 * GIB - 16 },
		{ 0x7fffffff0000, 65536 },
	};
	struct fixture *f = *state;
	uint64_t seed = 2;

	memcpy(f->block, blocks, sizeof(blocks));
	f->r.count = sizeof(blocks) / sizeof(*blocks);
	reach_index(&f->r);
	check_all(&f->r, &seed);
	for (uint64_t at = 0; at < 5 * GIB; at += 65521)
		assert_true(reach_filter_passes(f->r.filter, 0x55d100000010 + at));
}

/* Without the large ones nearly nothing passes: that is what it is for. */
static void few_pass(void **state)
{
	struct fixture *f = *state;
	unsigned passed = 0;

	f->block[0] = (struct reach_block){ 0x55d012340010, 100 };
	f->block[1] = (struct reach_block){ 0x7f0000000010, 200000 };
	f->r.count = 2;
	reach_index(&f->r);
	for (uint64_t at = 0x7e0000000000; at < 0x7e0000000000 + 4 * GIB; at += 65536)
		passed += reach_filter_passes(f->r.filter, at);
	/* one grain of the first block, and the four that 200,000 bytes are in */
	assert_int_equal(passed, 1 + 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(dense_heap, setup, teardown),
		cmocka_unit_test_setup_teardown(far_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(few_pass, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
