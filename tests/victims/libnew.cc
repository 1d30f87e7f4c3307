// SPDX-License-Identifier: MIT
/* Operators new and delete of somebody's, to be preloaded: they count what reaches them. */
#include <cstdio>
#include <cstdlib>
#include <new>

static long news, deletes;

void *operator new(std::size_t size)
{
	void *p = std::malloc(size ? size : 1);

	if (!p)
		throw std::bad_alloc();
	__atomic_fetch_add(&news, 1, __ATOMIC_RELAXED);
	return p;
}

void operator delete(void *p) noexcept
{
	if (p)
		__atomic_fetch_add(&deletes, 1, __ATOMIC_RELAXED);
	std::free(p);
}

void operator delete(void *p, std::size_t) noexcept
{
	operator delete(p);
}

__attribute__((destructor)) static void report()
{
	std::printf("operators new %ld, delete %ld\n", news, deletes);
	std::fflush(stdout);
}
