/* SPDX-License-Identifier: MIT */
/* link: preload/nodes.o */
/* The recorder's tree of frames against a list of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../preload/nodes.h"

#define GUARD 64

struct fixture {
	struct nodes n;
	uint8_t *memory;
	struct {
		uint32_t parent;
		uint64_t ra;
	} node[NODES_MOST + 1];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->memory = calloc(1, NODES_BYTES + GUARD);
	memset(f->memory + NODES_BYTES, 0xa5, GUARD);
	nodes_init(&f->n, f->memory);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < GUARD; i++)
		assert_int_equal(f->memory[NODES_BYTES + i], 0xa5);
	free(f->memory);
	free(f);
	return 0;
}

static void add(struct fixture *f, uint32_t parent, uint64_t ra)
{
	uint32_t number = f->n.count + 1;

	assert_int_equal(nodes_find(&f->n, parent, ra), 0);
	assert_int_equal(nodes_add(&f->n, parent, ra), number);
	assert_int_equal(f->n.count, number);
	f->node[number].parent = parent;
	f->node[number].ra = ra;
}

/* Adds until there are `count`: chains, wide nodes, and the same address in many places. */
static void grow(struct fixture *f, uint32_t count)
{
	while (f->n.count < count) {
		uint32_t i = f->n.count + 1;

		if (i % 3)
			add(f, i - 1, 0x401000);
		else
			add(f, i / 2, 0x7f0000000000 + i * 5);
	}
}

/* That nodes first to last are found, and those before `first` are not. */
static void expect_found(const struct fixture *f, uint32_t first, uint32_t last)
{
	assert_int_equal(f->n.count, last);
	for (uint32_t i = 1; i <= last; i++)
		assert_int_equal(nodes_find(&f->n, f->node[i].parent, f->node[i].ra),
				 i >= first ? i : 0);
}

static void test_find(void **state)
{
	struct fixture *f = *state;

	add(f, 0, 0x401000);
	add(f, 1, 0x401000); /* recursion */
	add(f, 2, 0x401000);
	add(f, 0, 0x402000);
	add(f, 4, 0x401000);
	add(f, 1, 0);
	add(f, 1, UINT64_MAX);
	expect_found(f, 1, 7);
	assert_int_equal(nodes_find(&f->n, 3, 0x401000), 0);
	assert_int_equal(nodes_find(&f->n, 1, 0x402000), 0);
	assert_int_equal(nodes_find(&f->n, UINT32_MAX, 0x401000), 0);
}

/* As many as there may be, all found at each size; the table is never full. */
static void test_growth(void **state)
{
	struct fixture *f = *state;

	for (uint32_t count = 100; count < NODES_MOST; count += count / 2) {
		grow(f, count);
		expect_found(f, 1, count);
	}
	grow(f, NODES_MOST);
	expect_found(f, 1, NODES_MOST);
	assert_true(f->n.mask + 1 > NODES_MOST && f->n.mask + 1 <= NODES_TABLE_MOST);
}

/* Forgotten nodes keep their numbers, but are found no more: the same frames get new ones. */
static void test_forget(void **state)
{
	struct fixture *f = *state;

	grow(f, 700);
	nodes_forget(&f->n, f->n.count);
	expect_found(f, 701, 700);
	for (uint32_t i = 1; i <= 300; i++)
		add(f, f->node[i].parent, f->node[i].ra);
	for (uint32_t i = 1; i <= 700; i++)
		assert_int_equal(nodes_find(&f->n, f->node[i].parent, f->node[i].ra),
				 i <= 300 ? 700 + i : 0);
	/* the table grows: what was forgotten does not come back */
	grow(f, 5000);
	for (uint32_t i = 301; i <= 700; i++)
		assert_int_equal(nodes_find(&f->n, f->node[i].parent, f->node[i].ra), 0);
	for (uint32_t i = 701; i <= 5000; i++)
		assert_int_equal(nodes_find(&f->n, f->node[i].parent, f->node[i].ra), i);
}

/* Nodes of a record that was never committed are taken back with it. */
static void test_take_back(void **state)
{
	struct fixture *f = *state;

	grow(f, 50);
	nodes_forget(&f->n, 40);
	assert_int_equal(f->n.count, 40);
	for (uint32_t i = 1; i <= 50; i++)
		assert_int_equal(nodes_find(&f->n, f->node[i].parent, f->node[i].ra), 0);
	add(f, 7, 0x403000);
	expect_found(f, 41, 41);
}

/* Buffer after buffer, large and small: each begins with nothing. */
static void test_reset(void **state)
{
	static const uint32_t counts[] = { NODES_MOST, 10, 0, 3000, 1, 1, 1, 1, NODES_MOST, 600 };
	struct fixture *f = *state;
	uint32_t largest;

	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		uint32_t before = f->n.count;

		nodes_reset(&f->n);
		assert_int_equal(f->n.count, 0);
		for (uint32_t k = 1; k <= before; k++)
			assert_int_equal(nodes_find(&f->n, f->node[k].parent, f->node[k].ra), 0);
		grow(f, counts[i]);
		if (i % 3 == 2)
			nodes_forget(&f->n, f->n.count);
		else
			expect_found(f, 1, counts[i]);
	}
	/* clearing it costs as much as it is large: a small buffer after a large one makes it small
	 */
	nodes_reset(&f->n);
	grow(f, NODES_MOST);
	largest = f->n.mask;
	nodes_reset(&f->n);
	assert_int_equal(f->n.mask, largest);
	grow(f, 10);
	nodes_reset(&f->n);
	assert_int_equal(f->n.mask, NODES_TABLE_LEAST - 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_find),      TEST(test_growth), TEST(test_forget),
		TEST(test_take_back), TEST(test_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
