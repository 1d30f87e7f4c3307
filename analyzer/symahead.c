/* SPDX-License-Identifier: MIT */
/* Opens symbol files ahead; see symahead.h. */
#include "symahead.h"

#include <pthread.h>
#include <stdlib.h>

struct symahead {
	pthread_t thread;
	struct symfile_id id;
	const char *search;
	struct symfile file;
	struct symtable table;
	int err;
};

static void *work(void *arg)
{
	struct symahead *a = arg;

	a->err = symfile_open(&a->file, &a->id, a->search);
	if (!a->err)
		symtable_load_best(&a->table, &a->file);
	return NULL;
}

struct symahead *symahead_start(const struct symfile_id *id, const char *search)
{
	struct symahead *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->id = *id;
	a->search = search;
	if (pthread_create(&a->thread, NULL, work, a)) {
		free(a);
		return NULL;
	}
	return a;
}

int symahead_take(struct symahead *a, struct symfile *f, struct symtable *t)
{
	int err;

	pthread_join(a->thread, NULL);
	*f = a->file;
	*t = a->table;
	err = a->err;
	free(a);
	return err;
}

void symahead_drop(struct symahead *a)
{
	struct symtable table;
	struct symfile file;

	if (!a || symahead_take(a, &file, &table))
		return;
	symtable_free(&table);
	symfile_close(&file);
}
