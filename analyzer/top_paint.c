/* SPDX-License-Identifier: MIT */
/* Lines of the live view; see top_paint.h. */
#include "top_paint.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"

#define MAX_LINE 2048

void top_lines_init(struct top_lines *l, unsigned width)
{
	memset(l, 0, sizeof(*l));
	l->width = width;
}

void top_lines_fini(struct top_lines *l)
{
	for (uint32_t i = 0; i < l->count; i++)
		free(l->line[i].text);
	free(l->line);
}

static void append(struct top_lines *l, enum style style, char *text, uint32_t lead)
{
	utf8_tame(text);
	text[utf8_prefix(text, l->width)] = 0;
	if (array_reserve((void **)&l->line, &l->size, l->count, sizeof(*l->line))) {
		l->failed = true;
		return;
	}
	l->line[l->count].style = style;
	l->line[l->count].lead = lead;
	l->line[l->count].text = strdup(text);
	if (l->line[l->count].text)
		l->count++;
	else
		l->failed = true;
}

void top_lines_add(struct top_lines *l, enum style style, const char *format, ...)
{
	char text[MAX_LINE];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	append(l, style, text, 0);
}

/* ---- the header: sentences that flow over lines ---- */

#define LABEL 9 /* columns of the word in front */

struct flow {
	struct top_lines *l;
	unsigned most; /* lines that the header may have */
	char text[MAX_LINE];
	const char *label;
	enum style style;
};

static void flow_line(struct flow *f)
{
	if (*f->text && f->l->count < f->most)
		append(f->l, f->style, f->text, f->style == STYLE_PLAIN ? 0 : LABEL);
	*f->text = 0;
}

static void flow_start(struct flow *f, const char *label)
{
	flow_line(f);
	f->label = label;
	f->style = STYLE_PLAIN;
}

static void __attribute__((format(printf, 2, 3))) flow(struct flow *f, const char *format, ...)
{
	char piece[MAX_LINE / 4];
	size_t used = strlen(f->text);
	va_list args;

	va_start(args, format);
	vsnprintf(piece, sizeof(piece), format, args);
	va_end(args);
	utf8_tame(piece);
	if (used && utf8_columns(f->text) + 2 + utf8_columns(piece) > f->l->width) {
		flow_line(f);
		used = 0;
		f->label = "";
	}
	if (!used && f->label)
		snprintf(f->text, sizeof(f->text), "%-*s%s", LABEL, f->label, piece);
	else
		snprintf(f->text + used, sizeof(f->text) - used, "%s%s", used ? "  " : "", piece);
}

struct numbers {
	char a[FORMAT_SIZE], b[FORMAT_SIZE];
};

static const char *rate_of(char *buf, const struct top_process *p, uint64_t now, uint64_t last,
			   const char *(*format)(char *, uint64_t))
{
	int64_t rate = top_per_s((int64_t)(now - last), p->now.at_ns - p->last.at_ns);

	return format(buf, rate < 0 ? 0 : (uint64_t)rate);
}

#define RATE_COUNT(n, member) rate_of((n).a, p, p->now.member, p->last.member, format_count)
#define RATE_BYTES(n, member) rate_of((n).b, p, p->now.member, p->last.member, format_bytes)

/* The program as it was called, its path left out. */
static void flow_command(struct flow *f, const struct top_process *p)
{
	const struct trace_facts *facts = p->a ? p->a->facts : NULL;
	char text[200] = "";
	size_t used = 0;

	for (uint32_t i = 0; facts && i < facts->argc && used < sizeof(text) - 1; i++) {
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", i ? " " : "",
					 i ? facts->argv[i] : basename(facts->argv[i]));
	}
	if (utf8_columns(text) > f->l->width / 2)
		snprintf(text + utf8_prefix(text, f->l->width / 2 - 3), 4, "...");
	flow(f, "%s", *text ? text : p->path);
}

