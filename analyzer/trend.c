/* SPDX-License-Identifier: MIT */
/*
 * Verdicts on trends; see trend.h.
 *
 * The lower envelope is what is left after each release: the least of windows as long as the
 * longest cycle of growth and release, so that each window has a trough. On it, significance and
 * slope are those of Mann-Kendall and Theil-Sen. Both would also call a start-up table or a full
 * cache a trend, so the verdict asks in addition whether growth is spread over time and goes on.
 */
#include "trend.h"

#include <math.h>
#include <string.h>

#include "trend_envelope.h"

#define SIGNIFICANT 0.0005 /* one-sided: there are many sites */
#define FALL_SHARE  0.1	   /* of the range, the least that is falling */
#define FEW_RISES   5	   /* growth in fewer moments is steps */
#define MANY_POINTS 20
#define LOOSE	    0.6 /* autocorrelation up to which points count one by one */
#define HALVES_Z    0.8
#define DRIFT_Z	    3.3 /* one in 2000 */
#define WIDEST	    4	/* slots put together at most */
#define GROWN_Z	    3.0 /* of what is known by samples: so many standard deviations */
#define LATE_Z	    2.0
#define STOP_Z	    2.3

const char *trend_verdict_name(enum trend_verdict verdict)
{
	static const char *const name[TREND_VERDICTS] = {
		[TREND_UNKNOWN] = "unknown", [TREND_STEADY] = "steady",
		[TREND_GROWING] = "growing", [TREND_PLATEAU] = "plateau",
		[TREND_STEP] = "step",	     [TREND_SAWTOOTH] = "sawtooth",
		[TREND_ONE_OFF] = "one-off", [TREND_FALLING] = "falling",
	};

	return (unsigned)verdict < TREND_VERDICTS ? name[verdict] : "unknown";
}

/* Growth of g between two shares of the time. */
static double growth(const struct trend_work *w, double from, double to)
{
	return w->g[(uint32_t)lround(to * (w->k - 1))] - w->g[(uint32_t)lround(from * (w->k - 1))];
}

/* Do the rises themselves become less, over the last two thirds? */
static bool rises_fall(const struct trend_work *w)
{
	double d[STATS_POINTS];
	uint32_t from = w->k / 3, n = w->k - 1 - from;

	for (uint32_t i = 0; i < n; i++)
		d[i] = w->g[from + i] - w->g[from + i + 1];
	return stats_mann_kendall(d, n).up < 0.01;
}

/*
 * Does it level off? The last quarter brings hardly anything after less and less; or it brings far
 * less than the one before, and in its second half less than in its first. (Where the load was
 * halved at three quarters, the second is not so.)
 */
static bool levels_off(const struct trend_work *w)
{
	double third = growth(w, 0.5, 0.75), fourth = growth(w, 0.75, 1);
	double a = growth(w, 0.75, 0.875), b = growth(w, 0.875, 1);

	if (w->k < 16)
		return false;
	if (fourth < 0.08 * growth(w, 0, 1) && rises_fall(w))
		return true;
	return 0.6 * third - fourth > 2 * w->noise * sqrt(w->k / 4.0) && b < 0.8 * a;
}

/* Chance of as much of a rise of g behind a point without a trend. */
static double chance_from(const struct trend_work *w, uint32_t from)
{
	return stats_mann_kendall_blocks(w->g + from, w->block + from, w->k - from).up;
}

/* Is it so flat at the end that at the earlier pace five or more rises are missing? */
static bool ends_flat(const struct trend_work *w)
{
	uint32_t flat = 0, rises = 0;

	while (flat + 1 < w->k && w->g[w->k - 1 - flat] <= w->g[w->k - 2 - flat])
		flat++;
	for (uint32_t i = 1; i + flat < w->k; i++)
		rises += w->g[i] > w->g[i - 1];
	return flat >= 4 && (double)flat * rises >= 5.0 * (w->k - 1 - flat);
}

/* The last third, and what it would have brought at the pace before. */
static bool stopped(const struct trend_work *w)
{
	uint32_t n = w->k / 3, from = w->k - n;
	double expected, got;

	if (ends_flat(w))
		return true;
	if (n < 5)
		return false;
	expected = (w->g[from] - w->g[0]) / 2;
	got = stats_theil_sen(w->g + from, n) * (n - 1);
	return got < 0.2 * expected && expected > 4 * w->noise &&
	       chance_from(w, from) > SIGNIFICANT;
}

/* A significant trend of the last third alone, in enough moments. */
static bool end_grows(const struct trend_work *w)
{
	uint32_t n = w->k / 3, from = w->k - n, rises = 0;

	if (n < 8)
		return false;
	for (uint32_t i = from + 1; i < w->k; i++)
		rises += w->g[i] > w->g[i - 1];
	return rises >= FEW_RISES && chance_from(w, from) < SIGNIFICANT;
}

