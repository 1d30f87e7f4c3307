/* SPDX-License-Identifier: MIT */
/* I/O as text. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "io_findings.h"
#include "report_json.h"
#include "report_text.h"

static void cell_busy(const struct analysis *a, struct table *t, const struct busy_time *b)
{
	char buf[FORMAT_SIZE], text[FORMAT_SIZE + 4];

	text_ticks(a, buf, busy_time_sum(b));
	snprintf(text, sizeof(text), "%s%s", b->at_least ? ">= " : "", buf);
	table_cell(t, text);
}

/*
 * The sum of times says more than the union only where operations overlapped, and by more than the
 * clock's steps.
 */
static void print_totals(struct analysis *a)
{
	static const char *const titles[] = { "<OPERATION", "CALLS", "BYTES", "ERRORS",
					      "SHORT",	    "TIME",  "BUSY",  "P50",
					      "P99",	    "MAX",   NULL };
	struct table *t = table_new(a->context, titles, NULL);
	bool overlap = false;

	for (unsigned op = 0; op < IO_STDIO_READ; op++) {
		const struct io_figures *f = &a->io->total[op];
		uint64_t busy = busy_time_sum(&f->busy);

		if (!f->calls)
			continue;
		overlap |= f->latency.sum - busy > busy / 50 && f->latency.sum > busy;
		table_row(t);
		table_cell(t, io_op_name(op));
		cell_count(t, f->calls);
		cell_bytes(t, f->bytes);
		cell_count(t, f->errors);
		cell_count(t, f->short_calls);
		cell_ticks(a, t, f->latency.sum);
		cell_busy(a, t, &f->busy);
		cell_ticks(a, t, histogram_quantile(&f->latency, 500));
		cell_ticks(a, t, histogram_quantile(&f->latency, 990));
		cell_ticks(a, t, f->latency.max);
	}
	table_drop_empty(t, 3);
	table_drop_empty(t, 4);
	table_drop(t, overlap ? 7 : 6);
	table_print(t);
}

/* "Writing streams: 10,000 calls of the program, 107 KiB, became 27 of the system, ..." */
static void print_stream(struct analysis *a, const char *what, const struct io_figures *asked,
			 const struct io_figures *made, bool writes)
{
	char calls[FORMAT_SIZE], bytes[FORMAT_SIZE], system[FORMAT_SIZE], each[FORMAT_SIZE];
	char p50[FORMAT_SIZE], p99[FORMAT_SIZE], rest[FORMAT_SIZE + 40] = "", left[FORMAT_SIZE];

	if (!asked->calls && !made->calls)
		return;
	format_things(calls, asked->calls, "call");
	format_bytes(bytes, asked->bytes);
	if (!made->calls) {
		text_say(a, "%s streams: %s of the program, %s, became none of the system.", what,
			 calls, bytes);
		return;
	}
	if (writes && asked->bytes > made->bytes)
		snprintf(rest, sizeof(rest), " %s stayed in buffers.",
			 format_bytes(left, asked->bytes - made->bytes));
	format_bytes(each, made->bytes / made->calls);
	text_ticks(a, p50, histogram_quantile(&made->latency, 500));
	text_ticks(a, p99, histogram_quantile(&made->latency, 990));
	if (!asked->calls) { /* libc reads its own files by ways that are no calls */
		text_say(a,
			 "%s streams within libc: %s calls of the system, %s each, p50 %s, p99 %s.",
			 what, format_count(system, made->calls), each, p50, p99);
		return;
	}
	text_say(a,
		 "%s streams: %s of the program, %s, became %s of the system, %s each, p50 "
		 "%s, p99 %s.%s",
		 what, calls, bytes, format_count(system, made->calls), each, p50, p99, rest);
}

static void print_streams(struct analysis *a)
{
	const struct io_model *m = a->io;

	print_stream(a, "Reading", &m->total[IO_STDIO_READ], &m->stream[0], false);
	print_stream(a, "Writing", &m->total[IO_STDIO_WRITE], &m->stream[1], true);
}

static void print_coverage(struct analysis *a)
{
	const struct lar_header *h = a->facts->header;
	uint64_t kernel = h->kernel_read_bytes + h->kernel_written_bytes, seen = io_seen_bytes(a);
	char text[FORMAT_SIZE], all[FORMAT_SIZE], time[FORMAT_SIZE], when[FORMAT_SIZE + 20] = "";
	uint64_t until_ns = trace_ns(a->trace, a->io->kernel_ticks);
	double part;

	if (!a->io->kernel_ticks && !a->context->since_ns && a->context->until_ns == UINT64_MAX)
		text_say(a, "Seen: %s; what the kernel counted is not known.",
			 format_bytes(text, seen));
	if (!a->io->kernel_ticks || !kernel)
		return;
	/* it could not be asked any more when children had been waited for */
	if (until_ns < a->facts->duration_ns / 10 * 9)
		snprintf(when, sizeof(when), " up to %s", format_time(time, until_ns));
	part = seen >= kernel ? 1 : (double)seen / (double)kernel;
	/* 100 % is all of it */
	if (part < 1 && part > 0.99999)
		part = 0.99999;
	text_say(a, "Seen: %s of %s that the kernel counted%s, %.3f %%.", format_bytes(text, seen),
		 format_bytes(all, kernel), when, part * 100);
}

