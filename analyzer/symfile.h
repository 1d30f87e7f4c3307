/* SPDX-License-Identifier: MIT */
/*
 * The files behind a recorded module: the ELF file itself, a separate debug file, dwz's shared one.
 * Found by build-id, .gnu_debuglink and path; nothing is fetched. All files are closed again on
 * return, what is used of them stays mapped. Not for several threads at a time.
 */
#ifndef LARIAT_SYMFILE_H
#define LARIAT_SYMFILE_H

#include <elfutils/libdw.h>
#include <libelf.h>
#include <stdint.h>

struct symunpacked;

struct symfile_id {
	const char *path; /* as recorded */
	const uint8_t *build_id;
	uint32_t build_id_size; /* 0 = unknown: any file at the path is taken */
};

/* An ELF file and its DWARF, either may be NULL. */
struct symfile_part {
	Elf *elf;
	Dwarf *dwarf;
	struct symunpacked *unpacked; /* NULL = nothing was packed */
};

/* Owned by whoever called symfile_open(); to be given to symfile_close(). */
struct symfile {
	struct symfile_part main;  /* no elf when only the debug file was found */
	struct symfile_part debug; /* separate debug file */
	struct symfile_part alt;   /* dwz's shared file, when it lay in a folder of `search` */
	char *path;		   /* where main.elf was found, NULL for the vdso */
};

/*
 * `search` as in symbols_new(). Returns 0, or with nothing opened: -ENOENT no file, -ESTALE only
 * files with another build-id, -ENOEXEC not an ELF file.
 */
int symfile_open(struct symfile *f, const struct symfile_id *id, const char *search);
void symfile_close(struct symfile *f);

#endif
