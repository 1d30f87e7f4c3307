/* SPDX-License-Identifier: MIT */
/* The I/O of a JSON report. */
#include <string.h>

#include "io_findings.h"
#include "report_json.h"

static json_t *op_json(const struct analysis *a, const struct io_figures *f)
{
	json_t *o = json_object();

	json_set_u64(o, "calls", f->calls);
	json_set_u64(o, "bytes", f->bytes);
	json_set_u64(o, "errors", f->errors);
	json_set_u64(o, "short", f->short_calls);
	json_set_ticks(a, o, "time_ns", f->latency.sum);
	json_set_ticks(a, o, "union_ns", busy_time_sum(&f->busy));
	if (f->busy.at_least)
		json_set(o, "union_at_least", json_true());
	json_set(o, "latency_ns", json_latency(a, &f->latency, false));
	return o;
}

/* What was asked of streams, and what they made of it. */
static json_t *stream_json(const struct analysis *a, const struct io_figures *asked,
			   const struct io_figures *made)
{
	json_t *o = op_json(a, asked);

	json_set(o, "system", op_json(a, made));
	return o;
}

/* The operations that every program does are there even when it did none. */
static json_t *totals_json(const struct analysis *a)
{
	const struct io_model *m = a->io;
	json_t *o = json_object();

	for (unsigned op = 0; op < IO_STDIO_READ; op++)
		if (m->total[op].calls || op <= IO_SYNC)
			json_set(o, io_op_name(op), op_json(a, &m->total[op]));
	json_set(o, "stdio_read", stream_json(a, &m->total[IO_STDIO_READ], &m->stream[0]));
	json_set(o, "stdio_write", stream_json(a, &m->total[IO_STDIO_WRITE], &m->stream[1]));
	return o;
}

/* null where nothing is known of what the kernel counted. */
static json_t *coverage_json(const struct analysis *a)
{
	const struct lar_header *h = a->facts->header;
	uint64_t kernel = h->kernel_read_bytes + h->kernel_written_bytes;
	json_t *o = json_object(), *unseen = json_array();

	json_set_u64(o, "seen_bytes", io_seen_bytes(a));
	json_set_u64(o, "loader_bytes", io_seen_bytes(a) - a->io->seen_bytes);
	if (a->io->kernel_ticks) {
		json_set_u64(o, "kernel_bytes", kernel);
		json_set_u64(o, "until_ns", trace_ns(a->trace, a->io->kernel_ticks));
	} else {
		json_set(o, "kernel_bytes", json_null());
	}
	if (a->io->kernel_ticks && kernel > io_seen_bytes(a))
		json_set_u64(o, "unseen_bytes", kernel - io_seen_bytes(a));
	for (const char *const *class = io_unseen_classes; *class; class ++)
		json_array_append_new(unseen, json_string(*class));
	json_set(o, "not_seen", unseen);
	return o;
}

static json_t *target_json(struct analysis *a, uint32_t i)
{
	const struct io_target *t = &a->io->target[i];
	json_t *o = json_object();

	json_set_target(a, o, t->id);
	json_set_service(a, o, t->id);
	json_set_u64(o, "calls", t->calls);
	json_set_u64(o, "bytes", t->bytes);
	json_set_u64(o, "errors", t->errors);
	json_set_errnos(o, t->errnos);
	json_set_ticks(a, o, "time_ns", t->time_ticks);
	json_set(o, "read", op_json(a, &t->op[IO_TARGET_READ]));
	json_set(o, "write", op_json(a, &t->op[IO_TARGET_WRITE]));
	json_set(o, "other", op_json(a, &t->op[IO_TARGET_OTHER]));
	json_set_pattern(a, o, i);
	if (t->op[IO_TARGET_STDIO_READ].calls || t->op[IO_TARGET_FILL].calls)
		json_set(o, "stdio_read",
			 stream_json(a, &t->op[IO_TARGET_STDIO_READ], &t->op[IO_TARGET_FILL]));
	if (t->op[IO_TARGET_STDIO_WRITE].calls || t->op[IO_TARGET_FLUSH].calls)
		json_set(o, "stdio_write",
			 stream_json(a, &t->op[IO_TARGET_STDIO_WRITE], &t->op[IO_TARGET_FLUSH]));
	return o;
}

