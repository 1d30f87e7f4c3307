/* SPDX-License-Identifier: MIT */
/*
 * When calls took how long, of folded events: as the analyzer's heat map has it, by ticks. Zeroed
 * memory is an empty map. Under the ring's lock.
 */
#ifndef LARIAT_FOLD_HEAT_H
#define LARIAT_FOLD_HEAT_H

#include "fold.h"

#define FOLD_HEAT_COLUMNS 64
#define FOLD_HEAT_ROWS	  48

struct fold_heat {
	uint32_t shift; /* a column is 2^this ticks wide */
	uint32_t calls[FOLD_HEAT_ROWS][FOLD_HEAT_COLUMNS];
};

/* A call that took so many ticks ended so many after the start of the recording. */
void fold_heat_add(struct fold_heat *h, uint64_t at, uint64_t took);

/* The table; NULL = no calls. */
void fold_heat_write(struct fold_out *o, const struct fold_heat *h);

#endif
