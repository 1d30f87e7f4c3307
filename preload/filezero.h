/* SPDX-License-Identifier: MIT */
/*
 * Disk for the trace by writing zeros into the file, ahead of its pages' first use in the mapping.
 * The page cache then takes memory and disk for many pages at once (large folios, where the file
 * system has them): measured on ext4 under Linux 6.18, 0.35 us a page and 0.08 us to map it,
 * against 1.7 us for each page that is first written by way of the mapping.
 */
#ifndef LARIAT_FILEZERO_H
#define LARIAT_FILEZERO_H

#include <stdbool.h>
#include <stdint.h>

/* The least that is worth a descriptor of its own. */
#define FILEZERO_LEAST (16ull << 10)

/* The same through a descriptor of the trace: 0 or -errno; -ENOSPC for a part of it, too. */
int filezero_put(int fd, uint64_t offset, uint64_t size);

/* Which file it is, by its name. */
struct filezero {
	const char *path;
	uint64_t dev, ino;
	int32_t pid; /* whose it is: not that of a child in the same memory */
	bool lost;   /* the name no longer leads to it */
};

/* Remembers the file that is open. The path stays where it is. */
void filezero_know(struct filezero *z, int fd, const char *path);

/*
 * Zeros into [offset, offset + size) of the trace, whole pages in which there is nothing. The file
 * has no descriptor of ours: one is opened for as long as it takes, and only while the calling
 * thread is the process's only one, so that nobody closes it and has another file get its number.
 * The caller has signals blocked. False, and nothing to be said of it, where it is not to be done
 * or has not been done: the pages' first use takes the disk, as ever.
 */
bool filezero_write(struct filezero *z, uint64_t offset, uint64_t size);

#endif
