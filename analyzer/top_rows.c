/* SPDX-License-Identifier: MIT */
/* The tables of the live view; see top_rows.h. */
#include "top_rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "top_label.h"

const struct top_layout top_layouts[TOP_VIEWS] = {
	[TOP_HEAP] = { "heap",
		       "Memory",
		       "SITE",
		       { { "LIVE", "live_bytes", "bytes in use", TOP_BYTES, TOP_NOW, 0 },
			 { "GREW", "grown_bytes", "change since the refresh before", TOP_BYTES,
			   TOP_GREW, 0 },
			 { "SINCE", "grown_since_bytes", "change since this view began", TOP_BYTES,
			   TOP_SINCE, 0 },
			 { "ALLOCS/S", "allocations_per_s", "allocations a second", TOP_COUNT,
			   TOP_RATE, 2 },
			 { "BYTES/S", "allocated_bytes_per_s", "bytes allocated a second",
			   TOP_BYTES, TOP_RATE, 3 },
			 { "BLOCKS", "live_blocks", "blocks in use", TOP_COUNT, TOP_NOW, 1 } } },
	[TOP_IO] = { "io",
		     "Input and output",
		     "TARGET",
		     { { "BYTES/S", "bytes_per_s", "bytes read and written a second", TOP_BYTES,
			 TOP_RATE, 1 },
		       { "CALLS/S", "calls_per_s", "operations a second", TOP_COUNT, TOP_RATE, 0 },
		       { "BUSY", "busy", "time in operations, of all time", TOP_TIME, TOP_SHARE,
			 3 },
		       { "BYTES", "bytes", "bytes read and written", TOP_BYTES, TOP_NOW, 1 },
		       { "CALLS", "calls", "operations", TOP_COUNT, TOP_NOW, 0 },
		       { "ERRORS", "errors", "operations that failed", TOP_COUNT, TOP_NOW, 2 } } },
	[TOP_LOCKS] = { "locks",
			"Locks",
			"LOCK, AND WHERE IT WAS FIRST TAKEN",
			{ { "WAITING", "waiting", "time in which threads waited, of all time",
			    TOP_TIME, TOP_SHARE, 2 },
			  { "WAITED", "wait_ns", "time that threads have waited", TOP_TIME, TOP_NOW,
			    2 },
			  { "WAITS/S", "contended_per_s", "acquisitions a second that waited",
			    TOP_COUNT, TOP_RATE, 1 },
			  { "TAKEN/S", "acquisitions_per_s", "acquisitions a second", TOP_COUNT,
			    TOP_RATE, 0 },
			  { "WAITS", "contended", "acquisitions that waited", TOP_COUNT, TOP_NOW,
			    1 },
			  { "TAKEN", "acquisitions", "acquisitions", TOP_COUNT, TOP_NOW, 0 } } },
	[TOP_THREADS] = { "threads",
			  "Threads",
			  "THREAD",
			  { { "ALLOCS/S", "thread_allocations_per_s", "allocations a second",
			      TOP_COUNT, TOP_RATE, 0 },
			    { "BYTES/S", "thread_allocated_bytes_per_s", "bytes allocated a second",
			      TOP_BYTES, TOP_RATE, 1 },
			    { "I/O/S", "thread_io_calls_per_s", "I/O operations a second",
			      TOP_COUNT, TOP_RATE, 2 },
			    { "I/O B/S", "thread_io_bytes_per_s", "bytes read and written a second",
			      TOP_BYTES, TOP_RATE, 3 },
			    { "WAITING", "thread_waiting", "time waited for locks, of all time",
			      TOP_TIME, TOP_SHARE, 4 },
			    { "ALLOCS", "thread_allocations", "allocations", TOP_COUNT, TOP_NOW,
			      0 } } },
};

const char *const top_view_names[] = { "heap", "io", "locks", "threads", NULL };

/* The columns' own names: each is of one table, the others keep to their first column. */
const struct sort_key top_sort_keys[] = {
	{ "live_bytes", 0 },
	{ "grown_bytes", 0 },
	{ "grown_since_bytes", 0 },
	{ "allocations_per_s", 0 },
	{ "allocated_bytes_per_s", 0 },
	{ "live_blocks", 0 },
	{ "bytes_per_s", 0 },
	{ "calls_per_s", 0 },
	{ "busy", 0 },
	{ "bytes", 0 },
	{ "calls", 0 },
	{ "errors", 0 },
	{ "waiting", 0 },
	{ "wait_ns", 0 },
	{ "contended_per_s", 0 },
	{ "acquisitions_per_s", 0 },
	{ "contended", 0 },
	{ "acquisitions", 0 },
	{ "thread_allocations_per_s", 0 },
	{ "thread_allocated_bytes_per_s", 0 },
	{ "thread_io_calls_per_s", 0 },
	{ "thread_io_bytes_per_s", 0 },
	{ "thread_waiting", 0 },
	{ "thread_allocations", 0 },
	{ NULL, 0 },
};

