/* SPDX-License-Identifier: MIT */
/* Cycles of growth and release; see heap_cycles.h. */
#include "heap_cycles.h"

#include "trend_cycles.h"

/* Of the deepest fall: what is less is noise within a cycle. */
#define LEAST_SHARE 4
/* Of the peak: a heap whose deepest fall is less has no cycles. */
#define PEAK_SHARE 20

static uint64_t sample_end(const struct timeline *line, uint32_t i)
{
	return line->start_ns + ((uint64_t)(i + 1) << line->shift);
}

/* What the heap had of the system at most in the cycle, less what it has at its end. */
static uint64_t given_back(const struct timeline *line, const struct cycle *c)
{
	uint64_t most = 0, left = line->sample[c->trough].system_bytes;

	for (uint32_t i = c->start; i <= c->trough; i++)
		if (line->sample[i].system_bytes > most)
			most = line->sample[i].system_bytes;
	return most - left;
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
			.start_ns = sample_end(line, c->start),
			.peak_ns = sample_end(line, c->peak),
			.trough_ns = sample_end(line, c->trough),
			.start_bytes = s[c->start].live_min,
			.peak_bytes = s[c->peak].live_max,
			.retained_bytes = s[c->trough].live_min,
			.allocated_bytes =
				s[c->trough].allocated_bytes - s[c->start].allocated_bytes,
			.given_back_bytes = given_back(line, c),
			.trim_bytes = s[c->trough].trim_bytes,
		};
	}
	return n;
}
