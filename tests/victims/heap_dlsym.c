/* SPDX-License-Identifier: MIT */
/* build: -O1 -fno-builtin */
/*
 * Calls functions of libc that it has got from libc's own handle, as foreign function interfaces
 * do, in turn with those that the loader has bound: what either allocates, the other frees. Tells
 * on standard error of an answer of dlsym() that is not as the manual says. "nothing": without the
 * calls.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "expect.h"

#define ROUNDS 50

static void *(*own_malloc)(size_t size);
static void *(*own_realloc)(void *p, size_t size);
static void (*own_free)(void *p);
static ssize_t (*own_write)(int fd, const void *buf, size_t n);

static void check(const char *what, int right)
{
	static const char name[] = "dlsym: ";

	if (right)
		return;
	expect_raw_write(2, name, sizeof(name) - 1);
	expect_raw_write(2, what, strlen(what));
	expect_raw_write(2, "\n", 1);
}

static void allocated(size_t size)
{
	expect_add("heap.allocations", 1);
	expect_add("heap.allocated_bytes", (long long)size);
}

static void released(size_t size)
{
	expect_add("heap.frees", 1);
	expect_add("heap.freed_bytes", (long long)size);
}

static void crosswise(int pipe_end)
{
	for (size_t i = 0; i < ROUNDS; i++) {
		char *p = malloc(100 + i), *q = own_malloc(200 + i);

		allocated(100 + i);
		allocated(200 + i);
		own_free(p);
		released(100 + i);
		q = own_realloc(q, 3000);
		released(200 + i);
		allocated(3000);
		check("write", own_write(pipe_end, q, 10) == 10);
		expect_call("write", "calls", 1);
		expect_call("write", "bytes", 10);
		free(q);
		released(3000);
	}
}

int main(int argc, char **argv)
{
	void *libc = dlopen("libc.so.6", RTLD_NOW);
	int ends[2];

	*(void **)&own_malloc = dlsym(libc, "malloc");
	*(void **)&own_realloc = dlsym(libc, "realloc");
	*(void **)&own_free = dlsym(libc, "free");
	*(void **)&own_write = dlsym(libc, "write");
	check("one address", own_malloc == malloc && own_write == write);
	check("by default", dlsym(RTLD_DEFAULT, "malloc") == (void *)malloc);
	check("the next one", dlsym(RTLD_NEXT, "free") != NULL);
	check("of the program", dlsym(RTLD_NEXT, "main") == NULL);
	check("what is wrong", dlerror() != NULL && dlerror() == NULL);
	check("no such name", dlsym(libc, "free_nothing") == NULL && dlerror() != NULL);
	check("data", dlsym(libc, "environ") != NULL && dlerror() == NULL);
	check("itself", dlsym(libc, "dlsym") == (void *)dlsym);
	if (pipe(ends))
		return 1;
	if (argc < 2 || strcmp(argv[1], "nothing") != 0)
		crosswise(ends[1]);
	expect_print();
	return 0;
}
