/* SPDX-License-Identifier: MIT */
/* A chart of figures over time for a terminal. One thread at a time. */
#ifndef LARIAT_CHART_H
#define LARIAT_CHART_H

#include <stdint.h>

#include "opts.h"

struct chart {
	const uint64_t *low, *high; /* `count` each, count > 0 */
	uint32_t count;
	uint64_t start_ns, end_ns; /* of the first and the last of them */
	unsigned rows;
	/* a figure as text, NULL: bytes */
	const char *(*format)(char *buf, uint64_t value);
};

/*
 * Prints to the width of the output, indented by two: filled up to `low`, shaded up to `high`; the
 * scale on the left, times below.
 */
void chart_print(const struct cmd_context *c, const struct chart *chart);

#endif
