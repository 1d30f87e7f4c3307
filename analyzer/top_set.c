/* SPDX-License-Identifier: MIT */
/* The processes of a live view; see top_set.h. */
#include "top_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "alive.h"
#include "paths.h"
#include "ringfile.h"

#define MAX_ENTRIES 256 /* held at once, while there are ended ones to let go of */

static void entry_free(struct top_entry *e)
{
	for (unsigned v = 0; v < TOP_VIEWS; v++)
		top_rows_fini(&e->rows[v]);
	top_process_free(e->process);
	free(e);
}

void top_set_fini(struct top_set *s)
{
	for (size_t i = 0; i < s->count; i++)
		entry_free(s->entry[i]);
	for (size_t i = 0; i < s->known_count; i++)
		free(s->known[i]);
	free(s->entry);
	free(s->known);
}

/* Takes one that has ended out of the list, the first; it has been told. */
static void make_room(struct top_set *s)
{
	for (size_t i = 0; s->count >= MAX_ENTRIES && i < s->count; i++) {
		if (!s->entry[i]->process->ended || !s->entry[i]->shown)
			continue;
		entry_free(s->entry[i]);
		for (s->count--; i < s->count; i++)
			s->entry[i] = s->entry[i + 1];
		s->dropped++;
		return;
	}
}

static int add(struct top_set *s, const char *path)
{
	struct top_entry **grown, *e = calloc(1, sizeof(*e));

	make_room(s);
	grown = reallocarray(s->entry, s->count + 1, sizeof(void *));
	if (grown)
		s->entry = grown;
	if (e)
		e->process = top_process_new(s->c, path);
	if (!grown || !e || !e->process) {
		free(e);
		return -ENOMEM;
	}
	for (unsigned v = 0; v < TOP_VIEWS; v++)
		top_rows_init(&e->rows[v], (enum top_view)v);
	s->entry[s->count++] = e;
	return 0;
}

/* Remembers a path; 1 when it is new, 0 when not, or -ENOMEM. */
static int know(struct top_set *s, const char *path)
{
	char **grown;

	for (size_t i = 0; i < s->known_count; i++)
		if (!strcmp(s->known[i], path))
			return 0;
	grown = reallocarray(s->known, s->known_count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	s->known = grown;
	grown[s->known_count] = strdup(path);
	return grown[s->known_count] ? (int)!!++s->known_count : -ENOMEM;
}

static bool is_named(const struct cmd_context *c, const char *path)
{
	for (size_t i = 0; i < c->name_count; i++)
		if (!strcmp(c->names[i], path))
			return true;
	return false;
}

static bool runs(const char *path)
{
	struct trace_error error;
	struct ringfile rf;
	bool alive;

	if (ringfile_open(&rf, path, &error))
		return false;
	alive = alive_check(&rf);
	ringfile_close(&rf);
	return alive;
}

int top_set_init(struct top_set *s, const struct cmd_context *c)
{
	int err = 0;

	memset(s, 0, sizeof(*s));
	s->c = c;
	for (size_t i = 0; i < c->path_count && !err; i++) {
		err = know(s, c->paths[i]);
		if (err > 0)
			err = is_named(c, c->paths[i]) || runs(c->paths[i]) ? add(s, c->paths[i])
									    : 0;
	}
	for (size_t i = 0; i < c->path_count && !err && !s->count; i++)
		err = add(s, c->paths[i]);
	return err;
}

/* What has come into the folders and families that were named. */
static int look_for_new(struct top_set *s)
{
	struct paths found;
	char why[300];
	int err = 0;

	for (size_t n = 0; n < s->c->name_count && !err; n++) {
		char *name = (char *)s->c->names[n];

		if (paths_expand(&name, 1, &found, why, sizeof(why)))
			continue; /* a folder that is gone, say: what was found goes on */
		for (size_t i = 0; i < found.count && !err; i++) {
			err = know(s, found.path[i]);
			if (err > 0)
				err = add(s, found.path[i]);
		}
		paths_fini(&found);
	}
	return err;
}

static int refresh_entry(struct top_entry *e)
{
	int err = 0;

	e->error = top_process_refresh(e->process);
	for (unsigned v = 0; v < TOP_VIEWS && !err && !e->error; v++)
		err = top_rows_update(&e->rows[v], e->process);
	return err;
}

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

int top_set_refresh(struct top_set *s)
{
	uint64_t before = cpu_ns();
	int err = s->refreshes++ ? look_for_new(s) : 0;

	for (size_t i = 0; i < s->count && !err; i++)
		err = refresh_entry(s->entry[i]);
	s->cpu_ns = cpu_ns() - before;
	return err;
}

bool top_set_alive(const struct top_set *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (!s->entry[i]->process->ended && s->entry[i]->process->a)
			return true;
	return false;
}

uint64_t top_set_pace(const struct top_set *s, uint64_t interval_ns)
{
	uint64_t slow = 2 * s->cpu_ns;

	return slow > interval_ns ? slow : interval_ns;
}
