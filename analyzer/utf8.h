/* SPDX-License-Identifier: MIT */
/* Text of unknown origin made fit for output: UTF-8 without control characters. */
#ifndef LARIAT_UTF8_H
#define LARIAT_UTF8_H

#include <stddef.h>
#include <stdio.h>

/* Replaces each byte that is not part of well-formed UTF-8 by a question mark. */
void utf8_repair(char *s);

/* Replaces control characters (escape sequences among them) by question marks, too. */
void utf8_tame(char *s);

/* Writes it as utf8_tame() leaves it; the text itself stays. */
void utf8_put(FILE *out, const char *s);

/* The same of its first character; returns how many bytes that has. Not of the empty text. */
size_t utf8_put_one(FILE *out, const char *s);

/* Characters in well-formed UTF-8, taken as columns. */
size_t utf8_columns(const char *s);

/* Bytes of the first `columns` characters. */
size_t utf8_prefix(const char *s, size_t columns);

#endif
