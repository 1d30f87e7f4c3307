/* SPDX-License-Identifier: MIT */
/* A checkpoint's tables of I/O into a model; see io_load.h. */
#include "io_load.h"

#include <errno.h>
#include <stdlib.h>

/* Columns of the tables, as format/checkpoint.h has them. */
enum figure_column {
	FIGURE_CALLS,
	FIGURE_BYTES,
	FIGURE_ERRORS,
	FIGURE_SHORT,
	FIGURE_SETTLED,
	FIGURE_SETTLED_UNTIL,
	FIGURE_AT_LEAST,
	FIGURE_KERNEL, /* of totals */
};
enum site_column {
	SITE_NODE,
	SITE_READ,
	SITE_WRITTEN,
	SITE_ERRORS,
	SITE_SHORT,
	SITE_TARGET,
	SITE_MORE_TARGETS,
	SITE_CALLS,
	SITE_STDIO_BYTES = SITE_CALLS + IO_OP_COUNT,
};
enum error_column { ERROR_OP, ERROR_NUMBER, ERROR_COUNT, ERROR_SITE, ERROR_TARGET };
enum slow_column {
	SLOW_TOOK,
	SLOW_START,
	SLOW_NODE,
	SLOW_THREAD,
	SLOW_TARGET,
	SLOW_FD,
	SLOW_CALL,
	SLOW_ASKED,
	SLOW_RESULT,
	SLOW_OFFSET,
};

/* `v`: the first of the columns. The row's histogram is read. */
static void load_figures(struct io_figures *f, const uint64_t *v, struct checkpoint_rows *r)
{
	f->calls += v[FIGURE_CALLS];
	f->bytes += v[FIGURE_BYTES];
	f->errors += v[FIGURE_ERRORS];
	f->short_calls += v[FIGURE_SHORT];
	f->busy.settled = v[FIGURE_SETTLED];
	f->busy.settled_until = v[FIGURE_SETTLED_UNTIL];
	f->busy.at_least |= v[FIGURE_AT_LEAST] != 0;
	checkpoint_histogram(r, &f->latency, 1);
}

static void load_totals(struct io_model *m, const struct checkpoint *c)
{
	struct checkpoint_rows r;

	checkpoint_rows(c, LAR_TABLE_IO, &r);
	while (checkpoint_next(&r))
		if (r.value[0] < IO_OP_COUNT) {
			m->seen_bytes += r.value[1 + FIGURE_KERNEL];
			load_figures(&m->total[r.value[0]], r.value + 1, &r);
		}
}

/* The number that a checkpoint names a target by, 0 for those that share a row. */
static struct io_target *target_of(struct io_model *m, uint64_t name)
{
	return io_model_target(m, name && name <= UINT32_MAX ? (uint32_t)(name - 1) : IO_OTHERS);
}

/* What went into the buffers of streams and had not come out. */
static void load_buffered(struct io_target *t)
{
	t->buffered.bytes =
		(int64_t)(t->op[IO_TARGET_STDIO_WRITE].bytes - t->op[IO_TARGET_FLUSH].bytes);
}

static int load_targets(struct io_model *m, const struct checkpoint *c)
{
	struct checkpoint_rows r;

	checkpoint_rows(c, LAR_TABLE_IO_TARGETS, &r);
	while (checkpoint_next(&r)) {
		const uint64_t *v = r.value + 2;
		struct io_target *t;
		struct io_figures *f;
		uint64_t before;

		if (r.value[1] >= IO_TARGET_OPS)
			continue;
		t = target_of(m, r.value[0]);
		if (!t)
			return -ENOMEM;
		if (r.value[1] <= IO_TARGET_OTHER) { /* the others are no calls, or in these */
			t->calls += v[FIGURE_CALLS];
			t->bytes += v[FIGURE_BYTES];
			t->errors += v[FIGURE_ERRORS];
			t->short_calls += v[FIGURE_SHORT];
		}
		f = &t->op[r.value[1]];
		before = f->latency.sum;
		load_figures(f, v, &r);
		if (r.value[1] <= IO_TARGET_OTHER)
			t->time_ticks += f->latency.sum - before;
		load_buffered(t);
	}
	return 0;
}

/* Spans of a sound checkpoint come in order; all others would be no union. */
static int load_span(struct busy_time *b, uint64_t start, uint64_t ticks)
{
	uint64_t last = b->count ? b->spans[b->count - 1].end : b->settled_until;

	if (start < last || start + ticks < start)
		b->at_least = true;
	else
		busy_time_add(b, start, start + ticks);
	return 0;
}

static int load_spans(struct io_model *m, const struct checkpoint *c)
{
	struct checkpoint_rows r;

	checkpoint_rows(c, LAR_TABLE_IO_SPANS, &r);
	while (checkpoint_next(&r)) {
		const uint64_t *v = r.value;
		struct io_target *t;

		if (!v[0] && v[1] < IO_OP_COUNT)
			load_span(&m->total[v[1]].busy, v[2], v[3]);
		if (!v[0] || v[1] >= IO_TARGET_OPS)
			continue;
		t = target_of(m, v[0] - 1);
		if (!t)
			return -ENOMEM;
		load_span(&t->op[v[1]].busy, v[2], v[3]);
	}
	return 0;
}

