/* SPDX-License-Identifier: MIT */
/* What about a program's locks and threads is worth a change. */
#ifndef LARIAT_LOCK_FINDINGS_H
#define LARIAT_LOCK_FINDINGS_H

#include "analysis.h"

#define WORK_FINDINGS_MOST 100 /* further ones are counted only */

struct work_finding {
	const char *rule, *advice;
	bool warning; /* else it is worth knowing */
	bool has_stack;
	uint32_t stack;
	uint64_t weight; /* in ticks or times: orders findings of a rule */
	char evidence[200];
};

struct work_findings {
	uint32_t count, left_out;
	struct work_finding finding[WORK_FINDINGS_MOST];
};

/* Both: all findings, by rule. NULL = no memory; for free(). */
struct work_findings *lock_findings_new(struct analysis *a);
struct work_findings *thread_findings_new(struct analysis *a);

#endif
