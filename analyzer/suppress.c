/* SPDX-License-Identifier: MIT */
/* Suppressions of leaks; see suppress.h. */
#include "suppress.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Text against a pattern of which `end` is the end, where * matches anything; with `open` also
 * what comes behind the pattern. Goes back to the last * only, which is enough, and takes
 * time of pattern times text at most.
 */
static bool matches_here(const char *p, const char *end, const char *text, bool open)
{
	const char *star = NULL, *from = NULL;

	for (;;) {
		if (p < end && *p == '*') {
			star = ++p;
			from = text;
		} else if (p == end && (open || !*text)) {
			return true;
		} else if (p < end && *text && *p == *text) {
			p++;
			text++;
		} else if (star && *from) {
			p = star;
			text = ++from;
		} else {
			return false;
		}
	}
}

bool suppress_pattern_matches(const char *pattern, const char *text)
{
	const char *end = pattern + strlen(pattern);
	bool open = true;

	if (end > pattern && end[-1] == '$') {
		open = false;
		end--;
	}
	if (pattern < end && *pattern == '^')
		return matches_here(pattern + 1, end, text, open);
	for (const char *t = text;; t++) {
		if (matches_here(pattern, end, t, open))
			return true;
		if (!*t)
			return false;
	}
}

struct suppression *suppressions_match(struct suppressions *s, const char *name)
{
	for (uint32_t i = 0; name && i < s->count; i++)
		if (suppress_pattern_matches(s->list[i].pattern, name))
			return &s->list[i];
	return NULL;
}

static int add(struct suppressions *s, const char *pattern, uint32_t line)
{
	struct suppression *list = reallocarray(s->list, s->count + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	s->list = list;
	list += s->count;
	*list = (struct suppression){ .pattern = strdup(pattern), .line = line };
	if (!list->pattern)
		return -ENOMEM;
	s->count++;
	return 0;
}

/* 0, -EINVAL, -ENOMEM */
static int add_line(struct suppressions *s, char *text, uint32_t line)
{
	static const char type[] = "leak:";
	size_t n;

	text += strspn(text, " \t");
	for (n = strcspn(text, "\r\n"); n && strchr(" \t", text[n - 1]); n--)
		continue;
	text[n] = '\0';
	if (!*text || *text == '#')
		return 0;
	/* an empty pattern would match everything */
	if (strncmp(text, type, sizeof(type) - 1) || !text[sizeof(type) - 1])
		return -EINVAL;
	return add(s, text + sizeof(type) - 1, line);
}

int suppressions_load(const char *path, struct suppressions **out, uint32_t *line)
{
	struct suppressions *s = calloc(1, sizeof(*s));
	char *text = NULL;
	size_t room = 0;
	int err = 0;
	FILE *f;

	*line = 0;
	if (!s)
		return -ENOMEM;
	f = fopen(path, "re");
	if (!f)
		err = -errno;
	while (!err && getline(&text, &room, f) >= 0)
		err = add_line(s, text, ++*line);
	if (!err && ferror(f))
		err = -EIO;
	if (f)
		fclose(f);
	free(text);
	if (err)
		suppressions_free(s);
	else
		*out = s;
	return err;
}

void suppressions_free(struct suppressions *s)
{
	if (!s)
		return;
	for (uint32_t i = 0; i < s->count; i++)
		free(s->list[i].pattern);
	free(s->list);
	free(s);
}
