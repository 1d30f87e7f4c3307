/* SPDX-License-Identifier: MIT */
/* Threads over time; see concurrency.h. */
#include "concurrency.h"

#include <string.h>

void concurrency_init(struct concurrency *c, uint64_t from_ns, uint64_t until_ns)
{
	uint64_t length = until_ns > from_ns ? until_ns - from_ns : 0;

	memset(c, 0, sizeof(*c));
	c->from_ns = from_ns;
	c->slot_ns = length / CONCURRENCY_SLOTS + 1;
}

static void spread(const struct concurrency *c, uint64_t *slot, uint64_t start, uint64_t end)
{
	start = start > c->from_ns ? start - c->from_ns : 0;
	end = end > c->from_ns ? end - c->from_ns : 0;
	if (end > c->slot_ns * CONCURRENCY_SLOTS)
		end = c->slot_ns * CONCURRENCY_SLOTS;
	while (start < end) {
		uint64_t i = start / c->slot_ns, next = (i + 1) * c->slot_ns;

		slot[i] += (next < end ? next : end) - start;
		start = next;
	}
}

/* A call in which a thread does not work, or hardly. */
static bool waits(const struct event *e)
{
	enum lar_operation op = call_operation(e->call);

	switch (e->kind) {
	case LAR_EV_IO:
		return !lar_io_is_stdio(op);
	case LAR_EV_THREAD_JOIN:
		return op == LAR_OP_JOIN;
	case LAR_EV_LOCK:
		return lar_lock_idles(e->flags, e->call, op) ||
		       (e->flags & LAR_LOCK_CONTENDED && lar_op_locks(op));
	default:
		return false;
	}
}

void concurrency_event(struct concurrency *c, const struct trace *trace, const struct event *e)
{
	uint64_t length;

	if (!waits(e))
		return;
	length = trace_span_ns(trace, e->field[1]);
	spread(c, c->waiting_ns, length < e->time_ns ? e->time_ns - length : 0, e->time_ns);
}

void concurrency_finish(struct concurrency *c, const struct trace *trace,
			const struct thread_model *m, uint64_t alive_ns[CONCURRENCY_SLOTS])
{
	memset(alive_ns, 0, CONCURRENCY_SLOTS * sizeof(*alive_ns));
	for (uint32_t i = 0; i < m->map.count; i++) {
		const struct thread_figures *t = &m->thread[i];

		if (t->wait_ticks)
			spread(c, c->waiting_ns, trace_ns(trace, t->wait_ticks), UINT64_MAX);
		if (t->started)
			spread(c, alive_ns, trace_ns(trace, t->start_ticks),
			       t->ended ? trace_ns(trace, t->end_ticks) : UINT64_MAX);
	}
	for (uint32_t i = 0; i < CONCURRENCY_SLOTS; i++)
		if (c->waiting_ns[i] > alive_ns[i])
			c->waiting_ns[i] = alive_ns[i];
}
