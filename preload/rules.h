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

struct rules_entry {
	_Atomic uint64_t key; /* commit word; 0 = free, 1 = being written */
	uint64_t rule;
};

struct rules_table {
	uint32_t mask;
	_Atomic uint32_t used;
	struct rules_table *older; /* grown out of; still read by threads on the way */
	struct rules_entry entry[];
};

static always_inline uint32_t rules_hash(uint64_t key)
{
	return (uint32_t)((key * 0x9e3779b97f4a7c15ull) >> 40);
}

/* Computes the rule of `key` and keeps it. Any thread, any context. */
uint64_t rules_fill(uint64_t key);

/* The rule of `key` (cfi.h) through `table`, the current one or NULL. */
static always_inline uint64_t rules_find(struct rules_table *table, uint64_t key)
{
	uint32_t i;

	if (likely(table)) {
		for (i = rules_hash(key) & table->mask;; i = (i + 1) & table->mask) {
			uint64_t k =
				atomic_load_explicit(&table->entry[i].key, memory_order_acquire);

			if (likely(k == key))
				return table->entry[i].rule;
			if (!k)
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
