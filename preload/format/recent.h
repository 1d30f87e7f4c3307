/* SPDX-License-Identifier: MIT */
/*
 * Which samples of a thread (CPU events) were taken in a call whose event comes after them: those
 * between the call's start and that event. The recorder and its readers use the same arithmetic and
 * get the same numbers. Any thread.
 */
#ifndef LARIAT_RECENT_H
#define LARIAT_RECENT_H

#include <stdint.h>

#include "event.h"

#define LAR_RECENT_TIMES 8

/* The samples since the thread's last other event. Zeroed memory has none. */
struct lar_recent {
	uint64_t entries, weight, first;
	struct {
		uint64_t ticks, weight;
	} at[LAR_RECENT_TIMES]; /* the last ones, by number */
};

/* What a CPU event without LAR_CPU_RECORDER and LAR_CPU_CLOCK stands for: periods of CPU time. */
static inline uint64_t lar_sample_weight(unsigned flags, uint64_t missed)
{
	return flags & LAR_CPU_BLOCKED ? 1 : 1 + (missed & UINT32_MAX);
}

static inline void lar_recent_add(struct lar_recent *r, uint64_t ticks, uint64_t weight)
{
	uint64_t n = r->entries++ % LAR_RECENT_TIMES;

	if (!n && r->entries == 1)
		r->first = ticks;
	r->at[n].ticks = ticks;
	r->at[n].weight = weight;
	r->weight += weight;
}

static inline void lar_recent_forget(struct lar_recent *r)
{
	r->entries = r->weight = 0;
}

/*
 * What those from `start` on stand for. Exact where all before the last ones are on one side of it;
 * else these are taken to be evenly spread.
 */
static inline uint64_t lar_recent_since(const struct lar_recent *r, uint64_t start)
{
	uint64_t known = r->entries < LAR_RECENT_TIMES ? r->entries : LAR_RECENT_TIMES;
	uint64_t sum = 0, oldest = 0;

	if (!r->entries || r->first >= start)
		return r->weight;
	for (uint64_t n = 1; n <= known; n++) {
		oldest = r->at[(r->entries - n) % LAR_RECENT_TIMES].ticks;
		if (oldest < start)
			return sum;
		sum += r->at[(r->entries - n) % LAR_RECENT_TIMES].weight;
	}
	if (oldest <= r->first)
		return sum;
	return sum + (uint64_t)((double)(r->weight - sum) * (double)(oldest - start) /
				(double)(oldest - r->first));
}

#endif
