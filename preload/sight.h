/* SPDX-License-Identifier: MIT */
/*
 * Whether the program has calls of the malloc family that the recorder does not see although it
 * stands before libc: a library opened with RTLD_DEEPBIND finds libc first, some call libc's by
 * another name, and an allocator in the program itself stands before the recorder. Such blocks are
 * unknown when others give them back, and blocks that are given back there stay in use.
 */
#ifndef LARIAT_SIGHT_H
#define LARIAT_SIGHT_H

#include <stdbool.h>

/*
 * Whether there is, or was at an earlier call, such an object; says so once (note.h). Looks at the
 * program and at what was loaded since the start, the latter at the cost of some system calls for
 * each; if `all`, at what was loaded with the program, too. Any context.
 */
bool sight_bypassed(bool all);

/* At the start: writes down whose malloc is called, if that is not the recorder's. Where none is
 * recorded in the end, it has not called the recorder's either. */
void sight_begin(void);

#endif
