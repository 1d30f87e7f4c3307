/* SPDX-License-Identifier: MIT */
/* A refresh of the live view as JSON; see top_json.h. */
#include "top_json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "report_json.h"

static void set_rate(json_t *o, const char *key, uint64_t now, uint64_t last, uint64_t ns)
{
	char name[64];

	snprintf(name, sizeof(name), "%s_per_s", key);
	json_set(o, name, json_integer(top_per_s((int64_t)(now - last), ns)));
}

/* A sum from the start, and its rate. */
static void set_sum(json_t *o, const char *key, uint64_t now, uint64_t last, uint64_t ns)
{
	json_set_u64(o, key, now);
	set_rate(o, key, now, last, ns);
}

#define SET_SUM(o, p, key) set_sum(o, #key, (p)->now.key, (p)->last.key, interval_of(p))

static uint64_t interval_of(const struct top_process *p)
{
	return p->now.at_ns - p->last.at_ns;
}

static json_t *process_json(const struct top_process *p)
{
	const struct trace_facts *f = p->a->facts;
	const char *end = analysis_end_name(p->a);
	json_t *o = json_object();

	json_set_u64(o, "pid", f->header->pid);
	json_set_u64(o, "parent_pid", f->header->parent_pid);
	json_set(o, "command", json_text(f->command));
	json_set_u64(o, "start_unix_ns", f->header->start_unix_ns);
	json_set_u64(o, "duration_ns", p->now.at_ns);
	json_set(o, "end", json_text(end));
	json_set(o, "exit_code",
		 f->header->end == LAR_END_EXIT || f->header->end == LAR_END_SIGNAL
			 ? json_integer(f->header->exit_code)
			 : json_null());
	json_set_u64(o, "rss_bytes", p->now.rss_bytes);
	return o;
}

static json_t *trace_json(const struct top_process *p)
{
	const struct trace_facts *f = p->a->facts;
	json_t *o = json_object();

	json_set(o, "file", json_text(p->path));
	json_set_u64(o, "size_bytes", f->file_bytes);
	json_set_u64(o, "disk_bytes", f->disk_bytes);
	json_set_u64(o, "bound_bytes", f->header->bound);
	set_sum(o, "events_written", p->now.events, p->last.events, interval_of(p));
	json_set_u64(o, "events_overwritten", f->events_overwritten);
	json_set_u64(o, "events_dropped", f->events_dropped);
	json_set_u64(o, "blocks_damaged", f->damage.blocks);
	json_set_u64(o, "records_damaged", f->damage.records);
	json_set_u64(o, "sampled_bytes", f->header->sample_bytes);
	json_set(o, "deleted", json_boolean(p->gone));
	return o;
}

/* What the sums have grown by since the line before: exact, so that these add up to the sums. */
static json_t *change_json(const struct top_process *p)
{
	json_t *o = json_object();

#define SET_CHANGE(name) json_set(o, #name, json_integer((json_int_t)(p->now.name - p->last.name)));
	TOP_SUMS(SET_CHANGE)
#undef SET_CHANGE
	json_set(o, "live_bytes",
		 json_integer((json_int_t)(p->now.live_bytes - p->last.live_bytes)));
	json_set(o, "live_blocks",
		 json_integer((json_int_t)(p->now.live_blocks - p->last.live_blocks)));
	return o;
}

/* The values of a table's rows by their keys; a rate goes with those that are sums. */
static const struct {
	const char *key;
	bool sum;
} values[TOP_VIEWS][TOP_VALUES] = {
	[TOP_HEAP] = { { "live_bytes", false },
		       { "live_blocks", false },
		       { "allocations", true },
		       { "allocated_bytes", true } },
	[TOP_IO] = { { "calls", true },
		     { "bytes", true },
		     { "errors", true },
		     { "time_ns", true } },
	[TOP_LOCKS] = { { "acquisitions", true }, { "contended", true }, { "wait_ns", true } },
	[TOP_THREADS] = { { "allocations", true },
			  { "allocated_bytes", true },
			  { "io_calls", true },
			  { "io_bytes", true },
			  { "lock_wait_ns", true } },
};

static void set_subject(struct top_process *p, const struct top_rows *rows,
			const struct top_row *row, json_t *o)
{
	uint32_t stack = top_rows_stack(rows, p, row);
	char address[24];

	if (rows->view == TOP_IO) {
		json_set_target(p->a, o, p->a->io->target[row->index].id);
	} else if (rows->view == TOP_THREADS) {
		const struct thread_figures *t = &p->a->threads->thread[row->index];

		json_set_u64(o, "number", t->number);
		json_set_u64(o, "tid", t->tid);
		json_set(o, "name", json_text(analysis_thread(p->a, t->number)->name));
		json_set(o, "ended", json_boolean(t->ended));
		return;
	} else if (rows->view == TOP_LOCKS) {
		const struct lock_one *l = &p->a->locks->lock[row->index];

		snprintf(address, sizeof(address), "0x%" PRIx64, l->address);
		json_set(o, "lock", json_string(address));
		json_set_lock_symbol(p->a, o, l->address);
		json_set(o, "kind", json_string(lock_kind(l->call)));
	}
	if (stack)
		json_set_stack(p->a, o, stack);
}

