/* SPDX-License-Identifier: MIT */
/*
 * Suppressions of leaks in LeakSanitizer's syntax: lines leak:PATTERN, blank lines, and comments
 * that begin with #. A pattern matches anywhere in the name of a function, source file or module
 * of a stack; * stands for anything, ^ and $ for start and end. One thread at a time.
 */
#ifndef LARIAT_SUPPRESS_H
#define LARIAT_SUPPRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct suppression {
	char *pattern;
	uint32_t line;
	uint64_t hits; /* sites that it was the first to match */
};

struct suppressions {
	struct suppression *list;
	uint32_t count;
};

/*
 * Reads a file. Returns 0, -errno of the file, or -EINVAL with *line set to one that is no
 * suppression. On success *out is the caller's.
 */
int suppressions_load(const char *path, struct suppressions **out, uint32_t *line);
void suppressions_free(struct suppressions *s);

/* The first suppression that matches a name, or NULL; does not count. `name` may be NULL. */
struct suppression *suppressions_match(struct suppressions *s, const char *name);

/* Does the pattern match the text? */
bool suppress_pattern_matches(const char *pattern, const char *text);

#endif
