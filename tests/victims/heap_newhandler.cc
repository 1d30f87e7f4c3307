/* SPDX-License-Identifier: MIT */
/* build: -O1 -std=c++17 -fno-builtin */
/*
 * operator new that fails: its handler allocates and frees, three times, then gives up, and
 * bad_alloc flies through the wrapper. What the handler and the throw allocate is the program's own
 * and is counted, and so is all that comes after. "nothing" does none of it, "other"
 * is for allocators with operators of their own.
 */
#include <cstdint>
#include <cstdlib>
#include <new>

#include "expect.h"

/* What libstdc++ asks malloc for to throw a bad_alloc: its header before the object (unwind-cxx.h:
 * sizeof(__cxa_refcounted_exception), 128 on x86-64) and the object. */
#define THROWN_SIZE (128 + sizeof(std::bad_alloc))

static int handler_calls;

static bool libstdcxx;

static void note_malloc(long long size)
{
	if (libstdcxx) {
		expect_call("malloc", "bytes", size);
		expect_call("free", "calls", 1);
	}
	expect_add("heap.allocations", 1);
	expect_add("heap.allocated_bytes", size);
	expect_add("heap.frees", 1);
	expect_add("heap.freed_bytes", size);
}

static void handler()
{
	void *volatile p = malloc(100);

	free(p);
	note_malloc(100);
	if (++handler_calls % 3 == 0)
		std::set_new_handler(nullptr);
}

int main(int argc, char **argv)
{
	int caught = 0;

	if (argc > 1 && !strcmp(argv[1], "nothing"))
		return 0;
	libstdcxx = argc == 1;
	for (int round = 0; round < 50; round++) {
		std::set_new_handler(handler);
		try {
			::operator delete(::operator new((std::size_t)PTRDIFF_MAX - 4096));
		} catch (const std::bad_alloc &) {
			caught++;
			note_malloc(THROWN_SIZE);
		}
		void *p = ::operator new(33);
		::operator delete(p);
		if (libstdcxx) {
			expect_call("_Znwm", "bytes", 33);
			expect_call("_ZdlPv", "calls", 1);
		}
		expect_add("heap.allocations", 1);
		expect_add("heap.allocated_bytes", 33);
		expect_add("heap.frees", 1);
		expect_add("heap.freed_bytes", 33);
	}
	if (caught != 50 || handler_calls != 150)
		return 1;
	expect_print();
	return 0;
}