static void header_process(struct flow *f, const struct top_process *p, const struct top_pace *pace)
{
	struct numbers n;
	char state[80];

	flow_command(f, p);
	if (p->a)
		flow(f, "pid %" PRIu32, p->a->facts->header->pid);
	flow(f, "%s%s %s", top_process_state(p, state, sizeof(state)), p->ended ? " after" : "",
	     format_time(n.a, p->now.at_ns));
	if (pace->paused)
		flow(f, "PAUSED");
	else if (pace->slower_ns)
		flow(f, "every %s, reading is slow", format_time(n.a, pace->slower_ns));
	else if (!p->ended)
		flow(f, "every %s", format_time(n.a, pace->interval_ns));
	f->style = STYLE_BOLD;
}

static void header_heap(struct flow *f, const struct top_process *p)
{
	int64_t grew = (int64_t)(p->now.live_bytes - p->last.live_bytes);
	struct numbers n;

	flow_start(f, "Memory");
	flow(f, "%s in %s blocks", format_bytes(n.a, p->now.live_bytes),
	     format_count(n.b, p->now.live_blocks));
	flow(f, "%c%s", grew < 0 ? '-' : '+',
	     format_bytes(n.a, grew < 0 ? -(uint64_t)grew : (uint64_t)grew));
	flow(f, "peak %s", format_bytes(n.a, p->now.peak_bytes));
	flow(f, "%s allocs/s", RATE_COUNT(n, allocations));
	flow(f, "%s/s", RATE_BYTES(n, allocated_bytes));
	if (p->now.rss_bytes)
		flow(f, "rss %s", format_bytes(n.a, p->now.rss_bytes));
}

static void header_work(struct flow *f, const struct top_process *p)
{
	uint64_t ns = p->now.at_ns - p->last.at_ns;
	struct numbers n;

	flow_start(f, "I/O");
	flow(f, "%s ops/s", RATE_COUNT(n, io_calls));
	flow(f, "read %s/s", RATE_BYTES(n, read_bytes));
	flow(f, "written %s/s", RATE_BYTES(n, written_bytes));
	flow_start(f, "Locks");
	flow(f, "%s taken/s", RATE_COUNT(n, acquisitions));
	flow(f, "%s waits/s", RATE_COUNT(n, contended));
	flow(f, "waiting %.1f %%",
	     ns ? (double)(p->now.wait_ns - p->last.wait_ns) * 100 / (double)ns : 0.0);
	flow(f, "Threads %" PRIu64 " of %" PRIu64, p->now.threads, p->now.threads_created + 1);
}

/* What is missing from the figures, whatever the reason. */
static void flow_lost(struct flow *f, const struct top_process *p)
{
	const struct trace_facts *facts = p->a->facts;
	uint64_t lost = facts->events_dropped + facts->events_overwritten;
	char n[FORMAT_SIZE];

	if (lost)
		flow(f, "%s events lost", format_count(n, lost));
	if (facts->damage.blocks || facts->damage.records)
		flow(f, "%s damaged",
		     format_things(n, facts->damage.blocks + facts->damage.records, "part"));
	if (p->a->heap->total.unlisted)
		flow(f, "%s not told apart", format_things(n, p->a->heap->total.unlisted, "block"));
	if (lost || facts->damage.blocks || facts->damage.records)
		f->style = STYLE_ALERT;
	else if (!p->a->heap->total.unlisted)
		flow(f, "nothing lost");
}

static void header_trace(struct flow *f, const struct top_process *p)
{
	const struct trace_facts *facts = p->a->facts;
	struct numbers n;

	flow_start(f, "Trace");
	flow(f, "%s events/s", RATE_COUNT(n, events));
	if (facts->header->bound)
		flow(f, "%s of %s", format_bytes(n.a, facts->disk_bytes),
		     format_bytes(n.b, facts->header->bound));
	else
		flow(f, "%s", format_bytes(n.a, facts->disk_bytes));
	if (facts->header->sample_bytes)
		flow(f, "estimates: one allocation in %s",
		     format_bytes(n.a, facts->header->sample_bytes));
	if (p->gone)
		flow(f, "the file was deleted");
	flow_lost(f, p);
}

void top_paint_header(struct top_lines *l, const struct top_process *p, const struct top_pace *pace,
		      unsigned most)
{
	struct flow f = { .l = l, .most = most };

	header_process(&f, p, pace);
	if (p->broken) {
		flow_start(&f, "Trouble");
		flow(&f, "%s", p->trouble.text);
		f.style = STYLE_ALERT;
	}
	if (p->a) {
		header_heap(&f, p);
		header_work(&f, p);
		header_trace(&f, p);
	}
	flow_line(&f);
}