static json_t *site_json(struct analysis *a, uint32_t i)
{
	const struct io_site *s = &a->io->site[i];
	json_t *o = json_object(), *operations = json_object(), *target = json_object();

	json_set_site(a, o, &a->io->sites, i);
	json_set_u64(o, "calls", s->calls);
	json_set_u64(o, "bytes", s->bytes);
	json_set_u64(o, "read_bytes", s->read_bytes);
	json_set_u64(o, "written_bytes", s->written_bytes);
	json_set_u64(o, "stdio_calls", s->stdio_calls);
	json_set_u64(o, "stdio_bytes", s->stdio_bytes);
	json_set_u64(o, "errors", s->errors);
	json_set_errnos(o, s->errnos);
	json_set_u64(o, "short", s->short_calls);
	json_set_ticks(a, o, "time_ns", s->time_ticks);
	json_set(o, "latency_ns", json_latency(a, &s->latency, false));
	for (unsigned op = 0; op < IO_OP_COUNT; op++)
		if (s->by_op[op])
			json_set_u64(operations, io_op_name(op), s->by_op[op]);
	json_set(o, "operations", operations);
	json_set_target(a, target, s->target);
	json_set(o, "target", target);
	json_set(o, "more_targets", json_boolean(s->more_targets));
	return o;
}

/* null where the calls around it are not in the trace any more. */
static json_t *in_flight_json(struct analysis *a, const struct io_slow *s)
{
	const struct io_beside *b = io_beside_of(a, s);
	json_t *o, *top = json_array();

	if (!b) {
		json_decref(top);
		return json_null();
	}
	o = json_object();
	json_set_u64(o, "calls", b->count);
	if (io_beside_at_least(a, b))
		json_set(o, "at_least", json_true());
	for (unsigned i = 0; i < IO_OVERLAP_TOP && b->top[i].ticks; i++) {
		const struct io_overlap_call *c = &b->top[i].call;
		json_t *call = json_object(), *target = json_object();

		json_set(call, "call", json_text(call_name(c->call)));
		json_set_u64(call, "thread", c->thread);
		json_set_target(a, target, c->target);
		json_set(call, "target", target);
		json_set_ticks(a, call, "time_ns", c->end - c->start);
		json_set_ticks(a, call, "together_ns", b->top[i].ticks);
		json_array_append_new(top, call);
	}
	json_set(o, "longest", top);
	return o;
}

static json_t *slow_json(struct analysis *a, const struct io_slow *s)
{
	json_t *o = json_object(), *target = json_object();

	json_set(o, "call", json_text(call_name(s->call)));
	json_set_ticks(a, o, "time_ns", s->took_ticks);
	json_set_u64(o, "at_ns", trace_ns(a->trace, s->start_ticks));
	json_set_u64(o, "asked_bytes", s->asked_bytes);
	if (s->offset != UINT64_MAX)
		json_set_u64(o, "offset", s->offset);
	json_set(o, "result", json_integer(s->result));
	if (s->result < 0)
		json_set(o, "error", json_text(io_error_name((uint32_t)-s->result)));
	json_set(o, "fd", json_integer(s->fd));
	json_set_u64(o, "thread", s->thread);
	json_set_target(a, target, s->target);
	json_set(o, "target", target);
	json_set(o, "in_flight", in_flight_json(a, s));
	json_set_stack(a, o, s->stack);
	return o;
}

static json_t *errors_json(const struct io_model *m)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < m->error_map.count; i++) {
		json_t *o = json_object();

		json_set(o, "operation", json_string(io_op_name(m->error[i].op)));
		json_set(o, "error", json_text(io_error_name(m->error[i].number)));
		json_set_u64(o, "errno", m->error[i].number);
		json_set_u64(o, "count", m->error[i].count);
		json_array_append_new(list, o);
	}
	return list;
}

json_t *json_io(struct analysis *a)
{
	json_t *o = json_object(), *slowest = json_array();

	json_set(o, "coverage", coverage_json(a));
	json_set(o, "totals", totals_json(a));
	json_set_list(a, o, "targets", "target_count", io_rank_targets, target_json);
	json_set_list(a, o, "sites", "site_count", io_rank_sites, site_json);
	for (uint32_t i = 0; i < a->io->slow_count; i++)
		json_array_append_new(slowest, slow_json(a, &a->io->slow[i]));
	json_set(o, "slowest", slowest);
	json_set(o, "errors", errors_json(a->io));
	json_set_io_detail(a, o);
	return o;
}
