/* SPDX-License-Identifier: MIT */
/* The recorder's own memory; see pool.h. */
#include "pool.h"

#include <sys/mman.h>

#include "sys.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

void *pool_map(size_t size)
{
	void *p = sys_mmap(NULL, size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (sys_failed((long)p))
		return NULL;
	if (sys_madvise(p, size, MADV_WIPEONFORK)) {
		sys_munmap(p, size);
		return NULL;
	}
	sys_madvise(p, size, MADV_DONTDUMP);
	return p;
}

void pool_unmap(void *p, size_t size)
{
	if (p)
		sys_munmap(p, size);
}

/*
 * What libzstd's allocating entry points would call; the build renames its references to these.
 * The recorder uses only the static-memory interface, so an allocation here is a refusal.
 */
void *lar_no_malloc(size_t size);
void *lar_no_calloc(size_t n, size_t size);
void lar_no_free(void *p);

void *lar_no_malloc(size_t size)
{
	(void)size;
	return NULL;
}

void *lar_no_calloc(size_t n, size_t size)
{
	(void)n;
	(void)size;
	return NULL;
}

void lar_no_free(void *p)
{
	(void)p;
}
