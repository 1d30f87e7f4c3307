/* SPDX-License-Identifier: MIT */
/* Several traces in one view, as JSON. */
#include "family.h"
#include "report_json.h"

static void set_part(json_t *o, const struct family *f, unsigned part, const char *key,
		     json_t *figures)
{
	if (f->parts & part)
		json_set(o, key, figures);
	else
		json_decref(figures);
}

static void set_figures(json_t *o, const struct family *f, const struct family_figures *own)
{
	json_t *heap = json_object(), *io = json_object(), *locks = json_object(),
	       *threads = json_object();

	json_set_u64(heap, "allocations", own->allocations);
	json_set_u64(heap, "allocated_bytes", own->allocated_bytes);
	json_set_u64(heap, "frees", own->frees);
	json_set_u64(heap, "freed_bytes", own->freed_bytes);
	json_set_u64(heap, "live_blocks", own->live_blocks);
	json_set_u64(heap, "live_bytes", own->live_bytes);
	json_set_u64(io, "calls", own->io_calls);
	json_set_u64(io, "read_bytes", own->read_bytes);
	json_set_u64(io, "written_bytes", own->written_bytes);
	json_set_u64(locks, "acquisitions", own->acquisitions);
	json_set_u64(locks, "contended", own->contended);
	json_set_u64(locks, "wait_ns", own->lock_wait_ns);
	json_set_u64(threads, "created", own->threads_created);
	set_part(o, f, PART_HEAP | PART_LEAKS, "heap", heap);
	set_part(o, f, PART_IO, "io", io);
	set_part(o, f, PART_LOCKS, "locks", locks);
	set_part(o, f, PART_THREADS, "threads", threads);
}

static json_t *member_json(const struct family *f, const struct family_member *m)
{
	json_t *o = json_object();
	bool coded = m->ended == LAR_END_EXIT || m->ended == LAR_END_SIGNAL;

	json_set_u64(o, "pid", m->pid);
	json_set_u64(o, "parent_pid", m->parent_pid);
	/* its place in this list */
	json_set(o, "parent", m->parent == FAMILY_NONE ? json_null() : json_u64(m->parent));
	json_set(o, "command", json_text(m->command));
	json_set(o, "file", json_text(m->file));
	json_set_u64(o, "start_unix_ns", m->start_ns);
	json_set_u64(o, "duration_ns", m->duration_ns);
	json_set(o, "end", json_text(m->end));
	json_set(o, "exit_code", coded ? json_integer(m->exit_code) : json_null());
	set_figures(o, f, &m->own);
	return o;
}

json_t *json_family(const struct family *f)
{
	json_t *o = json_object(), *list = json_array(), *totals = json_object();

	for (size_t i = 0; i < f->count; i++)
		json_array_append_new(list, member_json(f, &f->member[i]));
	set_figures(totals, f, &f->all);
	json_set(o, "processes", list);
	json_set(o, "totals", totals);
	return o;
}
