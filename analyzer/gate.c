/* SPDX-License-Identifier: MIT */
/* Assertions put to reports; see gate.h. */
#include "gate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "analysis.h"
#include "format.h"

static bool begins_with(const char *path, const char *name)
{
	size_t n = strlen(name);

	return !strncmp(path, name, n) && (path[n] == '.' || !path[n]);
}

unsigned gate_parts(const struct gate *g)
{
	static const struct {
		const char *name;
		unsigned part;
	} parts[] = { { "heap", PART_HEAP }, { "leaks", PART_LEAKS }, { "growth", PART_GROWTH },
		      { "io", PART_IO },     { "locks", PART_LOCKS }, { "threads", PART_THREADS },
		      { "process", 0 },	     { "trace", 0 } };
	unsigned mask = 0;

	for (unsigned i = 0; i < g->exprs; i++) {
		unsigned part = PART_ALL;

		for (size_t k = 0; k < sizeof(parts) / sizeof(*parts); k++)
			if (begins_with(g->expr[i].path, parts[k].name))
				part = parts[k].part;
		mask |= part;
	}
	return mask;
}

const char *gate_verdict_name(enum gate_verdict v)
{
	return v == GATE_PASSED ? "passed" : v == GATE_FAILED ? "failed" : "undecided";
}

static const json_t *trace_of(const json_t *report, const char *key)
{
	return json_object_get(json_object_get(report, "trace"), key);
}

/* Wrong frees are written down when they happen, apart from the events; all but their count at
 * places where there are many. */
static const char *misuse_partial_reason(const json_t *report, const char *end)
{
	const json_t *misuse = json_object_get(json_object_get(report, "heap"), "misuse");

	if (json_integer_value(trace_of(report, "records_damaged")))
		return "the trace is damaged";
	if (end && !strcmp(end, "running"))
		return "the program is still running";
	if (json_is_false(json_object_get(misuse, "counts_exact")) &&
	    json_array_size(json_object_get(misuse, "sites")))
		return "the program did not end by itself: there may have been more";
	return NULL;
}

/*
 * Are the figures that the field is about of a part of the run only? What is about the trace or the
 * process itself is always whole.
 */
static const char *partial_reason(const struct gate_expr *e, const json_t *report)
{
	const char *end =
		json_string_value(json_object_get(json_object_get(report, "process"), "end"));
	bool heap = begins_with(e->path, "heap") || begins_with(e->path, "leaks") ||
		    begins_with(e->path, "growth");

	if (begins_with(e->path, "trace") || begins_with(e->path, "process"))
		return NULL;
	if (heap && json_is_string(trace_of(report, "bypassed_by")))
		return "not all that the program allocates was seen";
	if (begins_with(e->path, "heap.misuse"))
		return misuse_partial_reason(report, end);
	if (json_is_true(trace_of(report, "partial")))
		return json_integer_value(trace_of(report, "events_overwritten"))
			       ? "the trace was full and has lost its beginning"
			       : "the trace has lost events";
	if (heap && json_integer_value(trace_of(report, "sampled_bytes")))
		return "the heap was sampled: the figure is an estimate";
	if (end && !strcmp(end, "running"))
		return "the program is still running";
	return NULL;
}

/* The class of sites that a field counts: "leaks.CLASS.bytes", .blocks, .sites; or of wrong frees.
 * NULL = none. */
static const char *class_of(const struct gate_expr *e, const char **what, char *buf, size_t size)
{
	static const char *const misuses[][2] = {
		{ "heap.misuse.double_frees", "double_free" },
		{ "heap.misuse.foreign_frees", "foreign_free" },
		{ "heap.misuse.mismatched_frees", "mismatched_free" },
		{ "heap.misuse.dead_reallocations", "dead_reallocation" },
		{ "heap.misuse.missized_frees", "missized_free" },
	};
	const char *dot;

	*what = "blocks";
	for (size_t i = 0; i < sizeof(misuses) / sizeof(*misuses); i++)
		if (!strcmp(e->path, misuses[i][0]))
			return misuses[i][1];
	if (!begins_with(e->path, "leaks"))
		return NULL;
	snprintf(buf, size, "%s", e->path + strlen("leaks."));
	dot = strchr(buf, '.');
	if (!dot)
		return NULL;
	*what = e->path + strlen("leaks.") + (dot - buf) + 1;
	buf[dot - buf] = '\0';
	if (strcmp(*what, "bytes") && strcmp(*what, "blocks") &&
	    !(!strcmp(buf, "growing") && !strcmp(*what, "sites")))
		return NULL;
	return strcmp(buf, "suppressed") ? buf : NULL;
}