const struct top_column *top_column(enum top_view view, const char *sort)
{
	const struct top_layout *layout = &top_layouts[view];

	for (unsigned i = 0; sort && i < TOP_COLUMNS; i++)
		if (layout->column[i].sort && !strcmp(layout->column[i].sort, sort))
			return &layout->column[i];
	return &layout->column[0];
}

void top_rows_init(struct top_rows *rows, enum top_view view)
{
	memset(rows, 0, sizeof(*rows));
	rows->view = view;
}

void top_rows_fini(struct top_rows *rows)
{
	for (uint32_t i = 0; i < rows->map.count && i < rows->size; i++)
		free(rows->row[i].label);
	keymap_fini(&rows->map);
	free(rows->row);
	free(rows->key);
}

/* A stack as a number that holds when the trace is opened anew: FNV-1a over its addresses. */
static uint64_t stack_key(struct top_rows *rows, struct top_process *p, uint32_t site)
{
	const struct trace_frame *frame;
	uint64_t hash = 0xcbf29ce484222325ull;
	uint32_t n;

	if (rows->key_opened != p->opened && rows->key)
		memset(rows->key, 0, rows->key_size * sizeof(*rows->key));
	rows->key_opened = p->opened;
	if (array_reserve((void **)&rows->key, &rows->key_size, site, sizeof(*rows->key)))
		return 0;
	if (rows->key[site])
		return rows->key[site];
	n = trace_stack(p->a->trace, p->a->heap->sites.stack[site], &frame);
	for (uint32_t i = 0; i < n; i++)
		hash = (hash ^ frame[i].address) * 0x9e3779b97f4a7c15ull ^ hash >> 29;
	return rows->key[site] = hash ? hash : 1;
}

static int note(struct top_rows *rows, const struct top_process *p, uint64_t key, uint32_t index,
		const uint64_t *values)
{
	uint32_t known = rows->map.count;
	uint32_t n = keymap_number(&rows->map, key);
	struct top_row *row;

	if (n == KEYMAP_NONE ||
	    array_reserve((void **)&rows->row, &rows->size, n, sizeof(*rows->row)))
		return -ENOMEM;
	row = &rows->row[n];
	/* what is there when the view begins has not grown since */
	if (n == known && !rows->updates)
		memcpy(row->first, values, sizeof(row->first));
	/* two with one key, in a file that is damaged: the first has it */
	if (row->seen == rows->updates + 1)
		return 0;
	memcpy(row->last, row->now, sizeof(row->last));
	memcpy(row->now, values, sizeof(row->now));
	row->index = index;
	row->opened = p->opened;
	row->seen = rows->updates + 1;
	return 0;
}

static int update_heap(struct top_rows *rows, struct top_process *p)
{
	const struct heap_model *m = p->a->heap;
	int err = 0;

	for (uint32_t i = 0; i < m->sites_ready && !err; i++) {
		const struct heap_site *s = &m->site[i];
		uint64_t v[TOP_VALUES] = { s->live_bytes, s->live_blocks, s->allocations,
					   s->allocated_bytes };

		for (unsigned k = 0; k < TOP_VALUES; k++)
			sampling_round(&m->sampling, &v[k]);
		err = note(rows, p, stack_key(rows, p, i), i, v);
	}
	return err;
}

static int update_io(struct top_rows *rows, struct top_process *p)
{
	const struct io_model *m = p->a->io;
	int err = 0;

	for (uint32_t i = 0; i < m->target_map.count && !err; i++) {
		const struct io_target *t = &m->target[i];
		uint64_t v[TOP_VALUES] = { t->calls, t->bytes, t->errors,
					   trace_span_ns(p->a->trace, t->time_ticks) };

		err = note(rows, p, t->id, i, v);
	}
	return err;
}

static int update_locks(struct top_rows *rows, struct top_process *p)
{
	const struct lock_model *m = p->a->locks;
	int err = 0;

	for (uint32_t i = 0; i < m->lock_count && !err; i++) {
		const struct lock_one *l = &m->lock[i];
		struct top_cell cell = top_process_cell(p, l->address);
		uint64_t v[TOP_VALUES] = { l->f.acquisitions + cell.acquisitions, l->f.contended,
					   trace_span_ns(p->a->trace, l->f.wait.sum) };

		err = note(rows, p, l->address, i, v);
	}
	return err;
}

static int update_threads(struct top_rows *rows, struct top_process *p)
{
	const struct thread_model *m = p->a->threads;
	int err = 0;

	for (uint32_t i = 0; i < m->map.count && !err; i++) {
		const struct thread_figures *t = &m->thread[i];
		uint64_t v[TOP_VALUES] = { t->allocations, t->allocated_bytes, t->io_calls,
					   t->io_bytes,
					   trace_span_ns(p->a->trace, t->lock_wait_ticks) };

		sampling_round(&m->sampling, &v[0]);
		sampling_round(&m->sampling, &v[1]);
		err = note(rows, p, t->number, i, v);
	}
	return err;
}

