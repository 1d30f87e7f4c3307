/* SPDX-License-Identifier: MIT */
/*
 * A walk from frame to frame by any rule and on any stack: what walks by plain rules on the
 * thread's own stack (unwind.c) leaves to it.
 */
#ifndef LARIAT_UNWIND_WALK_H
#define LARIAT_UNWIND_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "attr.h"
#include "thread.h"

static always_inline uint64_t word_at(uint64_t addr)
{
	return *(const uint64_t *)addr;
}

/* Position of a walk: the innermost frame not yet looked at. */
struct cursor {
	uint64_t slot, ra, rbp;
	uint64_t rsp; /* after the return */
	uint32_t flags;
	int32_t rbp_from;      /* as in struct frame */
	uint64_t checked_page; /* foreign stacks: last page known to be readable */
	bool foreign;	       /* not on the thread's own stack: read with care */
};

/* Where the walk of a function's stack starts, of which `frame` is the frame address. */
static inline struct cursor cursor_at(const struct stack *s, uint64_t frame)
{
	return (struct cursor){ .slot = frame + 8,
				.ra = word_at(frame + 8),
				.rbp = word_at(frame),
				.rbp_from = -8,
				.rsp = frame + 16,
				.foreign = frame < s->low || frame >= s->high };
}

/* The index of the innermost frame of the outermost `from` that is not as it was, as the first
 * `count` entries of the watch list tell, one of which does not hold. */
int32_t unwind_differs(const struct stack *s, uint32_t from, uint32_t count);

/* Walks until the outermost frame, or a frame of the last stack, of whose outermost k frames it may
 * join one, with the rest unchanged: *kept says how many of those stay. */
void unwind_walk(struct stack *s, struct cursor start, uint32_t k, uint32_t *kept);

#endif
