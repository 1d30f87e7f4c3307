/* SPDX-License-Identifier: MIT */
/* build: -O1 -std=c++17 -fno-builtin */
/*
 * A program with its own operator new and delete on top of malloc: each allocation is counted
 * once, as the malloc that it is. "nothing" does none of it.
 */
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include "expect.h"

static bool counting;

void *operator new(std::size_t size)
{
	void *p = malloc(size);

	if (!p)
		throw std::bad_alloc();
	if (counting) {
		expect_call("malloc", "calls", 1);
		expect_call("malloc", "bytes", (long long)size);
		expect_add("heap.allocations", 1);
		expect_add("heap.allocated_bytes", (long long)size);
	}
	return p;
}

void operator delete(void *p) noexcept
{
	if (p && counting) {
		expect_call("free", "calls", 1);
		expect_add("heap.frees", 1);
	}
	free(p);
}

void operator delete(void *p, std::size_t) noexcept
{
	operator delete(p);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "nothing"))
		return 0;
	counting = true;
	{
		std::vector<std::string> list;
		for (int i = 0; i < 200; i++)
			list.push_back(std::string((std::size_t)i, 'x'));
		delete[] new char[99];
	}
	counting = false;
	/* 0 is compared too: none of the C++ operators is the library's */
	expect_call("_Znwm", "calls", 0);
	expect_call("_Znam", "calls", 0);
	expect_call("_ZdlPv", "calls", 0);
	expect_print();
	return 0;
}
