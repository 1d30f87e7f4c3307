/* SPDX-License-Identifier: MIT */
/*
 * How many blocks lie on each page, and on how many pages any does. Pages are counted in groups of
 * neighbours, as blocks of one time lie near each other. Zeroed memory has none. One thread at a
 * time. Memory grows with the groups that have blocks at once.
 */
#ifndef LARIAT_PAGE_COUNTS_H
#define LARIAT_PAGE_COUNTS_H

#include <stddef.h>
#include <stdint.h>

#include "keymap.h"

#define PAGE_GROUP_BITS 6
#define PAGE_GROUP	(1u << PAGE_GROUP_BITS)
#define PAGE_NEAR	1024 /* 256 MB of neighbours */

struct page_group {
	uint64_t first; /* page */
	uint32_t used;	/* pages with blocks */
	uint32_t blocks[PAGE_GROUP];
};

struct page_counts {
	uint64_t pages; /* with blocks on them */
	struct page_group *group;
	uint32_t room;
	uint32_t empty;			    /* groups without blocks */
	struct keymap numbers;		    /* first page -> index */
	struct page_group *near[PAGE_NEAR]; /* the last ones looked at */
};

/* The slow path of page_group_of(): 0 or -ENOMEM. */
int page_counts_find(struct page_counts *c, uint64_t page, struct page_group **group);

void page_counts_fini(struct page_counts *c);

/* The group of a page, which is made where it is new; NULL = no memory. */
static inline struct page_group *page_group_of(struct page_counts *c, uint64_t page)
{
	uint64_t first = page & ~(uint64_t)(PAGE_GROUP - 1);
	struct page_group *g = c->near[page >> PAGE_GROUP_BITS & (PAGE_NEAR - 1)];

	if (g && g->first == first)
		return g;
	return page_counts_find(c, page, &g) ? NULL : g;
}

/* The number of blocks on a page that has some; NULL where that takes a longer look, or it has not.
 */
static inline uint32_t *page_counts_known(const struct page_counts *c, uint64_t page)
{
	struct page_group *g = c->near[page >> PAGE_GROUP_BITS & (PAGE_NEAR - 1)];
	uint32_t *blocks;

	if (!g || g->first != (page & ~(uint64_t)(PAGE_GROUP - 1)))
		return NULL;
	blocks = &g->blocks[page & (PAGE_GROUP - 1)];
	return *blocks ? blocks : NULL;
}

/* One block more; 1 when it is the page's first, 0, or -ENOMEM. */
static inline int page_counts_add(struct page_counts *c, uint64_t page)
{
	struct page_group *g = page_group_of(c, page);

	if (__builtin_expect(!g, 0))
		return -1;
	if (g->blocks[page & (PAGE_GROUP - 1)]++)
		return 0;
	c->empty -= !g->used++;
	c->pages++;
	return 1;
}

/* One block less; 1 when it was the page's last, 0, also where none is known. */
static inline int page_counts_take(struct page_counts *c, uint64_t page)
{
	struct page_group *g = page_group_of(c, page);
	uint32_t *blocks;

	if (__builtin_expect(!g, 0))
		return 0;
	blocks = &g->blocks[page & (PAGE_GROUP - 1)];
	if (!*blocks || --*blocks)
		return 0;
	c->empty += !--g->used;
	c->pages--;
	return 1;
}

#endif
