/* SPDX-License-Identifier: MIT */
/*
 * The blocks that are allocated now: address -> what is known of the block. Open addressing with
 * linear probing and no tombstones. Zeroed memory is an empty table. One thread at a time.
 */
#ifndef LARIAT_LIVE_TABLE_H
#define LARIAT_LIVE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../preload/format/addrhash.h"

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
	uint64_t limit; /* of the count, before it has to grow */
	unsigned shift; /* 64 - log2(slots) */
};

static inline uint64_t live_slot(const struct live_table *t, uint64_t address)
{
	return lar_address_hash(address) >> t->shift;
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

/* Makes room for more than `limit` blocks; 0 or -ENOMEM. */
int live_grow(struct live_table *t);

/*
 * The place of an address (not 0): its block, with *known set, or that of a new one, which has
 * nothing but its address yet. NULL = no memory.
 */
static inline struct live_block *live_claim(struct live_table *t, uint64_t address, bool *known)
{
	uint64_t s;

	if (__builtin_expect(t->count >= t->limit, 0) && live_grow(t))
		return NULL;
	for (s = live_slot(t, address); t->slots[s].address != address; s = (s + 1) & t->mask) {
		if (t->slots[s].address)
			continue;
		t->slots[s].address = address;
		t->count++;
		*known = false;
		return &t->slots[s];
	}
	*known = true;
	return &t->slots[s];
}

/* A place for a new block at an address that is not in the table; NULL = no memory. */
static inline struct live_block *live_insert(struct live_table *t, uint64_t address)
{
	bool known;

	return live_claim(t, address, &known);
}

/* The slow path of live_remove(): what is behind a hole and may not stay there is moved up. */
void live_close_gap(struct live_table *t, uint64_t hole);

/* Takes out a block that live_find() returned. */
static inline void live_remove(struct live_table *t, struct live_block *b)
{
	uint64_t hole = (uint64_t)(b - t->slots);

	t->count--;
	if (t->slots[(hole + 1) & t->mask].address)
		live_close_gap(t, hole);
	else
		b->address = 0;
}

void live_fini(struct live_table *t);

#endif
