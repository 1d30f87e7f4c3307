/* SPDX-License-Identifier: MIT */
/* A cache replayed; see io_cache.h. */
#include "io_cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PAGES_MOST (1u << 22)

struct io_cache_page {
	uint64_t page;
	uint32_t file;
	uint32_t next; /* in the chain */
	uint32_t newer, older;
};

int io_cache_init(struct io_cache *c, uint64_t bytes)
{
	uint64_t pages = bytes / IO_CACHE_PAGE;
	uint32_t size = 1;

	memset(c, 0, sizeof(*c));
	c->capacity = pages < 1 ? 1 : pages > PAGES_MOST ? PAGES_MOST : (uint32_t)pages;
	while (size < c->capacity)
		size *= 2;
	c->mask = size - 1;
	c->page = calloc(c->capacity + 1ull, sizeof(*c->page));
	c->bucket = calloc(size, sizeof(*c->bucket));
	return c->page && c->bucket ? 0 : -ENOMEM;
}

void io_cache_fini(struct io_cache *c)
{
	free(c->page);
	free(c->bucket);
}

static uint32_t *chain_of(struct io_cache *c, uint32_t file, uint64_t page)
{
	uint64_t h = (page * 0x9e3779b97f4a7c15ull) ^ (file * 0xc2b2ae3d27d4eb4full);

	return &c->bucket[(h >> 32) & c->mask];
}

static void take_out(struct io_cache *c, uint32_t n)
{
	struct io_cache_page *p = &c->page[n];

	if (p->newer)
		c->page[p->newer].older = p->older;
	else
		c->newest = p->older;
	if (p->older)
		c->page[p->older].newer = p->newer;
	else
		c->oldest = p->newer;
}

static void make_newest(struct io_cache *c, uint32_t n)
{
	struct io_cache_page *p = &c->page[n];

	p->newer = 0;
	p->older = c->newest;
	if (c->newest)
		c->page[c->newest].newer = n;
	else
		c->oldest = n;
	c->newest = n;
}

/* A free page, or the one that was read longest ago. */
static uint32_t make_room(struct io_cache *c)
{
	uint32_t n = c->oldest, *link;

	if (c->used < c->capacity)
		return ++c->used;
	take_out(c, n);
	link = chain_of(c, c->page[n].file, c->page[n].page);
	while (*link != n)
		link = &c->page[*link].next;
	*link = c->page[n].next;
	return n;
}

int io_cache_read(struct io_cache *c, uint32_t file, uint64_t page)
{
	uint32_t *chain = chain_of(c, file, page), n = *chain;

	while (n && (c->page[n].page != page || c->page[n].file != file))
		n = c->page[n].next;
	if (n) {
		take_out(c, n);
		make_newest(c, n);
		return 1;
	}
	n = make_room(c);
	c->page[n] = (struct io_cache_page){ .page = page, .file = file, .next = *chain };
	*chain = n;
	make_newest(c, n);
	return 0;
}
