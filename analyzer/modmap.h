/* SPDX-License-Identifier: MIT */
/*
 * Which module held an address at a time: modules come and go, and others take their place.
 */
#ifndef LARIAT_MODMAP_H
#define LARIAT_MODMAP_H

#include <stdbool.h>
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

/* A module that was loaded again, perhaps elsewhere: its code is that of the first time. */
struct modmap_same {
	uint32_t module; /* of the first time; itself where there was none before */
	uint64_t shift;	 /* from an address in this one to that there */
};

struct modmap {
	struct modmap_entry *entries; /* by start, then from */
	uint32_t count;
	uint64_t *changes; /* times at which a module comes or goes, in order */
	uint32_t change_count;
	uint32_t epoch; /* the one asked for last: in [epoch_from, epoch_until) */
	uint64_t epoch_from, epoch_until;
	bool was_there;		  /* see modmap_was_there() */
	struct modmap_same *same; /* by module */
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

/*
 * Was the last answer of a module loaded at that very time? Then it holds for the address as long
 * as modmap_epoch() is the same.
 */
static inline bool modmap_was_there(const struct modmap *map)
{
	return map->was_there;
}

/* The frame of an address in a module that modmap_find() has found: one for each place in a file,
 * however often and wherever that was loaded. */
static inline struct trace_frame modmap_frame(const struct modmap *map, uint64_t address,
					      uint32_t module)
{
	if (module == MODMAP_NONE)
		return (struct trace_frame){ address, module };
	return (struct trace_frame){ address + map->same[module].shift, map->same[module].module };
}

/* The slow path of modmap_epoch(). */
uint32_t modmap_epoch_find(struct modmap *map, uint64_t ticks);

/* A number for the time between two changes of what is loaded. */
static inline uint32_t modmap_epoch(struct modmap *map, uint64_t ticks)
{
	if (ticks >= map->epoch_from && ticks < map->epoch_until)
		return map->epoch;
	return modmap_epoch_find(map, ticks);
}

#endif
