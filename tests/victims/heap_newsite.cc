// SPDX-License-Identifier: MIT
/* build: -O1 -std=c++17 -fno-builtin */
/* 40 blocks of one place, of no and of some size, with a try in between that fails. */
#include <cstdint>
#include <new>

static void *volatile kept[40];
static volatile int failing = 20;

__attribute__((noinline)) static void *get(std::size_t size)
{
	void *p = operator new(size);

	__asm__ volatile("" ::: "memory");
	return p;
}

__attribute__((noinline)) static void fail()
{
	try {
		kept[0] = get(static_cast<std::size_t>(PTRDIFF_MAX) - 4096);
	} catch (const std::bad_alloc &) {
	}
}

int main()
{
	for (int i = 0; i < 40; i++) {
		if (i == failing)
			fail();
		kept[i] = get(i & 1 ? 8 : 0);
	}
	return 0;
}
