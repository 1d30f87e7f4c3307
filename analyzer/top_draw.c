/* SPDX-License-Identifier: MIT */
/* Draws the live view on the terminal; see top_screen.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "top_label.h"
#include "top_screen.h"
#include "top_terminal.h"

static const char *const help[] = {
	"1 2 3 4    memory, I/O, locks, threads        Tab  the next of them",
	"up down    choose a row, also j k, page up and down, home, end",
	"Enter      the chosen row: all its figures and its whole stack",
	"s S        order by the next or previous column (*), also < >",
	"/          show only what matches a regular expression; empty: all",
	"p          the processes, where there are several;  n N the next, the one before",
	"Space      pause, and go on                   r    refresh now",
	"+ -        refresh more seldom, more often",
	"w          write the report of this moment as JSON, to a new file",
	"h ?        this help                          q    end; the program goes on",
};

static void draw_lines(const struct top_lines *l, unsigned y, uint32_t from, unsigned height,
		       uint32_t chosen)
{
	for (uint32_t i = from; i < l->count && y < height; i++, y++)
		top_terminal_line(y, l->line[i].style, l->line[i].lead, l->line[i].text,
				  i == chosen);
}

static struct top_pace pace_of(const struct top_screen *s)
{
	uint64_t pace = top_set_pace(s->set, s->interval_ns);

	return (struct top_pace){ s->interval_ns, pace > s->interval_ns ? pace : 0, s->paused };
}

/* Lines that the header may take: the table comes first. */
static unsigned header_lines(unsigned height)
{
	return height < 8 ? 1 : height < 14 ? 3 : height < 20 ? 6 : 9;
}

static void draw_table(struct top_screen *s, unsigned y, unsigned width, unsigned height)
{
	struct top_entry *e = top_screen_entry(s);
	struct top_lines l;
	uint32_t shown;

	top_screen_order(s);
	s->room = height > y + 1 ? height - y - 1 : 1;
	if (s->chosen < s->from)
		s->from = s->chosen;
	if (s->chosen >= s->from + s->room)
		s->from = s->chosen - s->room + 1;
	if (s->from + s->room > s->count)
		s->from = s->count > s->room ? s->count - s->room : 0;
	shown = s->count - s->from < s->room ? s->count - s->from : s->room;
	top_lines_init(&l, width);
	top_paint_table(&l, &e->rows[s->view], e->process, s->by[s->view], s->index, s->from,
			shown);
	draw_lines(&l, y, 0, height, shown ? s->chosen - s->from + 1 : UINT32_MAX);
	top_lines_fini(&l);
}

static void add_stack(struct top_lines *l, struct top_process *p, uint32_t stack)
{
	const struct frame *frame;
	uint32_t n = stack ? frames_of_stack(p->a->frames, stack, &frame) : 0;
	uint32_t lead = n ? frames_lead(frame, n) : 0;

	if (!n)
		return;
	top_lines_add(l, STYLE_TITLE, "Stack");
	for (uint32_t i = 0; i < n; i++) {
		char *text = top_label_frame(&frame[i]);

		top_lines_add(l, i == lead ? STYLE_BOLD : STYLE_PLAIN, "  %s%s", text ? text : "",
			      frame[i].inlined ? "  (inlined)" : "");
		free(text);
	}
}

static void draw_row(struct top_screen *s, unsigned y, unsigned width, unsigned height)
{
	struct top_entry *e = top_screen_entry(s);
	struct top_rows *rows = &e->rows[s->view];
	const struct top_layout *layout = &top_layouts[s->view];
	struct top_lines l;
	char cell[FORMAT_SIZE];

	top_lines_init(&l, width);
	if (s->row < rows->map.count) {
		struct top_row *row = &rows->row[s->row];

		top_lines_add(&l, STYLE_TITLE, "%s", top_rows_label(rows, e->process, row));
		for (unsigned i = 0; i < TOP_COLUMNS; i++)
			top_lines_add(&l, STYLE_PLAIN, "%14s  %s",
				      top_rows_cell(rows, row, &layout->column[i], cell),
				      layout->column[i].help);
		add_stack(&l, e->process, top_rows_stack(rows, e->process, row));
	}
	if (s->scroll + 1 > l.count)
		s->scroll = l.count ? l.count - 1 : 0;
	draw_lines(&l, y, s->scroll, height, UINT32_MAX);
	top_lines_fini(&l);
}

