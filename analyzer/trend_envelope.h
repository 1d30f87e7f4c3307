/* SPDX-License-Identifier: MIT */
/*
 * The lower envelope of a series: what is left after each release, and what of it are steps and
 * noise. Pure functions, any thread.
 */
#ifndef LARIAT_TREND_ENVELOPE_H
#define LARIAT_TREND_ENVELOPE_H

#include <stdint.h>

#include "trend_cycles.h"
#include "trend_stats.h"

#define TREND_ENOUGH_TROUGHS 4
#define TREND_START_SHARE    0.15 /* of the time is the start */

#define TREND_CYCLES	     (STATS_POINTS / 2)

struct trend_cycles {
	struct cycle cycle[TREND_CYCLES];
	uint32_t count;
	uint32_t longest;  /* slots from trough to trough */
	double highest;	   /* rise of one */
	uint32_t up, down; /* slots spent in rises and in falls */
};

/* What a verdict is reached on. The caller sets x, n, inner, and grain and gone as in trend.h; the
 * rest begins as 0. */
struct trend_work {
	double x[STATS_POINTS]; /* least of each slot */
	uint32_t n;
	uint32_t inner; /* slots in which half of all it ever was came and went */
	double grain, gone;
	double range;		     /* of all that x was */
	double e[STATS_POINTS];	     /* envelope */
	uint32_t k;		     /* its points */
	double step;		     /* slots from one to the next, about */
	double g[STATS_POINTS];	     /* ... without steps */
	uint8_t block[STATS_POINTS]; /* steps before the point */
	double usual;	/* rise or fall of g from point to point: the median of those there are */
	double noise;	/* standard deviation of the rises of g */
	uint32_t rises; /* of e */
	double steps;	/* what they add up to */
	struct trend_cycles cycles;
};

/* Fills in all from x. There are at least 10 slots. */
void trend_prepare(struct trend_work *w);

/* The same, but every slot is a point of the envelope. */
void trend_prepare_plain(struct trend_work *w);

/* Most less least. */
double trend_range(const double *x, uint32_t n);

#endif
