/* SPDX-License-Identifier: MIT */
/* Aligned text output; see table.h. */
#include "table.h"

#include <stdlib.h>
#include <string.h>

#include "symbols.h"
#include "utf8.h"

#define CELL_SIZE	 32
#define INDENT		 2
#define GAP		 2
#define LEAST_LAST_WIDTH 24

struct line {
	char *head, *tail;
	enum style style;
	enum { LINE_PLAIN, LINE_FUNCTION, LINE_WORDS } kind;
};

struct row {
	char cell[TABLE_COLUMNS][CELL_SIZE];
	unsigned cells;
	struct line *lines;
	unsigned line_count;
};

struct table {
	const struct cmd_context *c;
	const char *title[TABLE_COLUMNS];
	bool dropped[TABLE_COLUMNS], words[TABLE_COLUMNS];
	unsigned columns;
	const char *last;
	struct row *rows;
	uint32_t count, size;
	bool spaced, failed;
};

void style_print(const struct cmd_context *c, enum style style, const char *text)
{
	static const char *const code[] = { [STYLE_PLAIN] = "",
					    [STYLE_BOLD] = "\033[1m",
					    [STYLE_DIM] = "\033[2m",
					    [STYLE_TITLE] = "\033[1;36m",
					    [STYLE_ALERT] = "\033[1;33m" };
	char *tame = strdup(text);

	if (!tame)
		return;
	utf8_tame(tame);
	if (c->color && style != STYLE_PLAIN)
		fprintf(c->out, "%s%s\033[0m", code[style], tame);
	else
		fputs(tame, c->out);
	free(tame);
}

struct table *table_new(const struct cmd_context *c, const char *const *titles, const char *last)
{
	struct table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->c = c;
	t->last = last;
	while (titles[t->columns] && t->columns < TABLE_COLUMNS) {
		t->words[t->columns] = *titles[t->columns] == '<';
		t->title[t->columns] = titles[t->columns] + t->words[t->columns];
		t->columns++;
	}
	return t;
}

void table_row(struct table *t)
{
	if (!t)
		return;
	if (array_reserve((void **)&t->rows, &t->size, t->count, sizeof(*t->rows)))
		t->failed = true;
	else
		t->count++;
}

void table_cell(struct table *t, const char *text)
{
	struct row *r;

	if (!t || t->failed || !t->count)
		return;
	r = &t->rows[t->count - 1];
	if (r->cells < t->columns)
		snprintf(r->cell[r->cells++], CELL_SIZE, "%s", text);
}

static void line_add(struct table *t, enum style style, const char *head, const char *tail,
		     int kind)
{
	struct row *r;
	struct line *grown;

	if (!t || t->failed || !t->count)
		return;
	r = &t->rows[t->count - 1];
	grown = reallocarray(r->lines, r->line_count + 1, sizeof(*grown));
	if (!grown)
		return;
	r->lines = grown;
	grown[r->line_count] = (struct line){ strdup(head), strdup(tail ? tail : ""), style, kind };
	if (grown[r->line_count].head && grown[r->line_count].tail)
		r->line_count++;
}

void table_line(struct table *t, enum style style, const char *head, const char *tail)
{
	line_add(t, style, head, tail, LINE_PLAIN);
}

void table_words(struct table *t, const char *text)
{
	line_add(t, STYLE_DIM, text, NULL, LINE_WORDS);
}

void table_function(struct table *t, enum style style, const char *function, const char *tail)
{
	line_add(t, style, function, tail, LINE_FUNCTION);
}

void table_space_rows(struct table *t)
{
	if (t)
		t->spaced = true;
}

void table_drop_empty(struct table *t, unsigned column)
{
	if (!t || column >= t->columns)
		return;
	for (uint32_t i = 0; i < t->count; i++) {
		const char *cell = t->rows[i].cell[column];

		if (strcmp(cell, "0") && strcmp(cell, "0 B") && strcmp(cell, "-") &&
		    strcmp(cell, "0 ns"))
			return;
	}
	t->dropped[column] = true;
}

void table_drop(struct table *t, unsigned column)
{
	if (t && column < t->columns)
		t->dropped[column] = true;
}

static void spaces(FILE *out, unsigned n)
{
	fprintf(out, "%*s", (int)n, "");
}

/* At most `width` columns of a text, its middle left out when it is longer. */
static void fit_middle(char *s, size_t width)
{
	size_t columns = utf8_columns(s), front, back;
	char *end;

	if (columns <= width || width < 4)
		return;
	front = utf8_prefix(s, (width - 2) / 3);
	back = utf8_prefix(s, columns - (width - 2 - (width - 2) / 3));
	end = s + back;
	memmove(s + front + 2, end, strlen(end) + 1);
	memcpy(s + front, "..", 2);
}

/* Words in dim, continued below each other. */
static void print_words(const struct table *t, const char *text, unsigned indent, unsigned width)
{
	const char *p = text;

	while (*p) {
		size_t take = utf8_prefix(p, width), cut = take;
		char line[256];

		while (p[take] && cut && p[cut] != ' ')
			cut--;
		if (!p[take] || !cut)
			cut = take;
		if (p != text)
			spaces(t->c->out, indent);
		snprintf(line, sizeof(line), "%.*s", (int)cut, p);
		style_print(t->c, STYLE_DIM, line);
		fputc('\n', t->c->out);
		for (p += cut; *p == ' '; p++)
			;
	}
}

