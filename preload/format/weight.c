/* SPDX-License-Identifier: MIT */
/* Weights of sampled allocations; see weight.h. */
#include "weight.h"

/* A hostile trace can name any size; sums of a few such stay below 2^64. */
#define MOST_UNITS 0x1p60
#define TERMS	   14 /* of the series: below a quarter the next is less than 2^-64 of the first */

/* 1 - exp(-x), to the last bits or so. Of a half x it is q, of x then q * (2 - q). */
static double chance(double x)
{
	unsigned halved = 0;
	double term, sum;

	if (x > 40)
		return 1;
	for (; x > 0.25; x /= 2)
		halved++;
	term = sum = x;
	for (unsigned i = 2; i < TERMS; i++) {
		term *= -x / i;
		sum += term;
	}
	while (halved--)
		sum *= 2 - sum;
	return sum;
}

static uint64_t units(double x)
{
	return x < MOST_UNITS / LAR_WEIGHT_ONE ? (uint64_t)(x * LAR_WEIGHT_ONE + 0.5)
					       : (uint64_t)MOST_UNITS;
}

static double times(uint64_t period, uint64_t size)
{
	/* a block of no bytes holds no sample point: such an event stands for itself */
	return size ? 1 / chance((double)size / (double)period) : 1;
}

struct lar_weight lar_weight_sampled(uint64_t period, uint64_t size)
{
	double n = times(period, size);

	return (struct lar_weight){ units(n), units(n * (double)size) };
}

uint64_t lar_weight_pair(uint64_t period, uint64_t size, uint64_t other_size)
{
	return period ? units(times(period, size) * times(period, other_size)) : 1;
}
