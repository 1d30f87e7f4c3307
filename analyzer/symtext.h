/* SPDX-License-Identifier: MIT */
/*
 * Strings kept once: names and paths repeat for every address. What symtext_keep() returns lives
 * until symtext_free(). Not for several threads at a time.
 */
#ifndef LARIAT_SYMTEXT_H
#define LARIAT_SYMTEXT_H

#include <stddef.h>

struct symtext_entry;

struct symtext {
	struct symtext_entry *table; /* uthash; starts as NULL */
};

/* The kept copy of text[0..size), or NULL when memory ran out. */
const char *symtext_keep(struct symtext *t, const char *text, size_t size);

/*
 * A source file's path, kept: joined to `directory` (NULL = unknown) when relative, without
 * "//", "/./" and "dir/..".
 */
const char *symtext_keep_path(struct symtext *t, const char *directory, const char *path);

void symtext_free(struct symtext *t);

#endif
