/* SPDX-License-Identifier: MIT */
/* Cycles of growth and release of a process's heap, from its timeline. */
#ifndef LARIAT_HEAP_CYCLES_H
#define LARIAT_HEAP_CYCLES_H

#include "timeline.h"

struct heap_cycle {
	uint64_t start_ns, peak_ns, trough_ns; /* ends of samples */
	uint64_t start_bytes, peak_bytes;
	uint64_t retained_bytes;   /* left at the trough */
	uint64_t allocated_bytes;  /* from start to trough */
	uint64_t given_back_bytes; /* to the system, as far as samples of the break tell */
	uint64_t trim_bytes;	   /* free at the trough and still held */
};

#define HEAP_CYCLES (TIMELINE_SAMPLES / 2)

/* Fills out[HEAP_CYCLES]; returns how many there are. */
uint32_t heap_cycles(const struct timeline *line, struct heap_cycle *out);

#endif
