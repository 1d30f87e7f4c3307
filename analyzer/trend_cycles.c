/* SPDX-License-Identifier: MIT */
/* Cycles of growth and release; see trend_cycles.h. */
#include "trend_cycles.h"

#include <stdbool.h>

uint32_t cycles_find(const double *low, const double *high, uint32_t n, double fall,
		     struct cycle *out, uint32_t max)
{
	struct cycle c = { 0 };
	bool falling = false, risen = true;
	uint32_t count = 0;

	for (uint32_t i = 1; i < n && count < max; i++) {
		if (falling) {
			bool risen_since = high[i] - low[c.trough] >= fall;

			/* the most of a moment in which it fell was before the least of it */
			if (low[i] < low[c.trough] || (low[i] <= low[c.trough] && !risen_since))
				c.trough = i;
			if (c.trough == i || !risen_since)
				continue;
			out[count++] = c;
			c.start = c.trough;
			c.peak = i;
			falling = false;
		} else if (high[i] > high[c.peak]) {
			c.peak = i;
		} else if (!risen && high[c.peak] - low[c.start] < fall) {
			if (low[i] <= low[c.start])
				c.start = c.peak = i;
		} else if (high[c.peak] - low[i] >= fall) {
			c.trough = i;
			falling = true;
			risen = false;
		}
	}
	if (falling && count < max)
		out[count++] = c;
	return count;
}

double cycles_deepest(const double *low, const double *high, uint32_t n)
{
	double most = 0, deepest = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (!i || high[i] > most)
			most = high[i];
		if (most - low[i] > deepest && i)
			deepest = most - low[i];
	}
	return deepest;
}
