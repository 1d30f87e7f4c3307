/* SPDX-License-Identifier: MIT */
/* A comparison of runs as text, JSON and folded stacks; see diff_text.h. */
#include "diff_text.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "format.h"
#include "table.h"

static const char *figure(char *buf, const char *name, double v)
{
	size_t n = strlen(name);
	uint64_t whole = v > 0 ? (uint64_t)llround(v) : 0;

	if (n > 3 && !strcmp(name + n - 3, "_ns"))
		return format_time(buf, whole);
	if (n > 5 && !strcmp(name + n - 5, "bytes"))
		return format_bytes(buf, whole);
	if (v != floor(v) && v < 1000) {
		snprintf(buf, FORMAT_SIZE, "%.3g", v);
		return buf;
	}
	return format_count(buf, whole);
}

/* "+12.5 %", "new", "gone", "-" */
static const char *change(char *buf, const struct diff_item *item)
{
	if (item->status == DIFF_NEW || item->status == DIFF_GONE)
		return diff_status_name(item->status);
	if (item->mean[0] <= 0)
		return "-";
	snprintf(buf, FORMAT_SIZE, "%+.1f %%", 100 * (item->mean[1] / item->mean[0] - 1));
	return buf;
}

/* "+-2.0 %": half of the wider band */
static const char *noise(char *buf, const struct diff_item *item)
{
	double most = 0;

	for (unsigned s = 0; s < 2; s++)
		if (item->mean[s] > 0)
			most = fmax(most,
				    (item->side[s].max - item->side[s].min) / 2 / item->mean[s]);
	snprintf(buf, FORMAT_SIZE, "%.1f %%", 100 * most);
	return buf;
}

static void row(struct table *t, const struct diff_item *item, const char *name, bool noisy)
{
	char x[FORMAT_SIZE];

	table_row(t);
	table_cell(t, figure(x, name, item->mean[0]));
	table_cell(t, figure(x, name, item->mean[1]));
	table_cell(t, change(x, item));
	if (noisy)
		table_cell(t, noise(x, item));
}

static void site_lines(struct table *t, const json_t *site, unsigned most)
{
	const json_t *stack = json_object_get(site, "stack"), *frame;
	const char *lead = json_string_value(json_object_get(site, "function"));
	bool begun = false;
	size_t i;

	json_array_foreach (stack, i, frame) {
		const char *function = json_string_value(json_object_get(frame, "function"));
		const char *file = json_string_value(json_object_get(frame, "file"));
		char place[200] = "";

		begun |= !lead || !function || !strcmp(lead, function);
		if (!begun || !most--)
			continue;
		if (file)
			snprintf(place, sizeof(place), "%s:%" JSON_INTEGER_FORMAT, basename(file),
				 json_integer_value(json_object_get(frame, "line")));
		table_function(t, STYLE_PLAIN, function ? function : "?", place);
		if (!most || (function && !strcmp(function, "main")))
			return;
	}
	if (!json_array_size(stack))
		table_line(t, STYLE_PLAIN, lead ? lead : "?", NULL);
}

static void print_totals(const struct cmd_context *c, const struct run_diff *d, bool noisy)
{
	static const char *const titles[] = { "A", "B", "CHANGE", "NOISE", NULL };
	static const char *const quiet[] = { "A", "B", "CHANGE", NULL };
	struct table *t = table_new(c, noisy ? titles : quiet, "FIGURE");

	for (uint32_t i = 0; i < d->totals; i++) {
		const struct diff_item *item = &d->total[i];

		row(t, item, item->name, noisy);
		table_line(t, item->status ? STYLE_BOLD : STYLE_PLAIN, item->name, NULL);
	}
	table_print(t);
}

static void print_doubts(const struct cmd_context *c, const struct run_diff *d)
{
	const json_t *doubt;
	size_t i;

	json_array_foreach (d->doubts, i, doubt) {
		char line[700];

		snprintf(line, sizeof(line), "! %.500s: %s",
			 json_string_value(json_object_get(doubt, "trace")),
			 json_string_value(json_object_get(doubt, "reason")));
		style_print(c, STYLE_ALERT, line);
		fputc('\n', c->out);
	}
	if (json_array_size(d->doubts))
		fputc('\n', c->out);
}