void top_paint_process(struct top_lines *l, const struct top_process *p)
{
	int64_t grew = (int64_t)(p->now.live_bytes - p->last.live_bytes);
	char live[FORMAT_SIZE], more[FORMAT_SIZE], state[80];
	struct flow words = { .l = l };
	struct numbers allocs, io;

	flow_command(&words, p);
	top_lines_add(l, p->ended ? STYLE_DIM : STYLE_PLAIN,
		      "%8" PRIu32 " %10s %c%9s %10s %8s  %s, %s",
		      p->a ? p->a->facts->header->pid : 0, format_bytes(live, p->now.live_bytes),
		      grew < 0 ? '-' : '+',
		      format_bytes(more, grew < 0 ? -(uint64_t)grew : (uint64_t)grew),
		      RATE_COUNT(allocs, allocations), RATE_COUNT(io, io_calls), words.text,
		      top_process_state(p, state, sizeof(state)));
}

/* ---- tables ---- */

/* Columns that fit beside `rest` columns for what a row is about: the sorted one always does. */
static unsigned choose_columns(const struct top_layout *layout, const struct top_column *by,
			       const unsigned *width, unsigned room, bool *shown)
{
	unsigned used = 0, rest = room / 3 < 20 ? room / 3 : 20;

	memset(shown, 0, TOP_COLUMNS * sizeof(*shown));
	for (unsigned i = 0; i < TOP_COLUMNS; i++)
		if (&layout->column[i] == by) {
			shown[i] = true;
			used = width[i] + 2;
		}
	for (unsigned i = 0; i < TOP_COLUMNS; i++) {
		if (shown[i] || !layout->column[i].title || used + width[i] + 2 + rest > room)
			continue;
		shown[i] = true;
		used += width[i] + 2;
	}
	return used;
}

/* A title, the sorted one with a mark. */
static const char *title_of(const struct top_column *c, const struct top_column *by,
			    char buf[FORMAT_SIZE])
{
	snprintf(buf, FORMAT_SIZE, "%s%s", c == by ? "*" : "", c->title);
	return buf;
}

static void row_line(struct top_lines *l, enum style style, uint32_t lead, const char *cells,
		     const char *what)
{
	char text[MAX_LINE];

	snprintf(text, sizeof(text), "%s%s", cells, what);
	if (utf8_columns(text) > l->width && l->width > 3)
		snprintf(text + utf8_prefix(text, l->width - 3), 4, "...");
	append(l, style, text, lead);
}

void top_paint_table(struct top_lines *l, struct top_rows *rows, struct top_process *p,
		     const struct top_column *by, const uint32_t *index, uint32_t from,
		     uint32_t shown)
{
	const struct top_layout *layout = &top_layouts[rows->view];
	unsigned width[TOP_COLUMNS], used;
	char buf[FORMAT_SIZE], cells[TOP_COLUMNS * (FORMAT_SIZE + 4)];
	bool show[TOP_COLUMNS];

	for (unsigned k = 0; k < TOP_COLUMNS; k++) {
		const struct top_column *c = &layout->column[k];

		width[k] = (unsigned)strlen(title_of(c, by, buf));
		for (uint32_t i = from; i < from + shown; i++) {
			size_t n = strlen(top_rows_cell(rows, &rows->row[index[i]], c, buf));

			width[k] = n > width[k] ? (unsigned)n : width[k];
		}
	}
	used = choose_columns(layout, by, width, l->width, show);
	for (uint32_t i = from; i <= from + shown; i++) {
		struct top_row *row = i > from ? &rows->row[index[i - 1]] : NULL;
		size_t at = 0;

		*cells = 0;
		for (unsigned k = 0; k < TOP_COLUMNS; k++) {
			const struct top_column *c = &layout->column[k];

			if (show[k])
				at += (size_t)sprintf(cells + at, "%*s  ", (int)width[k],
						      row ? top_rows_cell(rows, row, c, buf)
							  : title_of(c, by, buf));
		}
		row_line(l, row ? STYLE_PLAIN : STYLE_TITLE, row ? used : 0, cells,
			 row ? top_rows_label(rows, p, row) : layout->of);
	}
}
