/* SPDX-License-Identifier: MIT */
/* Robust statistics; see trend_stats.h. */
#include "trend_stats.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define EXACT_POINTS 20

/* Puts those of v[from] to v[to - 1] that are below the pivot first; returns where the rest is. */
static uint32_t below_first(double *v, uint32_t from, uint32_t to, double pivot)
{
	/* no branch, as nobody can foresee it: each goes where the next one below has its place */
	for (uint32_t i = from; i < to; i++) {
		double x = v[i];

		v[i] = v[from];
		v[from] = x;
		from += x < pivot;
	}
	return from;
}

/* The same with those that are not above it. */
static uint32_t equal_first(double *v, uint32_t from, uint32_t to, double pivot)
{
	for (uint32_t i = from; i < to; i++) {
		double x = v[i];

		v[i] = v[from];
		v[from] = x;
		from += !(x > pivot);
	}
	return from;
}

/*
 * Puts at v[k] what would be there in order, nothing larger before it and nothing smaller behind.
 * The pivot is from the middle, as slopes come half in order.
 */
static double select_value(double *v, uint32_t n, uint32_t k)
{
	uint32_t low = 0, high = n;

	while (high - low > 1) {
		double pivot = v[low + (high - 1 - low) / 2];
		uint32_t middle = below_first(v, low, high, pivot);

		if (k < middle) {
			high = middle;
			continue;
		}
		low = equal_first(v, middle, high, pivot);
		if (k < low)
			break;
	}
	return v[k];
}

double stats_median(double *v, uint32_t n)
{
	double upper, lower;

	if (!n)
		return 0;
	upper = select_value(v, n, n / 2);
	if (n % 2)
		return upper;
	lower = v[0];
	for (uint32_t i = 1; i < n / 2; i++)
		lower = v[i] > lower ? v[i] : lower;
	return (lower + upper) / 2;
}

/* Two values, wherever they lie, and what a comparison of such makes: -1 or 0. */
typedef double two_values __attribute__((vector_size(16), aligned(8), may_alias));
typedef int64_t two_counts __attribute__((vector_size(16)));

/* How many of the values behind y[0], of `pairs` pairs, are above it, and how many below. */
static void compare_with_first(const double *y, uint32_t pairs, int64_t *above, int64_t *below)
{
	two_values first = { y[0], y[0] };
	two_counts more = { 0 }, less = { 0 };

	for (uint32_t k = 0; k < pairs; k++) {
		two_values v = *(const two_values *)&y[1 + 2 * k];

		more -= v > first;
		less -= v < first;
	}
	*above = more[0] + more[1];
	*below = less[0] + less[1];
}

/*
 * Is the median of the slopes of all pairs 0? Of most series it is, which hold a level most of the
 * time, and counting the pairs that rise and those that fall is far less than to make slopes.
 */
static bool is_level(const double *y, uint32_t n)
{
	uint32_t pairs = n * (n - 1) / 2;
	int64_t rises = 0, falls = 0;
	double v[STATS_POINTS + 1];

	memcpy(v, y, n * sizeof(*v));
	v[n] = NAN; /* neither above nor below any: for the last pair, if it is none */
	for (uint32_t i = 0; i < n; i++) {
		int64_t above, below;

		compare_with_first(&v[i], (n - i) / 2, &above, &below);
		rises += above;
		falls += below;
	}
	return 2 * rises < pairs && 2 * falls < pairs;
}

double stats_theil_sen(const double *y, uint32_t n)
{
	double slope[STATS_POINTS * (STATS_POINTS - 1) / 2];
	uint32_t k = 0;

	if (n > STATS_POINTS)
		n = STATS_POINTS;
	if (is_level(y, n))
		return 0;
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t j = i + 1; j < n; j++)
			slope[k++] = (y[j] - y[i]) / (double)(j - i);
	return stats_median(slope, k);
}

/*
 * The chance that n values in random order have at most `inversions` pairs that fall: the numbers
 * of permutations by inversions (MacMahon) are the coefficients of the product of
 * 1 + x + ... + x^(i - 1).
 */
static double chance_of_few_inversions(uint32_t n, uint32_t inversions)
{
	double count[EXACT_POINTS * (EXACT_POINTS - 1) / 2 + 1] = { 1 }, sum = 0;

	for (uint32_t i = 2; i <= n; i++) {
		uint32_t top = i * (i - 1) / 2;

		/* the mean of the i values before and at each place, from the top down */
		for (uint32_t k = top + 1; k-- > 0;) {
			double reach = 0;

			for (uint32_t j = 0; j < i && j <= k; j++)
				reach += count[k - j];
			count[k] = reach / i;
		}
	}
	for (uint32_t k = 0; k <= inversions && k <= n * (n - 1) / 2; k++)
		sum += count[k];
	return sum < 1 ? sum : 1;
}

