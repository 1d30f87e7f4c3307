/* SPDX-License-Identifier: MIT */
/* The threads of a JSON report. */
#include <stdlib.h>

#include "lock_findings.h"
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
	json_set_ticks(a, o, "idle_ns", t->idle_ticks);
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
	json_set(o, "cpu_ns", t->ended || t->cpu_ns ? json_u64(t->cpu_ns) : json_null());
	json_set(o, "stack_bytes", t->stack_bytes ? json_u64(t->stack_bytes) : json_null());
	json_set(o, "stack_used_bytes", t->stack_used ? json_u64(t->stack_used) : json_null());
	set_work(a, o, t);
	if (a->cpu)
		json_set_cpu_split(a, o, t);
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

/* Where the threads of a pool wait for work. */
static json_t *idle_json(struct analysis *a, const struct thread_pool *p)
{
	json_t *o;

	if (!p->idle.weight)
		return json_null();
	o = json_object();
	json_set(o, "call", json_string(call_name(p->idle.call)));
	json_set_stack(a, o, p->idle.where);
	return o;
}

/* Threads by where they were created; the number that lived for a short time only. */
static uint64_t set_pools(struct analysis *a, json_t *o)
{
	json_t *list = json_array();
	uint64_t brief = 0;
	uint32_t count;
	struct thread_pool *pool = analysis_pools(a, &count);

	for (uint32_t i = 0; i < count; i++) {
		const struct thread_pool *p = &pool[i];
		json_t *one = json_object();

		brief += p->brief;
		json_set_stack(a, one, p->stack);
		json_set_u64(one, "threads", p->threads);
		json_set_u64(one, "ended", p->ended);
		json_set_u64(one, "short_lived", p->brief);
		json_set_ticks(a, one, "life_ns", p->life_ticks);
		json_set_ticks(a, one, "busy_ns", p->busy_ticks);
		json_set_ticks(a, one, "idle_ns", p->idle_ticks);
		json_set_u64(one, "idle_times", p->idle.waits);
		json_set(one, "idle_mostly", idle_json(a, p));
		json_set_ticks(a, one, "lock_wait_ns", p->lock_wait_ticks);
		json_set_ticks(a, one, "io_time_ns", p->io_ticks);
		json_set_u64(one, "cpu_ns", p->cpu_ns);
		json_set_u64(one, "stack_used_bytes", p->stack_used);
		json_array_append_new(list, one);
	}
	free(pool);
	json_set(o, "pools", list);
	return brief;
}

static json_t *concurrency_json(struct analysis *a)
{
	struct concurrency *c = &a->concurrency;
	uint64_t alive[CONCURRENCY_SLOTS];
	json_t *o = json_object(), *list = json_array();

	concurrency_finish(c, a->trace, a->threads, alive);
	json_set_u64(o, "from_ns", c->from_ns);
	json_set_u64(o, "slot_ns", c->slot_ns);
	for (uint32_t i = 0; i < CONCURRENCY_SLOTS; i++) {
		json_t *one = json_object();

		json_set_u64(one, "alive_ns", alive[i]);
		json_set_u64(one, "waiting_ns", c->waiting_ns[i]);
		json_array_append_new(list, one);
	}
	json_set(o, "slots", list);
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
	json_set_u64(o, "processors", a->facts->header->processors);
	json_set(o, "concurrency", concurrency_json(a));
	json_set_u64(o, "short_lived", set_pools(a, o));
	if (m->gone)
		json_set(o, "others", others_json(a));
	if (a->cpu)
		json_set(o, "cpu", json_cpu(a));
	json_set_list(a, o, "list", "thread_count", thread_rank, thread_json);
	json_set_findings(a, o, thread_findings_new(a));
	return o;
}