void diff_print(const struct cmd_context *c, const struct run_diff *d, const char *per)
{
	static const char *const titles[] = { "A", "B", "CHANGE", "NOISE", NULL };
	static const char *const quiet[] = { "A", "B", "CHANGE", NULL };
	bool noisy = d->runs[0] > 1 || d->runs[1] > 1;
	uint32_t changed = d->items - d->count[DIFF_SAME];
	uint32_t shown = changed < c->limit ? changed : (uint32_t)c->limit;
	struct table *t;

	fprintf(c->out, "A: %" PRIu32 " run%s, B: %" PRIu32 " run%s%s%s\n\n", d->runs[0],
		d->runs[0] == 1 ? "" : "s", d->runs[1], d->runs[1] == 1 ? "" : "s",
		*per ? ", all figures per " : "", per);
	print_doubts(c, d);
	print_totals(c, d, noisy);
	fprintf(c->out,
		"\n  %s by site: %" PRIu32 " new, %" PRIu32 " gone, %" PRIu32 " grown, %" PRIu32
		" shrunk, %" PRIu32 " %s\n",
		d->metric, d->count[DIFF_NEW], d->count[DIFF_GONE], d->count[DIFF_GROWN],
		d->count[DIFF_SHRUNK], d->count[DIFF_SAME],
		noisy ? "within the noise" : "the same");
	if (!shown)
		return;
	fputc('\n', c->out);
	t = table_new(c, noisy ? titles : quiet, "SITE");
	for (uint32_t i = 0; i < shown; i++) {
		row(t, &d->item[i], d->metric, noisy);
		site_lines(t, d->item[i].site, 3);
	}
	table_print(t);
	if (shown < changed)
		fprintf(c->out, "  and %" PRIu32 " more\n", changed - shown);
}

static json_t *band_json(const struct diff_item *item, unsigned side)
{
	const struct diff_band *b = &item->side[side];

	return json_pack("{s:f, s:f, s:f, s:i}", "mean", item->mean[side], "min", b->min, "max",
			 b->max, "runs", (int)b->runs);
}

static void set_item(json_t *o, const struct diff_item *item)
{
	json_object_set_new(o, "status", json_string(diff_status_name(item->status)));
	json_object_set_new(o, "change", json_real(item->mean[1] - item->mean[0]));
	json_object_set_new(o, "a", band_json(item, 0));
	json_object_set_new(o, "b", band_json(item, 1));
}

void diff_print_json(const struct cmd_context *c, const struct run_diff *d, const char *per)
{
	static const char *const copied[] = { "function", "file", "line", "module", "stack" };
	json_t *sites = json_array(), *totals = json_array(), *counts = json_object(), *o;

	for (uint32_t i = 0; i < d->totals; i++) {
		o = json_pack("{s:s}", "figure", d->total[i].name);
		set_item(o, &d->total[i]);
		json_array_append_new(totals, o);
	}
	for (uint32_t i = 0; i < d->items && i < c->limit; i++) {
		o = json_object();
		for (size_t k = 0; k < sizeof(copied) / sizeof(*copied); k++)
			json_object_set(o, copied[k], json_object_get(d->item[i].site, copied[k]));
		set_item(o, &d->item[i]);
		json_array_append_new(sites, o);
	}
	for (unsigned s = 0; s < DIFF_STATUSES; s++)
		json_object_set_new(counts, diff_status_name(s), json_integer(d->count[s]));
	o = json_pack("{s:s, s:{s:s, s:s, s:i, s:i, s:o, s:o, s:i, s:o, s:o}}", "schema",
		      "lariat/1", "diff", "metric", d->metric, "per", per, "runs_a",
		      (int)d->runs[0], "runs_b", (int)d->runs[1], "totals", totals, "counts",
		      counts, "site_count", (int)d->items, "sites", sites, "doubtful",
		      d->doubts ? json_incref(d->doubts) : json_array());
	json_dumpf(o, c->out, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
	fputc('\n', c->out);
	json_decref(o);
}

void diff_print_folded(const struct cmd_context *c, const struct run_diff *d)
{
	for (uint32_t i = 0; i < d->items; i++) {
		const struct diff_item *item = &d->item[i];
		const json_t *stack = json_object_get(item->site, "stack");
		size_t n = json_array_size(stack);

		while (n-- > 0) {
			const char *f = json_string_value(
				json_object_get(json_array_get(stack, n), "function"));

			/* a blank or ; in a name would end the frame, or the stack */
			for (; f && *f; f++)
				fputc(*f == ';' ? ':' : *f == '\n' ? ' ' : *f, c->out);
			fputc(n ? ';' : ' ', c->out);
		}
		fprintf(c->out, "%.0f %.0f\n", item->mean[0], item->mean[1]);
	}
}
