/* SPDX-License-Identifier: MIT */
/*
 * A trace file opened for reading: its checked header, its sections, bounded reads.
 *
 * Everything is read with pread() into the caller's memory, never mapped, so that a file cut while
 * it is read gives a short read and no signal. One thread at a time. Functions return 0 or -Exxx.
 */
#ifndef LARIAT_RINGFILE_H
#define LARIAT_RINGFILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "trace.h"

struct ringfile {
	int fd;
	uint64_t size;	     /* bytes when it was opened */
	uint64_t disk_bytes; /* blocks allocated */
	dev_t dev;
	ino_t ino;
	/* fields of the header that were out of bounds and are not used, sections that are cut */
	uint32_t header_damage;
	struct lar_header header;
};

/* Opens and checks `path`; on failure -errno as trace_open(), *error filled, nothing to close. */
int ringfile_open(struct ringfile *rf, const char *path, struct trace_error *error);
void ringfile_close(struct ringfile *rf);

/* Reads the header again, for a file that is still written; keeps the old one where it fails. */
void ringfile_refresh(struct ringfile *rf);

/*
 * The first section of a type, its size clipped to the file; size 0 when there is none in the
 * file. `used` is as the file has it.
 */
struct lar_section ringfile_section(const struct ringfile *rf, enum lar_section_type type);

/* Reads up to `size` bytes at `offset`; returns how many there were, or -errno. */
ssize_t ringfile_read(const struct ringfile *rf, uint64_t offset, void *buf, size_t size);

/*
 * Where the next bytes that are no hole start, at or behind `offset`; UINT64_MAX when there are
 * none.
 */
uint64_t ringfile_next_data(const struct ringfile *rf, uint64_t offset);

#endif
