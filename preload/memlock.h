/* SPDX-License-Identifier: MIT */
/*
 * mlockall() as it is without the recorder: what the recorder has mapped, most of which is never
 * touched, is neither locked and made resident nor counted against the limit (RLIMIT_MEMLOCK).
 */
#ifndef LARIAT_MEMLOCK_H
#define LARIAT_MEMLOCK_H

/* What real(flags) does and returns, errno included. Any thread; allocates nothing. */
int memlock_all(int flags, int (*real)(int flags));

#endif
