/* SPDX-License-Identifier: MIT */
/* Which traces stand on which side of a comparison. */
#ifndef LARIAT_DIFF_SIDES_H
#define LARIAT_DIFF_SIDES_H

#include <stddef.h>
#include <stdint.h>

#include "paths.h"

struct diff_sides {
	struct paths paths; /* side A, then side B */
	size_t first;	    /* how many are A's */
	uint64_t *until_ns; /* per path: how far to read it; UINT64_MAX = to the end */
};

/*
 * `second` of the `count` names stand behind "--" and are side B; where none does, there must be
 * two, one for each. NAME@TIME is a trace up to that time, unless there is a file of that name.
 * Returns 0, -EINVAL (wrong usage), or as paths_expand(); `why` then says what is wrong. On success
 * *out is the caller's.
 */
int diff_sides_expand(char *const *names, size_t count, size_t second, struct diff_sides *out,
		      char *why, size_t why_size);
void diff_sides_fini(struct diff_sides *s);

#endif
