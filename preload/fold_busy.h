/* SPDX-License-Identifier: MIT */
/*
 * The time during which at least one of a set of operations ran, as the analyzer's busy_time has
 * it, with fewer spans: exact as long as no operation reaches back over more of them.
 */
#ifndef LARIAT_FOLD_BUSY_H
#define LARIAT_FOLD_BUSY_H

#include "fold.h"

struct fold_span {
	uint64_t start, end;
};

/* Zeroed memory is an empty set. */
struct fold_busy {
	struct fold_span *span; /* disjoint, by time */
	uint32_t count, room;
	uint64_t settled;	/* sum of spans that were dropped from the front */
	uint64_t settled_until; /* their end */
	bool at_least;		/* not exact */
};

/* start <= end; ends come in ascending order. At most `most` spans are kept, at least 2. */
void fold_busy_add(struct fold *f, struct fold_busy *b, uint64_t start, uint64_t end,
		   uint32_t most);

#endif
