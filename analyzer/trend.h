/* SPDX-License-Identifier: MIT */
/*
 * What a figure does over the life of a process: does what is left after each release keep
 * growing, or did it grow and stop? Pure functions on arrays, any thread.
 */
#ifndef LARIAT_TREND_H
#define LARIAT_TREND_H

#include <stdbool.h>
#include <stdint.h>

#include "trend_stats.h"

enum trend_verdict {
	TREND_UNKNOWN,	/* too short, or too few data */
	TREND_STEADY,	/* moves about a level */
	TREND_GROWING,	/* what is left grows, and did so to the end */
	TREND_PLATEAU,	/* grew and stopped */
	TREND_STEP,	/* grew at one moment, or a few */
	TREND_SAWTOOTH, /* grows and is released, again and again */
	TREND_ONE_OFF,	/* grew at the start only */
	TREND_FALLING,
	TREND_VERDICTS
};

/* Least and most in slots of equal width. */
struct trend_input {
	const uint64_t *low, *high;
	uint32_t count; /* at most STATS_POINTS */
	double slot_s;	/* width of one */
	/* Where the figures are estimates from samples, what one of these adds to their variance,
	 * by unit of the figure; else 0. And how much of the figure has gone away in all, which may
	 * have come back as other samples. */
	double grain, gone;
};

struct trend {
	enum trend_verdict verdict;
	bool few; /* unknown, as too few samples tell of it; it may be growing */
	/* of the lower envelope; of all slots where the trend shows only in all of them */
	double slope_per_s; /* Theil-Sen */
	double r2;
	double p_value; /* Mann-Kendall, two-sided */
	double first, last;
	uint32_t points;
	uint32_t releases; /* after which the envelope is what was left */
	double growth;	   /* from the first to the last */
};

/* Fewer slots than this tell nothing. */
#define TREND_SLOTS 10

void trend_judge(const struct trend_input *in, struct trend *out);

/* "growing", "plateau", "step", "sawtooth", "one-off", "steady", "falling", "unknown" */
const char *trend_verdict_name(enum trend_verdict verdict);

#endif
