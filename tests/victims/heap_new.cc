/* SPDX-License-Identifier: MIT */
/* build: -O1 -std=c++17 -fno-builtin -fsized-deallocation */
/*
 * Calls every form of C++ operator new and delete a known number of times: each is one allocation
 * or one free of the size that was asked for, whatever the library does inside. "nothing" does none
 * of it, "other" is for allocators with operators of their own.
 */
#include <new>
#include <cstddef>
#include <cstdint>

#include "expect.h"

static void *volatile sink;

static void *got(const char *name, void *p, std::size_t size)
{
	sink = p;
	expect_call(name, "calls", 1);
	expect_call(name, "errors", !p);
	if (!p)
		return nullptr;
	expect_call(name, "bytes", (long long)size);
	expect_add("heap.allocations", 1);
	expect_add("heap.allocated_bytes", (long long)size);
	return p;
}

static void *gone(const char *name, void *p, std::size_t size)
{
	expect_call(name, "calls", 1);
	expect_add("heap.frees", 1);
	expect_add("heap.freed_bytes", (long long)size);
	return p;
}

static void plain(std::size_t n)
{
	void *p = got("_Znwm", ::operator new(n), n);
	::operator delete(gone("_ZdlPv", p, n));
	p = got("_Znam", ::operator new[](n), n);
	::operator delete[](gone("_ZdaPv", p, n));
	p = got("_Znwm", ::operator new(n), n);
	::operator delete(gone("_ZdlPvm", p, n), n);
	p = got("_Znam", ::operator new[](n), n);
	::operator delete[](gone("_ZdaPvm", p, n), n);
	p = got("_ZnwmRKSt9nothrow_t", ::operator new(n, std::nothrow), n);
	::operator delete(gone("_ZdlPvRKSt9nothrow_t", p, n), std::nothrow);
	p = got("_ZnamRKSt9nothrow_t", ::operator new[](n, std::nothrow), n);
	::operator delete[](gone("_ZdaPvRKSt9nothrow_t", p, n), std::nothrow);
}

static void aligned(std::size_t n)
{
	const std::align_val_t a{ 128 };
	void *p = got("_ZnwmSt11align_val_t", ::operator new(n, a), n);
	::operator delete(gone("_ZdlPvSt11align_val_t", p, n), a);
	p = got("_ZnamSt11align_val_t", ::operator new[](n, a), n);
	::operator delete[](gone("_ZdaPvSt11align_val_t", p, n), a);
	p = got("_ZnwmSt11align_val_t", ::operator new(n, a), n);
	::operator delete(gone("_ZdlPvmSt11align_val_t", p, n), n, a);
	p = got("_ZnamSt11align_val_t", ::operator new[](n, a), n);
	::operator delete[](gone("_ZdaPvmSt11align_val_t", p, n), n, a);
	p = got("_ZnwmSt11align_val_tRKSt9nothrow_t", ::operator new(n, a, std::nothrow), n);
	::operator delete(gone("_ZdlPvSt11align_val_tRKSt9nothrow_t", p, n), a, std::nothrow);
	p = got("_ZnamSt11align_val_tRKSt9nothrow_t", ::operator new[](n, a, std::nothrow), n);
	::operator delete[](gone("_ZdaPvSt11align_val_tRKSt9nothrow_t", p, n), a, std::nothrow);
}

/* libstdc++'s nothrow forms catch a bad_alloc of their own: 128 bytes of header and the object.
 * Other libraries throw none; then this finds nothing to add. */
static void thrown(long long n)
{
	expect_call("malloc", "calls", n);
	expect_call("malloc", "bytes", n * 136);
	expect_call("free", "calls", n);
	expect_add("heap.allocations", n);
	expect_add("heap.allocated_bytes", n * 136);
	expect_add("heap.frees", n);
	expect_add("heap.freed_bytes", n * 136);
}

static void failing(bool libstdcxx)
{
	const std::size_t huge = (std::size_t)PTRDIFF_MAX - 4096;

	got("_ZnwmRKSt9nothrow_t", ::operator new(huge, std::nothrow), huge);
	got("_ZnamRKSt9nothrow_t", ::operator new[](huge, std::nothrow), huge);
	thrown(libstdcxx ? 2 : 0);
}

struct thing {
	int member[5];
	virtual ~thing() {}
};

static void expressions()
{
	thing *one = new thing;

	got("_Znwm", one, sizeof(thing));
	gone("_ZdlPvm", one, sizeof(thing));
	delete one;
	for (int i = 1; i <= 4; i++)
		got("_Znwm", new int(i), sizeof(int));
	expect_add("heap.live_blocks", 4);
	expect_add("heap.live_bytes", 4 * sizeof(int));
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "nothing"))
		return 0;
	for (std::size_t n = 1; n < 10000; n *= 10) {
		plain(n);
		aligned(n);
	}
	plain(0);
	aligned(0);
	failing(argc == 1);
	expressions();
	expect_print();
	return 0;
}
