/* SPDX-License-Identifier: MIT */
/* `lariat gate`: do the figures keep to given bounds? */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "analysis.h"
#include "format.h"
#include "gate.h"
#include "report_json.h"

static const char *const standard[] = { "leaks.definitely_lost.bytes == 0",
					"leaks.indirectly_lost.bytes == 0" };

/* 0 or the exit code, after a message. */
static int parse_assertions(const struct cmd_context *c, struct gate *g)
{
	bool given = c->gate.assertions > 0;
	unsigned n = given ? c->gate.assertions : sizeof(standard) / sizeof(*standard);
	char why[400];

	for (unsigned i = 0; i < n; i++) {
		const char *text = given ? c->gate.assertion[i] : standard[i];

		if (gate_expr_parse(&g->expr[g->exprs++], text, why, sizeof(why))) {
			fprintf(c->err, "lariat: gate: --assert cannot be %s: %s\n", text, why);
			return CMD_USAGE;
		}
	}
	return 0;
}

static int load_baseline(const struct cmd_context *c, struct gate *g)
{
	int err = c->gate.baseline ? gate_baseline_load(&g->baseline, c->gate.baseline) : 0;
	char n[FORMAT_SIZE];

	if (g->baseline.unlisted)
		fprintf(c->err,
			"lariat: %s: leaves out %s, which it allows nothing: --limit 0 "
			"writes all\n",
			c->gate.baseline, format_things(n, (uint64_t)g->baseline.unlisted, "site"));
	if (!err)
		return 0;
	fprintf(c->err, "lariat: %s: %s, nothing was judged\n", c->gate.baseline,
		err == -EINVAL ? "no JSON report of leaks, or not a whole one" : strerror(-err));
	return CMD_USAGE;
}

/* Judges a trace; 0, or the exit code after a message. */
static int judge_trace(const struct cmd_context *c, struct gate *g, const char *path)
{
	struct cmd_context all = *c;
	struct trace_error error;
	struct analysis *a;
	json_t *report;

	/* sites that a list leaves out would be sites that were not looked at */
	all.limit = UINT64_MAX;
	all.format = CMD_JSON;
	if (analysis_new(&all, path, gate_parts(g), &a, &error)) {
		if (error.offset)
			fprintf(c->err, "lariat: %s: offset %" PRIu64 ": %s\n", path, error.offset,
				error.text);
		else
			fprintf(c->err, "lariat: %s: %s\n", path, error.text);
		return CMD_UNREADABLE;
	}
	report = report_json(a);
	analysis_free(a);
	if (report && !gate_judge(g, path, report))
		return 0;
	fprintf(c->err, "lariat: %s: %s, it was not judged\n", path, strerror(ENOMEM));
	return CMD_UNREADABLE;
}

/* The files that were asked for; 0 or the exit code after a message. */
static int write_files(const struct cmd_context *c, const struct gate *g)
{
	const struct {
		const char *path;
		int (*write)(const struct gate *g, const char *path);
	} files[] = {
		{ c->gate.junit, gate_write_junit },
		{ c->gate.sarif, gate_write_sarif },
		{ c->gate.summary, gate_write_summary },
	};
	int code = 0;

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		int err = files[i].path ? files[i].write(g, files[i].path) : 0;

		if (!err)
			continue;
		fprintf(c->err, "lariat: %s: %s, it was not written\n", files[i].path,
			strerror(-err));
		code = CMD_UNREADABLE;
	}
	return code;
}

static int exit_code(const struct gate *g)
{
	switch (gate_verdict(g)) {
	case GATE_PASSED:
		return CMD_DONE;
	case GATE_FAILED:
		return CMD_GATE_FAILED;
	default:
		return CMD_UNDECIDED;
	}
}

int cmd_gate(const struct cmd_context *c)
{
	struct gate g = { 0 };
	int code = parse_assertions(c, &g), unread = 0, written = 0;

	if (!code)
		code = load_baseline(c, &g);
	for (size_t i = 0; !code && i < c->path_count; i++) {
		int one = judge_trace(c, &g, c->paths[i]);

		unread = one ? one : unread;
	}
	if (!code && g.results) {
		if (c->format == CMD_JSON)
			gate_print_json(c, &g);
		else
			gate_print(c, &g);
		written = write_files(c, &g);
		code = exit_code(&g);
	}
	gate_fini(&g);
	/* a gate that failed has failed, whatever else could not be read or written */
	if (code == CMD_GATE_FAILED || code == CMD_USAGE)
		return code;
	return unread ? unread : written ? written : code;
}
