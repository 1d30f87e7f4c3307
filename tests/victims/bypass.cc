/* SPDX-License-Identifier: MIT */
/* build: -ldl */
/*
 * Blocks pass between a program and its plug-in, either of which frees what the other has made:
 *	bypass LIBRARY [deep] [before]
 * deep: the plug-in finds libc before what is preloaded. before: a block is given back by the wrong
 * operator while the plug-in is not there yet.
 */
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>

#define BLOCKS 50

typedef void *make_function(std::size_t size);
typedef void free_function(void *p);

static bool is_given(int argc, char **argv, const char *word)
{
	for (int i = 2; i < argc; i++)
		if (!std::strcmp(argv[i], word))
			return true;
	return false;
}

__attribute__((noinline)) static void give_back_wrongly()
{
	int *volatile p = new int[10];

	operator delete(p);
}

static void pass_blocks(make_function *make, free_function *give)
{
	void *block[BLOCKS];

	/* at one address, again and again */
	for (int i = 0; i < BLOCKS; i++)
		std::free(make(100));
	for (int i = 0; i < BLOCKS; i++)
		block[i] = std::malloc(200);
	for (int i = 0; i < BLOCKS; i++)
		give(block[i]);
	for (int i = 0; i < BLOCKS; i++)
		std::free(make(200));
	for (int i = 0; i < BLOCKS; i++)
		std::free(std::realloc(make(200), 300));
}

int main(int argc, char **argv)
{
	bool deep = is_given(argc, argv, "deep");
	void *library;

	if (argc < 2)
		return 2;
	if (is_given(argc, argv, "before"))
		give_back_wrongly();
	library = dlopen(argv[1], RTLD_NOW | (deep ? RTLD_DEEPBIND : 0));
	if (!library) {
		std::fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	pass_blocks((make_function *)dlsym(library, "bypass_make"),
		    (free_function *)dlsym(library, "bypass_free"));
	return 0;
}
