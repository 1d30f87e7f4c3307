/* SPDX-License-Identifier: MIT */
/* So many allocations that the events of before leave a small trace's ring. */
#ifndef LARIAT_TESTS_CHURN_H
#define LARIAT_TESTS_CHURN_H

#include <stdlib.h>

static inline void churn(unsigned times)
{
	static void *volatile kept[64];
	unsigned random = 1;

	while (times--) {
		random = random * 1103515245u + 12345u;
		free(kept[random >> 26]);
		kept[random >> 26] = malloc(random >> 16 & 1023);
	}
}

#endif
