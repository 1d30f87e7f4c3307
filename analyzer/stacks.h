/* SPDX-License-Identifier: MIT */
/*
 * Distinct call stacks as a prefix tree: one node per (parent, address, module), and a stack's id
 * is the id of its innermost node. Node 0 is the root, the empty stack.
 *
 * Memory grows with distinct nodes and has a bound; beyond it a stack folds into its longest known
 * prefix. One thread.
 */
#ifndef LARIAT_STACKS_H
#define LARIAT_STACKS_H

#include <stdint.h>

#include "trace.h"

#ifndef STACKS_MAX_NODES
#define STACKS_MAX_NODES (1u << 26)
#endif

struct stacks_node {
	uint64_t address;
	uint32_t module;
	uint32_t parent;
};

struct stacks {
	struct stacks_node *nodes;
	uint64_t *hashes; /* of each node's path */
	uint32_t count, capacity;
	uint32_t *table;      /* open addressing; node ids, 0 = empty */
	unsigned table_shift; /* place = hash >> table_shift */
	uint64_t multiplier;  /* odd, drawn at the start: nobody can prepare collisions */
	uint64_t folded;      /* frames that found no room */
	struct trace_frame frames[LAR_MAX_DEPTH];
};

/*
 * A path from the root: its node, and the hash of the addresses and modules on it, which needs no
 * look into the tree to go on from.
 */
struct stacks_path {
	uint64_t hash;
	uint32_t node;
};

int stacks_init(struct stacks *s); /* 0 or -ENOMEM */
void stacks_fini(struct stacks *s);

/*
 * Appends `count` frames to path[0]: path[1] to path[count] are filled in. Frames that find no
 * room leave their path as the one before, and are counted in `folded`.
 */
void stacks_push(struct stacks *s, struct stacks_path *path, const struct trace_frame *frames,
		 uint32_t count);

/* The path to a node. */
static inline struct stacks_path stacks_path_to(const struct stacks *s, uint32_t node)
{
	return (struct stacks_path){ s->hashes[node], node };
}

/* The frames of a stack, outermost first, valid until the next call; returns how many. */
uint32_t stacks_frames(struct stacks *s, uint32_t id, const struct trace_frame **frames);

#endif
