/* SPDX-License-Identifier: MIT */
/* Takes over the heap's figures from a checkpoint, so that the events behind it go on from there.
 */
#ifndef LARIAT_HEAP_LOAD_H
#define LARIAT_HEAP_LOAD_H

#include <stdbool.h>

#include "checkpoint.h"
#include "heap_model.h"

/*
 * Before the first event. Without `sums` only the blocks in use are taken over, as blocks from
 * before the window. Returns 0 or -ENOMEM.
 */
int heap_load(struct heap_model *m, const struct checkpoint *c, bool sums);

/* Blocks in use at the checkpoint that it had no room for one by one. */
uint64_t heap_load_unlisted(const struct checkpoint *c);

#endif
