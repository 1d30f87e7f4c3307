/* SPDX-License-Identifier: MIT */
/* Trends of the heap's sites, and the heap over time, as text. */
#include <string.h>

#include "chart.h"
#include "heap_cycles.h"
#include "report_text.h"

#define HOUR_S	   3600.0
#define CHART_ROWS 8
#define TRIM_LEAST (1u << 20) /* less is malloc's own reserve */

static const char *time_of_seconds(char *buf, double s)
{
	if (s > 3.0e9)
		return "centuries";
	if (s < 48 * HOUR_S)
		return format_time(buf, (uint64_t)(s * 1e9));
	return format_things(buf, (uint64_t)(s / 24 / HOUR_S), "day");
}

static uint64_t per_hour(const struct trend *t)
{
	return t->slope_per_s > 0 ? (uint64_t)(t->slope_per_s * HOUR_S) : 0;
}

/* "R2 0.98, p < 0.001; 3 h until the 512 MiB of the control group are used up" */
static void trend_detail(const struct analysis *a, const struct site_trend *st, char *text,
			 size_t size)
{
	const char *whose = !strcmp(a->limit.source, "cgroup")	  ? " of the control group"
			    : !strcmp(a->limit.source, "machine") ? " of this machine"
								  : "";
	char x[FORMAT_SIZE], y[FORMAT_SIZE];
	int n = snprintf(text, size, "R2 %.2f, p %s%.3f", st->t.r2,
			 st->t.p_value < 0.001 ? "< " : "",
			 st->t.p_value < 0.001 ? 0.001 : st->t.p_value);

	if (st->eta_s >= 0)
		snprintf(text + n, size - (size_t)n, "; %s until the %s%s are used up",
			 time_of_seconds(x, st->eta_s), format_bytes(y, a->limit.bytes), whose);
}

/* What can be said of trends at all; false = nothing. */
static bool say_trends(struct analysis *a)
{
	const struct trends *t = &a->trends;
	char x[FORMAT_SIZE], y[FORMAT_SIZE];

	fputc('\n', a->context->out);
	if (t->slots < TREND_SLOTS || a->facts->duration_ns < TRENDS_LEAST_NS) {
		text_say(a, "Too short a run to tell what keeps growing.");
		return false;
	}
	if (t->doubtful)
		text_say(a, "%s may be growing: %s.", format_things(x, t->doubtful, "site"),
			 a->heap->sampling.period
				 ? "too few blocks were sampled to tell"
				 : "too much of the history is lost to tell that from old blocks "
				   "being replaced");
	if (!t->verdicts[TREND_GROWING])
		text_say(a, "No site keeps growing.");
	else
		text_say(a, "%s growing, by %s per hour together",
			 format_things(x, t->verdicts[TREND_GROWING], "site"),
			 format_bytes(y, (uint64_t)(t->growing_per_s * HOUR_S)));
	return true;
}

static void print_trends(struct analysis *a, const struct ranking *r, bool brief)
{
	static const char *const titles[] = { "<TREND", "PER HOUR", "GREW", "NOW", NULL };
	uint32_t shown = text_shown(a, brief, brief ? a->trends.verdicts[TREND_GROWING] : r->count);
	struct table *t;

	if (!shown || !r->count)
		return;
	text_caption(a, brief ? "What keeps growing" : "Trends of what sites hold", shown,
		     brief ? a->trends.verdicts[TREND_GROWING] : r->count);
	t = table_new(a->context, titles, "SITE");
	for (uint32_t i = 0; i < shown && i < r->count; i++) {
		const struct site_trend *st = &a->trends.site[r->index[i]];
		bool growing = st->t.verdict == TREND_GROWING;
		char text[160];

		table_row(t);
		table_cell(t, trend_verdict_name(st->t.verdict));
		if (growing)
			cell_bytes(t, per_hour(&st->t));
		else
			table_cell(t, "-");
		cell_bytes(t, st->growth_bytes);
		cell_bytes(t, st->live_bytes);
		text_site(a, t, &a->heap->sites, st->site, brief || !growing ? 1 : TEXT_CALLERS);
		if (growing && !brief) {
			trend_detail(a, st, text, sizeof(text));
			table_words(t, text);
		}
	}
	if (!brief)
		table_space_rows(t);
	table_print(t);
}

void text_trends(struct analysis *a, bool brief)
{
	struct ranking r;

	if (!say_trends(a) || trend_rank_sites(a, &r))
		return;
	print_trends(a, &r, brief);
	ranking_fini(&r);
}

static void print_chart(struct analysis *a)
{
	const struct timeline *line = a->heap->line;
	uint64_t low[TIMELINE_SAMPLES], high[TIMELINE_SAMPLES];
	struct chart chart = { .low = low,
			       .high = high,
			       .count = line->count,
			       .start_ns = line->start_ns,
			       .end_ns = line->start_ns + ((uint64_t)line->count << line->shift),
			       .rows = CHART_ROWS };

	for (uint32_t i = 0; i < line->count; i++) {
		low[i] = line->sample[i].live_min;
		high[i] = line->sample[i].live_max;
	}
	fputc('\n', a->context->out);
	style_print(a->context, STYLE_BOLD, "  Live heap: retained, and up to the most");
	fputc('\n', a->context->out);
	chart_print(a->context, &chart);
}

