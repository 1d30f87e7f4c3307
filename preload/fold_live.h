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

/* The block at an address, or NULL; valid until the table changes. */
struct fold_block_live *fold_live_find(const struct fold_live *t, uint64_t address);

/* A place for a block at an address that is not there; NULL and f->failed without memory. */
struct fold_block_live *fold_live_add(struct fold *f, struct fold_live *t, uint64_t address);

/* Takes out a block that fold_live_find() returned. */
void fold_live_remove(struct fold_live *t, struct fold_block_live *b);

/*
 * The places of all blocks in about the order of their addresses, which takes half the space: a
 * radix sort of bits 4 to 47. 2 * count elements, for pool_unmap(); the second half is scratch.
 * NULL without memory.
 */
uint32_t *fold_live_order(const struct fold_live *t);

#endif