static void draw_help(struct top_screen *s, unsigned width, unsigned height)
{
	struct top_lines l;

	top_lines_init(&l, width);
	top_lines_add(&l, STYLE_TITLE, "Keys");
	for (size_t i = 0; i < sizeof(help) / sizeof(*help); i++)
		top_lines_add(&l, STYLE_PLAIN, "%s", help[i]);
	top_lines_add(&l, STYLE_PLAIN, "%s", "");
	top_lines_add(&l, STYLE_TITLE, "%s: columns", top_layouts[s->view].title);
	for (unsigned i = 0; i < TOP_COLUMNS; i++)
		top_lines_add(&l, STYLE_PLAIN, "%-10s %s", top_layouts[s->view].column[i].title,
			      top_layouts[s->view].column[i].help);
	if (s->scroll + 1 > l.count)
		s->scroll = l.count - 1;
	draw_lines(&l, 0, s->scroll, height, UINT32_MAX);
	top_lines_fini(&l);
}

static void draw_processes(struct top_screen *s, unsigned width, unsigned height)
{
	const struct top_set *set = s->set;
	struct top_lines l;

	s->room = height > 1 ? height - 1 : 1;
	if (s->chosen >= set->count)
		s->chosen = set->count ? (uint32_t)set->count - 1 : 0;
	s->from = s->chosen >= s->room ? s->chosen - s->room + 1 : 0;
	top_lines_init(&l, width);
	top_lines_add(&l, STYLE_TITLE, "%8s %10s %10s %10s %8s  %s", "PID", "IN USE", "GREW",
		      "ALLOCS/S", "I/O/S", "PROGRAM");
	for (size_t i = s->from; i < set->count; i++)
		top_paint_process(&l, set->entry[i]->process);
	if (set->dropped)
		top_lines_add(&l, STYLE_DIM, "%" PRIu64 " more have ended", set->dropped);
	draw_lines(&l, 0, 0, height, s->chosen - s->from + 1);
	top_lines_fini(&l);
}

/* The last line: what there is to say, what is typed, or what can be done. */
static void draw_foot(const struct top_screen *s, unsigned y, unsigned width)
{
	struct top_lines l;

	top_lines_init(&l, width);
	if (s->typing)
		top_lines_add(&l, STYLE_BOLD, "show what matches: %s_", s->filter);
	else if (*s->message)
		top_lines_add(&l, STYLE_ALERT, "%s", s->message);
	else if (s->page == TOP_PAGE_TABLE)
		top_lines_add(&l, STYLE_DIM, "%s: %" PRIu32 " rows%s%s  h help  q quit",
			      top_layouts[s->view].title, s->count, s->filtered ? " match " : "",
			      s->filtered ? s->filter : "");
	else
		top_lines_add(&l, STYLE_DIM, "Esc back  h help  q quit");
	if (l.count)
		top_terminal_line(y, l.line[0].style, 0, l.line[0].text, false);
	top_lines_fini(&l);
}

void top_draw(struct top_screen *s)
{
	struct top_entry *e = top_screen_entry(s);
	struct top_pace pace = pace_of(s);
	struct top_lines l;
	unsigned width, height;

	top_terminal_size(&width, &height);
	top_terminal_clear();
	top_lines_init(&l, width);
	if (s->page == TOP_PAGE_HELP) {
		draw_help(s, width, height - 1);
	} else if (s->page == TOP_PAGE_PROCESSES) {
		draw_processes(s, width, height - 1);
	} else {
		top_paint_header(&l, e->process, &pace, header_lines(height));
		draw_lines(&l, 0, 0, height - 1, UINT32_MAX);
		if (s->page == TOP_PAGE_ROW)
			draw_row(s, l.count + 1, width, height - 1);
		else
			draw_table(s, l.count + (height >= 14), width, height - 1);
	}
	top_lines_fini(&l);
	draw_foot(s, height - 1, width);
	top_terminal_show();
}