static void print_errors(struct analysis *a)
{
	char text[600] = "Errors:", count[FORMAT_SIZE];
	size_t n = strlen(text);

	for (uint32_t i = 0; i < a->io->error_map.count && n < sizeof(text) - 80; i++) {
		const struct io_error *e = &a->io->error[i];

		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s %s %s %s", i ? "," : "",
				      format_count(count, e->count), io_op_name(e->op),
				      io_error_name(e->number));
	}
	if (!a->io->error_map.count)
		return;
	fputc('\n', a->context->out);
	text_say(a, "%s", text);
}

/* "3 ENOENT, 1 EACCES" */
static void errnos_words(char *text, size_t size, const struct io_errnos *e)
{
	char count[FORMAT_SIZE];
	size_t n = 0;

	for (uint32_t i = 0; i < e->used && n + 60 < size; i++)
		n += (size_t)snprintf(text + n, size - n, "%s%s %s", i ? ", " : "",
				      format_count(count, e->row[i].count),
				      io_error_name(e->row[i].number));
}

#define ERROR_SITES 5

struct error_site {
	uint64_t errors;
	uint32_t site;
};

static int by_errors(const void *x, const void *y)
{
	const struct error_site *a = x, *b = y;

	if (a->errors != b->errors)
		return a->errors > b->errors ? -1 : 1;
	return a->site < b->site ? -1 : a->site > b->site;
}

/* Where most errors are met: such sites take no time, and are not among those that do. */
static void print_error_sites(struct analysis *a)
{
	static const char *const titles[] = { "ERRORS", NULL };
	struct error_site *list = calloc(a->io->sites.count + 1, sizeof(*list));
	uint32_t n = 0, shown;
	struct table *t;

	for (uint32_t i = 0; list && i < a->io->sites.count; i++)
		if (a->io->site[i].errnos)
			list[n++] = (struct error_site){ a->io->site[i].errors, i };
	if (n) {
		qsort(list, n, sizeof(*list), by_errors);
		shown = n < ERROR_SITES ? n : ERROR_SITES;
		text_caption(a, "Sites with errors", shown, n);
		t = table_new(a->context, titles, "SITE");
		for (uint32_t i = 0; i < shown; i++) {
			const struct io_site *site = &a->io->site[list[i].site];
			char line[400];

			table_row(t);
			cell_count(t, site->errors);
			text_site(a, t, &a->io->sites, list[i].site, 1);
			errnos_words(line, sizeof(line), site->errnos);
			table_words(t, line);
			if (!site->more_targets)
				table_words(t, text_target(a, site->target));
		}
		table_print(t);
	}
	free(list);
}

static void print_targets(struct analysis *a, bool brief)
{
	static const char *const titles[] = { "TIME", "READ", "WRITTEN", "CALLS", NULL };
	struct table *t;
	struct ranking r;
	uint32_t shown;

	if (io_rank_targets(a, &r))
		return;
	shown = text_shown(a, brief, r.count);
	text_caption(a, "Targets", shown, r.count);
	t = table_new(a->context, titles, "NAME");
	for (uint32_t i = 0; i < shown; i++) {
		const struct io_target *target = &a->io->target[r.index[i]];
		uint32_t kind = target->id < a->facts->target_count
					? a->facts->targets[target->id].kind
					: LAR_TARGET_UNKNOWN;

		table_row(t);
		cell_ticks(a, t, target->time_ticks);
		cell_bytes(t, target->op[IO_TARGET_READ].bytes);
		cell_bytes(t, target->op[IO_TARGET_WRITE].bytes);
		cell_count(t, target->calls);
		table_line(t, STYLE_BOLD, text_target(a, target->id),
			   kind == LAR_TARGET_FILE || kind == LAR_TARGET_SOCKET ||
					   kind == LAR_TARGET_UNKNOWN
				   ? NULL
				   : target_kind_name(kind));
	}
	table_drop_empty(t, 1);
	table_drop_empty(t, 2);
	table_print(t);
	ranking_fini(&r);
}

