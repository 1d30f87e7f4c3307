/* SPDX-License-Identifier: MIT */
/*
 * Prints where its own calls stand, one a line: address, load bias of the module that holds it,
 * function, line, source file, module. With an argument it opens that library and has it do the
 * same.
 */
#include <dlfcn.h>
#include <inttypes.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>

#include "sym_inline.h"

#ifndef SYM_VERSION
#define SYM_VERSION 1 /* another value makes another build-id */
#endif

static const char *self;

static void report(const void *address, const char *function, const char *file, int line)
{
	struct link_map *map = NULL;
	Dl_info info;

	if (!dladdr1(address, &info, (void **)&map, RTLD_DL_LINKMAP) || !map)
		return;
	printf("%" PRIxPTR " %" PRIx64 " %s %d %s %s\n", (uintptr_t)address, (uint64_t)map->l_addr,
	       function, line, file, map->l_name[0] ? map->l_name : self);
}

__attribute__((noinline)) static int leaf(int n)
{
	SYM_HERE(report);
	return n * SYM_VERSION;
}

__attribute__((noinline)) int sym_shared_leaf(int n)
{
	int sum = leaf(n);

	SYM_HERE(report);
	return sum + sym_outer(report, n);
}

int main(int argc, char **argv)
{
	int sum;

	self = argv[0];
	sum = sym_shared_leaf(argc);
	SYM_HERE(report);
	if (argc > 1) {
		void *library = dlopen(argv[1], RTLD_NOW);
		int (*entry)(sym_report_fn *, int) = NULL;

		if (library)
			*(void **)&entry = dlsym(library, "sym_plugin_entry");
		if (!entry) {
			fprintf(stderr, "%s\n", dlerror());
			return 1;
		}
		sum += entry(report, sum);
	}
	return sum == 0;
}
