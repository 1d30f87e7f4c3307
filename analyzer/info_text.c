/* SPDX-License-Identifier: MIT */
/* `lariat info` for people. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "cmd_info.h"
#include "format.h"
#include "utf8.h"

/* Text from the trace goes to a terminal: control characters become question marks. */
static void put_label(FILE *out, const char *label)
{
	fprintf(out, "%-12s", label);
}

static void put_count(FILE *out, uint64_t n, const char *one, const char *more)
{
	char buf[FORMAT_SIZE];

	fprintf(out, "%s %s", format_count(buf, n), n == 1 ? one : more);
}

static void put_end(FILE *out, const struct trace_facts *f)
{
	const struct lar_header *h = f->header;
	const char *name;

	switch (h->end) {
	case LAR_END_EXIT:
		fprintf(out, "exited with status %d", h->exit_code);
		break;
	case LAR_END_SIGNAL:
		name = sigabbrev_np(h->exit_code);
		fprintf(out, "killed by signal %d%s%s", h->exit_code, name ? ", SIG" : "",
			name ? name : "");
		break;
	case LAR_END_EXEC:
		fputs("went on as another program (exec)", out);
		break;
	case LAR_END_DETACHED:
		fputs("recording was switched off", out);
		break;
	default:
		fputs(f->running ? "running" : "ended without a word: killed, or it crashed", out);
	}
}

static void put_process(FILE *out, const struct trace_facts *f)
{
	const struct lar_header *h = f->header;
	char buf[FORMAT_SIZE];

	put_label(out, "Program");
	utf8_put(out, *f->executable ? f->executable : f->command);
	for (uint32_t i = 1; i < f->argc; i++) {
		fputc(' ', out);
		utf8_put(out, f->argv[i]);
	}
	fputc('\n', out);
	put_label(out, "Process");
	fprintf(out, "%u (%s", h->pid, *f->command ? "" : "unnamed");
	utf8_put(out, f->command);
	fprintf(out, "), child of %u", h->parent_pid);
	if (*f->host) {
		fputs(", on ", out);
		utf8_put(out, f->host);
	}
	if (*f->cwd) {
		fputs(", in ", out);
		utf8_put(out, f->cwd);
	}
	fputc('\n', out);
	put_label(out, "Time");
	fprintf(out, "from %s", format_date(buf, h->start_unix_ns));
	fprintf(out, " for %s; ", format_time(buf, f->duration_ns));
	put_end(out, f);
	fputc('\n', out);
}

static void put_options(FILE *out, const struct lar_header *h)
{
	char buf[FORMAT_SIZE];

	put_label(out, "Options");
	fprintf(out, "record%s%s%s%s%s%s",
		h->record & (LAR_RECORD_ALL | LAR_RECORD_CPU) ? "" : " nothing",
		h->record & LAR_RECORD_HEAP ? " heap" : "", h->record & LAR_RECORD_IO ? " io" : "",
		h->record & LAR_RECORD_LOCKS ? " locks" : "",
		h->record & LAR_RECORD_THREADS ? " threads" : "",
		h->record & LAR_RECORD_CPU ? " cpu" : "");
	fprintf(out, ", depth %u", h->depth);
	if (h->bound)
		fprintf(out, ", size %s", format_bytes(buf, h->bound));
	else
		fputs(", size without bound", out);
	if (h->sample_bytes)
		fprintf(out, ", sampled every %s", format_bytes(buf, h->sample_bytes));
	fputc('\n', out);
}

static void put_file(FILE *out, const struct trace_facts *f)
{
	char buf[FORMAT_SIZE];

	put_label(out, "Trace");
	utf8_put(out, f->path);
	fprintf(out, "\n");
	put_label(out, "File");
	fprintf(out, "%s on disk", format_bytes(buf, f->disk_bytes));
	fprintf(out, ", %s with holes", format_bytes(buf, f->file_bytes));
	fprintf(out, ", format version %u", f->header->version);
	fputs(", ", out);
	put_count(out, f->blocks_kept, "block", "blocks");
	fputc('\n', out);
}

#define MEANING_LEFT 36 /* columns in front of what a figure means */

/* The words behind a figure, in lines of the terminal's width. */
static void put_meaning(const struct cmd_context *c, const char *words)
{
	unsigned at = MEANING_LEFT - 1;

	for (size_t n; *words; words += n + (words[n] == ' ')) {
		n = strcspn(words, " ");
		if (at + 1 + n > c->width && at >= MEANING_LEFT)
			at = (unsigned)fprintf(c->out, "\n%*s", MEANING_LEFT - 1, "") - 1;
		at += (unsigned)fprintf(c->out, " %.*s", (int)n, words);
	}
}

static void put_row(const struct cmd_context *c, const char *what, uint64_t count,
		    const char *meaning)
{
	char buf[FORMAT_SIZE];

	fprintf(c->out, "  %-16s %15s", what, format_count(buf, count));
	if (*meaning)
		fputc(' ', c->out);
	put_meaning(c, meaning);
	fputc('\n', c->out);
}

