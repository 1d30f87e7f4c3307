/* SPDX-License-Identifier: MIT */
/* Wrong frees as text. */
#include <inttypes.h>
#include <string.h>

#include "report_text.h"

static const char *what(enum lar_misuse kind)
{
	static const char *const text[LAR_MISUSE_KINDS] = {
		[LAR_MISUSE_DOUBLE] = "freed twice",	[LAR_MISUSE_FOREIGN] = "no block",
		[LAR_MISUSE_MISMATCHED] = "wrong pair", [LAR_MISUSE_REALLOC] = "realloc of freed",
		[LAR_MISUSE_MISSIZED] = "wrong size",
	};

	return text[kind] ? text[kind] : "";
}

/* The name that the program's author knows it by. */
static const char *written(unsigned call)
{
	const char *name = call_name(call);
	bool is_operator = !strncmp(name, "_Z", 2);

	if (!is_operator)
		return name;
	return !strncmp(name, "_Znw", 4)   ? "new"
	       : !strncmp(name, "_Zna", 4) ? "new[]"
	       : !strncmp(name, "_Zdl", 4) ? "delete"
					   : "delete[]";
}

static const char *made_by(const struct misuse_place *p)
{
	static const char *const by[] = { "?", "malloc", "new", "new[]" };

	if (p->made.call)
		return written(p->made.call);
	return p->record->state < sizeof(by) / sizeof(*by) ? by[p->record->state] : "?";
}

/* "made by new[] and given back by free", "24 B inside a block of 100 B" */
static void print_what(struct table *t, const struct misuse_place *p)
{
	char text[160], x[FORMAT_SIZE], y[FORMAT_SIZE];

	if (p->kind == LAR_MISUSE_MISMATCHED)
		snprintf(text, sizeof(text), "made by %s and given back by %s", made_by(p),
			 written(p->record->call));
	else if (p->kind == LAR_MISUSE_MISSIZED)
		snprintf(text, sizeof(text), "made with %s and given back as %s",
			 format_bytes(x, p->record->freed_at),
			 format_bytes(y, p->record->named_size));
	else if (p->inside_bytes)
		snprintf(text, sizeof(text), "%s into a block of %s",
			 format_bytes(x, p->inside_bytes), format_bytes(y, p->made.size_bytes));
	else
		return;
	table_words(t, text);
}

static void print_act(struct analysis *a, struct table *t, const char *which,
		      const struct misuse_act *act)
{
	char text[160], x[FORMAT_SIZE], y[FORMAT_SIZE];
	int n;

	if (!act->known)
		return;
	n = snprintf(text, sizeof(text), "%s", which);
	if (act->size_bytes)
		n += snprintf(text + n, sizeof(text) - (size_t)n, " (%s)",
			      format_bytes(x, act->size_bytes));
	if (act->thread)
		snprintf(text + n, sizeof(text) - (size_t)n, " at %s by thread %" PRIu32 ":",
			 format_time(y, act->time_ns), act->thread);
	else
		snprintf(text + n, sizeof(text) - (size_t)n, ":");
	table_words(t, text);
	if (act->has_stack)
		text_callers(a, t, act->stack, TEXT_CALLERS);
}

static void print_place(struct analysis *a, struct table *t, const struct misuse_place *p,
			bool brief)
{
	table_row(t);
	table_cell(t, what(p->kind));
	cell_count(t, p->count);
	text_stack(a, t, p->stack, brief ? 1 : TEXT_CALLERS);
	print_what(t, p);
	print_act(a, t, "first given back", &p->freed);
	if (p->freed.has_stack)
		table_words(t, "(the innermost call: of a free no more is kept)");
	if (!brief || p->kind == LAR_MISUSE_MISMATCHED || p->kind == LAR_MISUSE_MISSIZED)
		print_act(a, t, "allocated", &p->made);
}

void text_misuse(struct analysis *a, bool brief)
{
	static const char *const titles[] = { "<WRONG FREE", "TIMES", NULL };
	const struct misuse_model *m = a->misuse;
	uint32_t shown = 0, places = 0;
	struct table *t;

	for (uint32_t i = 0; i < m->places; i++)
		places += m->place[i].kind != LAR_MISUSE_NONE;
	if (!places)
		return;
	shown = text_shown(a, brief, places);
	text_caption(a, m->counts_exact ? "Wrong frees" : "Wrong frees, at least so many", shown,
		     places);
	t = table_new(a->context, titles, "SITE");
	for (uint32_t i = 0; i < m->places && shown; i++) {
		if (m->place[i].kind == LAR_MISUSE_NONE)
			continue;
		print_place(a, t, &m->place[i], brief);
		shown--;
	}
	table_space_rows(t);
	table_print(t);
}
