/* SPDX-License-Identifier: MIT */
/* The recorder's own memory; see pool.h. */
#include "pool.h"

#include <stdatomic.h>
#include <sys/mman.h>

#include "sys.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

#define PAGE	    4096ull
#define MAPS_MOST   256u
#define CHUNK_PAGES 384ull /* too few for a huge page, which would take more than it is worth */
#define PIECE_PAGES 192ull

/* The mappings. A forked child keeps its parent's, wiped, but for those it does not have. */
static struct {
	_Atomic uint64_t start; /* 0 = free, TAKEN = about to be filled in */
	uint64_t end;
	bool apart; /* not in a child */
} map[MAPS_MOST];
#define TAKEN 1ull
static _Atomic bool maps_lost; /* there were more */

static void map_enter(uint64_t start, uint64_t end, bool apart)
{
	for (uint32_t i = 0; i < MAPS_MOST; i++) {
		uint64_t none = 0;

		if (atomic_load(&map[i].start) ||
		    !atomic_compare_exchange_strong(&map[i].start, &none, TAKEN))
			continue;
		map[i].end = end;
		map[i].apart = apart;
		atomic_store(&map[i].start, start);
		return;
	}
	atomic_store(&maps_lost, true);
}

static void map_drop(void *p, size_t size)
{
	for (uint32_t i = 0; i < MAPS_MOST; i++) {
		uint64_t same = (uint64_t)p;

		if (atomic_compare_exchange_strong(&map[i].start, &same, 0))
			break;
	}
	sys_munmap(p, size);
}

bool pool_each(void (*fn)(void *arg, uint64_t start, uint64_t end), void *arg)
{
	for (uint32_t i = 0; i < MAPS_MOST; i++) {
		uint64_t start = atomic_load(&map[i].start);

		if (start > TAKEN)
			fn(arg, start, map[i].end);
	}
	return !atomic_load(&maps_lost);
}

void pool_forked(void)
{
	for (uint32_t i = 0; i < MAPS_MOST; i++)
		if (atomic_load(&map[i].start) && map[i].apart)
			atomic_store(&map[i].start, 0);
}

/* Page-aligned; wiped in a child, or not there. */
static void *map_new(size_t size, bool apart)
{
	void *p;

	apart = apart && !sys_locks_future;
	p = apart ? sys_mmap(NULL, size, PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
		  : sys_map_own(size, 0);
	if (sys_failed((long)p))
		return NULL;
	if (sys_madvise(p, size, apart ? MADV_DONTFORK : MADV_WIPEONFORK)) {
		sys_munmap(p, size);
		return NULL;
	}
	sys_madvise(p, size, MADV_DONTDUMP);
	map_enter((uint64_t)p, (uint64_t)p + size, apart);
	if (sys_locks_future) /* all that there is may just have been locked */
		sys_call3(SYS_munlock, (long)p, (long)size, 0);
	return p;
}

/*
 * Most of what is asked for is small, and is cut from larger mappings: three system calls for each
 * are much for a short program. Where the rest of the mapping begins, with its pages in the low
 * bits. A child goes on in its parent's, which nothing was written to behind that, or is wiped.
 */
static _Atomic uint64_t rest;

static void *piece_cut(uint64_t pages)
{
	uint64_t from = atomic_load(&rest), fresh;

	for (;;) {
		if ((from & (PAGE - 1)) >= pages) {
			if (atomic_compare_exchange_weak(&rest, &from, from + pages * PAGE - pages))
				return (void *)(from & ~(PAGE - 1));
			continue;
		}
		fresh = (uint64_t)map_new(CHUNK_PAGES * PAGE, false);
		if (!fresh)
			return NULL;
		if (atomic_compare_exchange_strong(&rest, &from, fresh + CHUNK_PAGES))
			from = fresh + CHUNK_PAGES;
		else
			map_drop((void *)fresh, CHUNK_PAGES * PAGE);
	}
}

static void *map_any(size_t size, bool apart)
{
	uint64_t pages = (size + PAGE - 1) / PAGE;
	void *p = pages <= PIECE_PAGES ? piece_cut(pages) : NULL;

	return p ? p : map_new(pages * PAGE, apart);
}

void *pool_map(size_t size)
{
	return map_any(size, false);
}

void *pool_map_apart(size_t size)
{
	return map_any(size, true);
}

void pool_unmap(void *p, size_t size)
{
	uint64_t pages = (size + PAGE - 1) / PAGE;

	if (p && pages <= PIECE_PAGES) /* its addresses are not used again */
		sys_madvise(p, pages * PAGE, MADV_DONTNEED);
	else if (p)
		map_drop(p, pages * PAGE);
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
