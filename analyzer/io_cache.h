/* SPDX-License-Identifier: MIT */
/*
 * A cache of pages as it would have done on the reads of a trace: least recently used, of a fixed
 * size. One thread at a time; memory is fixed by the capacity.
 */
#ifndef LARIAT_IO_CACHE_H
#define LARIAT_IO_CACHE_H

#include <stdint.h>

#define IO_CACHE_PAGE 4096u

struct io_cache_page;

struct io_cache {
	struct io_cache_page *page; /* by number from 1; 0 = none */
	uint32_t *bucket;	    /* hash -> first page of its chain */
	uint32_t capacity, used, mask;
	uint32_t newest, oldest;
};

/* Returns 0 or -ENOMEM; bytes are rounded down to whole pages, one at least. */
int io_cache_init(struct io_cache *c, uint64_t bytes);
void io_cache_fini(struct io_cache *c);

/* A page of a file is read: 1 if it was in the cache, 0 if not. It is now. */
int io_cache_read(struct io_cache *c, uint32_t file, uint64_t page);

#endif
