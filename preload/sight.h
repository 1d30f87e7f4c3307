/* SPDX-License-Identifier: MIT */
/*
 * Whether the program has calls of the malloc family that the recorder does not see although it
 * stands before libc: a library opened with RTLD_DEEPBIND finds libc first. Its blocks are unknown
 * when others give them back, and blocks that it gives back stay in use.
 */
#ifndef LARIAT_SIGHT_H
#define LARIAT_SIGHT_H

#include <stdbool.h>

/*
 * Whether there is, or was at an earlier call, such a library; says so once (note.h). Looks at what
 * was loaded since the start, at the cost of some system calls for each object; nothing where none
 * was. Any context.
 */
bool sight_bypassed(void);

#endif
