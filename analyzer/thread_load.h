/* SPDX-License-Identifier: MIT */
/*
 * Takes over the threads from a checkpoint, so that the events behind it go on from there.
 */
#ifndef LARIAT_THREAD_LOAD_H
#define LARIAT_THREAD_LOAD_H

#include <stdbool.h>

#include "checkpoint.h"
#include "thread_model.h"

/*
 * Before the first event. Without `sums` only their lives are taken over, not their work. Returns 0
 * or -ENOMEM.
 */
int thread_load(struct thread_model *m, const struct checkpoint *c, bool sums);

#endif
