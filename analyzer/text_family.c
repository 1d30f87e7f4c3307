/* SPDX-License-Identifier: MIT */
/* Several traces in one view, as text. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "family.h"
#include "report_text.h"

static void end_cell(struct table *t, const struct family_member *m)
{
	char text[32];

	if (m->ended == LAR_END_EXIT || m->ended == LAR_END_SIGNAL)
		snprintf(text, sizeof(text), "%s %" PRId32, m->end, m->exit_code);
	else
		snprintf(text, sizeof(text), "%s", m->end);
	table_cell(t, text);
}

/* The command below the one that started it. */
static void command_line(struct table *t, const struct family_member *m)
{
	char text[256];
	unsigned indent = m->depth < 20 ? 2 * m->depth : 40;

	snprintf(text, sizeof(text), "%*s%s", (int)indent, "", m->command);
	table_line(t, STYLE_PLAIN, text, m->file);
}

static void member_row(struct table *t, const struct family_member *m)
{
	char text[FORMAT_SIZE];

	table_row(t);
	snprintf(text, sizeof(text), "%" PRIu32, m->pid);
	table_cell(t, text);
	cell_time(t, m->duration_ns);
	end_cell(t, m);
	cell_bytes(t, m->own.allocated_bytes);
	cell_bytes(t, m->own.live_bytes);
	cell_bytes(t, m->own.read_bytes);
	cell_bytes(t, m->own.written_bytes);
	cell_time(t, m->own.lock_wait_ns);
	cell_count(t, m->own.threads_created);
	command_line(t, m);
}

static void say_totals(const struct cmd_context *c, const struct family *f)
{
	const struct family_figures *sum = &f->all;
	char x[FORMAT_SIZE], y[FORMAT_SIZE], z[FORMAT_SIZE], text[600];
	size_t n = 0;

	n += (size_t)snprintf(text, sizeof(text), "All %s:", format_things(x, f->count, "trace"));
	if (f->parts & PART_HEAP)
		n += (size_t)snprintf(text + n, sizeof(text) - n, " %s of %s;",
				      format_things(x, sum->allocations, "allocation"),
				      format_bytes(y, sum->allocated_bytes));
	if (f->parts & PART_LEAKS)
		n += (size_t)snprintf(text + n, sizeof(text) - n, " %s of %s not freed;",
				      format_things(x, sum->live_blocks, "block"),
				      format_bytes(y, sum->live_bytes));
	if (f->parts & PART_IO)
		n += (size_t)snprintf(text + n, sizeof(text) - n, " %s, %s read, %s written;",
				      format_things(x, sum->io_calls, "I/O call"),
				      format_bytes(y, sum->read_bytes),
				      format_bytes(z, sum->written_bytes));
	if (f->parts & PART_LOCKS)
		n += (size_t)snprintf(text + n, sizeof(text) - n, " %s waited for locks;",
				      format_time(x, sum->lock_wait_ns));
	if (f->parts & PART_THREADS)
		n += (size_t)snprintf(text + n, sizeof(text) - n, " %s created;",
				      format_things(x, sum->threads_created, "thread"));
	text[n - 1] = text[n - 1] == ';' ? '.' : text[n - 1];
	text_wrapped(c, STYLE_BOLD, "", text);
}

void text_family(const struct cmd_context *c, const struct family *f)
{
	static const char *const titles[] = { "PID",	   "RAN",  "<END",    "ALLOCATED",
					      "NOT FREED", "READ", "WRITTEN", "LOCK WAIT",
					      "THREADS",   NULL };
	static const unsigned part[] = { PART_HEAP, PART_LEAKS, PART_IO,
					 PART_IO,   PART_LOCKS, PART_THREADS };
	struct table *t = table_new(c, titles, "COMMAND");

	fputs("\n\n", c->out);
	for (size_t i = 0; i < f->count; i++)
		member_row(t, &f->member[i]);
	for (unsigned i = 0; i < sizeof(part) / sizeof(*part); i++) {
		if (!(f->parts & part[i]))
			table_drop(t, 3 + i);
		else
			table_drop_empty(t, 3 + i);
	}
	style_print(c, STYLE_TITLE, "Family");
	fputc('\n', c->out);
	table_print(t);
	fputc('\n', c->out);
	say_totals(c, f);
}
