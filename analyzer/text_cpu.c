/* SPDX-License-Identifier: MIT */
/* CPU samples as text, and where threads' time went. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cpu_functions.h"
#include "report_text.h"

static void say_totals(struct analysis *a)
{
	const struct cpu_model *m = a->cpu;
	char w[FORMAT_SIZE], x[FORMAT_SIZE], y[FORMAT_SIZE], z[FORMAT_SIZE];
	uint64_t missed, recorder, cpu_ns;

	cpu_totals(a, &cpu_ns, &missed, &recorder);
	text_say(a, "CPU: %s samples, one for each %s of a thread's CPU time, so %s of %s",
		 format_count(w, m->samples), format_time(x, a->facts->header->cpu_period_ns),
		 format_time(y, cpu_ns_of(a, m->samples)), format_time(z, cpu_ns));
	if (m->kernel)
		text_say(a, "%s of them in system calls", format_count(x, m->kernel));
	if (recorder)
		text_say(a, "%s more found the recorder at work, and are not in the tables",
			 format_count(x, recorder));
	if (missed)
		text_say(a, "%s without a sample: signals were blocked, or the thread ended first",
			 format_things(x, missed, "period"));
}

static void print_functions(struct analysis *a, bool brief)
{
	static const char *const titles[] = { "SELF", "%", "TOTAL", "%", NULL };
	uint64_t all = a->cpu->samples ? a->cpu->samples : 1;
	uint32_t count, shown;
	struct cpu_function *f = cpu_functions(a, &count);
	struct table *t;

	shown = text_shown(a, brief, count);
	if (count) {
		text_caption(a, "Functions by their own CPU time", shown, count);
		t = table_new(a->context, titles, "FUNCTION");
		for (uint32_t i = 0; i < shown; i++) {
			char percent[16];

			table_row(t);
			cell_time(t, cpu_ns_of(a, f[i].self));
			snprintf(percent, sizeof(percent), "%.1f",
				 (double)f[i].self * 100 / (double)all);
			table_cell(t, percent);
			cell_time(t, cpu_ns_of(a, f[i].total));
			snprintf(percent, sizeof(percent), "%.1f",
				 (double)f[i].total * 100 / (double)all);
			table_cell(t, percent);
			table_function(t, STYLE_PLAIN, f[i].function, f[i].module);
		}
		table_print(t);
	}
	free(f);
}

static void print_stacks(struct analysis *a)
{
	static const char *const titles[] = { "CPU", "SAMPLES", "IN CALLS", NULL };
	uint32_t count, shown;
	struct cpu_stack *s = cpu_stacks(a, &count);
	struct table *t;

	shown = text_shown(a, false, count);
	if (count) {
		text_caption(a, "Call stacks with the most CPU time", shown, count);
		t = table_new(a->context, titles, "AT");
		for (uint32_t i = 0; i < shown; i++) {
			table_row(t);
			cell_time(t, cpu_ns_of(a, s[i].samples));
			cell_count(t, s[i].samples);
			cell_count(t, s[i].kernel);
			text_stack(a, t, s[i].stack, 3);
		}
		table_drop_empty(t, 2);
		table_print(t);
	}
	free(s);
}

void text_cpu(struct analysis *a, bool brief)
{
	if (!a->cpu)
		return;
	say_totals(a);
	print_functions(a, brief);
	if (!brief)
		print_stacks(a);
}

void text_cpu_split(struct analysis *a, const struct ranking *threads, uint32_t shown)
{
	static const char *const titles[] = { "<THREAD", "LIFE", "ON CPU", "LOCK WAIT",
					      "I/O",	 "IDLE", "OTHER",  NULL };
	struct table *t;

	text_caption(a, "Where each thread's time went: on a processor, or waiting off it", shown,
		     threads->count);
	t = table_new(a->context, titles, NULL);
	for (uint32_t i = 0; i < shown; i++) {
		const struct thread_figures *f = &a->threads->thread[threads->index[i]];
		const struct trace_thread *named = analysis_thread(a, f->number);
		struct cpu_split s = cpu_split_of(a, f);
		char name[32];

		snprintf(name, sizeof(name), "%" PRIu32 " %s", f->number,
			 *named->name	  ? named->name
			 : f->number == 1 ? "main"
					  : "");
		table_row(t);
		table_cell(t, name);
		cell_time(t, s.life_ns);
		cell_time(t, s.work_ns);
		cell_time(t, s.lock_ns);
		cell_time(t, s.io_ns);
		cell_time(t, s.idle_ns);
		cell_time(t, s.other_ns);
	}
	table_print(t);
}
