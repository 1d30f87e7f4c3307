/* SPDX-License-Identifier: MIT */
/* A benchmark's figures; see bench_text.h. */
#include "bench_text.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "format.h"
#include "table.h"
#include "utf8.h"

static const char *figure(char *buf, unsigned f, double v)
{
	const char *name = bench_figure_name(f);
	size_t n = strlen(name);
	uint64_t whole = v > 0 ? (uint64_t)llround(v) : 0;

	if (!strcmp(name + n - 3, "_ns"))
		return format_time(buf, whole);
	if (n > 6 && !strcmp(name + n - 6, "_bytes"))
		return format_bytes(buf, whole);
	return format_count(buf, whole);
}

static const char *change(char *buf, const struct bench_spread *a, const struct bench_spread *b)
{
	if (a->median <= 0)
		return "-";
	snprintf(buf, FORMAT_SIZE, "%+.1f %%", 100 * (b->median / a->median - 1));
	return buf;
}

/* Of the middle half of the runs, in percent. */
static double spread(const struct bench_spread *p)
{
	return p->median > 0 ? 100 * (p->high - p->low) / p->median : 0;
}

static const char *verdict(const struct bench_spread *a, const struct bench_spread *b)
{
	int n = bench_compare(a, b);

	return n > 0 ? "more" : n < 0 ? "less" : a->median == b->median ? "same" : "noise";
}

static void print_command(const struct cmd_context *c, const struct bench_set *s, const char *which)
{
	char line[600];

	snprintf(line, sizeof(line), "%s%.500s", which, s->command);
	utf8_tame(line);
	if (utf8_columns(line) > c->width)
		strcpy(line + utf8_prefix(line, c->width - 3), "...");
	style_print(c, STYLE_TITLE, line);
	fprintf(c->out, "\n  %" PRIu32 " run%s", s->runs, s->runs == 1 ? "" : "s");
	if (s->warmup)
		fprintf(c->out, " behind %" PRIu32 " to warm up", s->warmup);
	fputc('\n', c->out);
	if (s->partial)
		fprintf(c->out,
			"! of %" PRIu32 " the trace is not whole: its figures are too low\n",
			s->partial);
}

static void print_set(const struct cmd_context *c, struct bench_set *s)
{
	static const char *const titles[] = { "MEDIAN", "MIN", "MAX", "SPREAD", NULL };
	struct table *t;

	print_command(c, s, "");
	fputc('\n', c->out);
	t = table_new(c, titles, "FIGURE");
	for (unsigned f = 0; f < BENCH_COUNT; f++) {
		struct bench_spread p = bench_spread(&s->series[f]);
		char x[FORMAT_SIZE];

		table_row(t);
		table_cell(t, figure(x, f, p.median));
		table_cell(t, figure(x, f, p.min));
		table_cell(t, figure(x, f, p.max));
		snprintf(x, sizeof(x), "%.1f %%", spread(&p));
		table_cell(t, x);
		table_line(t, STYLE_PLAIN, bench_figure_name(f), NULL);
	}
	table_print(t);
	fputs("\n  SPREAD is from the first to the third quarter of the runs. Times are of\n"
	      "  runs that are not recorded, all else of runs that are; of several\n"
	      "  processes peak_bytes is that of the largest.\n",
	      c->out);
}

static void print_two(const struct cmd_context *c, struct bench_set *set)
{
	static const char *const titles[] = { "A", "B", "CHANGE", "SPREAD", "<VERDICT", NULL };
	struct table *t;

	print_command(c, &set[0], "A: ");
	print_command(c, &set[1], "B: ");
	fputc('\n', c->out);
	t = table_new(c, titles, "FIGURE");
	for (unsigned f = 0; f < BENCH_COUNT; f++) {
		struct bench_spread a = bench_spread(&set[0].series[f]);
		struct bench_spread b = bench_spread(&set[1].series[f]);
		char x[FORMAT_SIZE];

		table_row(t);
		table_cell(t, figure(x, f, a.median));
		table_cell(t, figure(x, f, b.median));
		table_cell(t, change(x, &a, &b));
		snprintf(x, sizeof(x), "%.1f %%", fmax(spread(&a), spread(&b)));
		table_cell(t, x);
		table_cell(t, verdict(&a, &b));
		table_line(t, STYLE_PLAIN, bench_figure_name(f), NULL);
	}
	table_print(t);
	fputs("\n  More or less: each run of B was beyond each of A; noise: they overlap.\n",
	      c->out);
}

void bench_print(const struct cmd_context *c, struct bench_set *set, unsigned sets)
{
	if (sets == 2)
		print_two(c, set);
	else
		print_set(c, set);
}

static json_t *comparison_json(struct bench_set *set)
{
	json_t *o = json_object();

	for (unsigned f = 0; f < BENCH_COUNT; f++) {
		struct bench_spread a = bench_spread(&set[0].series[f]);
		struct bench_spread b = bench_spread(&set[1].series[f]);

		json_object_set_new(
			o, bench_figure_name(f),
			json_pack("{s:f, s:o, s:s}", "change", b.median - a.median, "ratio",
				  a.median > 0 ? json_real(b.median / a.median) : json_null(),
				  "verdict", verdict(&a, &b)));
	}
	return o;
}

void bench_print_json(const struct cmd_context *c, struct bench_set *set, unsigned sets)
{
	json_t *list = json_array(), *o;

	for (unsigned i = 0; i < sets; i++)
		json_array_append_new(list, bench_json(&set[i]));
	o = json_pack("{s:s, s:{s:o, s:o}}", "schema", "lariat/1", "bench", "commands", list,
		      "comparison", sets == 2 ? comparison_json(set) : json_null());
	json_dumpf(o, c->out, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
	fputc('\n', c->out);
	json_decref(o);
}
