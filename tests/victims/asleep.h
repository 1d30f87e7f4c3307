/* SPDX-License-Identifier: MIT */
/* Whether a thread of this process sleeps, told by raw system calls: none that is recorded. */
#ifndef LARIAT_TESTS_ASLEEP_H
#define LARIAT_TESTS_ASLEEP_H

#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline int asleep(int tid)
{
	char path[64], text[256], *state;
	long fd, n;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	fd = syscall(SYS_openat, -100, path, 0);
	n = syscall(SYS_read, fd, text, sizeof(text) - 1);
	syscall(SYS_close, fd);
	text[n > 0 ? n : 0] = 0;
	state = strrchr(text, ')');
	return state && state[2] == 'S';
}

#endif
