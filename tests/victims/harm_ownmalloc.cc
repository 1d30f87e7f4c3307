// SPDX-License-Identifier: MIT
/* build: -O1 -std=c++17 -fno-builtin */
/*
 * A program with a malloc and free of its own, which the operators of libstdc++ reach: they count,
 * and end the program when they are given what is not theirs.
 */
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <vector>

static char arena[8 << 20];
static std::size_t used;
static long mallocs, frees;

extern "C" {

void *malloc(std::size_t size)
{
	std::size_t need = (size + 31) & ~(std::size_t)15;
	char *p;

	if (need < size || used + need > sizeof(arena))
		return nullptr;
	mallocs++;
	p = arena + used;
	used += need;
	*reinterpret_cast<std::size_t *>(p) = size;
	return p + 16;
}

void free(void *p)
{
	if (!p)
		return;
	if (static_cast<char *>(p) < arena || static_cast<char *>(p) >= arena + sizeof(arena))
		abort();
	frees++;
}

void *calloc(std::size_t n, std::size_t size)
{
	void *p = malloc(n * size);

	return p ? memset(p, 0, n * size) : p;
}

void *realloc(void *old, std::size_t size)
{
	void *p = malloc(size);
	std::size_t had = old ? static_cast<std::size_t *>(old)[-2] : 0;

	if (p && old)
		memcpy(p, old, had < size ? had : size);
	free(old);
	return p;
}
}

int main()
{
	long mallocs_before = mallocs, frees_before = frees;

	for (int i = 0; i < 200; i++) {
		std::vector<std::string> list;
		char *text = strdup("what libc allocates");
		void *volatile grown = malloc(100);
		volatile std::size_t most = SIZE_MAX / 2;

		memset(grown, i, 100);
		grown = reallocarray(grown, 50, 8); /* libc's, of our realloc */
		if (!grown || static_cast<char *>(grown)[99] != static_cast<char>(i))
			return 1;
		free(grown);
		if (reallocarray(text, most, 4))
			return 1;

		list.push_back(std::string(static_cast<std::size_t>(i) + 20, 'x'));
		list.push_back("another one, which is too long for the object");
		delete new int(i);
		delete[] new int[3];
		delete new (std::nothrow) int(i);
		free(text);
	}
	std::printf("malloc %ld, free %ld\n", mallocs - mallocs_before, frees - frees_before);
	return 0;
}
