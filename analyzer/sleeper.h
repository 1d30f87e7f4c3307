/* SPDX-License-Identifier: MIT */
/* Makes a process that sleeps look for leaks. */
#ifndef LARIAT_SLEEPER_H
#define LARIAT_SLEEPER_H

#include <stdint.h>

/*
 * Sends a thread of process `pid` that is blocked in a system call to `entry`, code of the recorder
 * in that process that gives all registers back; the thread then goes on as after a signal that has
 * a handler: some calls return early with EINTR. Nothing is left to be done or undone afterwards.
 * 0, or -errno: -EPERM or -EACCES where tracing is not allowed, -EFAULT when `entry` is no code of
 * the recorder, -EAGAIN when no thread is blocked so.
 */
int sleeper_send(uint32_t pid, uint64_t entry);

#endif
