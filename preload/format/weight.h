/* SPDX-License-Identifier: MIT */
/*
 * Weights of sampled allocations. The recorder took an allocation of n bytes with probability
 * p = 1 - exp(-n / period); counted 1 / p times, what it took gives unbiased estimates of the whole
 * (Horvitz and Thompson 1952). Figures are summed in units of 1 / LAR_WEIGHT_ONE and rounded at the
 * end, so that what a block added its end takes away exactly. Without sampling the unit is 1 and
 * nothing is rounded. The recorder and its readers use the same arithmetic and get the same units.
 * Any thread.
 */
#ifndef LARIAT_WEIGHT_H
#define LARIAT_WEIGHT_H

#include <stdint.h>

#define LAR_WEIGHT_ONE 1024u

/* What a recorded block stands for, in units. */
struct lar_weight {
	uint64_t blocks, bytes;
};

/* Of a sampled block; period is not 0. */
struct lar_weight lar_weight_sampled(uint64_t period, uint64_t size);

/* Period: mean bytes between two sample points; 0 = all was recorded. */
static inline struct lar_weight lar_weight(uint64_t period, uint64_t size)
{
	if (__builtin_expect(!period, 1))
		return (struct lar_weight){ 1, size };
	return lar_weight_sampled(period, size);
}

/*
 * What an event with two blocks in it stands for, in units: their bytes, and so the chances of
 * both to be recorded, are apart.
 */
uint64_t lar_weight_pair(uint64_t period, uint64_t size, uint64_t other_size);

/* Units, rounded down. */
static inline uint64_t lar_weight_whole(uint64_t period, uint64_t sum)
{
	return period ? sum / LAR_WEIGHT_ONE : sum;
}

#endif
