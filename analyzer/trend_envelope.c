/* SPDX-License-Identifier: MIT */
/* The lower envelope of a series; see trend_envelope.h. */
#include "trend_envelope.h"

#include <math.h>

#define RELEASE_SHARE 0.1 /* of the range, the least fall that is a release */
#define LEAST_POINTS  3
#define MANY_TROUGHS  6
#define STEP_FACTOR   8 /* a rise of so many usual ones is a step */

static void find_cycles(struct trend_cycles *c, const double *x, uint32_t n, double fall)
{
	c->count = cycles_find(x, x, n, fall, c->cycle, TREND_CYCLES);
	for (uint32_t i = 0; i < c->count; i++) {
		const struct cycle *one = &c->cycle[i];

		if (one->trough - one->start > c->longest)
			c->longest = one->trough - one->start;
		c->highest = fmax(c->highest, x[one->peak] - fmin(x[one->start], x[one->trough]));
		c->up += one->peak - one->start;
		c->down += one->trough - one->peak;
	}
}

/*
 * What is left after each release: the troughs where there are enough of them, else the least of
 * windows as long as the longest cycle, so that each has a trough.
 */
static void make_envelope(struct trend_work *w)
{
	uint32_t most = w->n / LEAST_POINTS;
	uint32_t window = !w->cycles.count	     ? 1
			  : w->cycles.longest < most ? w->cycles.longest + 1
						     : most;

	w->k = 0;
	if (w->cycles.count >= TREND_ENOUGH_TROUGHS) {
		for (; w->k < w->cycles.count; w->k++)
			w->e[w->k] = w->x[w->cycles.cycle[w->k].trough];
		w->step = (double)(w->cycles.cycle[w->k - 1].trough - w->cycles.cycle[0].trough) /
			  (w->k - 1);
		return;
	}
	if (!window)
		window = 1;
	w->step = window;
	w->k = w->n / window;
	for (uint32_t p = 0; p < w->k; p++) {
		/* windows end with the last slot; what is too many comes off at the start */
		uint32_t from = w->n - (w->k - p) * window;

		w->e[p] = w->x[from];
		for (uint32_t i = from + 1; i < from + window; i++)
			if (w->x[i] < w->e[p])
				w->e[p] = w->x[i];
	}
}

/*
 * Rises and falls far beyond the usual are steps: a table made, a buffer resized. They are taken
 * out, so that what grows besides can be seen, unless they are so many that they are the way it
 * grows.
 */
static void take_out_steps(struct trend_work *w)
{
	double move[STATS_POINTS], rise[STATS_POINTS] = { 0 };
	uint32_t moves = 0, steps = 0;
	double bound;

	w->rises = 0;
	w->steps = 0;
	for (uint32_t i = 1; i < w->k; i++) {
		double d = w->e[i] - w->e[i - 1];

		rise[i] = d;
		w->rises += d > 0;
		if (d != 0)
			move[moves++] = fabs(d);
	}
	w->usual = stats_median(move, moves);
	bound = w->usual * STEP_FACTOR;
	for (uint32_t i = 1; i < w->k; i++)
		steps += fabs(rise[i]) > bound;
	if (steps * 4 > moves)
		bound = INFINITY;
	w->g[0] = w->e[0];
	for (uint32_t i = 1; i < w->k; i++) {
		w->block[i] = w->block[i - 1];
		if (fabs(rise[i]) > bound) {
			w->steps += fmax(0, rise[i]);
			w->block[i]++;
			rise[i] = 0;
		}
		w->g[i] = w->g[i - 1] + rise[i];
	}
}

/*
 * Spread of the rises of g in the second half about their median, as a standard deviation
 * (1.4826 MAD).
 */
static void measure_noise(struct trend_work *w)
{
	double d[STATS_POINTS], middle;
	uint32_t from = w->k / 2, n = w->k - 1 - from;

	for (uint32_t i = 0; i < n; i++)
		d[i] = w->g[from + i + 1] - w->g[from + i];
	middle = stats_median(d, n);
	for (uint32_t i = 0; i < n; i++)
		d[i] = fabs(w->g[from + i + 1] - w->g[from + i] - middle);
	w->noise = 1.4826 * stats_median(d, n);
}

double trend_range(const double *x, uint32_t n)
{
	double least = x[0], most = x[0];

	for (uint32_t i = 1; i < n; i++) {
		least = fmin(least, x[i]);
		most = fmax(most, x[i]);
	}
	return most - least;
}

/*
 * Releases are falls by at least half of the deepest behind the start, unless that is little of
 * what happens there.
 */
static void measure_range(struct trend_work *w)
{
	uint32_t start = (uint32_t)(TREND_START_SHARE * w->n), n = w->n - start;
	double deepest = cycles_deepest(w->x + start, w->x + start, n);
	struct trend_cycles finer = { 0 };

	w->range = trend_range(w->x, w->n);
	if (deepest <= 0 || deepest < trend_range(w->x + start, n) * RELEASE_SHARE)
		return;
	find_cycles(&w->cycles, w->x, w->n, deepest / 2);
	if (w->cycles.count >= TREND_ENOUGH_TROUGHS)
		return;
	/* one outlier of many falls makes the others look small */
	find_cycles(&finer, w->x, w->n, deepest / 4);
	if (finer.count >= MANY_TROUGHS)
		w->cycles = finer;
}

void trend_prepare_plain(struct trend_work *w)
{
	make_envelope(w);
	take_out_steps(w);
	measure_noise(w);
}

void trend_prepare(struct trend_work *w)
{
	measure_range(w);
	trend_prepare_plain(w);
}
