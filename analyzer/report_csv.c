/* SPDX-License-Identifier: MIT */
/* CSV from JSON; see report_csv.h. */
#include "report_csv.h"

#include <string.h>

#include "analysis.h"
#include "utf8.h"

/* Quotes where needed. No control characters: JSON has them, where they are escaped. */
static void put_text(FILE *out, const char *s)
{
	bool quoted = s[strcspn(s, ",\"")];

	if (quoted)
		fputc('"', out);
	while (*s) {
		if (*s == '"')
			fputc('"', out);
		s += utf8_put_one(out, s);
	}
	if (quoted)
		fputc('"', out);
}

static void put_stack(FILE *out, const json_t *stack)
{
	char text[8192];
	size_t used = 0, i;
	json_t *frame;

	*text = '\0';
	json_array_foreach (stack, i, frame) {
		const char *function = json_string_value(json_object_get(frame, "function"));
		int n = snprintf(text + used, sizeof(text) - used, "%s%s", i ? ";" : "",
				 function ? function : "");

		if (n < 0 || (size_t)n >= sizeof(text) - used)
			break;
		used += (size_t)n;
	}
	put_text(out, text);
}

static void put_value(FILE *out, const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_STRING:
		put_text(out, json_string_value(v));
		break;
	case JSON_INTEGER:
		fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
		break;
	case JSON_REAL:
		fprintf(out, "%.17g", json_real_value(v));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		fputs(json_is_true(v) ? "true" : "false", out);
		break;
	case JSON_ARRAY:
		put_stack(out, v);
		break;
	default:
		break;
	}
}

/* Nested objects become keys joined by dots. */
static void flatten(json_t *from, const char *prefix, json_t *to)
{
	const char *key;
	json_t *v;

	json_object_foreach (from, key, v) {
		char name[200];

		snprintf(name, sizeof(name), "%s%s%s", prefix, *prefix ? "." : "", key);
		if (json_is_object(v))
			flatten(v, name, to);
		else
			json_object_set(to, name, v);
	}
}

/* Not all rows have all keys: a column is there when some row has it. */
static void put_rows(FILE *out, const json_t *rows, bool header)
{
	json_t *columns = json_object(), *row, *v;
	const char *key;
	bool first = true;
	size_t i;

	json_array_foreach (rows, i, row)
		json_object_update_missing(columns, row);
	json_object_foreach (columns, key, v) {
		if (!header)
			break;
		if (!first)
			fputc(',', out);
		first = false;
		put_text(out, key);
	}
	if (header && !first)
		fputs("\r\n", out);
	json_array_foreach (rows, i, row) {
		first = true;
		json_object_foreach (columns, key, v) {
			json_t *value = json_object_get(row, key);

			if (!first)
				fputc(',', out);
			first = false;
			if (value)
				put_value(out, value);
		}
		fputs("\r\n", out);
	}
	json_decref(columns);
}

static const struct {
	unsigned part;
	const char *key, *list;
} lists[] = {
	{ PART_HEAP, "heap", "sites" },	     { PART_LEAKS, "leaks", "sites" },
	{ PART_IO, "io", "sites" },	     { PART_LOCKS, "locks", "sites" },
	{ PART_THREADS, "threads", "list" }, { PART_GROWTH, "growth", "samples" },
};

static void put_everything(FILE *out, json_t *report, bool header)
{
	json_t *flat = json_object(), *v;
	const char *key;

	flatten(report, "", flat);
	if (header)
		fputs("key,value\r\n", out);
	json_object_foreach (flat, key, v) {
		if (json_is_array(v))
			continue;
		put_text(out, key);
		fputc(',', out);
		put_value(out, v);
		fputs("\r\n", out);
	}
	json_decref(flat);
}

void csv_report(const struct cmd_context *c, json_t *report, unsigned parts, bool header)
{
	for (size_t k = 0; k < sizeof(lists) / sizeof(*lists); k++) {
		json_t *rows, *row;
		size_t i;

		if (lists[k].part != parts)
			continue;
		rows = json_array();
		json_array_foreach (
			json_object_get(json_object_get(report, lists[k].key), lists[k].list), i,
			row) {
			json_t *flat = json_object();

			flatten(row, "", flat);
			json_array_append_new(rows, flat);
		}
		put_rows(c->out, rows, header);
		json_decref(rows);
		return;
	}
	put_everything(c->out, report, header);
}
