/* SPDX-License-Identifier: MIT */
/*
 * Robust statistics of short series of equally spaced values: slope, significance, fit. Pure
 * functions, any thread.
 */
#ifndef LARIAT_TREND_STATS_H
#define LARIAT_TREND_STATS_H

#include <stdint.h>

#define STATS_POINTS 64 /* the longest series */

/*
 * Theil-Sen slope per step: the median of the slopes of all pairs of points (Theil 1950, Sen 1968).
 * Up to 29 % of the points can be anything without moving it far. 0 of fewer than two.
 */
double stats_theil_sen(const double *y, uint32_t n);

/* Mann-Kendall test for a trend that need not be a line (Mann 1945, Kendall 1975). */
struct mann_kendall {
	int64_t s; /* pairs that rise less pairs that fall */
	double z;  /* s over its deviation under "no trend", with continuity correction */
	double up; /* chance of such an s or a higher one without a trend */
	double p;  /* ... of one as far from 0 in either direction */
};

/*
 * Up to 20 points without ties by the exact distribution of s, else by the normal one with the
 * correction of the variance for ties (Kendall 1975; as in Gilbert 1987, section 16.4).
 */
struct mann_kendall stats_mann_kendall(const double *y, uint32_t n);

/*
 * The same where y jumped for reasons of its own: only points with the same number in `block`,
 * which does not fall, are compared, and s and variance are sums over the blocks (Hirsch, Slack and
 * Smith 1982, there for seasons).
 */
struct mann_kendall stats_mann_kendall_blocks(const double *y, const uint8_t *block, uint32_t n);

/* Coefficient of determination of the least-squares line, 0 to 1; 0 of a constant. */
double stats_r2(const double *y, uint32_t n);

/*
 * How far a value about the Theil-Sen line depends on the one before: autocorrelation at lag 1 with
 * its bias in short series taken off (Marriott and Pope 1954), 0 to 0.99.
 */
double stats_autocorrelation(const double *y, uint32_t n);

/* Median; *v is put in order. 0 of none. */
double stats_median(double *v, uint32_t n);

#endif
