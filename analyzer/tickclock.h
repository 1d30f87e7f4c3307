/* SPDX-License-Identifier: MIT */
/*
 * Ticks of a trace to nanoseconds, from the pairs of clock readings in its header.
 */
#ifndef LARIAT_TICKCLOCK_H
#define LARIAT_TICKCLOCK_H

#include <stdint.h>

#include "trace.h"

enum tickclock_origin {
	TICKCLOCK_EXACT,     /* ticks are nanoseconds */
	TICKCLOCK_PAIRS,     /* two pairs in the header */
	TICKCLOCK_THIS_HOST, /* one pair, and the clocks of this machine go on from it */
	TICKCLOCK_UNKNOWN,   /* one pair: a tick is taken as a nanosecond */
};

struct tickclock {
	uint64_t start; /* ticks at time 0 */
	uint64_t mult;	/* ns per tick, times 2^48 */
	enum tickclock_origin origin;
};

/* same_host: the trace was recorded on a machine of this name. */
void tickclock_init(struct tickclock *clock, const struct lar_header *h, bool same_host);

/* The newer of the two later pairs when it is whole and later than the first, else NULL. */
const struct lar_clock_pair *tickclock_last_pair(const struct lar_header *h);

/* What the clock of a trace of this machine shows now. */
uint64_t tickclock_now(const struct lar_header *h);

/* Both saturate; a time before the start is 0. */
static inline uint64_t tickclock_span_ns(const struct tickclock *clock, uint64_t ticks)
{
	unsigned __int128 ns = (unsigned __int128)ticks * clock->mult >> 48;

	return ns > UINT64_MAX ? UINT64_MAX : (uint64_t)ns;
}

/* Below this many ticks of less than 16 ns nothing is too large. */
#define TICKCLOCK_QUICK (UINT64_C(1) << 60)

static inline uint64_t tickclock_ns(const struct tickclock *clock, uint64_t ticks)
{
	uint64_t since = ticks - clock->start;

	if (__builtin_expect(ticks >= clock->start && since < TICKCLOCK_QUICK &&
				     clock->mult < UINT64_C(1) << 52,
			     1))
		return (uint64_t)((unsigned __int128)since * clock->mult >> 48);
	return ticks > clock->start ? tickclock_span_ns(clock, ticks - clock->start) : 0;
}

#endif
