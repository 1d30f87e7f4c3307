/* SPDX-License-Identifier: MIT */
/* `lariat diff`: two runs, or two groups of runs, by site. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "analysis.h"
#include "diff_text.h"
#include "gate_expr.h"
#include "report_json.h"

const struct sort_key diff_sort_keys[] = {
	{ "allocated_bytes", 0 }, { "allocations", 0 }, { "peak_bytes", 0 },
	{ "live_bytes", 0 },	  { "live_blocks", 0 }, { "temporary_allocations", 0 },
	{ "frees", 0 },		  { NULL, 0 },
};

/* What figures are divided by: 1, or why not (a clause) in `why`. */
static double unit_of(const struct cmd_context *c, const json_t *report, const char **why)
{
	struct gate_expr e = { 0 };
	const json_t *field;
	bool count;
	double v;

	*why = NULL;
	if (!c->diff.per)
		return 1;
	if (!strcmp(c->diff.per, "second"))
		snprintf(e.path, sizeof(e.path), "process.duration_ns");
	else if (!strcmp(c->diff.per, "allocation"))
		snprintf(e.path, sizeof(e.path), "heap.allocations");
	else
		snprintf(e.path, sizeof(e.path), "%s", c->diff.per);
	field = gate_expr_field(&e, report, &count);
	v = count ? (double)json_array_size(field) : json_number_value(field);
	if (!strcmp(c->diff.per, "second"))
		v /= 1e9;
	if (v <= 0)
		*why = "cannot be divided by --per: its report has no such field, or 0 in it";
	return v;
}

static unsigned parts_of(const struct cmd_context *c)
{
	/* a field of any part may be asked for */
	return c->diff.per && strcmp(c->diff.per, "second") && strcmp(c->diff.per, "allocation")
		       ? PART_ALL
		       : PART_HEAP;
}

static int add_trace(const struct cmd_context *c, struct run_diff *d, size_t i)
{
	struct cmd_context all = *c;
	struct trace_error error;
	struct analysis *a;
	json_t *report;
	const char *why;
	double unit;

	all.limit = UINT64_MAX;
	all.sort = NULL;
	all.until_ns = c->diff.until_ns[i];
	if (analysis_new(&all, c->paths[i], parts_of(c), &a, &error)) {
		fprintf(c->err, "lariat: %s: offset %" PRIu64 ": %s\n", c->paths[i], error.offset,
			error.text);
		return CMD_UNREADABLE;
	}
	report = report_json(a);
	if (report && c->diff.until_ns[i] < a->facts->duration_ns)
		json_object_set_new(json_object_get(report, "process"), "duration_ns",
				    json_u64(c->diff.until_ns[i]));
	analysis_free(a);
	unit = unit_of(c, report, &why);
	if (!why && !run_diff_add(d, i >= c->diff.first, report, unit))
		return 0;
	fprintf(c->err, "lariat: %s: %s\n", c->paths[i], why ? why : strerror(ENOMEM));
	if (!why)
		return CMD_UNREADABLE;
	json_decref(report);
	return CMD_UNDECIDED;
}

int cmd_diff(const struct cmd_context *c)
{
	struct run_diff d = { .metric = c->sort ? c->sort : diff_sort_keys[0].name };
	const char *per = c->diff.per ? c->diff.per : "";
	int code = 0;

	for (size_t i = 0; !code && i < c->path_count; i++)
		code = add_trace(c, &d, i);
	if (!code) {
		run_diff_finish(&d);
		if (c->format == CMD_JSON)
			diff_print_json(c, &d, per);
		else if (c->diff.folded)
			diff_print_folded(c, &d);
		else
			diff_print(c, &d, per);
	}
	run_diff_fini(&d);
	return code;
}
