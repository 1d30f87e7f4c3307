/* SPDX-License-Identifier: MIT */
/*
 * The call stack of a wrapper, incrementally. The last stack of the thread is kept with the address
 * of every word that led from frame to frame. A new walk goes by rules (rules.h) from the innermost
 * frame only until it meets a frame of the last stack in the same place with the same contents;
 * then all words further out are read again, and where they hold what they held, a full walk would
 * give the same frames: nothing is assumed unchanged.
 */
#ifndef LARIAT_UNWIND_H
#define LARIAT_UNWIND_H

#include <stdint.h>

#include "thread.h"

/*
 * Brings s->frame and s->count up to date for the function whose frame address is `frame` (rbp
 * after its prologue): its return address is the innermost frame. s->sent falls to the number of
 * outermost frames that did not change. No lock, no system call when all rules are known and the
 * stack is the thread's own.
 */
void unwind_capture(struct stack *s, uint64_t frame);

/* The same from scratch, without use of the last stack; for the test build. */
bool unwind_fresh(struct stack *s, uint64_t frame);

#endif