static void load_site(struct io_site *s, struct checkpoint_rows *r)
{
	const uint64_t *v = r->value;
	uint64_t before = s->latency.sum;

	s->read_bytes += v[SITE_READ];
	s->written_bytes += v[SITE_WRITTEN];
	s->bytes += v[SITE_READ] + v[SITE_WRITTEN];
	s->errors += v[SITE_ERRORS];
	s->short_calls += v[SITE_SHORT];
	s->more_targets |= v[SITE_MORE_TARGETS] != 0;
	for (unsigned op = 0; op < IO_OP_COUNT; op++) {
		s->by_op[op] += v[SITE_CALLS + op];
		if (io_op_is_stdio((enum io_op)op))
			s->stdio_calls += v[SITE_CALLS + op];
		else
			s->calls += v[SITE_CALLS + op];
	}
	s->stdio_bytes += v[SITE_STDIO_BYTES];
	checkpoint_histogram(r, &s->latency, 1);
	s->time_ticks += s->latency.sum - before;
}

static int load_sites(struct io_model *m, const struct checkpoint *c)
{
	struct checkpoint_rows r;

	checkpoint_rows(c, LAR_TABLE_IO_SITES, &r);
	while (checkpoint_next(&r)) {
		/* those that share a row have no stack in common */
		uint32_t stack =
			r.value[SITE_NODE] ? checkpoint_stack(c, r.value[SITE_NODE] - 1) : 0;
		struct io_site *s = io_model_site(m, stack, SITE_FOLDED_THREADS,
						  (uint32_t)r.value[SITE_TARGET]);

		if (!s)
			return -ENOMEM;
		load_site(s, &r);
	}
	return 0;
}

/* Behind the totals. Of operations faster than all that a full table has, not all are known. */
static void load_slowest(struct io_model *m, const struct checkpoint *c)
{
	struct checkpoint_rows r;
	const uint64_t *v = r.value;
	uint64_t calls = 0;

	checkpoint_rows(c, LAR_TABLE_IO_SLOWEST, &r);
	for (unsigned op = 0; op < IO_OP_COUNT; op++)
		calls += io_op_is_stdio((enum io_op)op) || op == IO_WAIT ? 0 : m->total[op].calls;
	if (calls > r.left && m->slow_limit > r.left)
		m->slow_limit = (uint32_t)r.left;
	while (checkpoint_next(&r)) {
		struct io_slow s = { .took_ticks = v[SLOW_TOOK],
				     .start_ticks = v[SLOW_START],
				     .asked_bytes = v[SLOW_ASKED],
				     .offset = v[SLOW_OFFSET] - 1,
				     .result = checkpoint_signed(v[SLOW_RESULT]),
				     .stack = checkpoint_stack(c, v[SLOW_NODE]),
				     .thread = (uint32_t)v[SLOW_THREAD],
				     .target = (uint32_t)v[SLOW_TARGET],
				     .fd = (int32_t)checkpoint_signed(v[SLOW_FD]),
				     .call = (uint16_t)v[SLOW_CALL],
				     .beside = IO_OVERLAP_NONE };

		io_model_slow(m, &s);
	}
}

static uint64_t time_ns(const struct io_model *m, uint64_t ticks)
{
	uint64_t start = m->facts ? m->facts->header->clock_start.ticks : 0;

	return m->trace ? trace_ns(m->trace, start + ticks) : ticks;
}

/* A span of the checkpoint goes where its middle is. */
static void load_heat(struct io_model *m, const struct checkpoint *c)
{
	struct checkpoint_rows r;

	checkpoint_rows(c, LAR_TABLE_IO_HEAT, &r);
	while (checkpoint_next(&r))
		if (r.value[1] < IO_HEAT_ROWS && r.value[2] <= UINT32_MAX)
			io_heat_add(&m->wall.heat, time_ns(m, r.value[0]), (unsigned)r.value[1],
				    (uint32_t)r.value[2]);
}

/* Of which site and target the errors of a row are, where they have rows of their own. */
static int load_errno(struct io_model *m, const struct checkpoint *c, const uint64_t *v)
{
	uint32_t number = (uint32_t)v[ERROR_NUMBER], target = IO_OTHERS;

	if (v[ERROR_TARGET] > 1) {
		struct io_target *t = target_of(m, v[ERROR_TARGET] - 1);

		if (!t || (!io_op_is_stdio((enum io_op)v[ERROR_OP]) &&
			   io_errnos_add(&t->errnos, number, v[ERROR_COUNT])))
			return -ENOMEM;
		target = t->id;
	}
	if (v[ERROR_SITE] > 1) {
		struct io_site *s = io_model_site(m, checkpoint_stack(c, v[ERROR_SITE] - 2),
						  SITE_FOLDED_THREADS, target);

		if (!s || io_errnos_add(&s->errnos, number, v[ERROR_COUNT]))
			return -ENOMEM;
	}
	return 0;
}

static int load_errors(struct io_model *m, const struct checkpoint *c)
{
	struct checkpoint_rows r;
	int err = 0;

	checkpoint_rows(c, LAR_TABLE_IO_ERRORS, &r);
	while (!err && checkpoint_next(&r)) {
		if (r.value[ERROR_OP] >= IO_OP_COUNT)
			continue;
		err = io_model_error(m, (enum io_op)r.value[ERROR_OP],
				     (uint32_t)r.value[ERROR_NUMBER], r.value[ERROR_COUNT]);
		if (!err)
			err = load_errno(m, c, r.value);
	}
	return err;
}

int io_load(struct io_model *m, const struct checkpoint *c)
{
	int err;

	load_totals(m, c);
	load_slowest(m, c);
	load_heat(m, c);
	err = load_targets(m, c);
	if (!err)
		err = load_spans(m, c);
	if (!err)
		err = load_sites(m, c);
	return err ? err : load_errors(m, c);
}
