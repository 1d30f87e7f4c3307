/* SPDX-License-Identifier: MIT */
/* Interns call stacks; see stacks.h. */
#include "stacks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_NODES 1024u

static uint32_t hash(uint32_t parent, uint64_t address, uint32_t module)
{
	uint64_t h = address ^ (uint64_t)parent << 32 ^ module;

	/* the 64-bit finalizer of MurmurHash3 (public domain), with parent mixed in between */
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdull;
	h ^= (h >> 33) + parent;
	h *= 0xc4ceb9fe1a85ec53ull;
	return (uint32_t)(h >> 32);
}

static void insert(struct stacks *s, uint32_t id)
{
	const struct stacks_node *n = &s->nodes[id];
	uint32_t at = hash(n->parent, n->address, n->module) & s->table_mask;

	while (s->table[at])
		at = (at + 1) & s->table_mask;
	s->table[at] = id;
}

/* Twice the nodes, with a table of twice as many places. */
static int grow(struct stacks *s, uint32_t capacity)
{
	struct stacks_node *nodes;
	uint32_t *table;

	if (capacity > STACKS_MAX_NODES)
		return -ENOMEM;
	table = calloc((size_t)capacity * 2, sizeof(*table));
	if (!table)
		return -ENOMEM;
	nodes = realloc(s->nodes, capacity * sizeof(*nodes));
	if (!nodes) {
		free(table);
		return -ENOMEM;
	}
	free(s->table);
	s->nodes = nodes;
	s->table = table;
	s->table_mask = capacity * 2 - 1;
	s->capacity = capacity;
	for (uint32_t i = 1; i < s->count; i++)
		insert(s, i);
	return 0;
}

int stacks_init(struct stacks *s)
{
	int rc;

	memset(s, 0, offsetof(struct stacks, frames));
	rc = grow(s, FIRST_NODES);
	if (rc)
		return rc;
	s->nodes[0] = (struct stacks_node){ 0, UINT32_MAX, 0 };
	s->count = 1;
	return 0;
}

void stacks_fini(struct stacks *s)
{
	free(s->nodes);
	free(s->table);
	memset(s, 0, offsetof(struct stacks, frames));
}

uint32_t stacks_push(struct stacks *s, uint32_t parent, uint64_t address, uint32_t module)
{
	uint32_t h = hash(parent, address, module);
	uint32_t at = h & s->table_mask;

	for (uint32_t id; (id = s->table[at]) != 0; at = (at + 1) & s->table_mask) {
		const struct stacks_node *n = &s->nodes[id];

		if (n->address == address && n->parent == parent && n->module == module)
			return id;
	}
	if (s->count == s->capacity) {
		if (grow(s, s->capacity * 2)) {
			s->folded++;
			return parent;
		}
		for (at = h & s->table_mask; s->table[at];)
			at = (at + 1) & s->table_mask;
	}
	s->nodes[s->count] = (struct stacks_node){ address, module, parent };
	s->table[at] = s->count;
	return s->count++;
}

uint32_t stacks_frames(struct stacks *s, uint32_t id, const struct trace_frame **frames)
{
	uint32_t depth = 0;

	*frames = s->frames;
	if (id >= s->count)
		return 0;
	for (uint32_t n = id; n; n = s->nodes[n].parent)
		depth++;
	/* a node's depth is that of the stacks it was made from: LAR_MAX_DEPTH at most */
	for (uint32_t n = id, i = depth; n; n = s->nodes[n].parent) {
		i--;
		s->frames[i].address = s->nodes[n].address;
		s->frames[i].module = s->nodes[n].module;
	}
	return depth;
}
