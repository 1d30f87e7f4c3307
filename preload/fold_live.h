/* SPDX-License-Identifier: MIT */
/* The blocks in use among what was folded: open addressing, no tombstones. */
#ifndef LARIAT_FOLD_LIVE_H
#define LARIAT_FOLD_LIVE_H

#include <stdint.h>

#include "addrtable.h"
#include "fold.h"

struct fold_block_live {
	uint64_t address; /* 0 = free place */
	uint64_t size, born;
	uint32_t site, thread;
};

struct fold_live {
	struct addrtable table;
};

/* What is at a place; its address is 0 where there is nothing. */
static inline const struct fold_block_live *fold_live_at(const struct fold_live *t, uint64_t place)
{
	return &((const struct fold_block_live *)t->table.entry)[place];
}

#define FOLD_LIVE_EACH sizeof(struct fold_block_live)
#define FOLD_LIVE_BITS ~0ull

/* The block at an address, or NULL; valid until the table changes. */
static always_inline struct fold_block_live *fold_live_find(const struct fold_live *t,
							    uint64_t address)
{
	return addrtable_find(&t->table, FOLD_LIVE_EACH, FOLD_LIVE_BITS, address);
}

/* Makes room for more blocks; false and f->failed without memory. */
bool fold_live_widen(struct fold *f, struct fold_live *t);

/* The block at an address, or a place for one where its address is 0 as yet: fold_live_enter().
 * NULL and f->failed without memory. */
static always_inline struct fold_block_live *fold_live_place(struct fold *f, struct fold_live *t,
							     uint64_t address)
{
	if (unlikely(addrtable_is_full(&t->table)) && !fold_live_widen(f, t))
		return NULL;
	return addrtable_place_of(&t->table, FOLD_LIVE_EACH, FOLD_LIVE_BITS, address);
}

static always_inline void fold_live_enter(struct fold_live *t, struct fold_block_live *b,
					  uint64_t address)
{
	b->address = address;
	t->table.count++;
}

/* Takes out a block that fold_live_find() returned. */
static always_inline void fold_live_remove(struct fold_live *t, struct fold_block_live *b)
{
	addrtable_remove(&t->table, FOLD_LIVE_EACH, FOLD_LIVE_BITS, b);
}

/*
 * The places of all blocks in about the order of their addresses, which takes half the space: a
 * radix sort of bits 4 to 47. 2 * count elements, for pool_unmap(); the second half is scratch.
 * NULL without memory.
 */
uint32_t *fold_live_order(const struct fold_live *t);

#endif
