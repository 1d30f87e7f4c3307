/* SPDX-License-Identifier: MIT */
/* The hash of addresses spreads the blocks that programs make in turns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../preload/format/addrhash.h"

#define BLOCKS 20000u
#define ROOM   (BLOCKS / 7 * 10)
#define MOST   12 /* places looked at for a block, on the average; where all is chance it is 2.2 */

/* Puts the blocks into a table with linear probing. */
static double places_looked_at(const uint64_t *block)
{
	static uint8_t taken[ROOM];
	uint64_t looked = 0;

	memset(taken, 0, sizeof(taken));
	for (uint32_t i = 0; i < BLOCKS; i++) {
		uint64_t at = (lar_address_hash(block[i]) >> 32) * ROOM >> 32;

		for (looked++; taken[at]; looked++)
			at = at + 1 < ROOM ? at + 1 : 0;
		taken[at] = 1;
	}
	return (double)looked / BLOCKS;
}

static void test_even_distances(void **state)
{
	static uint64_t block[BLOCKS];

	(void)state;
	for (uint64_t distance = 16; distance <= 8192; distance += 16) {
		for (uint32_t i = 0; i < BLOCKS; i++)
			block[i] = 0x55d0c8a3b2a0 + i * distance;
		assert_true(places_looked_at(block) < MOST);
	}
	for (unsigned bits = 4; bits < 26; bits++) {
		for (uint32_t i = 0; i < BLOCKS; i++)
			block[i] = 0x7f12a4000b60 + ((uint64_t)i << bits);
		assert_true(places_looked_at(block) < MOST);
	}
}

/* Records of several blocks each, over and over. */
static void test_repeated_sizes(void **state)
{
	static uint64_t block[BLOCKS];

	(void)state;
	for (uint32_t sizes = 1; sizes <= 200; sizes++) {
		uint64_t at = 0x55d0c8a3b2a0;

		for (uint32_t i = 0; i < BLOCKS; i++) {
			block[i] = at;
			at += 32 + i % sizes / 16 * 16 + i * 7 % sizes / 32 * 16;
		}
		assert_true(places_looked_at(block) < MOST);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_even_distances),
		cmocka_unit_test(test_repeated_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
