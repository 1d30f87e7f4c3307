/* SPDX-License-Identifier: MIT */
/*
 * Opening files in somebody else's process. A file must be open to be read, and the number it gets
 * is one that the program may count on to be free. While there is one thread, nobody can tell.
 * Where there are more, a short-lived thread with a table of descriptors of its own does the work,
 * and the one that wants it waits for its end.
 */
#ifndef LARIAT_APART_H
#define LARIAT_APART_H

#include <stdbool.h>
#include <stdint.h>

/* A forked child has one thread, whatever libc thinks. True until it starts another. */
extern bool apart_alone;

/*
 * Calls work(argument), which makes system calls by sys.h only, touches no thread-local variable
 * and leaves no file open. With signals blocked. It has 28 KiB of stack. False when it was not
 * called: another thread is at it, or a thread would be needed, and a filter of system calls may be
 * there to kill who makes one.
 */
bool apart_run(void (*work)(void *), void *argument);

/*
 * The kernel's id of the thread that works at this moment in process `pid`, 0 = there is none. It
 * must not be stopped: the one that waits for its end cannot be, before it has.
 */
uint32_t apart_thread(uint32_t pid);

/*
 * When to ask the system the next time, of work that took from `before` until now (ns): as half a
 * percent of the time allows, and twice a second.
 */
uint64_t apart_due(uint64_t before);

#endif
