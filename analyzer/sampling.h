/* SPDX-License-Identifier: MIT */
/*
 * Weights of sampled allocations. The recorder took an allocation of n bytes with probability
 * p = 1 - exp(-n / period); counted 1 / p times, what it took gives unbiased estimates of the whole
 * (Horvitz and Thompson 1952). Figures are summed in units of 1 / SAMPLING_ONE and rounded at the
 * end, so that what a block added its end takes away exactly. Without sampling the unit is 1 and
 * nothing is rounded. Any thread.
 */
#ifndef LARIAT_SAMPLING_H
#define LARIAT_SAMPLING_H

#include <stdint.h>

#define SAMPLING_ONE 1024u

struct sampling {
	uint64_t period; /* mean bytes between two sample points; 0 = all was recorded */
};

/* What a recorded block stands for, in units. */
struct sampling_weight {
	uint64_t blocks, bytes;
};

/* The slow path of sampling_weigh(). */
struct sampling_weight sampling_estimate(const struct sampling *s, uint64_t size);

static inline struct sampling_weight sampling_weigh(const struct sampling *s, uint64_t size)
{
	if (!s->period)
		return (struct sampling_weight){ 1, size };
	return sampling_estimate(s, size);
}

/*
 * What an event with two blocks in it stands for, in units: their bytes, and so the chances of
 * both to be recorded, are apart.
 */
uint64_t sampling_weigh_pair(const struct sampling *s, uint64_t size, uint64_t other_size);

/* Units to whole numbers. */
static inline void sampling_round(const struct sampling *s, uint64_t *sum)
{
	if (s->period)
		*sum = *sum / SAMPLING_ONE + (*sum % SAMPLING_ONE >= SAMPLING_ONE / 2);
}

#endif
