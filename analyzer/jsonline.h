/* SPDX-License-Identifier: MIT */
/*
 * Builds one line of JSON in memory, for output too large to hold as a tree. One thread.
 *
 * Memory runs out silently: the line is then cut, jsonline_failed() tells.
 */
#ifndef LARIAT_JSONLINE_H
#define LARIAT_JSONLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct jsonline {
	char *text;
	size_t size, capacity;
	bool comma; /* the next value needs one before it */
	bool failed;
};

void jsonline_fini(struct jsonline *j);
void jsonline_clear(struct jsonline *j);

/* "{", "}", "[" or "]", with the comma that its place needs. */
void jsonline_open(struct jsonline *j, char bracket);
void jsonline_close(struct jsonline *j, char bracket);

/* A key; one of the values below, or an opening bracket, must follow. Keys are plain ASCII. */
void jsonline_key(struct jsonline *j, const char *key);
void jsonline_unsigned(struct jsonline *j, uint64_t value);
void jsonline_signed(struct jsonline *j, int64_t value);
void jsonline_bool(struct jsonline *j, bool value);
void jsonline_null(struct jsonline *j);
/* Bytes that are not UTF-8 become U+FFFD. */
void jsonline_string(struct jsonline *j, const char *value);

/* A whole value made elsewhere. */
void jsonline_raw(struct jsonline *j, const struct jsonline *value);

/* Writes the line with its newline. */
void jsonline_write(const struct jsonline *j, FILE *out);

#endif
