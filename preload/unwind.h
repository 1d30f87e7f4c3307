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
#include <ucontext.h>

#include "thread.h"

/*
 * Finds the stack of the function whose frame address is `frame` (rbp after its prologue): its
 * return address is the innermost frame. s->known tells whether its node is, s->leaf. No lock, no
 * system call when all rules are known and the stack is the thread's own.
 */
void unwind_capture(struct stack *s, uint64_t frame);

/* The same of what a signal interrupted: the program counter, plus 1 so that it reads like a return
 * address, is the innermost frame. */
void unwind_capture_context(struct stack *s, const ucontext_t *u);

/* The last stack, whether its inner frames are in the array or in a memory. */
static inline uint32_t unwind_count(const struct stack *s)
{
	return s->top ? s->top_kept + s->top->frames : s->count;
}
static inline uint64_t unwind_ra(const struct stack *s, uint32_t i)
{
	return s->top && i >= s->top_kept ? s->top->ra[s->top_kept + s->top->frames - 1 - i]
					  : s->frame[i].ra;
}

/* Whether the nodes of the last stack could be found without putting its frames into the array. */
bool unwind_find_nodes(struct stack *s);

/* Puts the frames of the last stack into the array. */
void unwind_put_frames(struct stack *s);

/* The nodes of all frames in the array, which are those of the last stack, have been found. */
void unwind_nodes_known(struct stack *s);

/* The same from scratch, without use of the last stack; for the test build. */
bool unwind_fresh(struct stack *s, uint64_t frame);

#endif
