/* SPDX-License-Identifier: MIT */
/*
 * An address's function, inlined calls and lines from DWARF. Units are indexed once, their
 * functions when an address first falls into them. Not for several threads at a time.
 */
#ifndef LARIAT_SYMDWARF_H
#define LARIAT_SYMDWARF_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stdint.h>

#include "symtext.h"

#define SYMDWARF_MAX_FRAMES 128

struct symdwarf;

struct symdwarf_frame {
	const char *linkage; /* mangled name, NULL = none */
	const char *name;    /* as in the source with its namespaces and classes; NULL = none */
	const char *plain;   /* the same without them */
	const char *file;    /* NULL = unknown */
	uint32_t line;	     /* 0 = unknown */
	bool inlined;
	uint64_t entry; /* first address of the function; not of an inlined one */
};

/* Both `dwarf` and `text`, which keeps the strings of the frames, must outlive it. NULL: no memory.
 */
struct symdwarf *symdwarf_new(Dwarf *dwarf, struct symtext *text);
void symdwarf_free(struct symdwarf *d);

/*
 * Fills frames for an address of the file, innermost first; the last one is not inlined, and has no
 * name where only a line is known. Returns their number, 0 = DWARF knows nothing here.
 */
uint32_t symdwarf_find(struct symdwarf *d, uint64_t address,
		       struct symdwarf_frame frames[SYMDWARF_MAX_FRAMES]);

#endif
