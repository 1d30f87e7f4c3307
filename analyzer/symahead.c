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
	int err;
};

static void *work(void *arg)
{
	struct symahead *a = arg;

	a->err = symfile_open(&a->file, &a->id, a->search);
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

int symahead_take(struct symahead *a, struct symfile *f)
{
	int err;

	pthread_join(a->thread, NULL);
	*f = a->file;
	err = a->err;
	free(a);
	return err;
}

void symahead_drop(struct symahead *a)
{
	struct symfile unwanted;

	if (a && !symahead_take(a, &unwanted))
		symfile_close(&unwanted);
}
