/* SPDX-License-Identifier: MIT */
/* What sampled allocations stand for (preload/format/weight.h), for the models. Any thread. */
#ifndef LARIAT_SAMPLING_H
#define LARIAT_SAMPLING_H

#include "../preload/format/weight.h"

#define SAMPLING_ONE LAR_WEIGHT_ONE

struct sampling {
	uint64_t period; /* mean bytes between two sample points; 0 = all was recorded */
};

static inline struct lar_weight sampling_weigh(const struct sampling *s, uint64_t size)
{
	return lar_weight(s->period, size);
}

/* Units to whole numbers. */
static inline void sampling_round(const struct sampling *s, uint64_t *sum)
{
	if (s->period)
		*sum = *sum / SAMPLING_ONE + (*sum % SAMPLING_ONE >= SAMPLING_ONE / 2);
}

#endif
