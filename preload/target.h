/* SPDX-License-Identifier: MIT */
/*
 * What descriptors refer to: files, pipes, sockets and their peers, by number of a dictionary
 * record. A descriptor's target is found once, at its opening or first use, and forgotten when it
 * is closed or replaced.
 *
 * Any thread, any context; locks are taken with signals blocked and only for names not seen before.
 */
#ifndef LARIAT_TARGET_H
#define LARIAT_TARGET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "recorder.h"

#define TARGET_FDS 65536u /* descriptors beyond have no name */

/* The target of a descriptor if it has been looked up; 0 = not so. Recording is on. */
static always_inline uint32_t target_known(int fd)
{
	uint32_t *table = __atomic_load_n(&lar->fd_target, __ATOMIC_ACQUIRE), entry;

	if (unlikely(!table || (unsigned)fd >= TARGET_FDS))
		return 0;
	entry = __atomic_load_n(&table[fd], __ATOMIC_RELAXED);
	return likely(entry) ? entry - 1 : 0;
}

/* The target of an open descriptor; asks the system at first use. 0 = not known. */
uint32_t target_of_fd(int fd);

/* That of a socket when it will have this peer; len below the size of *a, which ends with a 0. */
uint32_t target_of_address(int fd, const struct sockaddr_storage *a, size_t len);

/*
 * The target of a path that a call named; dir as for openat(). `readable`: the call has read it, as
 * it did not fail. fd: what it has opened, or negative: then it is taken for a file. 0 = not known.
 */
uint32_t target_of_path(int dir, const char *path, bool readable, int fd);

/*
 * The same of a folder that has been opened as fd; no_link: its path ends in no symbolic link. The
 * name is as the system would say it.
 */
uint32_t target_of_folder(int dir, const char *path, bool no_link, int fd);

/* The working folder is another. */
void target_folder_changed(void);

/* A descriptor has just been opened: what it was before does not count. */
void target_set(int fd, uint32_t target);

/* One has been duplicated. */
void target_copy(int from, int to);

/* The beginning of a target has been read: remembers what it is (enum lar_holds). */
void target_holds(uint32_t target, uint32_t what);

/* A file has another name: descriptors open on it are asked again what they are. */
void target_renamed(void);

/* A descriptor, or all from first to last, goes away. */
void target_forget(int fd);
void target_forget_range(unsigned first, unsigned last);

#endif
