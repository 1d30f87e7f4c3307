/* SPDX-License-Identifier: MIT */
/*
 * The time during which at least one of a set of operations ran: the union of their intervals,
 * from intervals in the order of their ends, in whatever unit. Zeroed memory is an empty set. One
 * thread at a time.
 *
 * Exact as long as no operation reaches back over more than BUSY_TIME_SPANS separate busy spans;
 * beyond that the figure is a lower bound and says so.
 */
#ifndef LARIAT_BUSY_TIME_H
#define LARIAT_BUSY_TIME_H

#include <stdbool.h>
#include <stdint.h>

#define BUSY_TIME_SPANS 65536

struct busy_span {
	uint64_t start, end;
};

struct busy_time {
	struct busy_span *spans; /* disjoint, by time */
	uint32_t count, size;
	uint64_t settled;	/* sum of spans that were dropped from the front */
	uint64_t settled_until; /* their end */
	bool at_least;		/* not exact */
};

/* start <= end; ends come in ascending order. */
void busy_time_add(struct busy_time *b, uint64_t start, uint64_t end);
uint64_t busy_time_sum(const struct busy_time *b);
void busy_time_fini(struct busy_time *b);

#endif
