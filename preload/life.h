/* SPDX-License-Identifier: MIT */
/* Start, fork, exec and end of recording in a process image. */
#ifndef LARIAT_LIFE_H
#define LARIAT_LIFE_H

#include <stdbool.h>
#include <stdint.h>

#include "format/trace_format.h"

/*
 * Starts recording in this process image, or in a fresh child, unless it is on or was given up.
 * True when recording is on. Any thread; while one starts, others pass (counted as lost early).
 */
bool life_start(void);

/* Recording goes no further; wrappers pass through from now on. */
void life_stop(void);

/* The program is about to have itself killed for reading the processor's clock: ends the recording;
 * what there is stays. */
void life_blind(void);

/*
 * The process is about to end or to be replaced: seals the calling thread's buffer and enters how.
 * Recording goes on for what still comes. Does nothing in a child that shares its parent's memory
 * (vfork).
 */
void life_end(enum lar_end end, int code);

/* The process ends by a call: the same, and a leak scan if `scan`. `frame` is where the program's
 * part of the stack begins. */
void life_exit(int code, bool scan, uint64_t frame);

/* exec failed: the image goes on. */
void life_not_ended(void);

/*
 * The program is about to filter its system calls: takes disk in advance and makes none of its own
 * from now on. True when the second is to undo that, should the filter be refused; an earlier one
 * stays in force. frame: of the wrapper.
 */
bool life_sandboxed(uint64_t frame);
void life_unsandboxed(void);

/*
 * A child in this process's memory (vfork) that filters has our system calls forbidden here, until
 * the first, which it calls when it is about to be gone; the second when that has failed, with what
 * the first returned.
 */
int life_child_leaves(void);
void life_child_stays(int n);

/* It is in force: programs that are started under it have no recorder, could that not even look
 * what the filter leaves. program: the filter, or NULL. */
struct sock_fprog;
void life_filtered(const struct sock_fprog *program);

/* Whether this is the process that started the recording, not a vfork child in its memory. */
bool life_own_process(void);

#endif
