/* SPDX-License-Identifier: MIT */
/*
 * The tables of the live view: for each place in the program, file, lock and thread of a process
 * its figures of now, of the refresh before and of the view's beginning. One thread at a time.
 */
#ifndef LARIAT_TOP_ROWS_H
#define LARIAT_TOP_ROWS_H

#include "format.h"
#include "top_process.h"

enum top_view { TOP_HEAP, TOP_IO, TOP_LOCKS, TOP_THREADS, TOP_VIEWS };

#define TOP_VALUES  6
#define TOP_COLUMNS 6

enum top_unit { TOP_BYTES, TOP_COUNT, TOP_TIME };

/* What of a value a column shows. */
enum top_mode {
	TOP_NOW,
	TOP_RATE,  /* since the refresh before, by second */
	TOP_SHARE, /* the same of a time: how many threads' worth of it */
	TOP_GREW,  /* since the refresh before */
	TOP_SINCE, /* since the view began */
};

struct top_column {
	const char *title;
	const char *sort; /* the name for --sort; NULL = there is no such column */
	const char *help;
	enum top_unit unit;
	enum top_mode mode;
	unsigned value;
};

struct top_layout {
	const char *name, *title, *of; /* `of`: what a row is */
	struct top_column column[TOP_COLUMNS];
};

extern const struct top_layout top_layouts[TOP_VIEWS];

/* The column that --sort names, or the first of a view. */
const struct top_column *top_column(enum top_view view, const char *sort);

struct top_row {
	uint64_t now[TOP_VALUES], last[TOP_VALUES], first[TOP_VALUES];
	uint32_t index;	 /* of the model's figures */
	uint64_t opened; /* as in struct top_process, when it was last seen */
	uint64_t seen;	 /* refresh at which it was last seen */
	char *label;	 /* NULL = not made yet */
};

/* One table. Rows keep their places. */
struct top_rows {
	enum top_view view;
	struct keymap map; /* what a row is -> index */
	struct top_row *row;
	uint32_t size;
	uint64_t updates;
	uint64_t *key; /* of the model's sites, for those that are stacks; 0 = not made yet */
	uint32_t key_size;
	uint64_t key_opened;
	uint64_t interval_ns; /* between now and last */
};

void top_rows_init(struct top_rows *rows, enum top_view view);
void top_rows_fini(struct top_rows *rows);

/* After a refresh. 0 or -ENOMEM. */
int top_rows_update(struct top_rows *rows, struct top_process *p);

/* What a column shows of a row. */
int64_t top_rows_figure(const struct top_rows *rows, const struct top_row *row,
			const struct top_column *c);
const char *top_rows_cell(const struct top_rows *rows, const struct top_row *row,
			  const struct top_column *c, char buf[FORMAT_SIZE]);

/* What a row is about, on one line; plain characters only. */
const char *top_rows_label(struct top_rows *rows, struct top_process *p, struct top_row *row);

/*
 * The rows that match `filter` (NULL = all), in the order of a column, the largest first: their
 * number, and indices in *index, which the caller frees. -ENOMEM.
 */
int64_t top_rows_rank(struct top_rows *rows, struct top_process *p, const regex_t *filter,
		      const struct top_column *by, uint32_t **index);

/* The stack of a row that has one, 0 = none or not known. */
uint32_t top_rows_stack(const struct top_rows *rows, const struct top_process *p,
			const struct top_row *row);

/* A rate: `change` in `ns`, by second, rounded. */
int64_t top_per_s(int64_t change, uint64_t ns);

#endif
