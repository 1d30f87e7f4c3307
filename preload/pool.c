/* SPDX-License-Identifier: MIT */
/* The recorder's own memory; see pool.h. */
#include "pool.h"

#include <stdatomic.h>
#include <sys/mman.h>

#include "sys.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

#define MAPS_MOST 256u

/* The mappings. A forked child keeps its parent's, wiped. */
static struct {
	_Atomic uint64_t start; /* 0 = free */
	uint64_t end;
} map[MAPS_MOST];
static _Atomic bool maps_lost; /* there were more */

static void map_enter(uint64_t start, uint64_t end)
{
	for (uint32_t i = 0; i < MAPS_MOST; i++) {
		uint64_t none = 0;

		if (atomic_load(&map[i].start) ||
		    !atomic_compare_exchange_strong(&map[i].start, &none, start))
			continue;
		map[i].end = end;
		return;
	}
	atomic_store(&maps_lost, true);
}

static void map_leave(uint64_t start)
{
	for (uint32_t i = 0; i < MAPS_MOST; i++) {
		uint64_t same = start;

		if (atomic_compare_exchange_strong(&map[i].start, &same, 0))
			return;
	}
}

bool pool_each(void (*fn)(void *arg, uint64_t start, uint64_t end), void *arg)
{
	for (uint32_t i = 0; i < MAPS_MOST; i++)
		if (atomic_load(&map[i].start))
			fn(arg, atomic_load(&map[i].start), map[i].end);
	return !atomic_load(&maps_lost);
}

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
	map_enter((uint64_t)p, ((uint64_t)p + size + 4095) & ~4095ull);
	return p;
}

void pool_unmap(void *p, size_t size)
{
	if (!p)
		return;
	map_leave((uint64_t)p);
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
