/* SPDX-License-Identifier: MIT */
/* Slope, significance and fit against values worked out by hand, by tables and by brute force. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../analyzer/trend_stats.h"

static void near(double got, double expected)
{
	if (fabs(got - expected) > 1e-9 * fmax(1, fabs(expected)))
		fail_msg("expected %.12g, got %.12g", expected, got);
}

static void slope_is_the_median_of_pairs(void **state)
{
	/* pairs: 1 1 99/3 1 98/2 97, in order 1 1 1 33 49 97 */
	const double few[] = { 1, 2, 3, 100 };
	double line[40];

	(void)state;
	near(stats_theil_sen(few, 4), 17);
	for (int i = 0; i < 40; i++)
		line[i] = 7 + 2.5 * i;
	near(stats_theil_sen(line, 40), 2.5);
	/* a quarter of the points far off: the line is still seen */
	for (int i = 0; i < 40; i += 4)
		line[i] = (i * 7919) % 1000;
	assert_true(fabs(stats_theil_sen(line, 40) - 2.5) < 0.6);
	near(stats_theil_sen(line, 1), 0);
	near(stats_theil_sen(line, 0), 0);
}

/* Series of few different values, many of whose slopes are 0: as many as decide, or not quite. */
static void slope_of_levels(void **state)
{
	uint64_t x = 88172645463325252ull;

	(void)state;
	for (uint32_t round = 0; round < 20000; round++) {
		double y[24], slope[24 * 23 / 2];
		uint32_t n = round % 24 + 1, k = 0;

		for (uint32_t i = 0; i < n; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			y[i] = (double)((x >> 20) % (round % 5 + 1));
		}
		for (uint32_t i = 0; i < n; i++)
			for (uint32_t j = i + 1; j < n; j++)
				slope[k++] = (y[j] - y[i]) / (double)(j - i);
		assert_true(stats_theil_sen(y, n) == stats_median(slope, k));
	}
}

/* No more than half of the values lie on either side of it; between two it is in their middle. */
static void median_is_in_the_middle(void **state)
{
	uint64_t x = 88172645463325252ull;
	double v[99];

	(void)state;
	for (uint32_t n = 1; n < 99; n++) {
		for (uint32_t various = 1; various < 1000; various *= 3) {
			uint32_t below = 0, above = 0;
			double median;

			for (uint32_t i = 0; i < n; i++) {
				x ^= x << 13;
				x ^= x >> 7;
				x ^= x << 17;
				v[i] = (double)((x >> 11) % various) - various / 3;
				if (various == 27) /* in order, and the other way round */
					v[i] = n % 2 ? i : n - i;
			}
			median = stats_median(v, n);
			for (uint32_t i = 0; i < n; i++) {
				below += v[i] < median;
				above += v[i] > median;
			}
			assert_true(below <= n / 2 && above <= n / 2);
		}
	}
	near(stats_median((double[]){ 7, 1, 4, 2 }, 4), 3);
	near(stats_median((double[]){ 5, 5, 1 }, 3), 5);
	near(stats_median(NULL, 0), 0);
}

/* Chances in Kendall's table (Gilbert 1987, table A18), to its digits. */
static void chances_are_those_of_the_table(void **state)
{
	static const struct {
		unsigned n, swaps; /* from the rising order: s is n (n - 1) / 2 - 2 swaps */
		double up, digits;
	} rows[] = {
		{ 4, 0, 0.042, 0.0005 }, { 5, 1, 0.042, 0.0005 },   { 6, 2, 0.028, 0.0005 },
		{ 8, 6, 0.031, 0.0005 }, { 10, 11, 0.023, 0.0005 }, { 10, 9, 0.0083, 0.00005 },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(rows) / sizeof(*rows); r++) {
		double y[10];
		unsigned left = rows[r].swaps;

		for (unsigned i = 0; i < rows[r].n; i++)
			y[i] = i;
		/* each exchange of neighbours that rise makes one pair fall */
		for (unsigned pass = 0; left; pass++)
			for (unsigned i = 0; i + 1 < rows[r].n && left; i++)
				if (y[i] < y[i + 1]) {
					double t = y[i];

					y[i] = y[i + 1];
					y[i + 1] = t;
					left--;
				}
		if (fabs(stats_mann_kendall(y, rows[r].n).up - rows[r].up) > rows[r].digits)
			fail_msg("n %u, %u swaps: expected %g, got %g", rows[r].n, rows[r].swaps,
				 rows[r].up, stats_mann_kendall(y, rows[r].n).up);
	}
}