/* What happens at the start is no evidence for a trend. */
static bool significant(const struct trend_work *w)
{
	bool troughs = w->cycles.count >= TREND_ENOUGH_TROUGHS;

	return chance_from(w, troughs ? 0 : (uint32_t)(TREND_START_SHARE * w->k)) < SIGNIFICANT;
}

/*
 * Few troughs have no significance in their order alone; but on a line, and apart by much of what
 * was released, they are no accident.
 */
static bool troughs_rise(const struct trend_work *w)
{
	if (w->cycles.count < TREND_ENOUGH_TROUGHS || w->rises < w->k - 1)
		return false;
	return stats_r2(w->e, w->k) > 0.99 && w->e[w->k - 1] - w->e[0] > w->cycles.highest / 3;
}

/*
 * It was high when it was first seen, was released once, and has not been higher since: with no
 * more of it, this is the next cycle.
 */
static bool began_high(const struct trend_work *w)
{
	double before = 0;

	if (w->cycles.count != 1)
		return false;
	for (uint32_t i = 0; i < w->cycles.cycle[0].trough; i++)
		before = fmax(before, w->x[i]);
	return w->x[0] > before / 2 && w->x[w->n - 1] < 1.1 * before;
}

/* ---- estimates from samples ---- */

/*
 * Standard deviation of the step from one estimate to a later one, with a share of the time between
 * them: only what has come or gone meanwhile adds to it, which is no more than both together.
 */
static double doubt(const struct trend_work *w, double from, double to, double share)
{
	return sqrt(w->grain * fmin(from + to, fabs(to - from) + 2 * w->gone * share));
}

/* At two thirds of the time. */
static double late_level(const struct trend_work *w)
{
	return w->e[w->k - 1 - w->k / 3];
}

/* That the last third brings less than the pace before it would is no accident of the samples. */
static bool stop_is_certain(const struct trend_work *w)
{
	double first = w->e[0], late = late_level(w), last = w->e[w->k - 1];
	double before = doubt(w, first, late, 2 / 3.0) / 2, after = doubt(w, late, last, 1 / 3.0);

	return (late - first) / 2 - (last - late) >= STOP_Z * sqrt(before * before + after * after);
}

/* Nor is the verdict. */
static bool is_certain(const struct trend_work *w, enum trend_verdict verdict)
{
	double first = w->e[0], late = late_level(w), last = w->e[w->k - 1];
	bool grown = last - first >= GROWN_Z * doubt(w, first, last, 1);

	if (verdict == TREND_GROWING)
		return grown && last - late >= LATE_Z * doubt(w, late, last, 1 / 3.0);
	if (verdict == TREND_PLATEAU)
		return grown && stop_is_certain(w);
	return verdict != TREND_STEP || grown;
}

static bool is_growing(const struct trend_work *w)
{
	if (troughs_rise(w))
		return true;
	if (began_high(w))
		return false;
	if (w->rises < FEW_RISES || growth(w, 0, 1) <= 0)
		return false;
	if ((levels_off(w) || stopped(w)) && stop_is_certain(w))
		return false;
	return end_grows(w) || significant(w);
}

/*
 * Growth behind the last trough that is far above all that was ever released: after cycles, or
 * noise, something new.
 */
static bool grows_anew(struct trend_work *w)
{
	uint32_t from = w->cycles.count ? w->cycles.cycle[w->cycles.count - 1].trough : w->n;
	uint32_t n = w->n - from;
	struct trend_work late = { .n = n, .grain = w->grain, .gone = w->gone };

	if (n < TREND_SLOTS || w->x[w->n - 1] - w->x[from] < 2.5 * w->cycles.highest)
		return false;
	memcpy(late.x, w->x + from, n * sizeof(*late.x));
	trend_prepare_plain(&late);
	return is_growing(&late);
}

/*
 * A trend below noise: where the values about the trend hardly depend on each other, all of them
 * count, not only the troughs. What dependence there is takes its share of the significance
 * (variance times (1 + r) / (1 - r); Bayley and Hammersley 1946). A jump is no trend: it must show
 * within both halves.
 */
static bool drifts(const struct trend_work *w)
{
	uint32_t from = (uint32_t)(TREND_START_SHARE * w->n), n = w->n - from;
	double r = stats_autocorrelation(w->x + from, n);
	uint8_t half[STATS_POINTS] = { 0 };

	if (w->cycles.count < 2 || n < MANY_POINTS || r > LOOSE)
		return false;
	for (uint32_t i = n / 2; i < n; i++)
		half[i] = 1;
	if (stats_mann_kendall_blocks(w->x + from, half, n).z < HALVES_Z)
		return false;
	if (stats_theil_sen(w->x + w->n / 2, w->n - w->n / 2) <= 0)
		return false;
	return stats_mann_kendall(w->x + from, n).z / sqrt((1 + r) / (1 - r)) > DRIFT_Z;
}

