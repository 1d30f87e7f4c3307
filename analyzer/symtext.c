/* SPDX-License-Identifier: MIT */
/* Strings kept once: see symtext.h. */
#define HASH_NONFATAL_OOM 1
#include "symtext.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct symtext_entry {
	UT_hash_handle hh;
	char text[];
};

#undef uthash_nonfatal_oom
#define uthash_nonfatal_oom(entry) (added = false)

const char *symtext_keep(struct symtext *t, const char *text, size_t size)
{
	struct symtext_entry *e;
	bool added = true;

	HASH_FIND(hh, t->table, text, size, e);
	if (e)
		return e->text;
	e = malloc(sizeof(*e) + size + 1);
	if (!e)
		return NULL;
	memcpy(e->text, text, size);
	e->text[size] = '\0';
	HASH_ADD_KEYPTR(hh, t->table, e->text, size, e);
	if (!added) {
		free(e);
		return NULL;
	}
	return e->text;
}

/* Where the last component of path[0..size), a path without trailing '/', starts. */
static size_t last_component(const char *path, size_t size)
{
	while (size > 0 && path[size - 1] != '/')
		size--;
	return size;
}

/* Appends one component to the path of `size` bytes in `out`; returns the new size. */
static size_t append(char *out, size_t size, bool absolute, const char *part, size_t part_size)
{
	if (part_size == 0 || (part_size == 1 && part[0] == '.'))
		return size;
	if (part_size == 2 && memcmp(part, "..", 2) == 0) {
		size_t last = last_component(out, size);

		if (size == 0 && absolute)
			return 0;
		if (size > last && !(size - last == 2 && memcmp(out + last, "..", 2) == 0))
			return last ? last - 1 : 0;
	}
	if (size > 0 || absolute)
		out[size++] = '/';
	memcpy(out + size, part, part_size);
	return size + part_size;
}

/* Where the directory is relative itself, libdw has joined some paths to it already. */
static bool needs_directory(const char *directory, const char *path)
{
	size_t size = directory ? strlen(directory) : 0;

	if (path[0] == '/' || size == 0)
		return false;
	return directory[0] == '/' || strncmp(path, directory, size) != 0 || path[size] != '/';
}

const char *symtext_keep_path(struct symtext *t, const char *directory, const char *path)
{
	char joined[PATH_MAX], out[PATH_MAX + 2];
	size_t size = 0;
	bool join = needs_directory(directory, path);
	int n = snprintf(joined, sizeof(joined), "%s%s%s", join ? directory : "", join ? "/" : "",
			 path);

	if (n < 0 || (size_t)n >= sizeof(joined))
		return symtext_keep(t, path, strlen(path));
	for (const char *p = joined; *p;) {
		size_t part = strcspn(p, "/");

		size = append(out, size, joined[0] == '/', p, part);
		p += part + (p[part] == '/');
	}
	return symtext_keep(t, out, size);
}

void symtext_free(struct symtext *t)
{
	struct symtext_entry *e, *next;

	HASH_ITER (hh, t->table, e, next) {
		HASH_DEL(t->table, e);
		free(e);
	}
}