/* Finds the sites at fault and takes off what the baseline allows. */
static int compare_sites(struct gate *g, struct gate_result *r, const json_t *report)
{
	char buf[GATE_TEXT];
	const char *what, *class = class_of(r->expr, &what, buf, sizeof(buf));
	double beyond = 0;

	if (!class)
		return 0;
	r->sites = gate_sites(report, class, &g->baseline, &r->site);
	if (r->sites < 0)
		return -ENOMEM;
	if (!g->baseline.sites)
		return 0;
	for (int i = 0; i < r->sites; i++)
		beyond += (double)(strcmp(what, "bytes") ? r->site[i].new_blocks
							 : r->site[i].new_bytes);
	r->allowed = r->value - beyond;
	r->value = beyond;
	return 0;
}

static void undecided(struct gate_result *r, const char *why)
{
	r->verdict = GATE_UNDECIDED;
	snprintf(r->reason, sizeof(r->reason), "%s", why);
}

static bool is_about_lost(const struct gate_expr *e)
{
	return begins_with(e->path, "leaks.definitely_lost") ||
	       begins_with(e->path, "leaks.indirectly_lost") ||
	       begins_with(e->path, "leaks.still_reachable");
}

/*
 * A scan that could not list all that it found, or that was asked for while the program ran: what
 * was lost from then to the end has no class. Blocks inherited over fork are the parent's to judge;
 * where events were lost, the trace is partial anyway.
 */
static const char *scan_reason(const json_t *report)
{
	const json_t *scan = json_object_get(json_object_get(report, "leaks"), "scan");
	const char *end =
		json_string_value(json_object_get(json_object_get(report, "process"), "end"));

	if (json_integer_value(json_object_get(scan, "unlisted_blocks")))
		return "the leak scan found more than the trace had room for";
	if (json_is_false(json_object_get(scan, "at_exit")) && end && strcmp(end, "exec"))
		return "the last leak scan was before the end, which had none: what was lost since "
		       "is not known";
	return NULL;
}

/* A process that became another program has no end at which something could be lost. */
static bool nothing_left(const struct gate_expr *e, const json_t *report)
{
	const char *end =
		json_string_value(json_object_get(json_object_get(report, "process"), "end"));

	return is_about_lost(e) && json_object_get(report, "leaks") && end && !strcmp(end, "exec");
}

/* Why a field is not there. */
static const char *missing_reason(const struct gate_expr *e, const json_t *report, char *buf,
				  size_t size)
{
	const json_t *scan = json_object_get(json_object_get(report, "leaks"), "scan");
	const char *why = json_string_value(json_object_get(scan, "reason"));
	static const char *const parts[] = { "heap", "leaks", "growth", "io", "locks", "threads" };

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (begins_with(e->path, parts[i]) && !json_object_get(report, parts[i]))
			return "this trace has no record of it";
	if (is_about_lost(e) && why && json_object_get(scan, "number")) {
		snprintf(buf, size, "the leak scan did not come to an end: %s", why);
		return buf;
	}
	if (is_about_lost(e))
		return "this trace has no leak scan: what is lost cannot be told from what is "
		       "only not freed";
	return "the report of this trace has no such field";
}

static int judge_one(struct gate *g, struct gate_result *r, const json_t *report)
{
	const char *partial;
	char why[200];
	bool count, holds;
	const json_t *field = gate_expr_field(r->expr, report, &count);
	int err = 0;

	if (!field && nothing_left(r->expr, report)) {
		snprintf(r->reason, sizeof(r->reason), "the process became another program");
		r->verdict = GATE_PASSED;
		return 0;
	}
	if (!field) {
		undecided(r, missing_reason(r->expr, report, why, sizeof(why)));
		return 0;
	}
	if (json_is_null(field)) {
		undecided(r, "it is not known");
		return 0;
	}
	if (r->expr->is_text) {
		const char *word = json_is_boolean(field) ? json_is_true(field) ? "true" : "false"
							  : json_string_value(field);

		if (!word) {
			undecided(r, "it is no text");
			return 0;
		}
		holds = gate_expr_holds_word(r->expr, word);
		snprintf(r->reason, sizeof(r->reason), "it is %s", word);
	} else {
		if (!count && !json_is_number(field)) {
			undecided(r, "it is no number");
			return 0;
		}
		r->has_value = true;
		r->value = count ? (double)json_array_size(field) : json_number_value(field);
		err = compare_sites(g, r, report);
		holds = gate_expr_holds(r->expr, r->value);
	}
	partial = partial_reason(r->expr, report);
	if (!partial && is_about_lost(r->expr))
		partial = scan_reason(report);
	r->verdict = holds && !partial ? GATE_PASSED : GATE_FAILED;
	if (holds && partial)
		snprintf(r->reason, sizeof(r->reason), "%s", partial);
	return err;
}

