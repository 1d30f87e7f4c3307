/* SPDX-License-Identifier: MIT */
/*
 * Figures over the whole life in bounded space: as analyzer/timeline.h has them, in ticks from the
 * start of the recording. When the samples are full each two become one.
 */
#include <string.h>

#include "fold_impl.h"
#include "fold_timeline.h"
#include "recorder.h"

#define FIRST_SHIFT 13 /* 4 us at 2 GHz: finer than any trend */
#define LAST_SHIFT  56

static void sample_merge(struct fold_sample *into, const struct fold_sample *later)
{
	uint64_t min = into->live_min, max = into->live_max;

	*into = *later;
	if (min < into->live_min)
		into->live_min = min;
	if (max > into->live_max)
		into->live_max = max;
}

static void halve(struct fold_timeline *t)
{
	for (uint32_t i = 0; i < t->count; i++) {
		if (i % 2)
			sample_merge(&t->sample[i / 2], &t->sample[i]);
		else
			t->sample[i / 2] = t->sample[i];
	}
	t->count = (t->count + 1) / 2;
	t->shift++;
}

void fold_timeline_start(struct fold_timeline *t)
{
	t->shift = FIRST_SHIFT;
	t->end = 1ull << FIRST_SHIFT;
	t->count = 1;
	t->stamp = 1;
}

void fold_timeline_advance(struct fold_timeline *t, uint64_t now, const struct fold_sample *last)
{
	struct fold_sample *s = &t->sample[t->count - 1];
	uint64_t min = s->live_min, max = s->live_max, index;

	*s = *last;
	s->live_min = min < last->live ? min : last->live;
	s->live_max = max > last->live ? max : last->live;
	if (now < t->end)
		return;
	while ((index = now >> t->shift) >= FOLD_SAMPLES && t->shift < LAST_SHIFT)
		halve(t);
	if (index >= FOLD_SAMPLES) {
		t->end = UINT64_MAX; /* no clock gets here */
		return;
	}
	while (t->count <= index) {
		s = &t->sample[t->count++];
		*s = *last;
		s->live_min = s->live_max = last->live;
	}
	t->end = (uint64_t)t->count << t->shift;
	t->stamp++;
}

/* The slots of a series follow the samples' coarser width. */
static void series_fold(struct fold_series *s, unsigned halvings)
{
	uint32_t at = s->at >> halvings;

	if (s->slot) {
		uint64_t *low = s->slot, *high = s->slot + FOLD_SLOTS;

		for (uint32_t i = 0; i < s->at; i++) {
			uint32_t to = i >> halvings;
			uint64_t min = low[i], max = high[i];

			if (to == at) {
				s->min = min < s->min ? min : s->min;
				s->max = max > s->max ? max : s->max;
			} else if (!(i & ((1u << halvings) - 1))) {
				low[to] = min;
				high[to] = max;
			} else {
				low[to] = min < low[to] ? min : low[to];
				high[to] = max > high[to] ? max : high[to];
			}
		}
		memset(low + at, 0, (FOLD_SLOTS - at) * sizeof(*low));
		memset(high + at, 0, (FOLD_SLOTS - at) * sizeof(*high));
	} else if (at << halvings != s->at) {
		s->min = 0; /* merged with slots in which it was 0 */
	}
	s->at = at;
	s->shift = (uint8_t)(s->shift + halvings);
}

void fold_series_catch_up(struct fold *f, struct fold_series *s, const struct fold_timeline *t)
{
	uint32_t to = (t->count - 1) / FOLD_PER_SLOT;

	if (!s->stamp)
		s->shift = FIRST_SHIFT;
	if (s->shift < t->shift)
		series_fold(s, t->shift - s->shift < 31 ? t->shift - s->shift : 31);
	s->shift = t->shift;
	if (to > s->at) {
		if (!s->slot && (s->min || s->value))
			s->slot = fold_alloc(f, 2 * FOLD_SLOTS * sizeof(*s->slot));
		if (s->slot) {
			s->slot[s->at] = s->min;
			s->slot[FOLD_SLOTS + s->at] = s->max;
			for (uint32_t i = s->at + 1; i < to; i++)
				s->slot[i] = s->slot[FOLD_SLOTS + i] = s->value;
		}
		s->at = to;
		s->min = s->max = s->value;
	}
	s->stamp = t->stamp;
}

void fold_timeline_write(struct fold_out *o, const struct fold_timeline *t)
{
	struct fold_sample last;

	memset(&last, 0, sizeof(last));
	fold_table(o, LAR_TABLE_TIME, 1, 2);
	fold_put(o, t->shift);
	fold_put(o, FOLD_PER_SLOT);
	fold_table(o, LAR_TABLE_TIMELINE, t->count, sizeof(last) / 8);
	for (uint32_t i = 0; i < t->count; i++) {
		const uint64_t *now = (const uint64_t *)&t->sample[i];
		const uint64_t *before = (const uint64_t *)(i ? &t->sample[i - 1] : &last);

		for (uint32_t k = 0; k < sizeof(last) / 8; k++)
			fold_put_signed(o, (int64_t)(now[k] - before[k]));
	}
}

void fold_series_write(struct fold_out *o, uint32_t node, const struct fold_series *s)
{
	uint64_t before = 0;

	fold_put(o, node);
	fold_put(o, s->value);
	for (uint32_t i = 0; i <= s->at; i++) {
		uint64_t low = i == s->at ? s->min : s->slot[i];
		uint64_t high = i == s->at ? s->max : s->slot[FOLD_SLOTS + i];

		fold_put_signed(o, (int64_t)(low - before));
		fold_put(o, high - low);
		before = high;
	}
	for (uint32_t i = s->at + 1; i < FOLD_SLOTS; i++) {
		fold_put(o, 0);
		fold_put(o, 0);
	}
}
