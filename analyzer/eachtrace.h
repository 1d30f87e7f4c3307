/* SPDX-License-Identifier: MIT */
/*
 * Runs a command's work over each trace that was named. Prints what cannot be read.
 */
#ifndef LARIAT_EACHTRACE_H
#define LARIAT_EACHTRACE_H

#include "opts.h"
#include "trace.h"

/* Returns 0, 1 to go on with no further trace, or -Exxx: the rest of this one cannot be read. */
typedef int each_trace_fn(const struct cmd_context *c, struct trace *t, void *arg);

/*
 * Opens the context's traces one after the other and calls fn. CMD_DONE, or CMD_UNREADABLE when a
 * trace could not be read (the others were).
 */
int each_trace(const struct cmd_context *c, each_trace_fn *fn, void *arg);

#endif