int gate_judge(struct gate *g, const char *trace, json_t *report)
{
	struct gate_result *result =
		reallocarray(g->result, g->results + (size_t)g->exprs, sizeof(*result));
	json_t **reports = reallocarray(g->report, g->reports + 1, sizeof(json_t *));

	if (result)
		g->result = result;
	if (reports)
		g->report = reports;
	if (!result || !reports) {
		json_decref(report);
		return -ENOMEM;
	}
	g->report[g->reports++] = report;
	for (unsigned i = 0; i < g->exprs; i++) {
		struct gate_result *r = &g->result[g->results++];

		memset(r, 0, sizeof(*r));
		r->expr = &g->expr[i];
		r->trace = trace;
		if (judge_one(g, r, report))
			return -ENOMEM;
	}
	return 0;
}

unsigned gate_count(const struct gate *g, enum gate_verdict v)
{
	unsigned n = 0;

	for (unsigned i = 0; i < g->results; i++)
		n += g->result[i].verdict == v;
	return n;
}

enum gate_verdict gate_verdict(const struct gate *g)
{
	if (gate_count(g, GATE_FAILED))
		return GATE_FAILED;
	/* nothing looked at is nothing proved */
	return gate_count(g, GATE_UNDECIDED) || !g->results ? GATE_UNDECIDED : GATE_PASSED;
}

const char *gate_message(const struct gate_result *r, char *buf, size_t size)
{
	char value[64], allowed[64];
	int n = 0;

	*buf = '\0';
	if (r->has_value)
		n = snprintf(buf, size, "is %s",
			     gate_expr_format(r->expr, r->value, value, sizeof(value)));
	if (r->has_value && r->allowed > 0)
		n += snprintf(buf + n, size - (size_t)n, " beyond the baseline's %s",
			      gate_expr_format(r->expr, r->allowed, allowed, sizeof(allowed)));
	if (*r->reason && (size_t)n < size)
		snprintf(buf + n, size - (size_t)n, "%s%s", n ? ", but " : "", r->reason);
	return buf;
}

struct gate_place gate_place(const struct gate_site *s)
{
	return (struct gate_place){
		.function = json_string_value(json_object_get(s->site, "function")),
		.file = json_string_value(json_object_get(s->site, "file")),
		.line = (int)json_integer_value(json_object_get(s->site, "line")),
	};
}

const char *gate_path_in_workspace(const char *file)
{
	const char *root = getenv("GITHUB_WORKSPACE");
	size_t n = root ? strlen(root) : 0;

	while (n && root[n - 1] == '/')
		n--;
	return n && !strncmp(file, root, n) && file[n] == '/' ? file + n + 1 : file;
}

const char *gate_amount(const struct gate_site *s, char *buf, size_t size)
{
	char bytes[FORMAT_SIZE], more[FORMAT_SIZE];
	double rate = json_number_value(json_object_get(s->site, "growth_bytes_per_hour"));

	if (json_object_get(s->site, "first_free")) {
		snprintf(buf, size, "%s", format_things(more, (uint64_t)s->new_blocks, "time"));
		return buf;
	}
	format_bytes(bytes, (uint64_t)s->new_bytes);
	if (json_object_get(s->site, "verdict"))
		snprintf(buf, size, "%s, growing by %s per hour", bytes,
			 format_bytes(more, rate > 0 ? (uint64_t)rate : 0));
	else
		snprintf(buf, size, "%s in %s", bytes,
			 format_things(more, (uint64_t)s->new_blocks, "block"));
	return buf;
}

void gate_fini(struct gate *g)
{
	for (unsigned i = 0; i < g->results; i++)
		free(g->result[i].site);
	for (unsigned i = 0; i < g->reports; i++)
		json_decref(g->report[i]);
	free(g->result);
	free(g->report);
	gate_baseline_fini(&g->baseline);
	memset(g, 0, sizeof(*g));
}
