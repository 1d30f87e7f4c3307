/* SPDX-License-Identifier: MIT */
/*
 * Which module held an address at a time: modules come and go, and others take their place.
 */
#ifndef LARIAT_MODMAP_H
#define LARIAT_MODMAP_H

#include <stdint.h>

#include "trace.h"

#define MODMAP_NONE	   UINT32_MAX
#define MODMAP_CACHE_SLOTS 4096

struct modmap_entry {
	uint64_t start, end;
	uint64_t from, until; /* ticks: loaded in [from, until) */
	uint64_t max_end;     /* the largest end of this and all entries before it */
	uint32_t module;
};

struct modmap {
	struct modmap_entry *entries; /* by start, then from */
	uint32_t count;
	struct {
		uint64_t address;
		uint64_t from, until; /* the answer holds for these times */
		uint32_t module;
	} cache[MODMAP_CACHE_SLOTS];
};

/*
 * Builds the map; the modules are not kept. Event times lack their low time_shift bits, so load
 * times are truncated alike. Returns 0 or -ENOMEM.
 */
int modmap_init(struct modmap *map, const struct trace_module *modules, uint32_t count,
		unsigned time_shift);
void modmap_fini(struct modmap *map);

/*
 * The module with `address` at `ticks`. Where none was loaded just then, the nearest in time that
 * was ever there (a module is noted a moment after its first use, and its destructors run after
 * its unloading began); MODMAP_NONE when there is none.
 */
uint32_t modmap_find(struct modmap *map, uint64_t address, uint64_t ticks);

#endif
