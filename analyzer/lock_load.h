/* SPDX-License-Identifier: MIT */
/*
 * Takes over the figures of locks from a checkpoint, so that the events behind it go on from there.
 */
#ifndef LARIAT_LOCK_LOAD_H
#define LARIAT_LOCK_LOAD_H

#include <stdbool.h>

#include "checkpoint.h"
#include "lock_model.h"

/*
 * Before the first event. Without `sums` only acquisitions and holds are taken over, which are of
 * the whole run whatever the window. Returns 0 or -ENOMEM.
 */
int lock_load(struct lock_model *m, const struct checkpoint *c, bool sums);

#endif
