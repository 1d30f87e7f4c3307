/* SPDX-License-Identifier: MIT */
/* The threads of a JSON report. */
#include "report_json.h"

static void set_work(const struct analysis *a, json_t *o, const struct thread_figures *t)
{
	json_set_u64(o, "allocations", t->allocations);
	json_set_u64(o, "allocated_bytes", t->allocated_bytes);
	json_set_u64(o, "io_calls", t->io_calls);
	json_set_u64(o, "io_bytes", t->io_bytes);
	json_set_ticks(a, o, "io_time_ns", t->io_ticks);
	json_set_u64(o, "lock_waits", t->lock_waits);
	json_set_ticks(a, o, "lock_wait_ns", t->lock_wait_ticks);
}

static json_t *thread_json(struct analysis *a, uint32_t i)
{
	const struct thread_figures *t = &a->threads->thread[i];
	const struct trace_thread *named = analysis_thread(a, t->number);
	json_t *o = json_object();

	json_set_u64(o, "number", t->number);
	json_set_u64(o, "tid", t->tid ? t->tid : named->tid);
	json_set(o, "name", json_text(named->name));
	json_set_u64(o, "creator", t->creator ? t->creator : named->creator);
	json_set_u64(o, "start_ns", trace_ns(a->trace, t->start_ticks));
	json_set_u64(o, "end_ns", trace_ns(a->trace, t->end_ticks));
	json_set(o, "ended", json_boolean(t->ended));
	json_set(o, "joined", json_boolean(t->joined));
	json_set(o, "detached", json_boolean(t->detached));
	json_set(o, "cpu_ns", t->ended ? json_u64(t->cpu_ns) : json_null());
	set_work(a, o, t);
	if (t->stack)
		json_set_stack(a, o, t->stack);
	return o;
}

/* Threads of which a checkpoint has only sums. */
static json_t *others_json(const struct analysis *a)
{
	const struct thread_figures *t = &a->threads->others;
	json_t *o = json_object();

	json_set_u64(o, "threads", a->threads->gone);
	json_set_u64(o, "cpu_ns", t->cpu_ns);
	set_work(a, o, t);
	return o;
}

json_t *json_threads(struct analysis *a)
{
	const struct thread_model *m = a->threads;
	json_t *o = json_object();

	json_set_u64(o, "created", m->created);
	json_set_u64(o, "create_failures", m->create_failures);
	json_set_u64(o, "peak", m->peak);
	json_set_u64(o, "peak_at_ns", trace_ns(a->trace, m->peak_at_ticks));
	json_set_u64(o, "unjoined", thread_model_unjoined(m));
	if (m->gone)
		json_set(o, "others", others_json(a));
	json_set_list(a, o, "list", "thread_count", thread_rank, thread_json);
	return o;
}