/* What it asked of streams, and which errors it met. */
static void print_site_notes(struct table *t, const struct io_site *s)
{
	char count[FORMAT_SIZE], bytes[FORMAT_SIZE], line[400];

	if (s->stdio_calls) {
		snprintf(line, sizeof(line), "%s calls on streams, %s",
			 format_count(count, s->stdio_calls), format_bytes(bytes, s->stdio_bytes));
		table_words(t, line);
	}
	if (s->errnos) {
		memcpy(line, "failed: ", 9);
		errnos_words(line + 8, sizeof(line) - 8, s->errnos);
		table_words(t, line);
	}
}

static void print_sites(struct analysis *a, bool brief)
{
	static const char *const titles[] = { "TIME", "BYTES", "CALLS", "P99", NULL };
	unsigned callers = brief ? 0 : TEXT_CALLERS;
	struct alike *alike;
	struct table *t;
	struct ranking r;
	uint32_t shown;

	if (io_rank_sites(a, &r))
		return;
	shown = text_shown(a, brief, r.count);
	text_caption(a, "Sites", shown, r.count);
	alike = text_alike(a, &a->io->sites, r.index, shown, callers);
	t = table_new(a->context, titles, "SITE");
	for (uint32_t i = 0; i < shown; i++) {
		const struct io_site *s = &a->io->site[r.index[i]];
		char where[600];

		table_row(t);
		cell_ticks(a, t, s->time_ticks);
		cell_bytes(t, s->bytes);
		cell_count(t, s->calls);
		cell_ticks(a, t, histogram_quantile(&s->latency, 990));
		text_site_apart(a, t, &a->io->sites, r.index[i], callers, alike);
		print_site_notes(t, s);
		if (brief || s->more_targets)
			continue;
		snprintf(where, sizeof(where), "on %s", text_target(a, s->target));
		table_words(t, where);
	}
	alike_free(alike);
	if (!brief)
		table_space_rows(t);
	table_print(t);
	ranking_fini(&r);
}

/* "beside 12 others: write to /a of thread 3 for 8.1 ms, ..." */
static void print_beside(struct analysis *a, struct table *t, const struct io_slow *s)
{
	const struct io_beside *b = io_beside_of(a, s);
	char text[600], count[FORMAT_SIZE], time[FORMAT_SIZE];
	size_t n;

	if (!b || !b->count)
		return;
	n = (size_t)snprintf(text, sizeof(text), "%s%s of other threads meanwhile:",
			     io_beside_at_least(a, b) ? "at least " : "",
			     format_count(count, b->count));
	for (unsigned i = 0; i < IO_OVERLAP_TOP && b->top[i].ticks && n < sizeof(text) - 1; i++) {
		const struct io_overlap_call *c = &b->top[i].call;

		text_ticks(a, time, b->top[i].ticks);
		n += (size_t)snprintf(text + n, sizeof(text) - n,
				      "%s %s %.100s (thread %" PRIu32 ", %s)", i ? "," : "",
				      call_name(c->call), text_target(a, c->target), c->thread,
				      time);
	}
	table_words(t, text);
}

static void print_slowest(struct analysis *a, bool brief)
{
	static const char *const titles[] = { "TIME", "AT", "RESULT", NULL };
	struct table *t = table_new(a->context, titles, "CALL");
	uint32_t shown = text_shown(a, brief, a->io->slow_count);

	shown = brief && shown > 3 ? 3 : shown;
	fputc('\n', a->context->out);
	style_print(a->context, STYLE_BOLD, "  Slowest calls");
	fputc('\n', a->context->out);
	for (uint32_t i = 0; i < shown; i++) {
		const struct io_slow *s = &a->io->slow[i];
		enum lar_operation op = call_operation(s->call);

		table_row(t);
		cell_ticks(a, t, s->took_ticks);
		cell_time(t, trace_ns(a->trace, s->start_ticks));
		if (s->result < 0)
			table_cell(t, io_error_name((uint32_t)-s->result));
		else if (op == LAR_OP_READ || op == LAR_OP_WRITE)
			cell_bytes(t, (uint64_t)s->result);
		else
			table_cell(t, "ok");
		table_line(t, STYLE_BOLD, call_name(s->call), text_target(a, s->target));
		if (!brief)
			text_callers(a, t, s->stack, 3);
		if (!brief)
			print_beside(a, t, s);
	}
	if (!brief)
		table_space_rows(t);
	table_print(t);
}

void text_io(struct analysis *a, bool brief)
{
	uint64_t calls = 0;

	text_heading(a, "I/O");
	for (unsigned op = 0; op < IO_OP_COUNT; op++)
		calls += a->io->total[op].calls;
	if (!calls) {
		text_say(a, "None recorded.");
		return;
	}
	print_totals(a);
	print_streams(a);
	print_coverage(a);
	print_errors(a);
	if (!brief)
		print_error_sites(a);
	print_targets(a, brief);
	if (!brief)
		print_sites(a, brief);
	print_slowest(a, brief);
	if (!brief) {
		text_io_heat(a);
		text_io_threads(a);
	}
	text_io_findings(a, brief);
}