/* All orders of seven values: the share with an s at least as high is the chance. */
static unsigned orders, orders_as_high;
static int64_t threshold;

static void permute(double *y, unsigned n, unsigned k)
{
	if (k == n) {
		int64_t s = 0;

		for (unsigned i = 0; i < n; i++)
			for (unsigned j = i + 1; j < n; j++)
				s += y[j] > y[i] ? 1 : -1;
		orders++;
		orders_as_high += s >= threshold;
		return;
	}
	for (unsigned i = k; i < n; i++) {
		double t = y[k];

		y[k] = y[i];
		y[i] = t;
		permute(y, n, k + 1);
		t = y[k];
		y[k] = y[i];
		y[i] = t;
	}
}

static void chance_is_the_share_of_orders(void **state)
{
	const double y[7] = { 3, 1, 2, 5, 4, 7, 6 };
	struct mann_kendall mk = stats_mann_kendall(y, 7);
	double any[7] = { 1, 2, 3, 4, 5, 6, 7 };

	(void)state;
	assert_int_equal(mk.s, 21 - 2 * 4);
	threshold = mk.s;
	permute(any, 7, 0);
	assert_int_equal(orders, 5040);
	near(mk.up, (double)orders_as_high / orders);
	near(mk.p, 2.0 * orders_as_high / orders);
}

static void ties_make_the_variance_less(void **state)
{
	/* 15 pairs, 4 of them ties; variance (6 5 17 - 2 1 9 - 3 2 11) / 18 */
	const double y[] = { 1, 1, 2, 2, 2, 3 };
	struct mann_kendall mk = stats_mann_kendall(y, 6);
	const double flat[] = { 4, 4, 4, 4, 4 };

	(void)state;
	assert_int_equal(mk.s, 11);
	near(mk.z, 10 / sqrt(426 / 18.0));
	near(mk.up, 0.5 * erfc(10 / sqrt(426 / 18.0) / sqrt(2)));
	assert_int_equal(stats_mann_kendall(flat, 5).s, 0);
	near(stats_mann_kendall(flat, 5).p, 1);
}

static void falling_is_rising_mirrored(void **state)
{
	double up[40], down[40];

	(void)state;
	for (int i = 0; i < 40; i++) {
		up[i] = i % 7 + i * 0.2;
		down[i] = -up[i];
	}
	near(stats_mann_kendall(up, 40).z, -stats_mann_kendall(down, 40).z);
	near(stats_mann_kendall(up, 40).p, stats_mann_kendall(down, 40).p);
	assert_true(stats_mann_kendall(up, 40).up < 0.01);
	assert_true(stats_mann_kendall(down, 40).up > 0.99);
}

static void a_jump_between_blocks_is_no_trend(void **state)
{
	const double y[] = { 2, 1, 2, 1, 2, 1, 102, 101, 102, 101, 102, 101 };
	const uint8_t block[] = { 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1 };

	(void)state;
	assert_true(stats_mann_kendall(y, 12).up < 0.02);
	/* in each block 6 pairs fall and 3 rise */
	assert_int_equal(stats_mann_kendall_blocks(y, block, 12).s, -6);
}

static void fit_and_dependence(void **state)
{
	const double line[] = { 3, 5, 7, 9 }, corner[] = { 0, 0, 1 };
	double turns[32], slow[32];

	(void)state;
	near(stats_r2(line, 4), 1);
	near(stats_r2(corner, 3), 0.75);
	for (int i = 0; i < 32; i++) {
		turns[i] = i % 2 ? 5 : -5;
		slow[i] = i / 8 % 2 ? 5 : -5;
	}
	near(stats_autocorrelation(turns, 32), 0);
	assert_true(stats_autocorrelation(slow, 32) > 0.7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slope_is_the_median_of_pairs),
		cmocka_unit_test(slope_of_levels),
		cmocka_unit_test(median_is_in_the_middle),
		cmocka_unit_test(chances_are_those_of_the_table),
		cmocka_unit_test(chance_is_the_share_of_orders),
		cmocka_unit_test(ties_make_the_variance_less),
		cmocka_unit_test(falling_is_rising_mirrored),
		cmocka_unit_test(a_jump_between_blocks_is_no_trend),
		cmocka_unit_test(fit_and_dependence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
