/* SPDX-License-Identifier: MIT */
/* Trends of sites and of the process; see trends.h. */
#include "trends.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "processors.h"

#define MANY_SITES 2048 /* that are worth a second thread */

/* Is what is behind a sample clean-up at the end, or an idle wait for it? */
static bool is_closing(const struct timeline_sample *s, const struct timeline_sample *before)
{
	uint64_t made = s->allocated_bytes - before->allocated_bytes;
	uint64_t freed = s->freed_bytes - before->freed_bytes;

	return freed >= 4 * made;
}

/* Is nearly nothing made, as for a last message? */
static bool is_slight(const struct timeline_sample *s, const struct timeline_sample *before,
		      uint64_t peak)
{
	return s->allocated_bytes - before->allocated_bytes < peak / 1000;
}

static uint64_t most_held(const struct timeline *line)
{
	uint64_t peak = 0;

	for (uint32_t i = 0; i < line->count; i++) {
		const struct timeline_sample *s = &line->sample[i];
		uint64_t held = s->allocated_bytes - s->freed_bytes;

		if (s->allocated_bytes > s->freed_bytes && held > peak)
			peak = held;
	}
	return peak;
}

/*
 * How many slots to judge: the last is not complete, and what an ending process frees is no
 * release of a living one. At most a quarter is taken for that.
 */
static uint32_t slots_of_life(const struct timeline *line, bool ended)
{
	uint32_t count = line->count, least = count - count / 4;
	const struct timeline_sample *s = line->sample;
	uint64_t peak = most_held(line);

	for (uint32_t n = count; ended && n > least && n > 1; n--) {
		if (!is_closing(&s[n - 1], &s[n - 2]) && !is_slight(&s[n - 1], &s[n - 2], peak))
			break;
		if (is_closing(&s[line->count - 1], &s[n - 2]))
			count = n - 1;
	}
	return count / TIMELINE_PER_SLOT;
}

/* Frees, in the second half of the slots, of blocks that nothing is known of. */
static uint64_t unknown_frees(const struct timeline *line, uint32_t slots)
{
	uint32_t end = slots * TIMELINE_PER_SLOT, middle = end / 2;

	if (!middle || end > line->count)
		return 0;
	return line->sample[end - 1].unpaired_frees - line->sample[middle - 1].unpaired_frees;
}

/*
 * Where history is lost, frees are seen of blocks whose birth was not: a site that only replaces
 * old blocks by new ones seems to grow. It does for certain if it grew by more blocks than there
 * were such frees, all sites taken together.
 */
static bool grows_for_certain(const struct heap_site *s, const uint64_t *low, uint32_t slots,
			      uint64_t unknown)
{
	uint64_t from = low[slots / 2], to = low[slots - 1];
	uint64_t grown = to > from ? to - from : 0;

	if (!unknown)
		return true;
	if (!s->live_blocks || !s->live_bytes)
		return false;
	return (double)grown / ((double)s->live_bytes / (double)s->live_blocks) > (double)unknown;
}

/* Variance that a sample adds by byte: a block of s bytes was recorded with the chance p = 1 -
 * exp(-s / period) and stands for s / p bytes, which is s * s * (1 - p) / p. */
static double grain_of(uint64_t period, uint64_t bytes, uint64_t blocks)
{
	double size = blocks ? (double)bytes / (double)blocks : 0;

	return period && size > 0 ? size / expm1(size / (double)period) : 0;
}

static void set_order(struct site_trend *st, uint64_t limit, uint64_t held)
{
	double slope = st->t.slope_per_s;
	bool growing = st->t.verdict == TREND_GROWING;

	st->eta_s = -1;
	if (growing && slope > 0 && limit)
		st->eta_s = held < limit ? (double)(limit - held) / slope : 0;
	st->growth_bytes = st->t.growth > 0 ? (uint64_t)st->t.growth : 0;
	st->order = st->growth_bytes >> 1;
	if (growing)
		st->order = UINT64_C(1) << 63 | (uint64_t)(slope * 1024);
}

/* Some of the sites; what is in common is only looked at. */
struct part {
	const struct trends *t;
	const struct heap_model *m;
	const struct trends_options *o;
	uint64_t unknown;
	uint32_t from, to;
	uint32_t doubtful;
};

static void judge_site(struct part *p, uint32_t i)
{
	const struct trends *t = p->t;
	uint64_t low[SERIES_SLOTS], high[SERIES_SLOTS];
	struct trend_input in = { low, high, t->slots, (double)t->slot_ns / 1e9, 0, 0 };
	struct site_trend *st = &t->site[i];
	const struct heap_site *s = &p->m->site[st->site];
	uint32_t n = series_read(&s->line, p->m->line, low, high);

	st->live_bytes = s->live_bytes;
	in.count = n < t->slots ? n : t->slots;
	in.grain = grain_of(p->m->sampling.period, s->allocated_bytes, s->allocations);
	in.gone = (double)(s->allocated_bytes - s->live_bytes);
	if (p->o->duration_ns >= TRENDS_LEAST_NS)
		trend_judge(&in, &st->t);
	if (st->t.verdict == TREND_GROWING && !grows_for_certain(s, low, in.count, p->unknown)) {
		st->t.verdict = TREND_UNKNOWN;
		p->doubtful++;
	}
	p->doubtful += st->t.few;
	set_order(st, p->o->limit_bytes, t->held_bytes);
	st->listed = st->t.verdict != TREND_UNKNOWN &&
		     (st->growth_bytes || st->live_bytes || st->t.first > 0);
}

