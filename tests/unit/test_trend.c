/* SPDX-License-Identifier: MIT */
/*
 * Verdicts on made-up series of which it is known whether they grow: thousands of each kind, with
 * everything that may differ drawn anew. States precision and recall of "growing".
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../analyzer/trend.h"
#include "../../analyzer/trend_cycles.h"

#define RUNS 1000
#define SUB  64 /* moments to a slot */
#define MOST (64 * SUB)

static double v[MOST]; /* live bytes at each moment */
static int slots, moments;
static uint64_t state_of_random = 88172645463325252u;

static double uniform(void)
{
	state_of_random ^= state_of_random << 13;
	state_of_random ^= state_of_random >> 7;
	state_of_random ^= state_of_random << 17;
	return (double)(state_of_random >> 11) / 9007199254740992.0;
}

static double normal(void)
{
	double sum = 0;

	for (int i = 0; i < 12; i++)
		sum += uniform();
	return sum - 6;
}

/* Blocks that are never freed, from some moment on: `rate` a slot. Returns what they come to. */
static double leak(double from, double rate)
{
	double size = 16 + floor(1000 * uniform()), sum = 0;

	for (int t = (int)(from * moments); t < moments; t++) {
		if (uniform() < rate / SUB)
			sum += size;
		v[t] += sum;
	}
	return sum;
}

static void level(double by, double from, double to)
{
	for (int t = 0; t < moments; t++) {
		double at = (double)t / moments;

		v[t] += at >= to ? by : at <= from ? 0 : by * (at - from) / (to - from);
	}
}

static void white(double height)
{
	for (int t = 0; t < moments; t++)
		v[t] += height * uniform();
}

/* Teeth that are released to 0. */
static void teeth(double height, double count)
{
	double before = 0;

	for (int t = 0; t < moments; t++) {
		double at = count * t / moments;

		v[t] += floor(at) > floor(before) ? 0 : height * (at - floor(at));
		before = at;
	}
}

/* ---- growing ---- */

static void linear(void)
{
	level(1e6 * uniform(), 0, 0.01);
	leak(0, 1 + 10 * uniform());
}

static void late(void)
{
	level(1e5 * uniform(), 0, 0.01);
	leak(0.3 + 0.35 * uniform(), 2 + 10 * uniform());
}

/* Churn far above the leak, which is over now and then: four times a slot or so. */
static void in_churn(void)
{
	double height = leak(0, 5) * (1 + 1000 * uniform());

	for (int t = 0; t < moments; t++)
		v[t] += uniform() < 4.0 / SUB ? 0 : height * uniform();
}

static void behind_start(void)
{
	level(1e7 * uniform(), 0, 0.12 * uniform());
	leak(0, 1 + 10 * uniform());
}

static void with_steps(void)
{
	for (double n = 3 * uniform(); n > 0; n--) {
		double when = uniform();

		level(1e6 * uniform(), when, when + 0.001);
	}
	leak(0, 3 + 10 * uniform());
}

static void from_each_batch(void)
{
	teeth(leak(0, 3 + 10 * uniform()) * (0.1 + 0.5 * uniform()), 4 + 20 * uniform());
}

static void half_the_load(void)
{
	double sum = 0;

	for (int t = 0; t < moments; t++) {
		if (uniform() < (t > 0.75 * moments ? 4.0 : 8.0) / SUB)
			sum += 64;
		v[t] += sum;
	}
}

/* ---- not growing ---- */

static void full_cache(void)
{
	level(1e5, 0, 0.2 + 0.65 * uniform());
}

static void random_cache(void)
{
	double room = 200 + 1000 * uniform(), times = 3 + 5 * uniform(), used = 0;

	for (int t = 0; t < moments; t++) {
		for (double n = room * times / moments; n > 0; n--)
			if (uniform() < fmin(1, n) && uniform() > used / room)
				used++;
		v[t] = used * 100;
	}
}

static void tables(void)
{
	level(1e6 * uniform(), 0, 0.12 * uniform());
}

static void sawtooth(void)
{
	teeth(1e5, 1.6 + 8 * uniform());
}

static void fast_teeth(void)
{
	teeth(1e5, 10 + 80 * uniform());
}

static void uneven_teeth(void)
{
	double height = 0, limit = 1e5, count = 2 + 8 * uniform();

	for (int t = 0; t < moments; t++) {
		height += 1e5 * count / moments * (0.5 + uniform());
		if (height > limit) {
			height = 0;
			limit = 1e5 * (0.5 + uniform());
		}
		v[t] = height;
	}
}

static void noise(void)
{
	white(1e5);
}

/* A level that is drawn anew for each slot. */
static void jumping(void)
{
	for (int i = 0; i < slots; i++) {
		double at = 1e6 + 1e4 * normal();

		for (int t = i * SUB; t < (i + 1) * SUB; t++)
			v[t] = at;
	}
}

static void wandering(void)
{
	double x = 0, keep = 0.9 + 0.099 * uniform();

	for (int t = 0; t < moments; t++) {
		x = keep * x + normal() * 1e4 * sqrt(1 - keep * keep);
		v[t] = fmax(0, 4e4 + x);
	}
}

