/* SPDX-License-Identifier: MIT */
/* A report's head, foot and what its parts share; see report_text.h. */
#include "report_text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "utf8.h"

static void print_alert(const struct analysis *a, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

void text_heading(const struct analysis *a, const char *title)
{
	fputc('\n', a->context->out);
	style_print(a->context, STYLE_TITLE, title);
	fputc('\n', a->context->out);
}

void text_wrapped(const struct cmd_context *c, enum style style, const char *first,
		  const char *text)
{
	const char *indent = "  ";
	const char *p = text;

	for (const char *lead = first; *p; lead = indent) {
		size_t room = c->width - utf8_columns(lead);
		size_t take = utf8_prefix(p, room), cut = take;
		char line[512];

		while (p[take] && cut && p[cut] != ' ')
			cut--;
		if (!p[take] || !cut)
			cut = take;
		snprintf(line, sizeof(line), "%s%.*s", lead, (int)cut, p);
		style_print(c, style, line);
		fputc('\n', c->out);
		for (p += cut; *p == ' '; p++)
			;
	}
}

void text_say(const struct analysis *a, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	text_wrapped(a->context, STYLE_PLAIN, "  ", text);
}

static void print_alert(const struct analysis *a, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	text_wrapped(a->context, STYLE_ALERT, "! ", text);
}

void text_caption(const struct analysis *a, const char *what, uint32_t shown, uint32_t count)
{
	char total[FORMAT_SIZE], some[FORMAT_SIZE], text[160];

	if (shown < count)
		snprintf(text, sizeof(text), "  %s (%s of %s)", what, format_count(some, shown),
			 format_count(total, count));
	else
		snprintf(text, sizeof(text), "  %s", what);
	fputc('\n', a->context->out);
	style_print(a->context, STYLE_BOLD, text);
	fputc('\n', a->context->out);
}

uint32_t text_shown(const struct analysis *a, bool brief, uint32_t count)
{
	uint64_t limit = a->context->limit;

	if (brief && !a->context->limit_given)
		limit = 5;
	return count < limit ? count : (uint32_t)limit;
}

/* "file.c:12", the module where no file is known; what it called there, if that is worth a word. */
static void place_of(const struct frame *f, char *buf, size_t size, const char *called)
{
	size_t used;

	if (f->file && f->line)
		snprintf(buf, size, "%s:%" PRIu32, basename(f->file), f->line);
	else if (f->file)
		snprintf(buf, size, "%s", basename(f->file));
	else if (strncmp(f->function, f->module, strlen(f->module)))
		snprintf(buf, size, "%s", f->module);
	else /* "module+0x123" says it already */
		*buf = '\0';
	used = strlen(buf);
	if (called)
		snprintf(buf + used, size - used, "%sin %s", *buf ? ", " : "", called);
}

static void stack_lines(struct analysis *a, struct table *t, uint32_t stack, unsigned callers,
			enum style first, const struct alike *alike)
{
	const struct frame *frame;
	uint32_t n = frames_of_stack(a->frames, stack, &frame), lead, more[ALIKE_MOST];
	uint32_t end = frames_shown(frame, n, callers, &lead);
	unsigned further = alike_frames(alike, stack, more);
	char place[256];

	for (uint32_t i = lead; i < end; i++) {
		place_of(&frame[i], place, sizeof(place),
			 i == lead ? frames_called(frame, i) : NULL);
		table_function(t, i == lead ? first : STYLE_DIM, frame[i].function, place);
	}
	for (unsigned i = 0; i < further; i++) {
		if (more[i] > end)
			table_function(t, STYLE_DIM, "...", NULL);
		place_of(&frame[more[i]], place, sizeof(place), NULL);
		table_function(t, STYLE_DIM, frame[more[i]].function, place);
		end = more[i] + 1;
	}
}

void text_stack(struct analysis *a, struct table *t, uint32_t stack, unsigned callers)
{
	stack_lines(a, t, stack, callers, STYLE_BOLD, NULL);
}

void text_callers(struct analysis *a, struct table *t, uint32_t stack, unsigned count)
{
	if (count)
		stack_lines(a, t, stack, count - 1, STYLE_DIM, NULL);
}

struct alike *text_alike(struct analysis *a, const struct sites *sites, const uint32_t *site,
			 uint32_t count, unsigned callers)
{
	uint32_t stack[ALIKE_ROWS];

	if (count > ALIKE_ROWS)
		count = ALIKE_ROWS;
	if (!count || analysis_site_label(a, sites, site[0]))
		return NULL;
	for (uint32_t i = 0; i < count; i++)
		stack[i] = sites->stack[site[i]];
	return alike_new(a->frames, stack, count, callers);
}

void text_site_apart(struct analysis *a, struct table *t, const struct sites *sites, uint32_t site,
		     unsigned callers, const struct alike *alike)
{
	const char *label = analysis_site_label(a, sites, site);

	if (!label)
		stack_lines(a, t, sites->stack[site], callers, STYLE_BOLD, alike);
	else if (a->context->by == CMD_BY_FUNCTION)
		table_function(t, STYLE_BOLD, label, NULL);
	else
		table_line(t, STYLE_BOLD, label, NULL);
}

void text_site(struct analysis *a, struct table *t, const struct sites *sites, uint32_t site,
	       unsigned callers)
{
	text_site_apart(a, t, sites, site, callers, NULL);
}

void cell_bytes(struct table *t, uint64_t v)
{
	char buf[FORMAT_SIZE];

	table_cell(t, format_bytes(buf, v));
}

void cell_count(struct table *t, uint64_t v)
{
	char buf[FORMAT_SIZE];

	table_cell(t, format_count(buf, v));
}

void cell_time(struct table *t, uint64_t ns)
{
	char buf[FORMAT_SIZE];

	table_cell(t, format_time(buf, ns));
}

const char *text_ticks(const struct analysis *a, char buf[FORMAT_SIZE], uint64_t ticks)
{
	return format_time(buf, trace_span_ns(a->trace, ticks));
}

void cell_ticks(const struct analysis *a, struct table *t, uint64_t ticks)
{
	cell_time(t, trace_span_ns(a->trace, ticks));
}

const char *text_target(const struct analysis *a, uint32_t id)
{
	const struct trace_target *t = id < a->facts->target_count ? &a->facts->targets[id] : NULL;

	if (id == IO_OTHERS)
		return "(others, of the time that the ring gave up)";
	if (!id)
		return a->facts->header->lost[LAR_LOST_TARGET]
			       ? "(no descriptor, or no room for its name)"
			       : "(no descriptor)";
	return t && *t->name ? t->name : "(unnamed)";
}

static void print_command(const struct analysis *a)
{
	const struct trace_facts *f = a->facts;
	char line[600];
	size_t used = 0;

	for (uint32_t i = 0; i < f->argc && used < sizeof(line) - 1; i++) {
		int n = snprintf(line + used, sizeof(line) - used, "%s%s", i ? " " : "",
				 i ? f->argv[i] : basename(f->argv[i]));

		used += n > 0 ? (size_t)n : 0;
	}
	if (!f->argc)
		snprintf(line, sizeof(line), "%s", f->command);
	utf8_tame(line);
	if (utf8_columns(line) > a->context->width)
		strcpy(line + utf8_prefix(line, a->context->width - 3), "...");
	style_print(a->context, STYLE_TITLE, line);
	fputc('\n', a->context->out);
}

static void print_end(const struct analysis *a, char *buf, size_t size)
{
	const struct lar_header *h = a->facts->header;
	char took[FORMAT_SIZE];
	const char *end = analysis_end_name(a), *name;

	format_time(took, a->facts->duration_ns);
	if (!strcmp(end, "exit"))
		snprintf(buf, size, "ran %s and exited with %" PRId32, took, h->exit_code);
	else if (!strcmp(end, "signal"))
		snprintf(buf, size, "ran %s and was killed by SIG%s", took,
			 (name = sigabbrev_np(h->exit_code)) ? name : "?");
	else if (!strcmp(end, "exec"))
		snprintf(buf, size, "ran %s and became another program", took);
	else if (!strcmp(end, "running"))
		snprintf(buf, size, "has been running for %s", took);
	else
		snprintf(buf, size, "ran at least %s; how it ended is not known", took);
}

static void print_alerts(const struct analysis *a)
{
	const struct trace_facts *f = a->facts;
	char x[FORMAT_SIZE], y[FORMAT_SIZE], z[FORMAT_SIZE];

	if (f->events_overwritten)
		print_alert(
			a,
			"The trace was full: %s of %s events are overwritten. All figures are "
			"of what was kept, nearly all from after %s. Record with a larger --size "
			"to keep more.",
			format_count(x, f->events_overwritten), format_count(y, f->events_written),
			format_time(z, a->dense_ns));
	if (a->window_cut)
		print_alert(
			a,
			"Up to %s only figures of all the time are known, not what of them was in "
			"the window: they are left out. Record with a larger --size to see more.",
			format_time(x, f->folded_until_ns));
	else if (a->sums && a->context->by == CMD_BY_THREAD)
		print_alert(a,
			    "Up to %s it is not known which thread it was; those figures have a "
			    "row of their own.",
			    format_time(x, f->folded_until_ns));
	if (f->events_dropped)
		print_alert(a, "%s events could not be recorded; `lariat info` says why.",
			    format_count(x, f->events_dropped));
	if (f->damage.blocks || f->damage.records)
		print_alert(a,
			    "The file is damaged: %s blocks and %s records cannot be read. The "
			    "figures are of the rest.",
			    format_count(x, f->damage.blocks), format_count(y, f->damage.records));
	if (a->context->since_ns || a->context->until_ns != UINT64_MAX)
		print_alert(a, "Only from %s to %s.", format_time(x, a->context->since_ns),
			    a->context->until_ns == UINT64_MAX
				    ? "the end"
				    : format_time(y, a->context->until_ns));
}

/* The program's worst trouble is not to be looked for. */
static void print_wrong_frees(const struct analysis *a)
{
	static const struct {
		enum lar_misuse kind;
		const char *one, *more;
	} said[] = {
		{ LAR_MISUSE_DOUBLE, "block freed twice", "blocks freed twice" },
		{ LAR_MISUSE_FOREIGN, "free of what is no block", "frees of what is no block" },
		{ LAR_MISUSE_REALLOC, "realloc of what was freed", "reallocs of what was freed" },
		{ LAR_MISUSE_MISMATCHED, "block given back by the wrong call",
		  "blocks given back by the wrong call" },
		{ LAR_MISUSE_MISSIZED, "block given back as one of another size",
		  "blocks given back as ones of another size" },
	};
	char text[300], x[FORMAT_SIZE];
	size_t n = 0;

	for (size_t i = 0; a->misuse && i < sizeof(said) / sizeof(*said); i++) {
		uint64_t count = a->misuse->total[said[i].kind];

		if (count)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s %s", n ? ", " : "",
					      format_count(x, count),
					      count == 1 ? said[i].one : said[i].more);
	}
	if (n)
		print_alert(a, "Wrong frees: %s. See below.", text);
}

