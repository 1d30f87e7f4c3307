/* SPDX-License-Identifier: MIT */
/*
 * Walks over a unit's DIEs, and the namespaces and classes that functions are in: DWARF links
 * parents to children only, so a unit is walked once for it, when first needed. Not for several
 * threads at a time.
 */
#ifndef LARIAT_SYMSCOPE_H
#define LARIAT_SYMSCOPE_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stdint.h>

#include "symtext.h"

/* DIEs nested deeper than this are left out: only a damaged file has them. */
#define SYMSCOPE_MAX_DEPTH 200

/* The first child of `parent`, or the next after *child. Always ends, also in a damaged file. */
bool symscope_child(Dwarf_Die *parent, Dwarf_Die *child);
bool symscope_next(Dwarf_Die *child);

/* Whether functions may be below a DIE with this tag. */
bool symscope_holds_functions(int tag);

struct symscope_unit;

struct symscope {
	struct symscope_unit *units; /* uthash by unit; starts as NULL */
	struct symtext *text;
};

/*
 * The name of `function`, which is `plain`, with its namespaces and classes, kept in `text`. NULL
 * when plain is NULL.
 */
const char *symscope_name(struct symscope *s, Dwarf_Die *function, const char *plain);

void symscope_free(struct symscope *s);

#endif