/*
 * The variance of s of one block, and s itself; *ties: are there any? A group of t equal values
 * takes t (t - 1) (2 t + 5) from the variance: each of them, with k equal ones behind it, its share
 * of 6 k (k + 2), whole numbers of which none is rounded.
 */
static double variance_of_s(const double *y, uint32_t n, int64_t *s, bool *ties)
{
	double variance = (double)n * (n - 1) * (2.0 * n + 5), v[STATS_POINTS + 1];

	memcpy(v, y, n * sizeof(*v));
	v[n] = NAN; /* neither above nor below any: for the last pair, if it is none */
	for (uint32_t i = 0; i < n; i++) {
		int64_t above, below, equal;

		compare_with_first(&v[i], (n - i) / 2, &above, &below);
		equal = (int64_t)(n - 1 - i) - above - below;
		*s += above - below;
		*ties |= equal > 0;
		variance -= (double)(6 * equal * (equal + 2));
	}
	return variance / 18;
}

/* Chances of s or more, and of s or less. */
static void normal_chances(struct mann_kendall *r, double *down)
{
	double tail = 0.5 * erfc(fabs(r->z) / M_SQRT2);

	r->up = r->s > 0 ? tail : 1 - tail;
	*down = r->s < 0 ? tail : 1 - tail;
	if (!r->s)
		r->up = *down = 1;
}

struct mann_kendall stats_mann_kendall_blocks(const double *y, const uint8_t *block, uint32_t n)
{
	struct mann_kendall r = { .up = 1, .p = 1 };
	double variance = 0, down = 1;
	uint32_t blocks = 0;
	bool ties = false;

	if (n > STATS_POINTS)
		n = STATS_POINTS;
	for (uint32_t i = 0, size; i < n; i += size) {
		for (size = 1; i + size < n && block && block[i + size] == block[i]; size++)
			;
		size = block ? size : n;
		variance += variance_of_s(y + i, size, &r.s, &ties);
		blocks++;
	}
	if (variance <= 0)
		return r;
	if (r.s)
		r.z = (double)(r.s > 0 ? r.s - 1 : r.s + 1) / sqrt(variance);
	if (n <= EXACT_POINTS && !ties && blocks == 1) {
		int64_t pairs = (int64_t)n * (n - 1) / 2;

		r.up = chance_of_few_inversions(n, (uint32_t)((pairs - r.s) / 2));
		down = chance_of_few_inversions(n, (uint32_t)((pairs + r.s) / 2));
	} else {
		normal_chances(&r, &down);
	}
	r.p = fmin(1, 2 * fmin(r.up, down));
	return r;
}

struct mann_kendall stats_mann_kendall(const double *y, uint32_t n)
{
	return stats_mann_kendall_blocks(y, NULL, n);
}

double stats_r2(const double *y, uint32_t n)
{
	double mean_x = (n - 1.0) / 2, mean_y = 0, xx = 0, yy = 0, xy = 0;

	if (n < 2)
		return 0;
	for (uint32_t i = 0; i < n; i++)
		mean_y += y[i] / n;
	for (uint32_t i = 0; i < n; i++) {
		xx += (i - mean_x) * (i - mean_x);
		yy += (y[i] - mean_y) * (y[i] - mean_y);
		xy += (i - mean_x) * (y[i] - mean_y);
	}
	return yy > 0 ? xy * xy / (xx * yy) : 0;
}

double stats_autocorrelation(const double *y, uint32_t n)
{
	double slope = stats_theil_sen(y, n), mean = 0, all = 0, next = 0, r;
	double d[STATS_POINTS];

	if (n < 4)
		return 0;
	n = n < STATS_POINTS ? n : STATS_POINTS;
	for (uint32_t i = 0; i < n; i++) {
		d[i] = y[i] - slope * i;
		mean += d[i] / n;
	}
	for (uint32_t i = 0; i < n; i++) {
		all += (d[i] - mean) * (d[i] - mean);
		if (i)
			next += (d[i] - mean) * (d[i - 1] - mean);
	}
	r = all > 0 ? next / all : 0;
	r += (1 + 4 * r) / n;
	return r < 0 ? 0 : r > 0.99 ? 0.99 : r;
}