/* Is it about a level soon after the start, far above where it began? */
static bool only_at_start(const struct trend_work *w)
{
	uint32_t start = (uint32_t)(TREND_START_SHARE * w->n) + 1;
	double later[STATS_POINTS], rise;

	memcpy(later, w->x + start, (w->n - start) * sizeof(*later));
	rise = stats_median(later, w->n - start) - w->x[0];
	return rise >= 0.5 * w->range && trend_range(w->x + start, w->n - start) < 0.2 * rise;
}

/* Does it fall, over all of the time? */
static bool falls(const struct trend_work *w)
{
	return stats_theil_sen(w->x, w->n) * w->n < -0.5 * w->range &&
	       stats_mann_kendall(w->x, w->n).p < 2 * SIGNIFICANT;
}

/* Growth that is no trend: when and how it came. */
static enum trend_verdict verdict_on_rest(const struct trend_work *w)
{
	struct mann_kendall mk = stats_mann_kendall(w->e, w->k);
	double all = w->e[w->k - 1] - w->e[0];
	bool again = w->cycles.count >= 2;

	if (only_at_start(w))
		return TREND_ONE_OFF;
	if (mk.z < 0 && mk.p < 2 * SIGNIFICANT && all < -FALL_SHARE * w->range)
		return TREND_FALLING;
	if (w->cycles.count < 2 && falls(w))
		return TREND_FALLING;
	if (4 * w->inner >= 3 * w->n && all < 0.5 * w->range)
		return TREND_SAWTOOTH;
	if (again && all < 0.5 * w->range)
		return 2 * w->cycles.up >= 3 * w->cycles.down ? TREND_SAWTOOTH : TREND_STEADY;
	if (all < 0.5 * w->range || all <= 0)
		return TREND_STEADY;
	if (w->rises < FEW_RISES || w->steps > 0.7 * all)
		return TREND_STEP;
	return mk.up < SIGNIFICANT ? TREND_PLATEAU : TREND_STEADY;
}

static uint32_t count_inner(const struct trend_input *in, uint32_t n)
{
	uint64_t most = 0;
	uint32_t inner = 0;

	for (uint32_t i = 0; i < n; i++)
		most = in->high[i] > most ? in->high[i] : most;
	for (uint32_t i = 0; i < n; i++)
		inner += most && in->high[i] - in->low[i] >= most / 2;
	return inner;
}

/* The figures of a series of values that stand `step` slots apart. */
static void describe(struct trend *out, const double *y, uint32_t n, double step_s)
{
	out->points = n;
	out->first = y[0];
	out->last = y[n - 1];
	out->growth = out->last - out->first;
	out->slope_per_s = stats_theil_sen(y, n) / step_s;
	out->r2 = stats_r2(y, n);
	out->p_value = stats_mann_kendall(y, n).p;
}

static void judge(struct trend_work *w, double slot_s, struct trend *out)
{
	memset(out, 0, sizeof(*out));
	trend_prepare(w);
	out->releases = w->cycles.count;
	describe(out, w->e, w->k, w->step * slot_s);
	if (w->range <= 0) {
		out->verdict = 4 * w->inner >= 3 * w->n ? TREND_SAWTOOTH
			       : w->x[0] > 0		? TREND_ONE_OFF
							: TREND_STEADY;
	} else if (is_growing(w) || grows_anew(w)) {
		out->verdict = TREND_GROWING;
	} else if (drifts(w)) {
		out->verdict = TREND_GROWING;
		describe(out, w->x, w->n, slot_s);
	} else {
		out->verdict = verdict_on_rest(w);
	}
	if (!is_certain(w, out->verdict)) {
		out->few = out->verdict != TREND_STEP;
		out->verdict = TREND_UNKNOWN;
	}
}

/* Each two slots become one. */
static void halve(struct trend_work *w)
{
	uint32_t n = w->n / 2, from = w->n % 2;
	struct trend_work half = {
		.n = n, .inner = w->inner / 2, .grain = w->grain, .gone = w->gone
	};

	for (uint32_t i = 0; i < n; i++)
		half.x[i] = fmin(w->x[from + 2 * i], w->x[from + 2 * i + 1]);
	*w = half;
}

void trend_judge(const struct trend_input *in, struct trend *out)
{
	struct trend_work w = { .n = in->count < STATS_POINTS ? in->count : STATS_POINTS };
	struct trend coarse;

	w.grain = in->grain;
	w.gone = in->gone;
	memset(out, 0, sizeof(*out));
	if (w.n < TREND_SLOTS)
		return;
	for (uint32_t i = 0; i < w.n; i++)
		w.x[i] = (double)in->low[i];
	w.inner = count_inner(in, w.n);
	judge(&w, in->slot_s, out);
	/* where some slots had no trough, what is left shows in wider ones */
	for (unsigned wide = 2; wide <= WIDEST && out->releases; wide *= 2) {
		if (out->verdict == TREND_GROWING || w.n / 2 < TREND_SLOTS)
			return;
		halve(&w);
		judge(&w, in->slot_s * wide, &coarse);
		if (coarse.verdict == TREND_GROWING)
			*out = coarse;
	}
}