static void print_cycles(struct analysis *a)
{
	static const char *const titles[] = { "START",	  "TOOK",      "FROM",	     "PEAK", "LEFT",
					      "RELEASED", "ALLOCATED", "GIVEN BACK", "TRIM", NULL };
	struct heap_cycle cycle[HEAP_CYCLES];
	uint32_t n = heap_cycles(a->heap->line, cycle);
	uint32_t shown = text_shown(a, false, n);
	struct table *t;

	if (!n)
		return;
	text_caption(a, "Cycles of growth and release", shown, n);
	t = table_new(a->context, titles, NULL);
	for (uint32_t i = 0; i < shown; i++) {
		const struct heap_cycle *c = &cycle[i];

		table_row(t);
		cell_time(t, c->start_ns);
		cell_time(t, c->trough_ns - c->start_ns);
		cell_bytes(t, c->start_bytes);
		cell_bytes(t, c->peak_bytes);
		cell_bytes(t, c->retained_bytes);
		cell_bytes(t, c->peak_bytes - c->retained_bytes);
		cell_bytes(t, c->allocated_bytes);
		cell_bytes(t, c->given_back_bytes);
		cell_bytes(t, c->trim_bytes);
	}
	if (!a->growth) {
		table_drop(t, 7);
		table_drop(t, 8);
	}
	table_print(t);
}

static void print_extensions(struct analysis *a)
{
	static const char *const titles[] = { "AT", "BYTES", "<BY", "TOOK", "LIVE", NULL };
	const struct growth_model *g = a->growth;
	uint32_t shown = text_shown(a, false, g->count);
	struct table *t;

	if (!g->count)
		return;
	text_caption(a, "What extended the heap", shown, g->count + (uint32_t)g->left_out);
	t = table_new(a->context, titles, "SITE");
	for (uint32_t i = 0; i < shown; i++) {
		const struct growth_event *e = &g->event[i];
		char kind[24], took[FORMAT_SIZE + 4], x[FORMAT_SIZE];

		snprintf(kind, sizeof(kind), "%s%s", growth_kind_name(e->kind),
			 e->recorded ? "" : " (address)");
		table_row(t);
		cell_time(t, e->at_ns);
		cell_bytes(t, e->bytes);
		table_cell(t, kind);
		snprintf(took, sizeof(took), "%s%s", e->recorded ? "" : "< ",
			 format_time(x, e->took_ns));
		table_cell(t, e->took_ns || e->recorded ? took : "-");
		cell_bytes(t, e->heap_bytes);
		text_stack(a, t, e->stack, 1);
	}
	table_print(t);
	text_say(a, "(address): seen from where blocks lie; the C library's own calls for memory "
		    "are not recorded, and took less than the time since the thread's last heap "
		    "call.");
}

/* What the heap had of the system, gave back, and holds without need. */
static void say_ratio(struct analysis *a)
{
	const struct heap_model *m = a->heap;
	uint64_t system_bytes = m->tick.heap_bytes + a->growth->mapped_bytes, most = 0, at = 0;
	char w[FORMAT_SIZE], x[FORMAT_SIZE], y[FORMAT_SIZE], z[FORMAT_SIZE];

	if (!m->tick.heap_bytes)
		return;
	for (uint32_t i = 0; i < m->line->count; i++)
		if (m->line->sample[i].trim_bytes > most) {
			most = m->line->sample[i].trim_bytes;
			at = m->line->start_ns + ((uint64_t)(i + 1) << m->line->shift);
		}
	text_say(a, "In use : on pages : held : resident = %s : %s : %s : %s",
		 format_bytes(w, m->total.live_bytes),
		 format_bytes(x, growth_held_bytes(a->growth)), format_bytes(y, system_bytes),
		 format_bytes(z, m->tick.rss_bytes));
	if (most >= TRIM_LEAST)
		text_say(a,
			 "malloc_trim() could have given back %s at %s, and %s at the last sample",
			 format_bytes(x, most), format_time(y, at),
			 format_bytes(z, m->tick.trim_bytes));
	if (m->break_fell_bytes || a->growth->unmapped_bytes)
		text_say(a,
			 "Given back to the system: %s by the break, %s of blocks with mappings "
			 "of their own",
			 format_bytes(x, m->break_fell_bytes),
			 format_bytes(y, a->growth->unmapped_bytes));
}

static void say_held(struct analysis *a)
{
	const struct heap_totals *total = &a->heap->total;
	uint64_t held;
	char x[FORMAT_SIZE], y[FORMAT_SIZE], z[FORMAT_SIZE];

	text_say(a, "%s live at the end, at most %s", format_bytes(x, total->live_bytes),
		 format_bytes(y, total->peak_bytes));
	if (a->heap->tick.rss_bytes)
		text_say(a, "By the last sample %s resident%s, and the break is %s up",
			 format_bytes(x, a->heap->tick.rss_bytes),
			 a->heap->tick.rss_is_peak ? " at most" : "",
			 format_bytes(y, a->heap->tick.heap_bytes));
	if (!a->growth)
		return;
	held = growth_held_bytes(a->growth);
	text_say(a, "Pages with live blocks: %s, %s of it in use; at most %s",
		 format_bytes(x, held), format_percent(y, total->live_bytes, held),
		 format_bytes(z, a->growth->held_peak_bytes));
	say_ratio(a);
}

static void say_process_trend(struct analysis *a)
{
	const struct site_trend *p = &a->trends.process;
	char text[160], x[FORMAT_SIZE];

	if (p->t.verdict == TREND_UNKNOWN)
		return;
	trend_detail(a, p, text, sizeof(text));
	if (p->t.verdict == TREND_GROWING)
		text_say(a, "All together growing by %s per hour: %s",
			 format_bytes(x, per_hour(&p->t)), text);
	else
		text_say(a, "All together: %s", trend_verdict_name(p->t.verdict));
}

void text_growth(struct analysis *a, bool brief)
{
	text_heading(a, "Growth");
	say_held(a);
	say_process_trend(a);
	if (a->heap->total.peak_bytes)
		print_chart(a);
	if (brief)
		return;
	print_cycles(a);
	if (a->growth)
		print_extensions(a);
	text_trends(a, false);
}
