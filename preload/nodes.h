/* SPDX-License-Identifier: MIT */
/*
 * The frames that a buffer's records refer to, as a tree: a node is a return address below its
 * parent. A buffer begins with node 0 alone, the empty stack.
 *
 * One thread at a time. Memory is the caller's.
 */
#ifndef LARIAT_NODES_H
#define LARIAT_NODES_H

#include <stddef.h>
#include <stdint.h>

#include "attr.h"

#define NODES_MOST	  16384u /* of one buffer */
#define NODES_TABLE_MOST  (2 * NODES_MOST)
#define NODES_TABLE_LEAST 1024u

struct nodes {
	uint64_t *ra;	  /* by node */
	uint32_t *parent; /* by node */
	uint32_t *table;  /* open addressing; node, 0 = empty; at most half full */
	uint32_t mask;
	uint32_t count; /* nodes but 0 */
};

/* Bytes of memory that nodes_init() divides; touched as far as used. */
#define NODES_BYTES ((size_t)(NODES_MOST + 1) * 12 + (size_t)NODES_TABLE_MOST * 4)

void nodes_init(struct nodes *n, void *memory);

/* The tree of a fresh buffer. */
void nodes_reset(struct nodes *n);

/* Finds no node of before any more; numbers go on behind `count`. */
void nodes_forget(struct nodes *n, uint32_t count);

static always_inline uint32_t nodes_place(const struct nodes *n, uint32_t parent, uint64_t ra)
{
	return (uint32_t)(((ra ^ (uint64_t)parent << 40) * 0x9e3779b97f4a7c15ull) >> 40) & n->mask;
}

/* The node of `ra` below `parent`, or 0. */
static always_inline uint32_t nodes_find(const struct nodes *n, uint32_t parent, uint64_t ra)
{
	uint32_t at = nodes_place(n, parent, ra), id;

	for (; (id = n->table[at]) != 0; at = (at + 1) & n->mask)
		if (n->ra[id] == ra && n->parent[id] == parent)
			return id;
	return 0;
}

/* Adds a node that is not there; fewer than NODES_MOST must be. */
uint32_t nodes_add(struct nodes *n, uint32_t parent, uint64_t ra);

#endif
