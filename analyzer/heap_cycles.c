/* SPDX-License-Identifier: MIT */
/* Cycles of growth and release; see heap_cycles.h. */
#include "heap_cycles.h"

#include <stdbool.h>

#include "trend_cycles.h"

/* Of the deepest fall: what is less is noise within a cycle. */
#define LEAST_SHARE 4
/* Of the peak: a heap whose deepest fall is less has no cycles. */
#define PEAK_SHARE 20

static uint64_t sample_end(const struct timeline *line, uint32_t i)
{
	return line->start_ns + ((uint64_t)(i + 1) << line->shift);
}

/* Samples that two runs of them have in common. */
static uint32_t overlap(uint32_t a, uint32_t a_end, uint32_t b, uint32_t b_end)
{
	uint32_t first = a > b ? a : b, last = a_end < b_end ? a_end : b_end;

	return last >= first ? last - first + 1 : 0;
}

/*
 * The break is known now and then only: where it has fallen since it was last looked at, that was
 * in the cycle that fell for most of this time.
 */
static void give_back(const struct timeline *line, const struct cycle *c, uint32_t n,
		      struct heap_cycle *out)
{
	uint32_t known = 0; /* from here on it was last known to be as high */

	for (uint32_t i = 1; i < line->count; i++) {
		uint64_t before = line->sample[i - 1].system_bytes,
			 now = line->sample[i].system_bytes;
		uint32_t most = 0, best = 0;

		for (uint32_t k = 0; now < before && k < n; k++) {
			uint32_t common = overlap(known, i, c[k].peak, c[k].trough);

			if (common > most) {
				most = common;
				best = k;
			}
		}
		if (most)
			out[best].given_back_bytes += before - now;
		if (now != before)
			known = i;
	}
}

/* A first cycle that begins with nothing begins with the timeline. */
static bool from_nothing(const struct timeline *line, const struct cycle *c)
{
	return !c->start && !line->start_ns && !line->sample[0].live_min;
}

/* All that was allocated up to the least of a moment: what came after it is still there. */
static uint64_t allocated_at(const struct timeline_sample *s)
{
	uint64_t after = s->live_bytes - s->live_min;

	return s->allocated_bytes - (after < s->allocated_bytes ? after : s->allocated_bytes);
}

uint32_t heap_cycles(const struct timeline *line, struct heap_cycle *out)
{
	double low[TIMELINE_SAMPLES], high[TIMELINE_SAMPLES], most = 0, deepest;
	struct cycle cycle[HEAP_CYCLES];
	uint32_t n;

	for (uint32_t i = 0; i < line->count; i++) {
		low[i] = (double)line->sample[i].live_min;
		high[i] = (double)line->sample[i].live_max;
		most = high[i] > most ? high[i] : most;
	}
	deepest = cycles_deepest(low, high, line->count);
	if (deepest <= 0 || deepest * PEAK_SHARE < most)
		return 0;
	n = cycles_find(low, high, line->count, deepest / LEAST_SHARE, cycle, HEAP_CYCLES);
	for (uint32_t i = 0; i < n; i++) {
		const struct timeline_sample *s = line->sample;
		const struct cycle *c = &cycle[i];

		out[i] = (struct heap_cycle){
			.start_ns = from_nothing(line, c) ? 0 : sample_end(line, c->start),
			.peak_ns = sample_end(line, c->peak),
			.trough_ns = sample_end(line, c->trough),
			.start_bytes = s[c->start].live_min,
			.peak_bytes = s[c->peak].live_max,
			.retained_bytes = s[c->trough].live_min,
			.allocated_bytes = allocated_at(&s[c->trough]) -
					   (from_nothing(line, c) ? 0 : allocated_at(&s[c->start])),
			.trim_bytes = s[c->trough].trim_bytes,
		};
	}
	give_back(line, cycle, n, out);
	return n;
}
