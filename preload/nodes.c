/* SPDX-License-Identifier: MIT */
/* The tree of stacks of a thread; see nodes.h. */
#include "nodes.h"

#include <string.h>

_Static_assert(NODES_MOST <= UINT16_MAX + 1 && NODES_NUMBER <= UINT16_MAX, "fields of struct node");

void nodes_init(struct nodes *n, void *memory, uint32_t most)
{
	n->node = memory;
	n->list = (uint16_t *)(n->node + most);
	n->most = most;
	n->shift = (uint32_t)__builtin_clz(most - 1);
	n->count = n->number = 0;
}

void nodes_forget(struct nodes *n)
{
	memset(n->list, 0, nodes_lists(n->most) * sizeof(*n->list));
	n->count = 0;
}

uint32_t nodes_add(struct nodes *n, uint32_t parent, uint64_t ra, uint32_t hash)
{
	uint16_t *list = nodes_list(n, hash);
	struct node *node;

	if (n->count + 1 >= n->most)
		return 0;
	node = &n->node[++n->count];
	node->ra = ra;
	node->epoch = 0;
	node->number = 0;
	node->parent = (uint16_t)parent;
	node->next = *list;
	node->depth = (uint16_t)(n->node[parent].depth + 1);
	node->hash = hash;
	*list = (uint16_t)n->count;
	return n->count;
}
