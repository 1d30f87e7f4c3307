/* SPDX-License-Identifier: MIT */
/* link: preload/nodes.o */
/* The recorder's tree of stacks against a list of them. */
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
	size_t size;
	struct {
		uint32_t parent, hash, depth;
		uint64_t ra;
	} node[NODES_MOST];
};

static int setup_of(void **state, uint32_t most)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->size = nodes_bytes(most);
	f->memory = calloc(1, f->size + GUARD);
	memset(f->memory + f->size, 0xa5, GUARD);
	nodes_init(&f->n, f->memory, most);
	*state = f;
	return 0;
}

static int setup(void **state)
{
	return setup_of(state, NODES_MOST);
}

static int setup_few(void **state)
{
	return setup_of(state, NODES_FEW);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < GUARD; i++)
		assert_int_equal(f->memory[f->size + i], 0xa5);
	free(f->memory);
	free(f);
	return 0;
}

static uint32_t find(const struct fixture *f, uint32_t parent, uint64_t ra)
{
	return nodes_find(&f->n, parent, ra, nodes_hash(f->node[parent].hash, ra));
}

static void add(struct fixture *f, uint32_t parent, uint64_t ra)
{
	uint32_t id = f->n.count + 1;

	f->node[id].hash = nodes_hash(f->node[parent].hash, ra);
	f->node[id].depth = f->node[parent].depth + 1;
	f->node[id].parent = parent;
	f->node[id].ra = ra;
	assert_int_equal(find(f, parent, ra), 0);
	assert_int_equal(nodes_add(&f->n, parent, ra, f->node[id].hash), id);
	assert_int_equal(f->n.count, id);
}

/* Adds until there are `count`: chains, wide nodes, and the same address in many places. `other`
 * makes other addresses. */
static void grow(struct fixture *f, uint32_t count, uint64_t other)
{
	while (f->n.count < count) {
		uint32_t i = f->n.count + 1;

		if (i % 3 && f->node[i - 1].depth < 4000)
			add(f, i - 1, 0x401000 + other);
		else
			add(f, i / 2, 0x7f0000000000 + other + i * 5);
	}
}

/* That there are these nodes, all of them found, each with its depth and without a number. */
static void expect_found(const struct fixture *f, uint32_t count)
{
	assert_int_equal(f->n.count, count);
	for (uint32_t i = 1; i <= count; i++) {
		const struct node *node = &f->n.node[i];

		assert_int_equal(find(f, f->node[i].parent, f->node[i].ra), i);
		assert_int_equal(node->depth, f->node[i].depth);
		assert_int_equal(node->parent, f->node[i].parent);
		assert_int_equal(node->epoch, 0);
		assert_true(node->ra == f->node[i].ra);
	}
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
	expect_found(f, 7);
	assert_int_equal(find(f, 3, 0x401000), 0);
	assert_int_equal(find(f, 1, 0x402000), 0);
}

/* Two stacks may have one hash: they are told apart by what they are. */
static void test_same_hash(void **state)
{
	struct fixture *f = *state;

	for (uint32_t i = 1; i <= 50; i++)
		assert_int_equal(nodes_add(&f->n, i / 2, 0x401000 + i, 77), i);
	for (uint32_t i = 1; i <= 50; i++)
		assert_int_equal(nodes_find(&f->n, i / 2, 0x401000 + i, 77), i);
	assert_int_equal(nodes_find(&f->n, 3, 0x401000 + 5, 77), 0);
	assert_int_equal(nodes_find(&f->n, 2, 0x401000 + 6, 77), 0);
}

/* As many as there may be, all found at each size; then none is added. */
static void test_full(void **state)
{
	struct fixture *f = *state;

	for (uint32_t count = 100; count < f->n.most - 1; count += count / 2) {
		grow(f, count, 0);
		expect_found(f, count);
	}
	grow(f, f->n.most - 1, 0);
	expect_found(f, f->n.most - 1);
	assert_int_equal(nodes_add(&f->n, 1, 0x403000, nodes_hash(f->node[1].hash, 0x403000)), 0);
	expect_found(f, f->n.most - 1);
}

/* Tree after tree, large and small: each begins with nothing, whatever the one before had in the
 * same places. The numbers of the buffer go on. */
static void test_forget(void **state)
{
	static const uint32_t counts[] = { 9000, 10, 0, 3000, 1, 1, 9000, 600 };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		uint32_t before = f->n.count;

		f->n.number = 7 + (uint32_t)i;
		for (uint32_t k = 1; k <= before; k++)
			f->n.node[k].epoch = 3;
		nodes_forget(&f->n);
		assert_int_equal(f->n.count, 0);
		assert_int_equal(f->n.number, 7 + i);
		for (uint32_t k = 1; k <= before; k++)
			assert_int_equal(find(f, f->node[k].parent, f->node[k].ra), 0);
		grow(f, counts[i], i % 2 * 64);
		expect_found(f, counts[i]);
	}
}

int main(void)
{
#define TEST(name, setup) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_find, setup),	    TEST(test_same_hash, setup), TEST(test_full, setup),
		TEST(test_full, setup_few), TEST(test_forget, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
