/* SPDX-License-Identifier: MIT */
/* How much memory a process may have. Reads /proc and /sys; any thread. */
#ifndef LARIAT_MEMLIMIT_H
#define LARIAT_MEMLIMIT_H

#include <stdint.h>

struct memlimit {
	uint64_t bytes;	    /* 0 = not known */
	const char *source; /* "option", "cgroup", "machine" or "none" */
};

/*
 * The lowest limit of the control groups of process `pid` (0 = this one), or else the memory of
 * this machine. `root` is put in front of /proc and /sys; "" but for tests.
 */
struct memlimit memlimit_find(const char *root, uint32_t pid);

#endif