static void print_head(const struct analysis *a)
{
	const struct trace_facts *f = a->facts;
	char end[120], size[FORMAT_SIZE], events[FORMAT_SIZE], date[FORMAT_SIZE];

	print_command(a);
	print_end(a, end, sizeof(end));
	text_say(a, "pid %" PRIu32 ", started %s, %s", f->header->pid,
		 format_date(date, f->header->start_unix_ns), end);
	text_say(a, "%s: %s events in %s", f->path,
		 format_count(events, f->events_kept + f->events_folded),
		 format_bytes(size, f->disk_bytes));
	print_alerts(a);
	print_wrong_frees(a);
	/* the last may be the reader's own, of the clock: that is for info */
	for (uint32_t n = 0; n + f->clock_estimated < f->note_count; n++)
		print_alert(a, "Note: %s.", f->notes[n]);
}

/* Files that are not what was recorded: why there are addresses where names might be. */
static void print_unnamed(const struct analysis *a)
{
	for (uint32_t m = 0; m < a->facts->module_count; m++) {
		enum symbols_state state = frames_module_state(a->frames, m);

		if (state == SYMBOLS_CHANGED)
			print_alert(a,
				    "%s is not the file that was recorded (another build-id): its "
				    "addresses have no names.",
				    a->facts->modules[m].path);
		else if (state == SYMBOLS_MISSING)
			print_alert(a, "%s is no longer there: its addresses have no names.",
				    a->facts->modules[m].path);
	}
}

/* Where to go on from the overview. */
static void print_hints(const struct analysis *a)
{
	fputc('\n', a->context->out);
	text_wrapped(a->context, STYLE_DIM, "",
		     "More of this trace: lariat alloc, leaks, growth, io, locks, threads or info");
}

void text_report(struct analysis *a, bool apart)
{
	static const struct {
		unsigned part;
		const char *name;
		void (*print)(struct analysis *a, bool brief);
	} parts[] = {
		{ PART_HEAP, "Heap", text_heap },	{ PART_LEAKS, "Not freed", text_leaks },
		{ PART_GROWTH, "Growth", text_growth }, { PART_IO, "I/O", text_io },
		{ PART_LOCKS, "Locks", text_locks },	{ PART_THREADS, "Threads", text_threads },
	};
	bool brief = (a->parts & (a->parts - 1)) != 0;

	if (apart)
		fputs("\n\n", a->context->out);
	print_head(a);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		if (a->recorded & parts[i].part) {
			parts[i].print(a, brief);
		} else if (a->parts == parts[i].part) {
			text_heading(a, parts[i].name);
			text_say(a, "Not recorded: --record left it out.");
		}
	}
	print_unnamed(a);
	if (brief)
		print_hints(a);
}
