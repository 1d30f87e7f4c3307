/* SPDX-License-Identifier: MIT */
/* build: -O1 -fno-builtin */
/*
 * Calls every C entry point of the heap a known number of times, with the corner cases: size 0,
 * realloc of NULL and to 0, calls that must fail, free(NULL). "nothing" does none of it.
 * "portable" leaves out what not every allocator brings along (cfree, pvalloc).
 *
 * What counts is what came back: an allocator may return NULL from realloc(p, 0) (one free) or a
 * block (one free and one allocation).
 */
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "expect.h"

/* volatile: the compiler must not see that these calls fail */
static volatile size_t huge_size = (size_t)PTRDIFF_MAX - 4096, all_size = SIZE_MAX;
static void *volatile sink;

static void *got(const char *name, void *p, size_t size)
{
	sink = p;
	expect_call(name, "calls", 1);
	expect_call(name, "errors", !p);
	if (!p)
		return NULL;
	expect_call(name, "bytes", (long long)size);
	expect_add("heap.allocations", 1);
	expect_add("heap.allocated_bytes", (long long)size);
	return p;
}

static void released(const char *name, size_t size)
{
	if (name)
		expect_call(name, "calls", 1);
	expect_add("heap.frees", 1);
	expect_add("heap.freed_bytes", (long long)size);
}

static void drop(void *p, size_t size)
{
	if (p)
		released("free", size);
	free(p);
}

static void plain(void)
{
	for (size_t size = 0; size < 2000; size = size * 3 + 1) {
		drop(got("malloc", malloc(size), size), size);
		drop(got("calloc", calloc(size, 3), size * 3), size * 3);
		drop(got("calloc", calloc(7, size), size * 7), size * 7);
	}
	for (int i = 0; i < 5; i++)
		free(NULL);
	drop(got("malloc", malloc(3 << 20), 3 << 20), 3 << 20);
}

static void aligned(int portable)
{
	void *p = NULL;

	drop(got("memalign", memalign(64, 1000), 1000), 1000);
	drop(got("memalign", memalign(4096, 10), 10), 10);
	drop(got("aligned_alloc", aligned_alloc(256, 512), 512), 512);
	drop(got("valloc", valloc(77), 77), 77);
	if (!portable)
		drop(got("pvalloc", pvalloc(4096), 4096), 4096);
	got("posix_memalign", posix_memalign(&p, 128, 333) ? NULL : p, 333);
	drop(p, 333);
}

/* One realloc that returned q; `was`: of a block of `old` bytes, else of NULL. */
static void *resized(const char *name, int was, size_t old, void *q, size_t size)
{
	sink = q;
	expect_call(name, "calls", 1);
	expect_call(name, "errors", !q && size);
	expect_call(name, "bytes", q ? (long long)size : 0);
	if (was && (q || !size))
		released(NULL, old);
	if (q) {
		expect_add("heap.allocations", 1);
		expect_add("heap.allocated_bytes", (long long)size);
	}
	return q;
}

static void reallocs(void)
{
	void *p = NULL, *q;
	void *volatile kept;
	size_t old = 0;

	for (size_t size = 1; size < 100000; size = size * 5 + 2) {
		p = resized("realloc", size > 1, old, realloc(p, size), size);
		old = size;
	}
	for (size_t size = old; size > 10; size /= 7) {
		p = resized("reallocarray", 1, old, reallocarray(p, size, 2), size * 2);
		old = size * 2;
	}
	/* fails and keeps the block */
	kept = p;
	q = realloc(p, huge_size);
	resized("realloc", 1, old, q, huge_size);
	q = reallocarray(kept, all_size / 2, 4);
	resized("reallocarray", 1, old, q, all_size);
	q = realloc(kept, 0);
	q = resized("realloc", 1, old, q, 0);
	drop(q, 0);
	q = resized("realloc", 0, 0, realloc(NULL, 0), 0);
	drop(q, 0);
}

static void failing(int portable)
{
	void *p = NULL;

	got("malloc", malloc(huge_size), huge_size);
	got("malloc", malloc(all_size), all_size);
	got("calloc", calloc(all_size / 2, 3), 0);
	got("memalign", memalign(64, huge_size), huge_size);
	got("valloc", valloc(huge_size), huge_size);
	if (!portable)
		got("pvalloc", pvalloc(huge_size), huge_size);
	got("aligned_alloc", aligned_alloc(64, huge_size), huge_size);
	/* alignment must be a power of two and a multiple of a pointer */
	got("posix_memalign", posix_memalign(&p, 24, 100) ? NULL : p, 100);
	got("posix_memalign", posix_memalign(&p, 64, huge_size) ? NULL : p, huge_size);
}

static void leftover(void)
{
	for (int i = 1; i <= 10; i++)
		got("malloc", malloc((size_t)i * 100), (size_t)i * 100);
	expect_add("heap.live_blocks", 10);
	expect_add("heap.live_bytes", 5500);
}

/* No longer offered to new programs; old ones have this reference. */
void cfree_old(void *p);
__asm__(".symver cfree_old, cfree@GLIBC_2.2.5");

static void old_cfree(void)
{
	cfree_old(got("malloc", malloc(50), 50));
	released("cfree", 50);
}

int main(int argc, char **argv)
{
	int portable = argc > 1 && !strcmp(argv[1], "portable");

	if (argc > 1 && !strcmp(argv[1], "nothing"))
		return 0;
	plain();
	aligned(portable);
	reallocs();
	failing(portable);
	leftover();
	if (!portable)
		old_cfree();
	expect_print();
	return 0;
}
