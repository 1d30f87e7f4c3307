/* SPDX-License-Identifier: MIT */
/* Threads as text. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "chart.h"
#include "cpu_functions.h"
#include "lock_findings.h"
#include "report_text.h"

static void say_totals(struct analysis *a)
{
	const struct thread_model *m = a->threads;
	char w[FORMAT_SIZE], x[FORMAT_SIZE], y[FORMAT_SIZE], z[FORMAT_SIZE];
	uint64_t unjoined = thread_model_unjoined(m);

	if (!m->created) {
		text_say(a, "One: none was created.");
		return;
	}
	text_say(a, "%s created, at most %s at once, the first included",
		 format_count(x, m->created), format_count(y, m->peak));
	if (unjoined)
		text_say(a, "%s neither joined nor detached", format_count(x, unjoined));
	if (m->gone)
		text_say(a,
			 "%s of them, early ones that had ended, are not told apart: together %s "
			 "allocations of %s, %s of I/O",
			 format_count(x, m->gone), format_count(y, m->others.allocations),
			 format_bytes(z, m->others.allocated_bytes),
			 format_bytes(w, m->others.io_bytes));
	if (m->create_failures)
		text_say(a, "%s could not be created", format_count(x, m->create_failures));
}

static void thread_row(struct analysis *a, struct table *t, uint32_t i, bool brief)
{
	const struct thread_figures *f = &a->threads->thread[i];
	const struct trace_thread *named = analysis_thread(a, f->number);
	const char *fate = f->joined ? "" : f->detached ? "detached" : f->ended ? "not joined" : "";
	char name[32], buf[FORMAT_SIZE];

	snprintf(name, sizeof(name), "%" PRIu32 " %s", f->number,
		 *named->name	  ? named->name
		 : f->number == 1 ? "main"
				  : "");
	table_row(t);
	table_cell(t, name);
	cell_time(t, trace_ns(a->trace, f->end_ticks) - trace_ns(a->trace, f->start_ticks));
	table_cell(t, f->ended || f->cpu_ns ? format_time(buf, f->cpu_ns) : "-");
	cell_count(t, f->allocations);
	cell_bytes(t, f->allocated_bytes);
	cell_bytes(t, f->io_bytes);
	cell_ticks(a, t, f->lock_wait_ticks);
	cell_ticks(a, t, f->idle_ticks);
	cell_bytes(t, f->stack_used);
	if (f->stack && !brief)
		text_stack(a, t, f->stack, 0);
	if (f->created && *fate)
		table_words(t, fate);
}

/* Where the threads of a pool wait for work. */
static void say_idle(struct analysis *a, struct table *t, const struct thread_pool *p)
{
	char n[FORMAT_SIZE], line[160];

	if (!p->idle.waits || !p->idle.weight)
		return;
	snprintf(line, sizeof(line), "idle %s, mostly in %s",
		 format_things(n, p->idle.waits, "time"), call_name(p->idle.call));
	table_words(t, line);
	text_callers(a, t, p->idle.where, 2);
}

static void print_pools(struct analysis *a)
{
	static const char *const titles[] = { "THREADS", "LIFE", "BUSY",  "IDLE",    "LOCK WAIT",
					      "I/O",	 "CPU",	 "STACK", "< 10 MS", NULL };
	uint32_t count, shown;
	struct thread_pool *pool = analysis_pools(a, &count);
	struct table *t;

	shown = text_shown(a, false, count);
	if (count) {
		text_caption(a, "Threads that are created at one place, together", shown, count);
		t = table_new(a->context, titles, "CREATED BY");
		for (uint32_t i = 0; i < shown; i++) {
			const struct thread_pool *p = &pool[i];

			table_row(t);
			cell_count(t, p->threads);
			cell_ticks(a, t, p->life_ticks);
			cell_ticks(a, t, p->busy_ticks);
			cell_ticks(a, t, p->idle_ticks);
			cell_ticks(a, t, p->lock_wait_ticks);
			cell_ticks(a, t, p->io_ticks);
			cell_time(t, p->cpu_ns);
			cell_bytes(t, p->stack_used);
			cell_count(t, p->brief);
			text_stack(a, t, p->stack, 1);
			say_idle(a, t, p);
		}
		table_drop_empty(t, 8);
		table_drop_empty(t, 5);
		table_drop_empty(t, 4);
		table_print(t);
	}
	free(pool);
}

#define CHART_ROWS 5
#define HUNDREDTHS 100u

static const char *format_hundredths(char *buf, uint64_t value)
{
	snprintf(buf, FORMAT_SIZE, "%" PRIu64 ".%02u", value / HUNDREDTHS,
		 (unsigned)(value % HUNDREDTHS));
	return buf;
}

/* Of one thread there is not much to see. */
static void print_concurrency(struct analysis *a)
{
	struct concurrency *c = &a->concurrency;
	uint64_t alive[CONCURRENCY_SLOTS], low[CONCURRENCY_SLOTS], high[CONCURRENCY_SLOTS];
	struct chart chart = { .low = low,
			       .high = high,
			       .count = CONCURRENCY_SLOTS,
			       .start_ns = c->from_ns,
			       .end_ns = c->from_ns + c->slot_ns * CONCURRENCY_SLOTS,
			       .rows = CHART_ROWS,
			       .format = format_hundredths };

	if (a->threads->peak < 2)
		return;
	concurrency_finish(c, a->trace, a->threads, alive);
	for (uint32_t i = 0; i < CONCURRENCY_SLOTS; i++) {
		low[i] = (alive[i] - c->waiting_ns[i]) * HUNDREDTHS / c->slot_ns;
		high[i] = alive[i] * HUNDREDTHS / c->slot_ns;
	}
	fputc('\n', a->context->out);
	style_print(a->context, STYLE_BOLD, "  Threads over time: not waiting, and up to all");
	fputc('\n', a->context->out);
	chart_print(a->context, &chart);
}

void text_threads(struct analysis *a, bool brief)
{
	static const char *const titles[] = { "<THREAD",   "LIFE",	"CPU",	     "ALLOCS",
					      "ALLOCATED", "I/O BYTES", "LOCK WAIT", "IDLE",
					      "STACK",	   NULL };
	struct table *t;
	struct ranking r;
	uint32_t shown;

	text_heading(a, "Threads");
	say_totals(a);
	text_cpu(a, brief);
	if ((brief && !a->threads->created) || thread_rank(a, &r))
		return;
	shown = text_shown(a, brief, r.count);
	text_findings(a, brief, thread_findings_new(a));
	if (!brief) {
		print_concurrency(a);
		print_pools(a);
	}
	if (r.count)
		text_caption(a, "Each thread", shown, r.count);
	t = table_new(a->context, titles, brief ? NULL : "CREATED BY");
	for (uint32_t i = 0; i < shown; i++)
		thread_row(a, t, r.index[i], brief);
	table_drop_empty(t, 2);
	table_drop_empty(t, 5);
	table_drop_empty(t, 6);
	table_drop_empty(t, 7);
	table_drop_empty(t, 8);
	if (brief) {
		table_drop(t, 7);
		table_drop(t, 8);
	}
	table_print(t);
	if (a->cpu && !brief && !cpu_windowed(a))
		text_cpu_split(a, &r, shown);
	ranking_fini(&r);
}
