/* SPDX-License-Identifier: MIT */
/* Blocks per page against a plain array, over pages that come near each other and far apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../analyzer/page_counts.h"

#define PAGES 5000

static uint32_t expected[PAGES];

/* The first thousand side by side, the others each in a group of its own. */
static uint64_t page_at(uint32_t i)
{
	return i < 1000 ? i + 1 : (uint64_t)i * 1000 + i % 64;
}

static void counts_follow_an_array(void **state)
{
	struct page_counts c = { 0 };
	uint64_t used = 0, random = 1;

	(void)state;
	memset(expected, 0, sizeof(expected));
	for (int step = 0; step < 200000; step++) {
		uint32_t i;

		random = random * 6364136223846793005u + 1442695040888963407u;
		i = (uint32_t)(random >> 33) % PAGES;
		if (random >> 63) {
			assert_int_equal(page_counts_add(&c, page_at(i)), !expected[i]);
			used += !expected[i]++;
		} else if (expected[i]) {
			assert_int_equal(page_counts_take(&c, page_at(i)), expected[i] == 1);
			used -= !--expected[i];
		} else {
			assert_int_equal(page_counts_take(&c, page_at(i)), 0);
		}
		assert_int_equal(c.pages, used);
	}
	page_counts_fini(&c);
}

/* A process that maps and unmaps at ever new addresses holds few pages at a time. */
static void empty_groups_do_not_stay(void **state)
{
	struct page_counts c = { 0 };

	(void)state;
	for (uint64_t i = 0; i < 1000000; i++) {
		assert_int_equal(page_counts_add(&c, i * 64), 1);
		if (i >= 100)
			assert_int_equal(page_counts_take(&c, (i - 100) * 64), 1);
	}
	assert_int_equal(c.pages, 100);
	assert_in_range(c.room, 100, 10000);
	page_counts_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_follow_an_array),
		cmocka_unit_test(empty_groups_do_not_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