int top_rows_update(struct top_rows *rows, struct top_process *p)
{
	static int (*const update[])(struct top_rows * rows,
				     struct top_process * p) = { update_heap, update_io,
								 update_locks, update_threads };
	int err = update[rows->view](rows, p);

	/* what a checkpoint no longer tells apart does not go on */
	for (uint32_t i = 0; !err && i < rows->map.count; i++)
		if (rows->row[i].seen != rows->updates + 1)
			memcpy(rows->row[i].last, rows->row[i].now, sizeof(rows->row[i].last));
	rows->updates++;
	rows->interval_ns = p->now.at_ns - p->last.at_ns;
	return err;
}

int64_t top_per_s(int64_t change, uint64_t ns)
{
	__int128 scaled = (__int128)change * 1000000000;

	return ns ? (int64_t)((scaled + (change < 0 ? -(__int128)(ns / 2) : ns / 2)) / ns) : 0;
}

int64_t top_rows_figure(const struct top_rows *rows, const struct top_row *row,
			const struct top_column *c)
{
	uint64_t now = row->now[c->value];

	switch (c->mode) {
	case TOP_RATE:
	case TOP_SHARE:
		return top_per_s((int64_t)(now - row->last[c->value]), rows->interval_ns);
	case TOP_GREW:
		return (int64_t)(now - row->last[c->value]);
	case TOP_SINCE:
		return (int64_t)(now - row->first[c->value]);
	default:
		return (int64_t)now;
	}
}

const char *top_rows_cell(const struct top_rows *rows, const struct top_row *row,
			  const struct top_column *c, char buf[FORMAT_SIZE])
{
	int64_t v = top_rows_figure(rows, row, c);
	uint64_t size = v < 0 ? -(uint64_t)v : (uint64_t)v;
	bool change = c->mode == TOP_GREW || c->mode == TOP_SINCE;
	char *p = buf;

	if (!v)
		return strcpy(buf, "0");
	if (v < 0 || change)
		*p++ = v < 0 ? '-' : '+';
	if (c->mode == TOP_SHARE)
		snprintf(p, FORMAT_SIZE - 1, "%.1f %%", (double)size / 1e7);
	else if (c->unit == TOP_BYTES)
		format_bytes(p, size);
	else if (c->unit == TOP_TIME)
		format_time(p, size);
	else
		format_count(p, size);
	return buf;
}

uint32_t top_rows_stack(const struct top_rows *rows, const struct top_process *p,
			const struct top_row *row)
{
	if (!p->a || row->opened != p->opened)
		return 0;
	switch (rows->view) {
	case TOP_HEAP:
		return p->a->heap->sites.stack[row->index];
	case TOP_LOCKS:
		if (p->a->locks->lock[row->index].first_site == SITE_NONE)
			return 0;
		return p->a->locks->sites.stack[p->a->locks->lock[row->index].first_site];
	case TOP_THREADS:
		return p->a->threads->thread[row->index].stack;
	default:
		return 0;
	}
}

const char *top_rows_label(struct top_rows *rows, struct top_process *p, struct top_row *row)
{
	bool lasts = rows->view != TOP_THREADS; /* they get their names, and end */

	if (row->label && (lasts || row->opened != p->opened))
		return row->label;
	if (!p->a || row->opened != p->opened)
		return "[no longer told apart]";
	free(row->label);
	row->label = top_label(p, rows->view, row->index, top_rows_stack(rows, p, row));
	return row->label ? row->label : "";
}

struct ranked {
	int64_t figure;
	uint32_t index;
};

static int by_figure(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->figure != y->figure)
		return x->figure > y->figure ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

static bool matches(struct top_rows *rows, struct top_process *p, struct top_row *row,
		    const regex_t *filter)
{
	uint32_t stack = top_rows_stack(rows, p, row);

	return !filter || !regexec(filter, top_rows_label(rows, p, row), 0, NULL, 0) ||
	       (stack && frames_match(p->a->frames, stack, filter));
}

int64_t top_rows_rank(struct top_rows *rows, struct top_process *p, const regex_t *filter,
		      const struct top_column *by, uint32_t **index)
{
	struct ranked *list = calloc(rows->map.count + 1, sizeof(*list));
	uint32_t n = 0;

	*index = calloc(rows->map.count + 1, sizeof(**index));
	if (!list || !*index) {
		free(list);
		free(*index);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < rows->map.count; i++) {
		struct top_row *row = &rows->row[i];

		if (row->seen == rows->updates && matches(rows, p, row, filter))
			list[n++] = (struct ranked){ top_rows_figure(rows, row, by), i };
	}
	qsort(list, n, sizeof(*list), by_figure);
	for (uint32_t i = 0; i < n; i++)
		(*index)[i] = list[i].index;
	free(list);
	return n;
}
