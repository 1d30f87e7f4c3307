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
#include "recorder.h"
#include "thread.h"

/*
 * Finds the stack of the function whose frame address is `frame` (rbp after its prologue): its
 * return address is the innermost frame. s->known tells whether it has a number in the buffer,
 * s->leaf. No lock, no system call when all rules are known and the stack is the thread's own.
 */
void unwind_capture(struct stack *s, uint64_t frame);

/* Looks whether the last stack has a number in the buffer. */
static always_inline void unwind_number(struct stack *s)
{
	const struct node *node = &s->nodes.node[s->last];

	s->leaf = node->number;
	s->known = node->epoch == s->epoch;
}

/* What a look ahead has found: where the memory of such a stack is, if there is one. */
struct unwind_ahead {
	const struct stack *s; /* NULL: nobody has looked */
	struct memo *memo;
};

#define UNWIND_NOT_AHEAD ((struct unwind_ahead){ NULL, NULL })

/* Worth a call some time before unwind_capture_ahead(): it fetches what that will look at. */
static always_inline struct unwind_ahead unwind_look_ahead(const struct stack *s, uint64_t frame)
{
	return (struct unwind_ahead){ s,
				      memo_prefetch(s, frame + 8, *(const uint64_t *)(frame + 8)) };
}

/* By walking; `memo` is where the stack is to be remembered. */
void unwind_capture_walk(struct stack *s, uint64_t frame, struct memo *memo);

#ifdef LAR_UNWIND_CHECK
/* Holds what has just been captured against other walks. */
void unwind_captured(const struct stack *s, uint64_t frame);
#endif

/* As unwind_capture(), on what has been looked up ahead, perhaps of another thread's struct. */
static always_inline void unwind_capture_ahead(struct stack *s, uint64_t frame,
					       struct unwind_ahead ahead)
{
	if (unlikely(ahead.s != s)) {
		unwind_capture(s, frame);
		return;
	}
	if (unlikely(s->generation !=
			     atomic_load_explicit(&lar->generation, memory_order_relaxed) ||
		     !memo_try(s, frame + 8, &ahead.memo)))
		unwind_capture_walk(s, frame, ahead.memo);
	unwind_number(s);
#ifdef LAR_UNWIND_CHECK
	unwind_captured(s, frame);
#endif
}

/* The same of what a signal interrupted: the program counter, plus 1 so that it reads like a return
 * address, is the innermost frame. */
void unwind_capture_context(struct stack *s, const ucontext_t *u);

/* Frames of the last stack. */
static inline uint32_t unwind_count(const struct stack *s)
{
	return s->nodes.node[s->last].depth;
}

/* The same from scratch, without use of the last stack; for the test build. */
void unwind_fresh(struct stack *s, uint64_t frame);

#endif
