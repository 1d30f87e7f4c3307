/* SPDX-License-Identifier: MIT */
/*
 * The blocks that are allocated now: address -> what is known of the block. Open addressing with
 * linear probing and no tombstones. Zeroed memory is an empty table. One thread at a time.
 */
#ifndef LARIAT_LIVE_TABLE_H
#define LARIAT_LIVE_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct live_block {
	uint64_t address; /* 0 = empty slot */
	uint64_t size_bytes;
	uint64_t born_ticks;
	uint32_t site;
	uint32_t thread;
};
_Static_assert(sizeof(struct live_block) == 32, "two blocks to a cache line");

struct live_table {
	struct live_block *slots;
	uint64_t mask; /* slots - 1 */
	uint64_t count;
	unsigned shift; /* 64 - log2(slots) */
};

static inline uint64_t live_slot(const struct live_table *t, uint64_t address)
{
	return (address * 0x9e3779b97f4a7c15ull) >> t->shift;
}

/* The block at an address (not 0), or NULL. Valid until the table changes. */
static inline struct live_block *live_find(const struct live_table *t, uint64_t address)
{
	if (!t->count)
		return NULL;
	for (uint64_t s = live_slot(t, address);; s = (s + 1) & t->mask) {
		if (t->slots[s].address == address)
			return &t->slots[s];
		if (!t->slots[s].address)
			return NULL;
	}
}

/* A place for a new block at an address that is not in the table; NULL = no memory. */
struct live_block *live_insert(struct live_table *t, uint64_t address);

/* Takes out a block that live_find() returned. */
void live_remove(struct live_table *t, struct live_block *b);

void live_fini(struct live_table *t);

#endif
