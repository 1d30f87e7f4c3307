/* SPDX-License-Identifier: MIT */
/* Figures over time in bounded space; see timeline.h. */
#include "timeline.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS_SIZE  (2 * SERIES_SLOTS * sizeof(uint64_t))
#define FIRST_SHIFT 12 /* 4 us: finer than any trend, and 50 halvings are 150 years */
#define LAST_SHIFT  55

void timeline_start(struct timeline *t, uint64_t start_ns, uint64_t live_bytes)
{
	uint32_t stamp = t->stamp;
	uint8_t epoch = t->epoch;

	memset(t, 0, sizeof(*t));
	t->stamp = stamp + 1;
	t->epoch = (uint8_t)(epoch + 1);
	t->shift = FIRST_SHIFT;
	t->start_ns = start_ns;
	t->end_ns = start_ns + timeline_sample_ns(t);
	t->count = 1;
	t->sample[0].live_min = t->sample[0].live_max = live_bytes;
}

static void sample_merge(struct timeline_sample *into, const struct timeline_sample *later)
{
	uint64_t min = into->live_min, max = into->live_max;

	*into = *later;
	if (min < into->live_min)
		into->live_min = min;
	if (max > into->live_max)
		into->live_max = max;
}

static void halve(struct timeline *t)
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

static void sample_close(struct timeline *t, const struct timeline_sample *last)
{
	struct timeline_sample *s = &t->sample[t->count - 1];
	uint64_t min = s->live_min, max = s->live_max;

	*s = *last;
	s->live_min = min < last->live_bytes ? min : last->live_bytes;
	s->live_max = max > last->live_bytes ? max : last->live_bytes;
}

void timeline_advance(struct timeline *t, uint64_t now_ns, const struct timeline_sample *last)
{
	uint64_t index;

	sample_close(t, last);
	if (now_ns < t->end_ns)
		return;
	while ((index = (now_ns - t->start_ns) >> t->shift) >= TIMELINE_SAMPLES &&
	       t->shift < LAST_SHIFT)
		halve(t);
	if (index >= TIMELINE_SAMPLES) {
		t->end_ns = UINT64_MAX; /* no clock gets here */
		return;
	}
	while (t->count <= index) {
		struct timeline_sample *s = &t->sample[t->count++];

		*s = *last;
		s->live_min = s->live_max = last->live_bytes;
	}
	t->end_ns = t->start_ns + ((uint64_t)t->count << t->shift);
	t->stamp++;
}

/* The slots of a series follow the samples' coarser width. */
static void series_fold(struct series *s, unsigned halvings)
{
	uint32_t at = halvings < 32 ? s->at >> halvings : 0;

	if (s->slot) {
		uint64_t *low = s->slot, *high = s->slot + SERIES_SLOTS;

		for (uint32_t i = 0; i < s->at; i++) {
			uint32_t to = halvings < 32 ? i >> halvings : 0;
			uint64_t min = low[i], max = high[i];
			bool first = halvings < 32 ? !(i & ((1u << halvings) - 1)) : !i;

			if (to == at) {
				s->min = min < s->min ? min : s->min;
				s->max = max > s->max ? max : s->max;
			} else if (first) {
				low[to] = min;
				high[to] = max;
			} else {
				low[to] = min < low[to] ? min : low[to];
				high[to] = max > high[to] ? max : high[to];
			}
		}
		memset(low + at, 0, (SERIES_SLOTS - at) * sizeof(*low));
		memset(high + at, 0, (SERIES_SLOTS - at) * sizeof(*high));
	} else if (at << (halvings < 32 ? halvings : 0) != s->at) {
		s->min = 0; /* merged with slots in which it was 0 */
	}
	s->at = at;
	s->shift = (uint8_t)(s->shift + halvings);
}

/* The present slot is over, and those up to `to` passed with the same value. */
static void series_close(struct series *s, uint32_t to, uint64_t *room)
{
	if (!s->slot && (s->min || s->value) && !s->truncated) {
		s->slot = room ? memset(room, 0, SLOTS_SIZE) : calloc(1, SLOTS_SIZE);
		s->truncated = !s->slot;
	}
	if (s->slot) {
		s->slot[s->at] = s->min;
		s->slot[SERIES_SLOTS + s->at] = s->max;
		for (uint32_t i = s->at + 1; i < to; i++)
			s->slot[i] = s->slot[SERIES_SLOTS + i] = s->value;
	}
	s->at = to;
	s->min = s->max = s->value;
}

/* Its slots are in `room`, or in memory of its own where that is NULL. */
static void catch_up(struct series *s, const struct timeline *t, uint64_t *room)
{
	uint32_t at = (t->count - 1) / TIMELINE_PER_SLOT;

	if (s->epoch != t->epoch) {
		/* the timeline was started again: only the value stays */
		if (!room)
			free(s->slot);
		*s = (struct series){ .value = s->value, .min = s->value, .max = s->value };
		s->epoch = t->epoch;
		s->shift = FIRST_SHIFT;
	}
	if (s->shift < t->shift)
		series_fold(s, t->shift - s->shift);
	if (at > s->at)
		series_close(s, at, room);
	s->stamp = t->stamp;
}

void series_catch_up(struct series *s, const struct timeline *t)
{
	catch_up(s, t, NULL);
}

/* As it would be if it had caught up. Most have nothing behind them: to read all of many takes no
 * memory. */
static struct series caught_up(const struct series *s, const struct timeline *t, uint64_t *room)
{
	struct series now = *s;

	if (s->slot)
		now.slot = memcpy(room, s->slot, SLOTS_SIZE);
	if (s->stamp != t->stamp)
		catch_up(&now, t, room);
	return now;
}

uint32_t series_read(const struct series *s, const struct timeline *t, uint64_t *low,
		     uint64_t *high)
{
	uint64_t room[2 * SERIES_SLOTS];
	struct series now = caught_up(s, t, room);

	for (uint32_t i = 0; i < now.at; i++) {
		low[i] = now.slot ? now.slot[i] : 0;
		high[i] = now.slot ? now.slot[SERIES_SLOTS + i] : 0;
	}
	low[now.at] = now.min;
	high[now.at] = now.max;
	return now.at + 1;
}

bool series_held(const struct series *s, const struct timeline *t)
{
	uint64_t room[2 * SERIES_SLOTS];

	if (s->slot || !s->value || s->stamp == t->stamp)
		return s->slot != NULL;
	return caught_up(s, t, room).slot != NULL;
}

void series_fini(struct series *s)
{
	free(s->slot);
	memset(s, 0, sizeof(*s));
}
