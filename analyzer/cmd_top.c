/* SPDX-License-Identifier: MIT */
/* `lariat top`: a running process as it goes, on a terminal or as text and JSON. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "report_json.h"
#include "top_json.h"
#include "top_paint.h"
#include "top_screen.h"
#include "top_terminal.h"
#include "utf8.h"

/* At once, also in the middle of reading: what was printed is whole. */
static void stop(int number)
{
	_exit(128 + number);
}

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Until a time. */
static void sleep_until(uint64_t ns)
{
	struct timespec t = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

static void print_lines(const struct cmd_context *c, const struct top_lines *l)
{
	for (uint32_t i = 0; i < l->count; i++) {
		char *text = l->line[i].text;
		size_t lead = utf8_prefix(text, l->line[i].lead);

		fprintf(c->out, "%.*s", (int)lead, text);
		style_print(c, l->line[i].style, text + lead);
		fputc('\n', c->out);
	}
}

static void print_text(const struct cmd_context *c, struct top_entry *e, uint64_t slower_ns)
{
	enum top_view view = (enum top_view)c->top.view;
	const struct top_column *by = top_column(view, c->sort);
	struct top_pace pace = { c->top.interval_ns, slower_ns, false };
	struct top_lines l;
	uint32_t *index;
	int64_t n = top_rows_rank(&e->rows[view], e->process, c->filter_re, by, &index);
	uint64_t shown = n < 0 ? 0 : (uint64_t)n < c->limit ? (uint64_t)n : c->limit;

	top_lines_init(&l, c->width);
	top_paint_header(&l, e->process, &pace, UINT_MAX);
	if (n >= 0) {
		top_lines_add(&l, STYLE_PLAIN, "%s", "");
		top_paint_table(&l, &e->rows[view], e->process, by, index, 0, (uint32_t)shown);
		free(index);
	}
	print_lines(c, &l);
	fputc('\n', c->out);
	top_lines_fini(&l);
}

static void print_json(struct top_set *s)
{
	const struct cmd_context *c = s->c;
	json_t *all = json_array(), *document;

	for (size_t i = 0; i < s->count; i++)
		if (!s->entry[i]->shown && s->entry[i]->process->a)
			json_array_append_new(all, top_json(s->entry[i], c));
	if (c->path_count == 1 && c->name_count == 1 && json_array_size(all) == 1)
		document = json_incref(json_array_get(all, 0));
	else
		document = json_pack("{s:s, s:O}", "schema", "lariat/1", "traces", all);
	if (json_array_size(all) && document) {
		json_dumpf(document, c->out, JSON_COMPACT);
		fputc('\n', c->out);
	}
	json_decref(document);
	json_decref(all);
}

static void print_all(struct top_set *s)
{
	const struct cmd_context *c = s->c;
	uint64_t pace = top_set_pace(s, c->top.interval_ns);

	for (size_t i = 0; i < s->count && c->format == CMD_TEXT; i++)
		if (!s->entry[i]->shown && s->entry[i]->process->a)
			print_text(c, s->entry[i], pace > c->top.interval_ns ? pace : 0);
	if (c->format == CMD_JSON)
		print_json(s);
	fflush(c->out);
	for (size_t i = 0; i < s->count; i++)
		s->entry[i]->shown = s->entry[i]->process->ended;
}

/* Says which files cannot be read, each once; the number of those that can. */
static size_t complain(struct top_set *s)
{
	size_t good = 0;

	for (size_t i = 0; i < s->count; i++) {
		struct top_entry *e = s->entry[i];
		const struct trace_error *why = &e->process->trouble;

		good += !e->error || e->process->refreshes;
		if (!e->error || e->complained)
			continue;
		e->complained = true;
		if (why->offset)
			fprintf(s->c->err, "lariat: %s: offset %" PRIu64 ": %s\n", e->process->path,
				why->offset, why->text);
		else
			fprintf(s->c->err, "lariat: %s: %s\n", e->process->path, why->text);
	}
	return good;
}

/* A trace of which nothing could be shown to the end. */
static bool any_unread(const struct top_set *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->entry[i]->error && !s->entry[i]->process->refreshes)
			return true;
	return false;
}

static int batch(struct top_set *s)
{
	const struct cmd_context *c = s->c;

	for (uint64_t n = 1;; n++) {
		uint64_t start = clock_ns();

		if (top_set_refresh(s))
			return CMD_UNREADABLE;
		if (!complain(s))
			return CMD_UNREADABLE;
		print_all(s);
		if (ferror(c->out) || n == c->top.iterations || !top_set_alive(s))
			break;
		sleep_until(start + top_set_pace(s, c->top.interval_ns));
	}
	return any_unread(s) ? CMD_UNREADABLE : CMD_DONE;
}

/* With figures before the screen is taken: what cannot be read at all is said on the line. */
static int interactive(struct top_set *s)
{
	int code;

	if (s->c->progress)
		fprintf(s->c->err, "lariat: reading %s ...", s->c->names[0]);
	code = top_set_refresh(s);
	if (s->c->progress)
		fputs("\r\033[K", s->c->err);
	if (code || !complain(s))
		return CMD_UNREADABLE;
	if (!top_terminal_open(s->c->color)) {
		fputs("lariat: this terminal cannot be drawn on, blocks of text follow\n",
		      s->c->err);
		return batch(s);
	}
	code = top_screen_run(s);
	top_terminal_close();
	return code;
}

static bool wants_screen(const struct cmd_context *c)
{
	return !c->top.batch && !c->top.iterations && c->format == CMD_TEXT &&
	       isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

static void catch_signals(void)
{
	struct sigaction sa = { .sa_handler = stop };

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
}

int cmd_top(const struct cmd_context *c)
{
	struct top_set set;
	int code = CMD_UNREADABLE;

	if (!top_set_init(&set, c)) {
		catch_signals();
		code = wants_screen(c) ? interactive(&set) : batch(&set);
	}
	top_set_fini(&set);
	return code;
}