static json_t *row_json(struct top_process *p, const struct top_rows *rows,
			const struct top_row *row)
{
	json_t *o = json_object();

	set_subject(p, rows, row, o);
	for (unsigned k = 0; k < TOP_VALUES && values[rows->view][k].key; k++) {
		const char *key = values[rows->view][k].key;

		if (values[rows->view][k].sum)
			set_sum(o, key, row->now[k], row->last[k], rows->interval_ns);
		else
			json_set_u64(o, key, row->now[k]);
	}
	if (rows->view == TOP_HEAP) {
		json_set(o, "grown_bytes", json_integer((json_int_t)(row->now[0] - row->last[0])));
		json_set(o, "grown_since_bytes",
			 json_integer((json_int_t)(row->now[0] - row->first[0])));
	}
	return o;
}

static void set_rows(struct top_entry *e, const struct cmd_context *c, enum top_view view,
		     json_t *o, const char *key, const char *count_key)
{
	struct top_rows *rows = &e->rows[view];
	json_t *list = json_array();
	uint32_t *index;
	int64_t n =
		top_rows_rank(rows, e->process, c->filter_re, top_column(view, c->sort), &index);

	for (int64_t i = 0; i < n && (uint64_t)i < c->limit; i++)
		json_array_append_new(list, row_json(e->process, rows, &rows->row[index[i]]));
	json_set_u64(o, count_key, n < 0 ? 0 : (uint64_t)n);
	json_set(o, key, list);
	if (n >= 0)
		free(index);
}

static json_t *heap_json(struct top_entry *e, const struct cmd_context *c)
{
	const struct top_process *p = e->process;
	json_t *o = json_object();

	SET_SUM(o, p, allocations);
	SET_SUM(o, p, frees);
	SET_SUM(o, p, allocated_bytes);
	SET_SUM(o, p, freed_bytes);
	json_set_u64(o, "live_blocks", p->now.live_blocks);
	json_set_u64(o, "live_bytes", p->now.live_bytes);
	json_set_u64(o, "peak_bytes", p->now.peak_bytes);
	set_rows(e, c, TOP_HEAP, o, "sites", "site_count");
	return o;
}

static json_t *io_json(struct top_entry *e, const struct cmd_context *c)
{
	const struct top_process *p = e->process;
	json_t *o = json_object(), *totals = json_object();

	for (unsigned op = 0; op < IO_OP_COUNT; op++) {
		const struct io_figures *f = &p->a->io->total[op];
		json_t *one;

		if (!f->calls && op > IO_SYNC && !io_op_is_stdio((enum io_op)op))
			continue;
		one = json_object();
		json_set_u64(one, "calls", f->calls);
		json_set_u64(one, "bytes", f->bytes);
		json_set_u64(one, "errors", f->errors);
		json_set_ticks(p->a, one, "time_ns", f->latency.sum);
		json_set(totals, io_op_name(op), one);
	}
	json_set(o, "totals", totals);
	set_rate(o, "calls", p->now.io_calls, p->last.io_calls, interval_of(p));
	set_rate(o, "bytes", p->now.io_bytes, p->last.io_bytes, interval_of(p));
	set_rate(o, "read_bytes", p->now.read_bytes, p->last.read_bytes, interval_of(p));
	set_rate(o, "written_bytes", p->now.written_bytes, p->last.written_bytes, interval_of(p));
	set_rows(e, c, TOP_IO, o, "targets", "target_count");
	return o;
}

static json_t *locks_json(struct top_entry *e, const struct cmd_context *c)
{
	const struct top_process *p = e->process;
	json_t *o = json_object(), *totals = json_object();

	SET_SUM(totals, p, acquisitions);
	SET_SUM(totals, p, contended);
	SET_SUM(totals, p, wait_ns);
	json_set(o, "totals", totals);
	set_rows(e, c, TOP_LOCKS, o, "locks", "lock_count");
	return o;
}

static json_t *threads_json(struct top_entry *e, const struct cmd_context *c)
{
	const struct top_process *p = e->process;
	json_t *o = json_object();

	json_set_u64(o, "created", p->now.threads_created);
	json_set_u64(o, "running", p->now.threads);
	json_set_u64(o, "peak", p->now.threads_peak);
	set_rows(e, c, TOP_THREADS, o, "list", "thread_count");
	return o;
}

json_t *top_json(struct top_entry *e, const struct cmd_context *c)
{
	const struct top_process *p = e->process;
	json_t *o = json_object();

	if (!o)
		return NULL;
	json_set(o, "schema", json_string("lariat/1"));
	json_set_u64(o, "at_ns", p->now.at_ns);
	json_set_u64(o, "interval_ns", interval_of(p));
	if (!p->a)
		return o;
	json_set(o, "process", process_json(p));
	json_set(o, "trace", trace_json(p));
	json_set(o, "change", change_json(p));
	json_set(o, "heap", heap_json(e, c));
	json_set(o, "io", io_json(e, c));
	json_set(o, "locks", locks_json(e, c));
	json_set(o, "threads", threads_json(e, c));
	return o;
}
