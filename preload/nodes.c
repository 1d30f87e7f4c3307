/* SPDX-License-Identifier: MIT */
/* The tree of frames of a buffer; see nodes.h. */
#include "nodes.h"

#include <string.h>

void nodes_init(struct nodes *n, void *memory)
{
	n->ra = memory;
	n->parent = (uint32_t *)(n->ra + NODES_MOST + 1);
	n->table = n->parent + NODES_MOST + 1;
	n->mask = NODES_TABLE_LEAST - 1;
	n->count = 0;
}

void nodes_forget(struct nodes *n, uint32_t count)
{
	memset(n->table, 0, ((size_t)n->mask + 1) * sizeof(*n->table));
	n->count = count;
}

void nodes_reset(struct nodes *n)
{
	nodes_forget(n, n->count);
	/* the next buffer will need about as much */
	while (n->mask >= NODES_TABLE_LEAST && n->count < n->mask / 4)
		n->mask /= 2;
	n->count = 0;
}

static void insert(struct nodes *n, uint32_t id)
{
	uint32_t at = nodes_place(n, n->parent[id], n->ra[id]);

	while (n->table[at])
		at = (at + 1) & n->mask;
	n->table[at] = id;
}

uint32_t nodes_add(struct nodes *n, uint32_t parent, uint64_t ra)
{
	uint32_t id = ++n->count;

	n->ra[id] = ra;
	n->parent[id] = parent;
	if (2 * id > n->mask && n->mask < NODES_TABLE_MOST - 1) {
		uint32_t used = 0;

		/* those that were forgotten do not come back: enter what the table holds */
		for (uint32_t i = 0; i <= n->mask; i++)
			used += n->table[i] != 0;
		memset(n->table, 0, ((size_t)n->mask + 1) * sizeof(*n->table));
		n->mask = 2 * n->mask + 1;
		for (uint32_t i = id - used; i < id; i++)
			insert(n, i);
	}
	insert(n, id);
	return id;
}
