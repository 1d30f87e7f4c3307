/* SPDX-License-Identifier: MIT */
/* Cycles of growth and release in a series. Pure functions, any thread. */
#ifndef LARIAT_TREND_CYCLES_H
#define LARIAT_TREND_CYCLES_H

#include <stdint.h>

/* Indices into the series. */
struct cycle {
	uint32_t start; /* the trough that it grew from */
	uint32_t peak;
	uint32_t trough; /* what was left */
};

/*
 * Finds the falls by at least `fall` after rises by as much, `fall` > 0; `low` and `high` are the
 * least and the most of each slot and may be the same array. A series that falls from its first
 * point on is taken to have risen before. Returns how many of `max` cycles it has found.
 */
uint32_t cycles_find(const double *low, const double *high, uint32_t n, double fall,
		     struct cycle *out, uint32_t max);

/* The deepest fall of a series. */
double cycles_deepest(const double *low, const double *high, uint32_t n);

#endif
