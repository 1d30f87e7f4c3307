/* SPDX-License-Identifier: MIT */
/*
 * Takes over the figures of I/O from a checkpoint, so that the events behind it go on from there.
 */
#ifndef LARIAT_IO_LOAD_H
#define LARIAT_IO_LOAD_H

#include "checkpoint.h"
#include "io_model.h"

/* Before the first event. Returns 0 or -ENOMEM. */
int io_load(struct io_model *m, const struct checkpoint *c);

#endif
