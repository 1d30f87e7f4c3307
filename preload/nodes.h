/* SPDX-License-Identifier: MIT */
/*
 * The stacks that a thread has seen, as a tree: a node is a return address below its parent. Node 0
 * is the empty stack. The tree outlives the thread's buffers; a node has a number in the buffer
 * once a record of that buffer defines it, and `epoch` tells of which.
 *
 * One thread at a time. Memory is the caller's.
 */
#ifndef LARIAT_NODES_H
#define LARIAT_NODES_H

#include <stddef.h>
#include <stdint.h>

#include "attr.h"

#ifdef LAR_UNWIND_CHECK
#define NODES_MOST 4400u /* a little more than the deepest stack: it is full now and then */
#define NODES_FEW  4400u
#else
#define NODES_MOST 65536u /* of the tree, the empty stack included */
#define NODES_FEW  12288u /* likewise, where memory for many threads is to do */
#endif
#define NODES_LISTS  2048u  /* at first: a page of them */
#define NODES_NUMBER 16384u /* highest number in a buffer */

struct node {
	uint64_t ra;
	uint32_t epoch;	 /* of the buffer that `number` is of */
	uint16_t number; /* in that buffer */
	uint16_t parent;
	uint16_t next;	/* in its list, 0 = the last */
	uint16_t depth; /* frames of the stack */
	uint32_t hash;	/* of the stack */
};

struct nodes {
	struct node *node;
	uint16_t *list;	 /* by hash: a first node, 0 = none */
	uint32_t shift;	 /* from a hash to its list; there are more lists with more nodes */
	uint32_t most;	 /* nodes there may be, with 0 */
	uint32_t count;	 /* nodes but 0 */
	uint32_t number; /* the highest of the buffer */
};

/* Lists, a power of two, are in the end no fewer than nodes. */
static inline uint32_t nodes_lists(uint32_t most)
{
	return 1u << (32 - __builtin_clz(most - 1));
}

/* Bytes of memory, zeroed, that nodes_init() divides; touched about as far as used. */
static inline size_t nodes_bytes(uint32_t most)
{
	return most * sizeof(struct node) + nodes_lists(most) * sizeof(uint16_t);
}

void nodes_init(struct nodes *n, void *memory, uint32_t most);

/* An empty tree; numbers go on. */
void nodes_forget(struct nodes *n);

/* Of a stack whose callers' hash is given. Reads no memory: those of many frames are known before
 * the first of their nodes. */
static always_inline uint32_t nodes_hash(uint32_t callers, uint64_t ra)
{
	return (uint32_t)((((uint64_t)callers << 16 ^ ra) * 0x9e3779b97f4a7c15ull) >> 32);
}

static always_inline uint16_t *nodes_list(const struct nodes *n, uint32_t hash)
{
	return &n->list[hash >> n->shift];
}

/* Of the node that a stack of that hash may have. */
static always_inline void nodes_prefetch(const struct nodes *n, uint32_t hash)
{
	__builtin_prefetch(&n->node[*nodes_list(n, hash)]);
}

/* The node of `ra` below `parent`, or 0. */
static always_inline uint32_t nodes_find(const struct nodes *n, uint32_t parent, uint64_t ra,
					 uint32_t hash)
{
	uint32_t id = parent + 1;

	/* the frames of a walk were added one behind another; behind the last there may be no
	 * memory yet, and to look there would take a fault */
	if (likely(id <= n->count && n->node[id].ra == ra && n->node[id].parent == parent))
		return id;
	id = *nodes_list(n, hash);
	while (id && unlikely(n->node[id].ra != ra || n->node[id].parent != parent))
		id = n->node[id].next;
	return id;
}

/* Adds a node that is not there; 0 when the tree is full. */
uint32_t nodes_add(struct nodes *n, uint32_t parent, uint64_t ra, uint32_t hash);

#endif
