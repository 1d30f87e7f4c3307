/* SPDX-License-Identifier: MIT */
/* Text made fit for output; see utf8.h. */
#include "utf8.h"

#include <stdbool.h>
#include <stdint.h>

/* Bytes of the well-formed sequence at s (Unicode 15, table 3-7), 0 = it is none. */
static size_t sequence_length(const unsigned char *s)
{
	size_t length;
	uint32_t code;

	if (*s < 0x80)
		return *s != 0;
	length = *s >= 0xf0 ? 4 : *s >= 0xe0 ? 3 : 2;
	if (*s < 0xc2 || *s > 0xf4)
		return 0;
	code = *s & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3f);
	}
	if ((length == 3 && code < 0x800) || (length == 4 && code < 0x10000) || code > 0x10ffff ||
	    (code >= 0xd800 && code <= 0xdfff))
		return 0;
	return length;
}

/* C0, DEL, and C1 as two bytes. */
static bool is_control(const char *s)
{
	unsigned char c = (unsigned char)*s, next = (unsigned char)s[1];

	return c < 0x20 || c == 0x7f || (c == 0xc2 && next < 0xa0);
}

static void replace(char *s, bool controls)
{
	while (*s) {
		size_t n = sequence_length((unsigned char *)s);

		if (n && controls && is_control(s)) {
			for (size_t i = 0; i < n; i++)
				s[i] = '?';
		}
		if (!n) {
			*s = '?';
			n = 1;
		}
		s += n;
	}
}

void utf8_repair(char *s)
{
	replace(s, false);
}

void utf8_tame(char *s)
{
	replace(s, true);
}

size_t utf8_put_one(FILE *out, const char *s)
{
	size_t n = sequence_length((const unsigned char *)s);

	if (n && !is_control(s))
		fwrite(s, 1, n, out);
	else
		fputc('?', out);
	return n ? n : 1;
}

void utf8_put(FILE *out, const char *s)
{
	while (*s)
		s += utf8_put_one(out, s);
}

size_t utf8_columns(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

size_t utf8_prefix(const char *s, size_t columns)
{
	size_t i = 0;

	for (; s[i]; i++)
		if ((s[i] & 0xc0) != 0x80 && columns-- == 0)
			break;
	return i;
}
