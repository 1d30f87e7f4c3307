/* SPDX-License-Identifier: MIT */
/*
 * From what the user names to trace files: a file is itself, a folder its traces, a number the
 * traces of that process and its descendants in the current folder.
 */
#ifndef LARIAT_PATHS_H
#define LARIAT_PATHS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct paths {
	char **path;
	size_t count;
	size_t unopened; /* files in folders that were not named as traces and cannot be opened */
};

/*
 * Expands `names`; on success the result is the caller's, for paths_fini(). A name that is no
 * folder and no pid is taken as it is, and so is a file of a folder that is named as a trace
 * (.lariat) and is none: reading it tells why. Returns -ENOENT when a folder or pid has no trace,
 * -ENOMEM, or -errno of reading a folder; `why` then says what is wrong.
 */
int paths_expand(char *const *names, size_t count, struct paths *out, char *why, size_t why_size);
/*
 * A trace and, of the same folder, those of the same process before and after an exec, as long as
 * they were not started before since_unix_ns, and of the processes that descend from it, the first
 * started first. Returns 0 or -errno.
 */
int paths_family(const char *trace, uint64_t since_unix_ns, struct paths *out);

void paths_fini(struct paths *p);

/* What traces say of themselves and of who started them. */
struct path_process {
	uint32_t pid, parent_pid;
	uint64_t start_ns, parent_start_ns; /* wall clock; 0 = not known */
	bool execed;			    /* it ended by becoming another program */
};

/* 2: `p` is the program that `before` became, 1: a child of it, 0: neither. */
int path_descends(const struct path_process *p, const struct path_process *before);

#endif
