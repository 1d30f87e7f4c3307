/* SPDX-License-Identifier: MIT */
/* build: -fno-builtin -fexceptions -ldl */
/*
 * A C program that loads a C++ library which throws and catches, also across this program's own
 * frames ("throw"); and that loads and unloads two libraries in turn, so that both take the same
 * addresses, and lets them allocate ("reload": 200 blocks from each, kept).
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int work_fn(int);
typedef int call_back_fn(void (*)(int), int);

static void *library(const char *folder, const char *name)
{
	char path[4096];
	void *handle;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		printf("%s\n", dlerror());
	return handle;
}

static void (*thrower)(int);

/* A frame of C between the throw and the catch. */
static void through_c(int value)
{
	void *p = malloc(100);

	thrower(value);
	free(p);
}

static void throwing(const char *folder)
{
	void *handle = library(folder, "libthrow.so");
	work_fn *inside = (work_fn *)dlsym(handle, "throw_and_catch");
	call_back_fn *across = (call_back_fn *)dlsym(handle, "catch_from");
	int sum = 0;

	thrower = (void (*)(int))dlsym(handle, "throw_value");
	for (int i = 0; i < 1000; i++)
		sum += inside(i) + across(through_c, i);
	printf("sum %d\n", sum);
	dlclose(handle);
}

static void reloading(const char *folder)
{
	static const char *const name[] = { "libreload_a.so", "libreload_b.so" };
	void *last = NULL, *symbol;
	int same = 0;

	for (int i = 0; i < 40; i++) {
		void *handle = library(folder, name[i % 2]);

		symbol = dlsym(handle, i % 2 ? "made_by_b" : "made_by_a");
		((work_fn *)symbol)(10);
		same += symbol == last;
		last = symbol;
		dlclose(handle);
	}
	printf("reloaded\n");
	fprintf(stderr, "%s\n", same > 30 ? "same addresses" : "other addresses");
}

int main(int argc, char **argv)
{
	char *slash = strrchr(argv[0], '/');

	*slash = 0;
	if (argc > 1 && !strcmp(argv[1], "throw"))
		throwing(argv[0]);
	else
		reloading(argv[0]);
	return 0;
}