static void *judge_part(void *arg)
{
	struct part *p = arg;

	for (uint32_t i = p->from; i < p->to; i++)
		judge_site(p, i);
	return NULL;
}

/* Every site by itself, on two processors where there are many; then what they come to. */
static void judge_sites(struct trends *t, const struct heap_model *m, uint64_t unknown,
			const struct trends_options *o)
{
	struct part first = { t, m, o, unknown, 0, t->count, 0 }, second = first;
	pthread_t thread;

	second.from = t->count / 2;
	if (t->count >= MANY_SITES && processors_several() &&
	    !pthread_create(&thread, NULL, judge_part, &second)) {
		first.to = second.from;
		judge_part(&first);
		pthread_join(thread, NULL);
	} else {
		judge_part(&first);
	}
	t->doubtful = first.doubtful + second.doubtful;
	for (uint32_t i = 0; i < t->count; i++) {
		const struct site_trend *st = &t->site[i];

		t->verdicts[st->t.verdict]++;
		if (st->t.verdict == TREND_GROWING)
			t->growing_per_s += st->t.slope_per_s;
	}
}

/* All sites together: four samples are a slot. */
static void judge_process(struct trends *t, const struct heap_model *m, uint64_t unknown,
			  const struct trends_options *o)
{
	uint64_t low[SERIES_SLOTS], high[SERIES_SLOTS];
	struct trend_input in = { low, high, t->slots, (double)t->slot_ns / 1e9, 0, 0 };
	struct heap_site all = { .live_blocks = m->total.live_blocks,
				 .live_bytes = m->total.live_bytes };

	for (uint32_t i = 0; i < t->slots * TIMELINE_PER_SLOT; i++) {
		const struct timeline_sample *s = &m->line->sample[i];
		uint32_t slot = i / TIMELINE_PER_SLOT;
		bool first = i % TIMELINE_PER_SLOT == 0;

		low[slot] = first || s->live_min < low[slot] ? s->live_min : low[slot];
		high[slot] = first || s->live_max > high[slot] ? s->live_max : high[slot];
	}
	in.grain = grain_of(m->sampling.period, m->total.allocated_bytes, m->total.allocations);
	in.gone = (double)(m->total.allocated_bytes - m->total.live_bytes);
	t->process.live_bytes = m->total.live_bytes;
	if (o->duration_ns >= TRENDS_LEAST_NS)
		trend_judge(&in, &t->process.t);
	if (t->process.t.verdict == TREND_GROWING &&
	    !grows_for_certain(&all, low, in.count, unknown))
		t->process.t.verdict = TREND_UNKNOWN;
	set_order(&t->process, o->limit_bytes, t->held_bytes);
}

/* A trace may have millions, nearly all of which let go of what they get. */
static int list_sites(struct trends *t, const struct heap_model *m)
{
	uint32_t sites = m->sites_ready, n = 0;

	for (uint32_t i = 0; i < sites; i++)
		n += series_held(&m->site[i].line, m->line);
	t->site = calloc((size_t)n + 1, sizeof(*t->site));
	if (!t->site)
		return -ENOMEM;
	for (uint32_t i = 0; i < sites && t->count < n; i++)
		if (series_held(&m->site[i].line, m->line))
			t->site[t->count++].site = i;
	return 0;
}

int trends_make(struct trends *t, const struct heap_model *m, const struct trends_options *o)
{
	uint64_t unknown;

	memset(t, 0, sizeof(*t));
	t->process.eta_s = -1;
	t->held_bytes = m->tick.rss_bytes ? m->tick.rss_bytes : m->total.live_bytes + m->mapped_now;
	if (!m->line)
		return 0;
	if (list_sites(t, m))
		return -ENOMEM;
	t->slots = slots_of_life(m->line, o->ended);
	t->slot_ns = timeline_slot_ns(m->line);
	unknown = unknown_frees(m->line, t->slots) + o->lost_events;
	judge_sites(t, m, unknown, o);
	judge_process(t, m, unknown, o);
	return 0;
}

static int by_site(const void *key, const void *trend)
{
	uint32_t site = *(const uint32_t *)key, other = ((const struct site_trend *)trend)->site;

	return site < other ? -1 : site > other;
}

struct site_trend *trends_of_site(const struct trends *t, uint32_t site)
{
	return t->count ? bsearch(&site, t->site, t->count, sizeof(*t->site), by_site) : NULL;
}

void trends_fini(struct trends *t)
{
	free(t->site);
	memset(t, 0, sizeof(*t));
}
