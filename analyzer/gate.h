/* SPDX-License-Identifier: MIT */
/* A gate: assertions put to the reports of traces. One thread at a time. */
#ifndef LARIAT_GATE_H
#define LARIAT_GATE_H

#include <jansson.h>

#include "gate_baseline.h"
#include "gate_expr.h"
#include "opts.h"

enum gate_verdict { GATE_PASSED, GATE_FAILED, GATE_UNDECIDED };

struct gate_result {
	const struct gate_expr *expr;
	const char *trace;
	enum gate_verdict verdict;
	bool has_value;
	double value;		/* what is compared: without what the baseline allows */
	double allowed;		/* by the baseline */
	char reason[300];	/* a clause, "" where the value says all */
	struct gate_site *site; /* at fault, as far as the assertion is about sites */
	int sites;
};

struct gate {
	struct gate_expr expr[CMD_ASSERTIONS];
	unsigned exprs;
	struct gate_baseline baseline;
	struct gate_result *result;
	unsigned results;
	json_t **report; /* what results point into */
	unsigned reports;
};

/* Parts of the analysis that the assertions are about: a mask of enum analysis_part. */
unsigned gate_parts(const struct gate *g);

/* Puts all assertions to a report and takes it over. Returns 0 or -ENOMEM. */
int gate_judge(struct gate *g, const char *trace, json_t *report);

/* FAILED before UNDECIDED before PASSED. */
enum gate_verdict gate_verdict(const struct gate *g);
unsigned gate_count(const struct gate *g, enum gate_verdict v);

/* "passed", "failed", "undecided" */
const char *gate_verdict_name(enum gate_verdict v);

/* "heap.peak_bytes is 70.2 MiB" or why nothing can be said. */
const char *gate_message(const struct gate_result *r, char *buf, size_t size);

void gate_fini(struct gate *g);

/* The results as text or JSON on c->out, and in the files that were asked for: -errno of the file.
 */
void gate_print(const struct cmd_context *c, const struct gate *g);
void gate_print_json(const struct cmd_context *c, const struct gate *g);
int gate_write_junit(const struct gate *g, const char *path);
int gate_write_sarif(const struct gate *g, const char *path);
int gate_write_summary(const struct gate *g, const char *path);

/* Where a site at fault is, for people who look at source: may be NULL and 0. */
struct gate_place {
	const char *function, *file;
	int line;
};
struct gate_place gate_place(const struct gate_site *s);
/* The same file below GITHUB_WORKSPACE, where it is there; else as it is. Part of `file`. */
const char *gate_path_in_workspace(const char *file);

/* "37.5 KiB in 800 blocks", "37.5 KiB, growing by 11.2 MiB per hour". Returns buf. */
const char *gate_amount(const struct gate_site *s, char *buf, size_t size);

#endif