static void steps(void)
{
	for (double n = 1 + 3 * uniform(); n > 0; n--) {
		double when = 0.2 + 0.8 * uniform();

		level(1e4 + 1e6 * uniform(), when, when + 0.0001);
	}
}

static void filled_in_the_middle(void)
{
	double from = 0.2 + 0.2 * uniform();

	level(1e5, from, from + 0.05 + 0.3 * uniform());
	white(1e3 * uniform());
}

static void falling(void)
{
	level(-9e5, 0, 1);
	for (int t = 0; t < moments; t++)
		v[t] += 1e6;
	white(1e4);
}

static const struct kind {
	const char *name;
	void (*make)(void);
	bool grows;
	enum trend_verdict verdict; /* of most of them; TREND_UNKNOWN = nothing expected */
	double wrong;		    /* share that may be taken for growing, or not */
} kinds[] = {
	{ "linear", linear, true, TREND_GROWING, 0.002 },
	{ "late", late, true, TREND_GROWING, 0.002 },
	{ "in churn", in_churn, true, TREND_GROWING, 0.002 },
	{ "behind start-up tables", behind_start, true, TREND_GROWING, 0.002 },
	{ "with steps", with_steps, true, TREND_GROWING, 0.002 },
	{ "part of each batch", from_each_batch, true, TREND_GROWING, 0.01 },
	{ "half the load", half_the_load, true, TREND_GROWING, 0.02 },
	{ "full cache", full_cache, false, TREND_PLATEAU, 0.002 },
	{ "random cache", random_cache, false, TREND_PLATEAU, 0.01 },
	{ "tables", tables, false, TREND_ONE_OFF, 0.002 },
	{ "sawtooth", sawtooth, false, TREND_SAWTOOTH, 0.002 },
	{ "fast teeth", fast_teeth, false, TREND_SAWTOOTH, 0.002 },
	{ "uneven teeth", uneven_teeth, false, TREND_SAWTOOTH, 0.005 },
	{ "noise", noise, false, TREND_UNKNOWN, 0.005 },
	{ "jumping", jumping, false, TREND_UNKNOWN, 0.005 },
	{ "wandering", wandering, false, TREND_UNKNOWN, 0.005 },
	{ "steps", steps, false, TREND_STEP, 0.002 },
	{ "filled in the middle", filled_in_the_middle, false, TREND_UNKNOWN, 0.005 },
	{ "falling", falling, false, TREND_FALLING, 0.002 },
};
#define KINDS (sizeof(kinds) / sizeof(*kinds))

static enum trend_verdict judge(const struct kind *k)
{
	uint64_t low[64], high[64];
	struct trend_input in = { low, high, 0, 1, 0, 0 };
	struct trend out;

	slots = 34 + (int)(30 * uniform());
	moments = slots * SUB;
	memset(v, 0, sizeof(v));
	k->make();
	for (int i = 0; i < slots; i++) {
		double l = i ? v[i * SUB - 1] : 0, h = l;

		for (int t = i * SUB; t < (i + 1) * SUB; t++) {
			l = fmin(l, v[t]);
			h = fmax(h, v[t]);
		}
		low[i] = (uint64_t)l;
		high[i] = (uint64_t)h;
	}
	in.count = (uint32_t)slots;
	trend_judge(&in, &out);
	return out.verdict;
}

static void verdicts(void **state)
{
	unsigned hit = 0, missed = 0, alarms = 0;

	(void)state;
	for (size_t k = 0; k < KINDS; k++) {
		unsigned count[TREND_VERDICTS] = { 0 }, wrong;

		for (int i = 0; i < RUNS; i++)
			count[judge(&kinds[k])]++;
		wrong = kinds[k].grows ? RUNS - count[TREND_GROWING] : count[TREND_GROWING];
		hit += kinds[k].grows ? RUNS - wrong : 0;
		missed += kinds[k].grows ? wrong : 0;
		alarms += kinds[k].grows ? 0 : wrong;
		print_message("%-24s", kinds[k].name);
		for (int t = 0; t < TREND_VERDICTS; t++)
			if (count[t])
				print_message(" %s %u", trend_verdict_name(t), count[t]);
		print_message("\n");
		if (wrong > kinds[k].wrong * RUNS)
			fail_msg("%s: %u of %u wrong", kinds[k].name, wrong, RUNS);
		if (kinds[k].verdict && count[kinds[k].verdict] < RUNS * 3 / 4)
			fail_msg("%s: %u of %u are %s", kinds[k].name, count[kinds[k].verdict],
				 RUNS, trend_verdict_name(kinds[k].verdict));
	}
	print_message("precision %.4f, recall %.4f\n", (double)hit / (hit + alarms),
		      (double)hit / (hit + missed));
}

