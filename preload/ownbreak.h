/* SPDX-License-Identifier: MIT */
/*
 * Memory that the program has from the system by moving the break itself: it lies between the
 * allocator's, and what it holds counts for the leak scan. A fork keeps it.
 */
#ifndef LARIAT_OWNBREAK_H
#define LARIAT_OWNBREAK_H

#include <stdint.h>

struct ownbreak {
	uint64_t start, end;
};

/* Behind so many, all that follows counts as the program's: no block is lost wrongly then. */
#define OWNBREAKS 4096

extern struct ownbreak ownbreak[OWNBREAKS]; /* by address */
extern uint32_t ownbreaks;

/* The program has moved the break. Who moves it sees to it that nobody else does. */
void ownbreak_moved(uint64_t from, uint64_t to);

#endif
