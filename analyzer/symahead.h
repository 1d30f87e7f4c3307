/* SPDX-License-Identifier: MIT */
/*
 * Opens a module's symbol files and loads their table on a thread of its own, before they are
 * wanted: most of that is the unpacking of debug sections, for which there is time while events are
 * read. One thread uses a struct symahead, and nobody else the files until they are taken.
 */
#ifndef LARIAT_SYMAHEAD_H
#define LARIAT_SYMAHEAD_H

#include "symfile.h"
#include "symtable.h"

struct symahead;

/* As symfile_open(); what `id` and `search` point to must stay. NULL: it cannot be done. */
struct symahead *symahead_start(const struct symfile_id *id, const char *search);

/*
 * Waits for the files, and frees `a`: what symfile_open() returned. *f and, of these files, *t are
 * the caller's then.
 */
int symahead_take(struct symahead *a, struct symfile *f, struct symtable *t);

/* For files that nobody wanted; NULL is nothing. */
void symahead_drop(struct symahead *a);

#endif
