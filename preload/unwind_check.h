/* SPDX-License-Identifier: MIT */
/*
 * The test build (-DLAR_UNWIND_CHECK) compares every stack with a walk from scratch and with
 * libunwind's own slow steps, and counts differences in the trace's header. The released library
 * has nothing of this.
 */
#ifndef LARIAT_UNWIND_CHECK_H
#define LARIAT_UNWIND_CHECK_H

#include <stdint.h>

#include "thread.h"

/* Compares *s, just captured for the wrapper at `frame`. Slow, and opens libunwind with dlopen. */
void unwind_check(const struct stack *s, uint64_t frame);

/* Compares the node that a record is about to name with the stack. */
void unwind_check_nodes(const struct thread *t);

#endif
