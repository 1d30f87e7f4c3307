/* SPDX-License-Identifier: MIT */
/*
 * Unpacks the debug sections of an ELF file that names and lines are found by, before libdw does:
 * libdw unpacks all that it knows, wanted or not, with zlib, and that is most of the time of a
 * report of a short trace. libdeflate takes less than half of it; zstd's sections are read whatever
 * the version of libelf knows. Not for several threads at a time.
 */
#ifndef LARIAT_SYMUNPACK_H
#define LARIAT_SYMUNPACK_H

#include <libelf.h>

/* What sections of one file were unpacked to. */
struct symunpacked;

/*
 * Puts the unpacked bytes in the place of the packed ones, for libdw to find; `elf` must be mapped
 * privately, and the result be freed after it has ended: NULL where nothing was unpacked. A section
 * that cannot be (damaged, a method unknown here, no memory) is left to libdw as it is.
 */
struct symunpacked *symunpack(Elf *elf);

void symunpack_free(struct symunpacked *u);

#endif
