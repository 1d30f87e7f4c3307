/* SPDX-License-Identifier: MIT */
/* Writes JSON; see jsonline.h. */
#include "jsonline.h"

#include <stdlib.h>
#include <string.h>

static char *room(struct jsonline *j, size_t more)
{
	size_t capacity = j->capacity ? j->capacity : 4096;
	char *text;

	if (j->capacity - j->size >= more)
		return j->text + j->size;
	while (capacity - j->size < more)
		capacity *= 2;
	text = realloc(j->text, capacity);
	if (!text) {
		j->failed = true;
		return NULL;
	}
	j->text = text;
	j->capacity = capacity;
	return text + j->size;
}

static void put(struct jsonline *j, const char *text, size_t size)
{
	char *to = room(j, size);

	if (!to)
		return;
	memcpy(to, text, size);
	j->size += size;
}

static void put_char(struct jsonline *j, char c)
{
	put(j, &c, 1);
}

/* Before any value or key. */
static void separate(struct jsonline *j)
{
	if (j->comma)
		put_char(j, ',');
	j->comma = true;
}

void jsonline_fini(struct jsonline *j)
{
	free(j->text);
	memset(j, 0, sizeof(*j));
}

void jsonline_clear(struct jsonline *j)
{
	j->size = 0;
	j->comma = j->failed = false;
}

void jsonline_open(struct jsonline *j, char bracket)
{
	separate(j);
	put_char(j, bracket);
	j->comma = false;
}

void jsonline_close(struct jsonline *j, char bracket)
{
	put_char(j, bracket);
	j->comma = true;
}

void jsonline_key(struct jsonline *j, const char *key)
{
	separate(j);
	put_char(j, '"');
	put(j, key, strlen(key));
	put(j, "\":", 2);
	j->comma = false;
}

void jsonline_unsigned(struct jsonline *j, uint64_t value)
{
	char text[20];
	size_t at = sizeof(text);

	separate(j);
	do {
		text[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	put(j, text + at, sizeof(text) - at);
}

void jsonline_signed(struct jsonline *j, int64_t value)
{
	if (value >= 0) {
		jsonline_unsigned(j, (uint64_t)value);
		return;
	}
	separate(j);
	put_char(j, '-');
	j->comma = false;
	jsonline_unsigned(j, 0 - (uint64_t)value);
}

void jsonline_bool(struct jsonline *j, bool value)
{
	separate(j);
	put(j, value ? "true" : "false", value ? 4 : 5);
}

void jsonline_null(struct jsonline *j)
{
	separate(j);
	put(j, "null", 4);
}

/* Bytes of the well-formed UTF-8 sequence at `s`, 0 when there is none (RFC 3629, section 4). */
static size_t utf8_length(const unsigned char *s)
{
	static const unsigned char first_low[] = { 0xa0, 0x90 };
	size_t n = s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;
	unsigned char low = 0x80, high = 0xbf;

	if (s[0] < 0x80)
		return 1;
	if (!n)
		return 0;
	if (s[0] == 0xe0 || s[0] == 0xf0)
		low = first_low[s[0] == 0xf0];
	if (s[0] == 0xed)
		high = 0x9f;
	if (s[0] == 0xf4)
		high = 0x8f;
	for (size_t i = 1; i < n; i++) {
		if (s[i] < low || s[i] > high)
			return 0;
		low = 0x80;
		high = 0xbf;
	}
	return n;
}

/* Bytes at the front that stand for themselves. */
static size_t plain_length(const unsigned char *s)
{
	size_t n = 0;

	while (s[n] >= 0x20 && s[n] < 0x7f && s[n] != '"' && s[n] != '\\')
		n++;
	return n;
}

void jsonline_string(struct jsonline *j, const char *value)
{
	const unsigned char *s = (const unsigned char *)value;

	separate(j);
	put_char(j, '"');
	while (*s) {
		size_t n = plain_length(s);
		char escape[8];

		if (n) {
			put(j, (const char *)s, n);
			s += n;
			continue;
		}
		n = utf8_length(s);
		if (!n) {
			put(j, "\xef\xbf\xbd", 3);
			s++;
			continue;
		}
		if (*s == '"' || *s == '\\') {
			put_char(j, '\\');
		} else if (*s < 0x20 || *s == 0x7f) {
			snprintf(escape, sizeof(escape), "\\u%04x", *s++);
			put(j, escape, 6);
			continue;
		}
		put(j, (const char *)s, n);
		s += n;
	}
	put_char(j, '"');
}

void jsonline_raw(struct jsonline *j, const struct jsonline *value)
{
	separate(j);
	put(j, value->text, value->size);
	j->failed |= value->failed;
}

void jsonline_write(const struct jsonline *j, FILE *out)
{
	fwrite(j->text, 1, j->size, out);
	putc('\n', out);
}
