/* SPDX-License-Identifier: MIT */
/* Stops the other threads of the process for the moment of a snapshot, and reads their registers.
 */
#ifndef LARIAT_SNAPSHOT_STOP_H
#define LARIAT_SNAPSHOT_STOP_H

#include <stdbool.h>
#include <stdint.h>

#include "snapshot.h"

/* Calls fn for each thread of a process; false when they cannot be listed. */
bool snapshot_each(uint32_t pid, void (*fn)(void *arg, uint32_t tid), void *arg);

/*
 * The number of a signal that waits, but for those in `mask`, and is to end the process by itself
 * or as its user means it; 0 = none.
 */
int snapshot_ending_signal(uint64_t mask);

/* Whether there is but one thread: true when that is certain. Quicker than counting. */
bool snapshot_alone(void);

/* How many threads there are, by /proc; 0 = cannot be told. */
uint32_t snapshot_count(void);

/*
 * Stops all threads but the calling one, by a process of its own that traces them: it shares the
 * memory and is no child of which the program could learn. 0, or -errno of what failed; then
 * nothing is stopped, and s->refused says how many threads would not stop.
 */
int snapshot_stop(struct snapshot *s);

/*
 * The same by a signal that the program does not use, where tracing is not allowed. Calls that
 * signals interrupt and that are not made anew (restart.h) return early in the threads it stops.
 */
/*
 * The process that traces this one, or 0: one that stops it for each signal and asks a person, as
 * debuggers do. strace lets them pass.
 */
uint32_t snapshot_debugger(void);

int snapshot_stop_by_signal(struct snapshot *s);
void snapshot_resume_by_signal(struct snapshot *s);

/* They go on; the tracing process, or the handler, is gone when this returns. */
void snapshot_resume(struct snapshot *s);

#endif
