/* SPDX-License-Identifier: MIT */
/*
 * Tells apart the stacks of a list of which only the inner frames are shown: where those of two are
 * the same, which of the frames further out is the first that is not.
 */
#ifndef LARIAT_ALIKE_H
#define LARIAT_ALIKE_H

#include <stdint.h>

#include "frames.h"

struct alike;

#define ALIKE_ROWS 100 /* of longer lists the first so many */
#define ALIKE_MOST 2   /* frames of one stack */

/*
 * Of `count` stacks that are each shown with `callers` callers, as frames_shown() has it. NULL when
 * there is nothing to tell apart, or no memory; the other functions take that.
 */
struct alike *alike_new(struct frames *frames, const uint32_t *stack, uint32_t count,
			unsigned callers);
void alike_free(struct alike *l);

/* The indexes of the frames to show besides, ascending; returns how many. */
unsigned alike_frames(const struct alike *l, uint32_t stack, uint32_t index[ALIKE_MOST]);

#endif
