/* SPDX-License-Identifier: MIT */
/* Processors that this process may use; see processors.h. */
#include "processors.h"

#include <sched.h>

unsigned processors_count(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) ? 1 : (unsigned)CPU_COUNT(&set);
}
