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

#include "memo.h"
#include "thread.h"

/*
 * Finds the stack of the function whose frame address is `frame` (rbp after its prologue): its
 * return address is the innermost frame. s->known tells whether it has a number in the buffer,
 * s->leaf. No lock, no system call when all rules are known and the stack is the thread's own.
 */
void unwind_capture(struct stack *s, uint64_t frame);

/* Worth a call some time before unwind_capture(). */
static always_inline void unwind_prepare(const struct stack *s, uint64_t frame)
{
	memo_prefetch(s, frame + 8, *(const uint64_t *)(frame + 8));
}

/* The same of what a signal interrupted: the program counter, plus 1 so that it reads like a return
 * address, is the innermost frame. */
void unwind_capture_context(struct stack *s, const ucontext_t *u);

/* Looks whether the last stack has a number in the buffer. */
static always_inline void unwind_number(struct stack *s)
{
	const struct node *node = &s->nodes.node[s->last];

	s->leaf = node->number;
	s->known = node->epoch == s->epoch;
}

/* Frames of the last stack. */
static inline uint32_t unwind_count(const struct stack *s)
{
	return s->nodes.node[s->last].depth;
}

/* The same from scratch, without use of the last stack; for the test build. */
bool unwind_fresh(struct stack *s, uint64_t frame);

#endif
