// SPDX-License-Identifier: MIT
/* build: -O1 -std=c++17 -fno-builtin */
/* operator new whose malloc fails now and then (libfail.c): each try counts, with and without a
 * handler. */
#include <cerrno>
#include <cstdio>
#include <new>

#define SIZE 7777

static int calls;

static void handler()
{
	std::printf("handler %d\n", ++calls);
	if (calls == 3)
		std::set_new_handler(nullptr);
}

static void rounds(const char *name)
{
	for (int i = 0; i < 6; i++) {
		try {
			void *p = i & 1 ? operator new[](SIZE) : operator new(SIZE);

			std::printf("%s %d has one\n", name, i);
			operator delete[](p);
		} catch (const std::bad_alloc &e) {
			std::printf("%s %d has none, errno %d\n", name, i, errno);
		}
	}
}

int main()
{
	rounds("plain");
	std::set_new_handler(handler);
	rounds("handled");
	return 0;
}
