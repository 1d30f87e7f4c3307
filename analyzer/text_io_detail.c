/* SPDX-License-Identifier: MIT */
/* I/O as text: heat map, time of threads, findings. */
#include <inttypes.h>
#include <langinfo.h>
#include <stdlib.h>
#include <string.h>

#include "io_findings.h"
#include "report_text.h"

#define LABEL_WIDTH 10

/* What of a cell's share of the fullest one is drawn how. */
static const char *const shades[2][5] = { { " ", ".", "o", "O", "@" },
					  { " ", "░", "▒", "▓", "█" } };

/* "1 us" of a row that begins there. */
static void print_heat_row(struct analysis *a, unsigned row, uint32_t most, bool utf8)
{
	const struct io_heat *h = &a->io->wall.heat;
	unsigned wide = (a->context->width - LABEL_WIDTH - 4) / h->columns;
	char label[FORMAT_SIZE];

	text_ticks(a, label, row ? 1ull << (row - 1) : 0);
	fprintf(a->context->out, "  %*s ", LABEL_WIDTH, label);
	for (unsigned c = 0; c < h->columns; c++) {
		uint32_t n = h->calls[row][c];
		unsigned shade = !n ? 0 : 1 + (unsigned)((uint64_t)n * 3 / most);

		for (unsigned k = 0; k < (wide ? wide : 1); k++)
			fputs(shades[utf8][shade], a->context->out);
	}
	fputc('\n', a->context->out);
}

void text_io_heat(struct analysis *a)
{
	const struct io_heat *h = &a->io->wall.heat;
	bool utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
	unsigned first = IO_HEAT_ROWS, last = 0;
	char end[FORMAT_SIZE];
	uint32_t most = 0;

	for (unsigned r = 0; r < IO_HEAT_ROWS; r++) {
		for (unsigned c = 0; c < h->columns; c++) {
			if (!h->calls[r][c])
				continue;
			first = r < first ? r : first;
			last = r;
			most = h->calls[r][c] > most ? h->calls[r][c] : most;
		}
	}
	if (!most)
		return;
	fputc('\n', a->context->out);
	style_print(a->context, STYLE_BOLD, "  When calls took how long");
	fputc('\n', a->context->out);
	for (unsigned r = last + 1; r-- > first;)
		print_heat_row(a, r, most, utf8);
	format_time(end, h->column_ns * h->columns);
	fprintf(a->context->out, "  %*s 0 to %s\n", LABEL_WIDTH, "", end);
}

/* What needs the order of the calls, or each of them, is of those that the ring still has. */
void text_io_kept(struct analysis *a, const char *what)
{
	char from[FORMAT_SIZE];

	if (a->facts->events_folded)
		text_say(a, "%s the calls since %s only: those before are in sums.", what,
			 format_time(from, a->facts->folded_until_ns));
}

void text_io_threads(struct analysis *a)
{
	static const char *const titles[] = { "WALL", "RUNNING",
#define IO_TIME(name, id) #id,
					      IO_TIMES(IO_TIME)
#undef IO_TIME
						      NULL };
	const struct io_wall *w = &a->io->wall;
	uint32_t shown = text_shown(a, false, w->map.count);
	struct table *t;
	char name[80], text[FORMAT_SIZE];

	if (!w->map.count)
		return;
	text_caption(a, "Time of threads", shown, w->map.count);
	text_io_kept(a, "Of");
	t = table_new(a->context, titles, "THREAD");
	for (uint32_t i = 0; i < shown; i++) {
		const struct io_wall_thread *x = &w->thread[i];
		const struct trace_thread *known = analysis_thread(a, x->number);
		uint64_t wall = io_thread_wall_ns(a, x), waits = 0;

		for (unsigned k = 0; k < IO_TIME_COUNT; k++)
			waits += trace_span_ns(a->trace, x->ticks[k]);
		table_row(t);
		table_cell(t, format_time(text, wall));
		table_cell(t, format_time(text, wall > waits ? wall - waits : 0));
		for (unsigned k = 0; k < IO_TIME_COUNT; k++)
			cell_ticks(a, t, x->ticks[k]);
		snprintf(name, sizeof(name), "%" PRIu32 " %.60s", x->number,
			 known && known->name ? known->name : "");
		table_words(t, name);
	}
	for (unsigned k = 0; k < IO_TIME_COUNT; k++)
		table_drop_empty(t, 2 + k);
	table_print(t);
}

static void print_finding(struct analysis *a, const struct io_finding *f)
{
	char line[400];

	fputc('\n', a->context->out);
	snprintf(line, sizeof(line), "%s: %s.", f->rule, f->evidence);
	text_wrapped(a->context, f->warning ? STYLE_BOLD : STYLE_PLAIN, "  ", line);
	if (f->target != KEYMAP_NONE)
		text_say(a, "%s", text_target(a, a->io->target[f->target].id));
	text_say(a, "Advice: %s.", f->advice);
}

void text_io_findings(struct analysis *a, bool brief)
{
	struct io_findings *all = io_findings_new(a);
	uint32_t shown;

	if (!all || !all->count) {
		free(all);
		return;
	}
	shown = text_shown(a, brief, all->count);
	text_caption(a, "Findings", shown, all->count + all->left_out);
	text_io_kept(a, "What targets are used for is known of");
	for (uint32_t i = 0; i < shown; i++) {
		const struct io_finding *f = &all->finding[i];
		struct table *t;

		print_finding(a, f);
		if (f->site == KEYMAP_NONE)
			continue;
		t = table_new(a->context, (const char *const[]){ NULL }, "SITE");
		table_row(t);
		text_site(a, t, &a->io->sites, f->site, 1);
		table_print(t);
	}
	free(all);
}
