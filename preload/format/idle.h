/* SPDX-License-Identifier: MIT */
/*
 * Where a thread is when it has nothing to do: the stack that has more than half of that time, if
 * there is one (R. S. Boyer, J S. Moore, "MJRTY", 1991, with lengths for weights). The recorder and
 * its readers use the same arithmetic. Any thread.
 */
#ifndef LARIAT_IDLE_H
#define LARIAT_IDLE_H

#include <stdint.h>

/* Zeroed memory has none. */
struct lar_idle {
	uint64_t waits;
	uint64_t weight; /* what the stack is ahead of all others by; 0 = there is none */
	uint32_t where;	 /* the stack: a node, or a reader's name of it */
	uint32_t call;
};

static inline void lar_idle_add(struct lar_idle *i, uint32_t where, uint32_t call, uint64_t waits,
				uint64_t weight)
{
	i->waits += waits;
	if (i->where == where && i->weight) {
		i->weight += weight;
	} else if (i->weight >= weight) {
		i->weight -= weight;
	} else {
		i->weight = weight - i->weight;
		i->where = where;
		i->call = call;
	}
}

#endif
