/* SPDX-License-Identifier: MIT */
/* Blocks per page; see page_counts.h. */
#include "page_counts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SWEEP_LEAST 1024 /* groups; fewer are no burden */

/* Leaves the empty groups out, where they are most of all. */
static int sweep(struct page_counts *c)
{
	struct keymap numbers = { 0 };
	uint32_t kept = 0;

	for (uint32_t i = 0; i < c->numbers.count; i++) {
		if (!c->group[i].used)
			continue;
		if (keymap_number(&numbers, c->group[i].first) == KEYMAP_NONE) {
			keymap_fini(&numbers);
			return -ENOMEM;
		}
		c->group[kept++] = c->group[i];
	}
	memset(c->group + kept, 0, (c->numbers.count - kept) * sizeof(*c->group));
	keymap_fini(&c->numbers);
	c->numbers = numbers;
	c->empty = 0;
	return 0;
}

int page_counts_find(struct page_counts *c, uint64_t page, struct page_group **group)
{
	uint64_t first = page & ~(uint64_t)(PAGE_GROUP - 1);
	uint32_t n = keymap_find(&c->numbers, first);

	if (n == KEYMAP_NONE) {
		/* groups may move */
		memset(c->near, 0, sizeof(c->near));
		if (c->numbers.count >= SWEEP_LEAST && c->empty > c->numbers.count / 2 && sweep(c))
			return -ENOMEM;
		n = c->numbers.count;
		if (array_reserve((void **)&c->group, &c->room, n, sizeof(*c->group)) ||
		    keymap_number(&c->numbers, first) == KEYMAP_NONE)
			return -ENOMEM;
		c->group[n].first = first;
		c->empty++;
	}
	*group = &c->group[n];
	c->near[page >> PAGE_GROUP_BITS & (PAGE_NEAR - 1)] = *group;
	return 0;
}

void page_counts_fini(struct page_counts *c)
{
	free(c->group);
	keymap_fini(&c->numbers);
	memset(c, 0, sizeof(*c));
}
