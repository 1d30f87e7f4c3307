/* SPDX-License-Identifier: MIT */
/* How many processors there are for us. Any thread. */
#ifndef LARIAT_PROCESSORS_H
#define LARIAT_PROCESSORS_H

#include <stdbool.h>

/* At least 1. */
unsigned processors_count(void);

/* Are there two or more, so that a second thread gains something? */
static inline bool processors_several(void)
{
	return processors_count() >= 2;
}

#endif
