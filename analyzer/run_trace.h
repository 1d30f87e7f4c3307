/* SPDX-License-Identifier: MIT */
/*
 * The trace of a process that has ended: finds its file by the pattern that the recorder named it
 * with, and adds how the process ended where that only its parent can know.
 */
#ifndef LARIAT_RUN_TRACE_H
#define LARIAT_RUN_TRACE_H

#include <stdint.h>
#include <sys/types.h>

struct launch;

/*
 * The newest trace of process `pid` that `pattern` (as in --output) can name and that was started
 * not before since_unix_ns. On success *path is the caller's. Returns 0 or -ENOENT, -ENOMEM.
 */
int run_trace_find(const char *pattern, pid_t pid, uint64_t since_unix_ns, char **path);

/*
 * Writes the process's end into its trace when the trace knows of none: killed by a signal, or
 * gone by a system call that the recorder does not see. Returns 1 when it did, 0 when there was
 * nothing to do, -errno (-EINVAL: not a trace of that process).
 */
int run_trace_finish(const char *path, const struct launch *l);

/*
 * The folder that the pattern's files go to, the caller's to free; NULL when it depends on the
 * process, or there is no memory.
 */
char *run_trace_folder(const char *pattern);

#endif
