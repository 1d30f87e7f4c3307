/* SPDX-License-Identifier: MIT */
/*
 * A leak scan in the process itself, at its end: a short program pays nothing for a copy of itself
 * and does not wait for another process to get its turn. For one with a single thread and little
 * memory. What the scan cannot do to the program it leaves to a copy: where memory cannot be read,
 * and when it takes long.
 */
#ifndef LARIAT_SNAPSHOT_INPLACE_H
#define LARIAT_SNAPSHOT_INPLACE_H

#include <stdbool.h>

#include "snapshot.h"

/* Whether it may be tried when there is one thread. */
bool snapshot_may_stay(void);

/* The scan and its result. False: none was written, and a copy is to do it. With signals blocked.
 */
bool snapshot_inplace(struct snapshot *s);

#endif