/* A linear leak of known slope in sawteeth: the figures are the leak's. */
static void figures(void **state)
{
	uint64_t low[40], high[40];
	struct trend_input in = { low, high, 40, 0.5, 0, 0 };
	struct trend out;

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		low[i] = 1000 * i + 50000 * (i % 4);
		high[i] = low[i] + 50000;
	}
	trend_judge(&in, &out);
	assert_int_equal(out.verdict, TREND_GROWING);
	assert_true(fabs(out.slope_per_s - 2000) < 1e-6);
	assert_true(fabs(out.r2 - 1) < 1e-9);
	assert_true(out.p_value < 0.001);
	/* nothing is said of a few slots, and of nothing at all */
	in.count = TREND_SLOTS - 1;
	trend_judge(&in, &out);
	assert_int_equal(out.verdict, TREND_UNKNOWN);
	in.count = 0;
	trend_judge(&in, &out);
	assert_int_equal(out.verdict, TREND_UNKNOWN);
}

/*
 * Estimates: blocks of one byte of which one in GRAIN is recorded and stands for as many. `filled`
 * of the time allocates so that `samples` are recorded; with `turnover`, from then on a recorded
 * block goes away so many times in all, and another is recorded about as often.
 */
#define GRAIN 1000

static enum trend_verdict judge_sampled(double samples, double filled, double turnover)
{
	uint64_t low[40], high[40];
	struct trend_input in = { low, high, 40, 1, GRAIN, 0 };
	struct trend out;
	double live = 0;

	for (int i = 0; i < 40 * SUB; i++) {
		uint64_t now;

		if (i < filled * 40 * SUB) {
			live += uniform() < samples / (filled * 40 * SUB);
		} else if (turnover > 0) {
			double rate = turnover / ((1 - filled) * 40 * SUB);

			if (live > 0 && uniform() < rate * live) {
				live--;
				in.gone += GRAIN;
			}
			live += uniform() < rate * samples;
		}
		now = (uint64_t)(live * GRAIN);
		low[i / SUB] = i % SUB && low[i / SUB] < now ? low[i / SUB] : now;
		high[i / SUB] = i % SUB && high[i / SUB] > now ? high[i / SUB] : now;
	}
	trend_judge(&in, &out);
	return out.verdict;
}

static void sampled(void **state)
{
	static const struct {
		const char *name;
		double samples, filled, turnover;
		double growing_least, growing_most, stopped_most;
	} kind[] = {
		{ "a leak, 6 samples", 6, 1, 0, 0, 1, 0.01 },
		{ "a leak, 20 samples", 20, 1, 0, 0.6, 1, 0.03 },
		{ "a leak, 60 samples", 60, 1, 0, 0.95, 1, 0.03 },
		{ "a leak, 1000 samples", 1000, 1, 0, 0.98, 1, 0.02 },
		{ "a full cache, 60 samples", 60, 0.3, 0, 0, 0.01, 1 },
		{ "a full cache, 200 samples, twice renewed", 200, 0.3, 2, 0, 0.05, 1 },
		{ "a full cache, 1000 samples, 5 times", 1000, 0.3, 5, 0, 0.05, 1 },
	};

	(void)state;
	for (size_t k = 0; k < sizeof(kind) / sizeof(*kind); k++) {
		unsigned count[TREND_VERDICTS] = { 0 };
		double growing, stopped;

		for (int i = 0; i < RUNS; i++)
			count[judge_sampled(kind[k].samples, kind[k].filled, kind[k].turnover)]++;
		growing = (double)count[TREND_GROWING] / RUNS;
		stopped = (double)(count[TREND_PLATEAU] + count[TREND_STEP]) / RUNS;
		print_message("%-42s growing %.3f, stopped %.3f, unknown %.3f\n", kind[k].name,
			      growing, stopped, (double)count[TREND_UNKNOWN] / RUNS);
		assert_true(growing >= kind[k].growing_least && growing <= kind[k].growing_most);
		assert_true(stopped <= kind[k].stopped_most);
	}
}

static void cycles(void **state)
{
	const double x[] = { 0, 4, 9, 3, 2, 8, 10, 9, 10, 1, 3, 2 };
	struct cycle c[4];

	(void)state;
	assert_int_equal(cycles_find(x, x, 12, 5, c, 4), 2);
	assert_int_equal(c[0].start, 0);
	assert_int_equal(c[0].peak, 2);
	assert_int_equal(c[0].trough, 4);
	assert_int_equal(c[1].start, 4);
	assert_int_equal(c[1].peak, 6);
	assert_int_equal(c[1].trough, 9);
	assert_int_equal(cycles_find(x, x, 12, 5, c, 1), 1);
	assert_true(cycles_deepest(x, x, 12) == 9);
}

/* A fall from 10 to 0 that is seen in three moments, of which each has a most and a least. */
static void fall_within_a_moment(void **state)
{
	const double low[] = { 0, 5, 10, 7, 0, 0, 0, 10, 0 };
	const double high[] = { 0, 10, 10, 10, 7, 0, 10, 10, 10 };
	struct cycle c[4];

	(void)state;
	assert_int_equal(cycles_find(low, high, 9, 2.5, c, 4), 2);
	assert_int_equal(c[0].trough, 5);
	assert_int_equal(c[1].start, 5);
	assert_int_equal(c[1].trough, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verdicts),
		cmocka_unit_test(figures),
		cmocka_unit_test(sampled),
		cmocka_unit_test(cycles),
		cmocka_unit_test(fall_within_a_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