static void put_events(const struct cmd_context *c, const struct info *i)
{
	const struct trace_facts *f = i->facts;

	fputs("\nEvents\n", c->out);
	put_row(c, "written", f->events_written, "");
	put_row(c, "kept", f->events_kept, "");
	if (f->events_folded)
		put_row(c, "folded", f->events_folded,
			"the oldest: in all figures, but no longer one by one");
	if (f->events_overwritten)
		put_row(c, "overwritten", f->events_overwritten,
			"the oldest gave way to newer ones; a larger --size keeps more");
	if (f->damage.events_at_least || f->damage.blocks)
		put_row(c, "damaged", f->damage.events_at_least,
			"at least so many, in damaged blocks");
	if (f->damage.skipped)
		put_row(c, "unknown", f->damage.skipped, "of kinds from a newer version");
	if (f->events_dropped)
		put_row(c, "dropped", f->events_dropped, "never written, see below");
	fputs("\nKept events by kind\n", c->out);
	for (unsigned k = 0; k < LAR_EV_MAX; k++)
		if (i->events[k])
			put_row(c, event_kind_name(k), i->events[k], "");
	if (i->lock_cells)
		put_row(c, "lock cells", i->lock_cells, "sums of uncontended locks");
	if (i->stream_cells)
		put_row(c, "stream cells", i->stream_cells, "sums of what was asked of streams");
}

static void put_losses(const struct cmd_context *c, const struct info *i)
{
	const struct trace_facts *f = i->facts;
	bool any = f->damage.blocks || f->damage.records || f->stacks_folded || i->unlisted;

	for (unsigned r = 0; r < LAR_LOST_REASONS; r++)
		any |= f->header->lost[r] != 0;
	if (!any) {
		fputs("\nNothing was lost or damaged", c->out);
		fputs(f->events_overwritten ? "; the oldest events were overwritten.\n" : ".\n",
		      c->out);
		return;
	}
	fputs("\nLost\n", c->out);
	for (unsigned r = 0; r < LAR_LOST_REASONS; r++)
		if (f->header->lost[r])
			put_row(c, info_lost_name(r), f->header->lost[r], info_lost_meaning(r));
	if (f->damage.blocks)
		put_row(c, "blocks", f->damage.blocks,
			"blocks of events that are missing or damaged");
	if (f->damage.records)
		put_row(c, "records", f->damage.records,
			"damaged entries of the dictionary, of the staging area, or parts cut off");
	if (i->unlisted)
		put_row(c, "blocks in use", i->unlisted,
			"too many to be kept one by one; if freed since, they still count");
	if (f->stacks_folded)
		put_row(c, "frames", f->stacks_folded,
			"innermost frames for which the reader had no room");
}

static const char *symbols_words(enum symbols_state state)
{
	switch (state) {
	case SYMBOLS_UNUSED:
		return "on no stack";
	case SYMBOLS_DWARF:
		return "functions and lines";
	case SYMBOLS_ELF:
		return "functions, no lines";
	case SYMBOLS_STRIPPED:
		return "no names (stripped)";
	case SYMBOLS_MISSING:
		return "file is gone";
	case SYMBOLS_CHANGED:
		return "file has changed";
	}
	return "";
}

static void put_modules(FILE *out, const struct info *i)
{
	const struct trace_facts *f = i->facts;
	char buf[FORMAT_SIZE];

	fprintf(out, "\nModules (%s)\n", format_count(buf, f->module_count));
	for (uint32_t m = 0; m < f->module_count; m++) {
		const struct trace_module *mod = &f->modules[m];

		if (!*mod->path) {
			fprintf(out, "  %-20s (its record is damaged)\n", "");
			continue;
		}
		fprintf(out, "  %-20s ", symbols_words(i->module_state[m]));
		utf8_put(out, mod->path);
		if (mod->unload_ticks != UINT64_MAX)
			fprintf(out, ", unloaded at %s",
				format_time(buf, trace_ns(i->trace, mod->unload_ticks)));
		if (mod->flags & LAR_MODULE_SELF)
			fputs(", the recorder", out);
		fputc('\n', out);
	}
}

int info_print_text(const struct cmd_context *c, const struct info *i)
{
	const struct trace_facts *f = i->facts;
	uint32_t threads;
	FILE *out = c->out;

	put_file(out, f);
	put_process(out, f);
	put_options(out, f->header);
	trace_threads(i->trace, &threads);
	put_label(out, "Holds");
	put_count(out, threads ? threads - 1 : 0, "thread", "threads");
	fputs(", ", out);
	put_count(out, trace_stack_count(i->trace) - 1, "call path", "call paths");
	fputs(", ", out);
	put_count(out, f->target_count - 1, "file or peer", "files and peers");
	fputc('\n', out);
	put_events(c, i);
	put_losses(c, i);
	put_modules(out, i);
	if (f->note_count)
		fputs("\nNotes\n", out);
	for (uint32_t n = 0; n < f->note_count; n++) {
		fputs("  ", out);
		utf8_put(out, f->notes[n]);
		fputc('\n', out);
	}
	return 0;
}
