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
	uint32_t count, capacity;
	uint32_t *table; /* open addressing; node ids, 0 = empty */
	uint32_t table_mask;
	uint64_t folded; /* frames that found no room */
	struct trace_frame frames[LAR_MAX_DEPTH];
};

int stacks_init(struct stacks *s); /* 0 or -ENOMEM */
void stacks_fini(struct stacks *s);

/*
 * The node of `address` in `module` called from `parent`. Without memory or at the bound it is
 * `parent` itself, counted in `folded`.
 */
uint32_t stacks_push(struct stacks *s, uint32_t parent, uint64_t address, uint32_t module);

/* The frames of a stack, outermost first, valid until the next call; returns how many. */
uint32_t stacks_frames(struct stacks *s, uint32_t id, const struct trace_frame **frames);

#endif
