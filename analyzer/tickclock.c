/* SPDX-License-Identifier: MIT */
/* Conversion of ticks; see tickclock.h. */
#include "tickclock.h"

#include <time.h>
#ifdef __x86_64__
#include <x86intrin.h>
#endif

#define ONE_TO_ONE (1ull << 48)

/* ns per tick * 2^48 between two pairs, or 0 when they make no sense together. */
static uint64_t rate(const struct lar_clock_pair *a, const struct lar_clock_pair *b)
{
	unsigned __int128 mult;

	if (b->ticks <= a->ticks || b->mono_ns <= a->mono_ns)
		return 0;
	mult = ((unsigned __int128)(b->mono_ns - a->mono_ns) << 48) / (b->ticks - a->ticks);
	return mult > UINT64_MAX ? 0 : (uint64_t)mult;
}

const struct lar_clock_pair *tickclock_last_pair(const struct lar_header *h)
{
	unsigned newer = h->clock_last_index & 1;

	for (unsigned i = 0; i < 2; i++) {
		const struct lar_clock_pair *p = &h->clock_last[newer ^ i];

		if (p->ticks > h->clock_start.ticks && p->mono_ns > h->clock_start.mono_ns)
			return p;
	}
	return NULL;
}

static uint64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t tickclock_now(const struct lar_header *h)
{
#ifdef __x86_64__
	if (h->clock_source == LAR_CLOCK_TSC)
		return __rdtsc();
#endif
	(void)h;
	return monotonic_ns();
}

/* The rate since the trace's start as this machine sees it now, 0 when it cannot be. */
static uint64_t rate_here(const struct lar_clock_pair *start)
{
#ifdef __x86_64__
	struct lar_clock_pair now;
	uint64_t mult;

	now.mono_ns = monotonic_ns();
	now.ticks = __rdtsc();
	mult = rate(start, &now);
	/* 100 MHz to 20 GHz; all else tells of another boot */
	return mult > ONE_TO_ONE / 20 && mult < ONE_TO_ONE * 10 ? mult : 0;
#else
	(void)start;
	return 0;
#endif
}

void tickclock_init(struct tickclock *clock, const struct lar_header *h, bool same_host)
{
	const struct lar_clock_pair *last = tickclock_last_pair(h);

	clock->start = h->clock_start.ticks;
	clock->mult = ONE_TO_ONE;
	clock->origin = TICKCLOCK_EXACT;
	if (h->clock_source == LAR_CLOCK_MONOTONIC)
		return;
	clock->mult = last ? rate(&h->clock_start, last) : 0;
	clock->origin = TICKCLOCK_PAIRS;
	if (clock->mult)
		return;
	clock->mult = same_host ? rate_here(&h->clock_start) : 0;
	clock->origin = TICKCLOCK_THIS_HOST;
	if (clock->mult)
		return;
	clock->mult = ONE_TO_ONE;
	clock->origin = TICKCLOCK_UNKNOWN;
}
