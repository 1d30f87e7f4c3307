/* SPDX-License-Identifier: MIT */
/* Processors that this process may use; see processors.h. */
#include "processors.h"

#include <sched.h>

bool processors_several(void)
{
	cpu_set_t set;

	return !sched_getaffinity(0, sizeof(set), &set) && CPU_COUNT(&set) >= 2;
}
