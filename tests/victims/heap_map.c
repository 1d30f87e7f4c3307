/* SPDX-License-Identifier: MIT */
/* build: -O1 -fno-builtin */
/*
 * Maps, moves, unmaps and moves the program break a known number of times.
 */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "expect.h"

#define PAGE 4096

static void note(const char *name, int failed)
{
	expect_call(name, "calls", 1);
	expect_call(name, "errors", failed);
}

static void unmap(void *p, size_t size)
{
	note("munmap", munmap(p, size) != 0);
}

static void maps(void)
{
	void *p, *q;

	for (int i = 1; i <= 10; i++) {
		size_t size = (size_t)i * PAGE;

		p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		note("mmap", p == MAP_FAILED);
		q = mremap(p, size, size * 3, MREMAP_MAYMOVE);
		note("mremap", q == MAP_FAILED);
		unmap(q, size);
		unmap((char *)q + size, size * 2);
	}
	for (int i = 1; i <= 7; i++) {
		p = mmap64(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		note("mmap64", p == MAP_FAILED);
		unmap(p, PAGE);
	}
}

static void failing(void)
{
	char *p;

	note("mmap", mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
	note("mmap", mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, -1, 0) == MAP_FAILED);
	note("munmap", munmap((void *)1, PAGE) != 0);
	p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	note("mmap", p == MAP_FAILED);
	note("mremap", mremap(p + 1, PAGE, PAGE, 0) == MAP_FAILED);
	unmap(p, PAGE);
}

static void breaks(void)
{
	char *start = sbrk(PAGE);

	note("sbrk", start == (void *)-1);
	for (int i = 0; i < 5; i++)
		note("sbrk", sbrk(3 * PAGE) == (void *)-1);
	note("sbrk", sbrk(-2 * PAGE) == (void *)-1);
	note("brk", brk(start + 40 * PAGE) != 0);
	note("brk", brk(start) != 0);
	note("sbrk", sbrk(INTPTR_MAX / 2) == (void *)-1);
}

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 1)
		return 0;
	maps();
	failing();
	breaks();
	expect_print();
	return 0;
}
