/* SPDX-License-Identifier: MIT */
/*
 * The functions of an ELF symbol table, or its variables, found by address. Names point into the
 * Elf, which must outlive the table. Not for several threads at a time.
 */
#ifndef LARIAT_SYMTABLE_H
#define LARIAT_SYMTABLE_H

#include <elfutils/libdwfl.h>
#include <libelf.h>
#include <stdbool.h>
#include <stdint.h>

#include "symfile.h"
#include "symspan.h"

struct symtable {
	struct symspans spans; /* item: index in names */
	const char **names;
	uint32_t count, room;
	bool objects; /* variables, not functions */
	Dwfl *mini;   /* owns what .gnu_debugdata was unpacked to; or NULL */
};

/*
 * Loads and sorts the functions of elf's table of one type, SHT_SYMTAB or SHT_DYNSYM. Returns 0,
 * -ENOENT when there is none, -ENOMEM. A damaged table gives what is whole of it.
 */
int symtable_load(struct symtable *t, Elf *elf, uint32_t type);

/*
 * Loads the compressed table that some distributions leave in stripped files (.gnu_debugdata).
 * `elf` is the opened file at `path`. Results as above.
 */
int symtable_load_mini(struct symtable *t, Elf *elf, const char *path);

/* The best table that the files of a module have; none where they have none. */
void symtable_load_best(struct symtable *t, const struct symfile *f);

/* Of a table that is all zero: the variables that are not a thread's own, whatever has them. */
void symtable_load_objects(struct symtable *t, const struct symfile *f);

/*
 * The function that holds `address` (of the file, not of the process), NULL = none; of several
 * names for one address the one that a person would use. *start is where it begins.
 */
const char *symtable_find(const struct symtable *t, uint64_t address, uint64_t *start);

void symtable_free(struct symtable *t);

#endif
