/* SPDX-License-Identifier: MIT */
/* What the wrapper of syscall() leaves to those of waits. */
#ifndef LARIAT_HOOK_SYNC_H
#define LARIAT_HOOK_SYNC_H

#include <stdint.h>

/* A futex call with these arguments: what it does is what syscall(SYS_futex, ...) does. Sets errno
 * as that. */
long sync_futex(const long *a, uint64_t frame);

#endif
