/* SPDX-License-Identifier: MIT */
/*
 * What a trace's checkpoint means for the rest of it: which events are in it and so not to be
 * taken again, and the stacks of its nodes. Part of opening a trace.
 */
#ifndef LARIAT_FOLDED_H
#define LARIAT_FOLDED_H

#include "trace_impl.h"

/* Marks the events of blocks and slots that are in the checkpoint. */
void folded_mark(struct trace *t);

/* Counts in the facts what is in the checkpoint, and what is nowhere. After all else is counted. */
void folded_count(struct trace *t);

/* Makes stacks of the checkpoint's nodes. 0 or -ENOMEM. */
int folded_stacks(struct trace *t);

#endif
