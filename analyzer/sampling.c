/* SPDX-License-Identifier: MIT */
/* Weights of sampled allocations; see sampling.h. */
#include "sampling.h"

#include <math.h>

/* A hostile trace can name any size; sums of a few such stay below 2^64. */
#define MOST_UNITS 0x1p60

static uint64_t units(double x)
{
	return x < MOST_UNITS / SAMPLING_ONE ? (uint64_t)(x * SAMPLING_ONE + 0.5)
					     : (uint64_t)MOST_UNITS;
}

static double times(const struct sampling *s, uint64_t size)
{
	/* a block of no bytes holds no sample point: such an event stands for itself */
	return size ? -1 / expm1(-(double)size / (double)s->period) : 1;
}

struct sampling_weight sampling_estimate(const struct sampling *s, uint64_t size)
{
	double n = times(s, size);

	return (struct sampling_weight){ units(n), units(n * (double)size) };
}

uint64_t sampling_weigh_pair(const struct sampling *s, uint64_t size, uint64_t other_size)
{
	return s->period ? units(times(s, size) * times(s, other_size)) : 1;
}
