/* SPDX-License-Identifier: MIT */
/* JSON to a file; see json_write.h. */
#include "json_write.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define INDENT	 2
#define MAX_REAL 100 /* bytes of one */

/* A call of stdio for each word is too much. */
struct writer {
	FILE *out;
	bool failed;
	size_t used;
	char text[65536];
};

static void flush(struct writer *w)
{
	w->failed |= fwrite(w->text, 1, w->used, w->out) != w->used;
	w->used = 0;
}

static void put(struct writer *w, const char *text, size_t size)
{
	if (size > sizeof(w->text) - w->used)
		flush(w);
	if (size > sizeof(w->text)) {
		w->failed |= fwrite(text, 1, size, w->out) != size;
		return;
	}
	memcpy(w->text + w->used, text, size);
	w->used += size;
}

static void put_char(struct writer *w, char c)
{
	if (w->used == sizeof(w->text))
		flush(w);
	w->text[w->used++] = c;
}

static void new_line(struct writer *w, unsigned depth)
{
	static const char spaces[] = "\n                                ";
	size_t left = (size_t)depth * INDENT, most = sizeof(spaces) - 2;
	size_t n = left < most ? left : most;

	put(w, spaces, 1 + n);
	for (left -= n; left; left -= n) {
		n = left < most ? left : most;
		put(w, spaces + 1, n);
	}
}

static bool is_plain(char c)
{
	return (unsigned char)c >= 0x20 && c != '"' && c != '\\';
}

static void put_escaped(struct writer *w, char c)
{
	static const char codes[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
	const char *known = c ? strchr(codes, c) : NULL;
	char text[8];

	if (known) {
		put_char(w, '\\');
		put_char(w, letters[known - codes]);
		return;
	}
	snprintf(text, sizeof(text), "\\u%04X", (unsigned)c & 0xff);
	put(w, text, 6);
}

static void put_string(struct writer *w, const char *s, size_t size)
{
	size_t from = 0;

	put_char(w, '"');
	for (size_t i = 0; i < size; i++) {
		if (is_plain(s[i]))
			continue;
		put(w, s + from, i - from);
		put_escaped(w, s[i]);
		from = i + 1;
	}
	put(w, s + from, size - from);
	put_char(w, '"');
}

static void put_integer(struct writer *w, json_int_t value)
{
	uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	char text[24];
	size_t at = sizeof(text);

	do {
		text[--at] = (char)('0' + left % 10);
		left /= 10;
	} while (left);
	if (value < 0)
		text[--at] = '-';
	put(w, text + at, sizeof(text) - at);
}

static void put_real(struct writer *w, const json_t *value)
{
	char text[MAX_REAL];
	size_t size =
		json_dumpb(value, text, sizeof(text), JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));

	w->failed |= !size || size > sizeof(text);
	put(w, text, size > sizeof(text) ? 0 : size);
}

static void put_value(struct writer *w, const json_t *value, unsigned depth);

static void put_array(struct writer *w, const json_t *array, unsigned depth)
{
	size_t count = json_array_size(array);

	put_char(w, '[');
	for (size_t i = 0; i < count; i++) {
		if (i)
			put_char(w, ',');
		new_line(w, depth + 1);
		put_value(w, json_array_get(array, i), depth + 1);
	}
	if (count)
		new_line(w, depth);
	put_char(w, ']');
}

static void put_object(struct writer *w, json_t *object, unsigned depth)
{
	bool first = true;

	put_char(w, '{');
	for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
		const char *key = json_object_iter_key(at);

		if (!first)
			put_char(w, ',');
		first = false;
		new_line(w, depth + 1);
		put_string(w, key, strlen(key));
		put(w, ": ", 2);
		put_value(w, json_object_iter_value(at), depth + 1);
	}
	if (!first)
		new_line(w, depth);
	put_char(w, '}');
}

static void put_value(struct writer *w, const json_t *value, unsigned depth)
{
	if (!value) {
		w->failed = true;
		return;
	}
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		put_object(w, (json_t *)(uintptr_t)value, depth);
		break;
	case JSON_ARRAY:
		put_array(w, value, depth);
		break;
	case JSON_STRING:
		put_string(w, json_string_value(value), json_string_length(value));
		break;
	case JSON_INTEGER:
		put_integer(w, json_integer_value(value));
		break;
	case JSON_REAL:
		put_real(w, value);
		break;
	case JSON_TRUE:
		put(w, "true", 4);
		break;
	case JSON_FALSE:
		put(w, "false", 5);
		break;
	case JSON_NULL:
		put(w, "null", 4);
		break;
	}
}

int json_write(const json_t *document, FILE *out)
{
	struct writer w;

	w.out = out;
	w.failed = false;
	w.used = 0;
	put_value(&w, document, 0);
	flush(&w);
	return w.failed ? -1 : 0;
}
