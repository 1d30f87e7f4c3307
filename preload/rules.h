/* SPDX-License-Identifier: MIT */
/*
 * Cache of unwinding rules by program counter, shared by all threads. A hit takes two loads and no
 * lock; a miss reads the module's call frame information (cfi.h) and registers the module in the
 * trace, so that every address in a stack has its module there first.
 *
 * Entries of a library that is unloaded go with rules_forget(); thread caches notice by
 * recorder->generation.
 */
#ifndef LARIAT_RULES_H
#define LARIAT_RULES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "attr.h"

/* Key of a program counter that is not a return address (interrupted by a signal). */
#define RULES_EXACT (1ull << 63)

/*
 * An entry is one word: the address in the upper 48 bits, then the number of its rule among the
 * distinct ones, of which there are few. 0 = free.
 */
#define RULES_DISTINCT 2048

struct rules_table {
	uint32_t mask;
	_Atomic uint32_t used;
	struct rules_table *older; /* grown out of; still read by threads on the way */
	const uint64_t *distinct;
	_Atomic uint64_t entry[];
};

/* Bits 0-46 of an address, and above them whether it is exact. */
static always_inline uint64_t rules_key48(uint64_t key)
{
	return (key | (key & RULES_EXACT) >> 16) & ((1ull << 48) - 1);
}

/* Return addresses that are near each other are often on one stack: into one cache line. */
static always_inline uint32_t rules_place(uint64_t key48)
{
	return (uint32_t)(((key48 >> 7) * 0x9e3779b97f4a7c15ull) >> 40) << 2 |
	       ((uint32_t)key48 >> 5 & 3);
}

/* Computes the rule of `key` and keeps it. Any thread, any context. */
uint64_t rules_fill(uint64_t key);

/* The rule of `key` (cfi.h) through `table`, the current one or NULL. */
static always_inline uint64_t rules_find(struct rules_table *table, uint64_t key)
{
	uint64_t key48 = rules_key48(key);
	uint32_t i;

	if (likely(table)) {
		for (i = rules_place(key48) & table->mask;; i = (i + 1) & table->mask) {
			uint64_t e = atomic_load_explicit(&table->entry[i], memory_order_acquire);

			if (likely(e >> 16 == key48))
				return table->distinct[e & 0xffff];
			if (!e)
				break;
		}
	}
	return rules_fill(key);
}

/*
 * Forgets the rules of addresses from start to end (a return address may be the end): the module is
 * unloaded. No thread runs that code any more, so none looks for these entries.
 */
void rules_forget(uint64_t start, uint64_t end);

/* All that threads remember of stacks and functions is void: call before the rules go. */
void rules_new_generation(void);

#endif
