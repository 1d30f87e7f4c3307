/* SPDX-License-Identifier: MIT */
/* link: analyzer/names.o */
/* The tree of stacks against a plain list of them, and at its bound. */
#define STACKS_MAX_NODES 4096u

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../analyzer/stacks.c"

static struct stacks *stacks_make(void)
{
	struct stacks *s = malloc(sizeof(*s));

	assert_int_equal(stacks_init(s), 0);
	return s;
}

static void stacks_unmake(struct stacks *s)
{
	stacks_fini(s);
	free(s);
}

static struct trace_frame frame(uint64_t address, uint32_t module)
{
	return (struct trace_frame){ address, module };
}

/* The same frames give the same id, others another one; the frames come back. */
static void test_identity(void **state)
{
	struct stacks *s = stacks_make();
	struct stacks_path path[9] = { { 0, 0 } };
	const struct trace_frame *back;
	uint32_t id[8][8], next = 1;

	(void)state;
	for (int again = 0; again < 2; again++) {
		for (uint32_t a = 0; a < 8; a++) {
			for (uint32_t b = 0; b < 8; b++) {
				struct trace_frame f[3] = { frame(100 + a, 1),
							    frame(200 + b, b & 1),
							    frame(100 + a, 1) };

				stacks_push(s, path, f, 3);
				if (!again)
					id[a][b] = path[3].node;
				assert_int_equal(path[3].node, id[a][b]);
				assert_int_equal(stacks_frames(s, path[3].node, &back), 3);
				assert_memory_equal(&back[1].address, &f[1].address, 8);
				assert_int_equal(back[1].module, f[1].module);
				assert_true(back[0].address == 100 + a &&
					    back[2].address == 100 + a);
				if (!again && b == 0)
					assert_int_equal(path[1].node, next);
				if (!again)
					next = s->count;
			}
		}
	}
	/* 8 outermost frames, 64 in the middle, 64 leaves, the root */
	assert_int_equal(s->count, 1 + 8 + 64 + 64);
	/* the module is a part of it */
	{
		struct trace_frame f = frame(100, 2);

		stacks_push(s, path, &f, 1);
		assert_int_equal(path[1].node, 1 + 8 + 64 + 64);
	}
	assert_int_equal(s->folded, 0);
	stacks_unmake(s);
}

/* Going on from a prefix is the same as all at once, across the growth of the table. */
static void test_growth(void **state)
{
	struct stacks *s = stacks_make();
	struct stacks_path path[65] = { { 0, 0 } }, whole[65] = { { 0, 0 } };
	struct trace_frame f[64];

	(void)state;
	for (uint32_t round = 0; round < 60; round++) {
		for (uint32_t i = 0; i < 64; i++)
			f[i] = frame(i < 4 ? i : round * 1000 + i, 0);
		for (uint32_t i = 0; i < 64; i++)
			stacks_push(s, path + i, f + i, 1);
		stacks_push(s, whole, f, 64);
		for (uint32_t i = 0; i <= 64; i++)
			assert_int_equal(path[i].node, whole[i].node);
	}
	assert_int_equal(s->count, 1 + 4 + 60 * 60);
	assert_int_equal(s->capacity, 4096);
	stacks_unmake(s);
}

/* Beyond the bound a stack is its longest known prefix; what is known stays known. */
static void test_bound(void **state)
{
	struct stacks *s = stacks_make();
	struct stacks_path path[4] = { { 0, 0 } };
	const struct trace_frame *back;
	uint32_t first = 0;

	(void)state;
	for (uint64_t i = 0; i < 10000; i++) {
		struct trace_frame f[2] = { frame(7, 0), frame(1000 + i, 0) };

		stacks_push(s, path, f, 2);
		if (i == 0)
			first = path[2].node;
	}
	assert_int_equal(s->count, 4096);
	assert_int_equal(s->folded, 10000 - (4096 - 2));
	assert_int_equal(path[2].node, path[1].node);
	assert_int_equal(stacks_frames(s, path[2].node, &back), 1);
	assert_int_equal(back[0].address, 7);
	{
		struct trace_frame f[3] = { frame(7, 0), frame(1000, 0), frame(5, 5) };

		stacks_push(s, path, f, 3);
		assert_int_equal(path[2].node, first);
		assert_int_equal(path[3].node, first);
	}
	stacks_unmake(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