/* A function and its place; in a narrow column the place goes when both do not fit. */
static void fit_function(const char *function, char *head, size_t head_size, char *tail,
			 unsigned width)
{
	size_t tail_columns, room;

	symbols_short_name(function, head, head_size);
	utf8_tame(head);
	tail_columns = *tail ? utf8_columns(tail) + 2 : 0;
	if (utf8_columns(head) + tail_columns <= width)
		return;
	if (width < 34) {
		*tail = '\0';
		tail_columns = 0;
	} else {
		fit_middle(tail, width / 2);
		tail_columns = *tail ? utf8_columns(tail) + 2 : 0;
	}
	room = width - tail_columns + 1;
	symbols_short_name(function, head, room < head_size ? room : head_size);
	utf8_tame(head);
}

static void print_line(const struct table *t, const struct line *l, unsigned indent, unsigned width)
{
	char head[512], tail[512];
	unsigned lead = l->style == STYLE_DIM && l->kind == LINE_FUNCTION ? 2 : 0;

	if (l->kind == LINE_WORDS) {
		print_words(t, l->head, indent, width);
		return;
	}
	width -= lead;
	snprintf(tail, sizeof(tail), "%s", l->tail);
	utf8_tame(tail);
	if (l->kind == LINE_FUNCTION) {
		fit_function(l->head, head, sizeof(head), tail, width);
	} else {
		size_t columns;

		snprintf(head, sizeof(head), "%s", l->head);
		utf8_tame(head);
		columns = utf8_columns(head);
		if (*tail)
			fit_middle(tail, columns + 14 < width ? width - columns - 2 : 12);
		columns = *tail ? utf8_columns(tail) + 2 : 0;
		fit_middle(head, columns < width ? width - columns : 4);
	}
	spaces(t->c->out, lead);
	style_print(t->c, l->style, head);
	if (*tail) {
		fputs("  ", t->c->out);
		style_print(t->c, STYLE_DIM, tail);
	}
	fputc('\n', t->c->out);
}

/* Where the last column goes: beside the figures, or below them where they leave no room. */
struct layout {
	unsigned width[TABLE_COLUMNS];
	unsigned last_indent, last_width;
	bool below;
	bool hidden[TABLE_COLUMNS];
};

static void print_title(const struct table *t, const struct layout *l)
{
	char text[256] = "";
	size_t used = 0;

	for (unsigned i = 0; i < t->columns; i++)
		if (!l->hidden[i] && used < sizeof(text) - 64)
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%*s%*s",
						 (t->words[i] ? -1 : 1) * (int)l->width[i],
						 t->title[i], GAP, "");
	snprintf(text + used, sizeof(text) - used, "%s", t->last && !l->below ? t->last : "");
	for (used = strlen(text); used && text[used - 1] == ' '; used--)
		text[used - 1] = '\0';
	spaces(t->c->out, INDENT);
	style_print(t->c, STYLE_DIM, text);
	fputc('\n', t->c->out);
}

static void print_words_cell(const struct cmd_context *c, const char *text, unsigned width)
{
	size_t columns = utf8_columns(text);

	style_print(c, STYLE_BOLD, text);
	spaces(c->out, columns < width ? width - (unsigned)columns : 0);
}

static void print_row(const struct table *t, const struct row *r, const struct layout *l)
{
	bool first = true;

	spaces(t->c->out, INDENT);
	for (unsigned i = 0; i < t->columns; i++) {
		if (l->hidden[i])
			continue;
		if (!first)
			spaces(t->c->out, GAP);
		first = false;
		if (t->words[i])
			print_words_cell(t->c, r->cell[i], l->width[i]);
		else
			fprintf(t->c->out, "%*s", (int)l->width[i], r->cell[i]);
	}
	if (!first && r->line_count && !l->below)
		spaces(t->c->out, GAP);
	if (!r->line_count || l->below)
		fputc('\n', t->c->out);
	for (unsigned i = 0; i < r->line_count; i++) {
		if (i || l->below)
			spaces(t->c->out, l->last_indent);
		print_line(t, &r->lines[i], l->last_indent, l->last_width);
	}
}

static void table_free(struct table *t)
{
	for (uint32_t i = 0; i < t->count; i++) {
		for (unsigned k = 0; k < t->rows[i].line_count; k++) {
			free(t->rows[i].lines[k].head);
			free(t->rows[i].lines[k].tail);
		}
		free(t->rows[i].lines);
	}
	free(t->rows);
	free(t);
}

static void table_layout(const struct table *t, struct layout *l)
{
	unsigned figures = 0;

	for (unsigned i = 0; i < t->columns; i++) {
		l->width[i] = (unsigned)strlen(t->title[i]);
		for (uint32_t k = 0; k < t->count; k++)
			if (utf8_columns(t->rows[k].cell[i]) > l->width[i])
				l->width[i] = (unsigned)utf8_columns(t->rows[k].cell[i]);
		l->hidden[i] = t->dropped[i];
		if (!l->hidden[i])
			figures += l->width[i] + GAP;
	}
	/* what has no room at all goes, from the right */
	for (unsigned i = t->columns; i-- > 1 && INDENT + figures - GAP > t->c->width;) {
		if (l->hidden[i])
			continue;
		l->hidden[i] = true;
		figures -= l->width[i] + GAP;
	}
	l->last_indent = INDENT + figures;
	l->below = t->c->width < l->last_indent + LEAST_LAST_WIDTH;
	if (l->below)
		l->last_indent = 3 * INDENT;
	l->last_width = t->c->width - l->last_indent;
}

void table_print(struct table *t)
{
	struct layout l;

	if (!t)
		return;
	table_layout(t, &l);
	if (t->count)
		print_title(t, &l);
	for (uint32_t i = 0; i < t->count; i++) {
		if (i && t->spaced)
			fputc('\n', t->c->out);
		print_row(t, &t->rows[i], &l);
	}
	table_free(t);
}
