/* SPDX-License-Identifier: MIT */
/* What about a program's I/O is worth a change, by the rules of io_thresholds.h. */
#ifndef LARIAT_IO_FINDINGS_H
#define LARIAT_IO_FINDINGS_H

#include "analysis.h"

#define IO_FINDINGS_MOST 100 /* further ones are counted only */

struct io_finding {
	const char *rule, *advice;
	bool warning;	 /* else it is worth knowing */
	uint32_t target; /* index into the I/O model's targets, KEYMAP_NONE = none */
	uint32_t site;	 /* ... sites */
	uint64_t weight; /* orders findings of a rule */
	char evidence[160];
};

struct io_findings {
	uint32_t count, left_out;
	struct io_finding finding[IO_FINDINGS_MOST];
};

/* All findings, by rule. NULL = no memory; for free(). */
struct io_findings *io_findings_new(struct analysis *a);

/* What was in flight beside one of the slowest, NULL = not known, and whether there was more. */
const struct io_beside *io_beside_of(const struct analysis *a, const struct io_slow *s);
bool io_beside_at_least(const struct analysis *a, const struct io_beside *b);

#endif
