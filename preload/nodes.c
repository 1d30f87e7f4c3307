/* SPDX-License-Identifier: MIT */
/* The tree of stacks of a thread; see nodes.h. */
#include "nodes.h"

#include <string.h>

_Static_assert(NODES_MOST <= UINT16_MAX + 1 && NODES_NUMBER <= UINT16_MAX, "fields of struct node");

static uint32_t lists(const struct nodes *n)
{
	return 1u << (32 - n->shift);
}

static void lists_begin(struct nodes *n)
{
	uint32_t most = nodes_lists(n->most);

	n->shift = (uint32_t)__builtin_clz((most < NODES_LISTS ? most : NODES_LISTS) - 1);
}

void nodes_init(struct nodes *n, void *memory, uint32_t most)
{
	n->node = memory;
	n->list = (uint16_t *)(n->node + most);
	n->most = most;
	lists_begin(n);
	n->count = n->number = 0;
}

void nodes_forget(struct nodes *n)
{
	memset(n->list, 0, lists(n) * sizeof(*n->list));
	lists_begin(n);
	n->count = 0;
}

/* Four times as many lists. Few nodes in many lists would touch a page of memory each. */
static void lists_widen(struct nodes *n)
{
	n->shift -= 2;
	if (lists(n) > nodes_lists(n->most))
		n->shift++;
	memset(n->list, 0, lists(n) * sizeof(*n->list));
	for (uint32_t id = 1; id <= n->count; id++) {
		uint16_t *list = nodes_list(n, n->node[id].hash);

		n->node[id].next = *list;
		*list = (uint16_t)id;
	}
}

uint32_t nodes_add(struct nodes *n, uint32_t parent, uint64_t ra, uint32_t hash)
{
	uint16_t *list;
	struct node *node;

	if (n->count + 1 >= n->most)
		return 0;
	if (unlikely(2 * n->count >= lists(n)) && lists(n) < nodes_lists(n->most))
		lists_widen(n);
	list = nodes_list(n, hash);
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
