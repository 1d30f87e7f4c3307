/* SPDX-License-Identifier: MIT */
/* Sampling of allocations; see sample.h. */
#include "sample.h"

#include "format/addrhash.h"
#include "pool.h"
#include "recorder.h"
#include "shadow.h"

#define SET_SIZE  (1u << 20) /* addresses; 8 MiB of address space, used as far as needed */
#define SET_PROBE 64
#define SET_GONE  1ull /* an address was here */
#define SATURATED 255

uint64_t sample_period;
uint8_t sample_filter[SAMPLE_FILTER];

/* Natural logarithm for x in (0, 1]: exponent and an atanh series, good to 1e-9. */
static double log_of(double x)
{
	int exponent = 0;
	double y, y2;

	while (x < 0.70710678) {
		x *= 2;
		exponent--;
	}
	y = (x - 1) / (x + 1);
	y2 = y * y;
	return exponent * 0.69314718055994531 +
	       2 * y * (1 + y2 * (1.0 / 3 + y2 * (1.0 / 5 + y2 * (1.0 / 7 + y2 / 9))));
}

static uint64_t random_next(struct thread *t)
{
	uint64_t x = t->sample_random;

	if (!x)
		x = lar_ticks() ^ (uint64_t)t->tid << 32 ^ 0x9e3779b97f4a7c15ull;
	/* xorshift64* (Vigna 2016) */
	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	t->sample_random = x;
	return x * 0x2545f4914f6cdd1dull;
}

static int64_t draw_distance(struct thread *t)
{
	/* uniform in (0, 1], then exponential with the period as its mean */
	double u = (double)((random_next(t) >> 11) + 1) * (1.0 / 9007199254740992.0);

	return (int64_t)(-log_of(u) * (double)sample_period);
}

bool sample_next(struct thread *t, size_t size)
{
	bool first = !t->sample_random;

	t->sample_left = draw_distance(t);
	if (!first)
		return true;
	/* else a thread's first allocation would always be recorded, and count far too often */
	t->sample_left -= (int64_t)size;
	if (t->sample_left >= 0)
		return false;
	t->sample_left = draw_distance(t);
	return true;
}

static uint64_t *set_get(bool make)
{
	uint64_t *set = __atomic_load_n(&lar->sample_set, __ATOMIC_ACQUIRE), *none = NULL;

	if (set || !make)
		return set;
	set = pool_map(SET_SIZE * sizeof(*set));
	if (set && !__atomic_compare_exchange_n(&lar->sample_set, &none, set, false,
						__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		pool_unmap(set, SET_SIZE * sizeof(*set));
		set = none;
	}
	return set;
}

static uint32_t set_place(const void *p)
{
	return (uint32_t)(lar_address_hash((uint64_t)p) >> 40) & (SET_SIZE - 1);
}

/* A counter that reached its top stays there: its blocks are always looked up. */
static void filter_add(const void *p, int by)
{
	uint8_t *count = &sample_filter[sample_hash(p)];
	uint8_t old = __atomic_load_n(count, __ATOMIC_RELAXED);

	while (old != SATURATED &&
	       !__atomic_compare_exchange_n(count, &old, (uint8_t)(old + by), true,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

bool sample_enter(const void *p)
{
	uint64_t *set = set_get(true);
	uint32_t at = set_place(p);

	if (!set)
		return false;
	for (uint32_t i = 0; i < SET_PROBE; i++) {
		uint64_t *place = &set[(at + i) & (SET_SIZE - 1)];
		uint64_t old = __atomic_load_n(place, __ATOMIC_RELAXED);

		if (old > SET_GONE ||
		    !__atomic_compare_exchange_n(place, &old, (uint64_t)p, false, __ATOMIC_ACQ_REL,
						 __ATOMIC_RELAXED))
			continue;
		filter_add(p, 1);
		shadow_sample(p);
		return true;
	}
	return false;
}

static uint64_t *set_find(const void *p)
{
	uint64_t *set = set_get(false);
	uint32_t at = set_place(p);

	for (uint32_t i = 0; set && i < SET_PROBE; i++) {
		uint64_t *place = &set[(at + i) & (SET_SIZE - 1)];
		uint64_t found = __atomic_load_n(place, __ATOMIC_RELAXED);

		if (found == (uint64_t)p)
			return place;
		if (!found)
			return NULL;
	}
	return NULL;
}

bool sample_leave_set(const void *p)
{
	uint64_t *place = set_find(p), expected = (uint64_t)p;

	if (!place || !__atomic_compare_exchange_n(place, &expected, SET_GONE, false,
						   __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return false;
	filter_add(p, -1);
	return true;
}
