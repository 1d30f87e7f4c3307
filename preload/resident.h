/* SPDX-License-Identifier: MIT */
/* How much of the process is resident in memory. */
#ifndef LARIAT_RESIDENT_H
#define LARIAT_RESIDENT_H

#include <stdint.h>

struct resident {
	uint64_t bytes; /* 0 = not asked this time */
	int most;	/* not now, but the most that was ever resident: nothing else is known */
};

/*
 * Asks the kernel, as often as half a percent of the time allows, and twice a second. Any thread,
 * with signals blocked. No descriptor of the program's table is in use meanwhile where another
 * thread could see it.
 */
struct resident resident_now(uint64_t now_ns);

#endif
