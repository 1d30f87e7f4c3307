/* SPDX-License-Identifier: MIT */
/* Takes over the timeline of a checkpoint, so that it goes on from there. */
#ifndef LARIAT_HEAP_LINE_H
#define LARIAT_HEAP_LINE_H

#include "checkpoint.h"
#include "heap_model.h"
#include "trace.h"

/*
 * After heap_load() with sums, into a timeline that was started at 0; until_ns: where the
 * checkpoint ends. The timeline's own width of samples is another than the checkpoint's: what the
 * one has within a sample of the other counts as its least and most. Returns 0 or -ENOMEM.
 */
int heap_line_load(struct heap_model *m, const struct checkpoint *c, const struct trace *t,
		   uint64_t until_ns);

#endif
