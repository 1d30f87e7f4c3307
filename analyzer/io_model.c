/* SPDX-License-Identifier: MIT */
/* I/O figures; see io_model.h. */
#include "io_model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io_thresholds.h"

const char *io_op_name(enum io_op op)
{
	static const char *const name[] = {
#define IO_OP(text, operation) #text,
		LAR_IO_OPS(IO_OP)
#undef IO_OP
	};

	return name[op];
}

static enum io_op op_of_call(unsigned call)
{
	switch (call_operation(call)) {
#define IO_OP(name, operation)                                                                     \
	case LAR_OP_##operation:                                                                   \
		return IO_##operation;
		LAR_IO_OPS(IO_OP)
#undef IO_OP
	default:
		return IO_META;
	}
}

int io_model_init(struct io_model *m, const struct site_rule *rule, uint64_t since_ns,
		  uint32_t slowest)
{
	memset(m, 0, sizeof(*m));
	sites_init(&m->sites, rule);
	m->since_ns = since_ns;
	m->slow_limit = slowest < IO_SLOWEST ? slowest : IO_SLOWEST;
	if (io_patterns_init(&m->patterns, io_threshold(IO_THRESHOLD_cache_bytes)))
		return -ENOMEM;
	m->slow = calloc(m->slow_limit + 1, sizeof(*m->slow));
	if (io_overlaps_init(&m->overlaps, m->slow_limit + 1))
		return -ENOMEM;
	for (unsigned op = 0; op < IO_OP_COUNT; op++)
		histogram_init(&m->total[op].latency, HISTOGRAM_FINE);
	histogram_init(&m->stream[0].latency, HISTOGRAM_FINE);
	histogram_init(&m->stream[1].latency, HISTOGRAM_FINE);
	return m->slow ? 0 : -ENOMEM;
}

static void figures_fini(struct io_figures *f)
{
	histogram_fini(&f->latency);
	busy_time_fini(&f->busy);
}

void io_model_fini(struct io_model *m)
{
	for (unsigned op = 0; op < IO_OP_COUNT; op++)
		figures_fini(&m->total[op]);
	figures_fini(&m->stream[0]);
	figures_fini(&m->stream[1]);
	for (uint32_t i = 0; i < m->target_map.count && i < m->target_size; i++)
		for (unsigned d = 0; d < IO_TARGET_OPS; d++)
			figures_fini(&m->target[i].op[d]);
	for (uint32_t i = 0; i < m->target_map.count && i < m->target_size; i++)
		free(m->target[i].errnos);
	for (uint32_t i = 0; i < m->sites.count && i < m->site_size; i++)
		histogram_fini(&m->site[i].latency);
	for (uint32_t i = 0; i < m->sites.count && i < m->site_size; i++)
		free(m->site[i].errnos);
	io_patterns_fini(&m->patterns, m->target_map.count);
	io_wall_fini(&m->wall);
	io_overlaps_fini(&m->overlaps);
	free(m->target);
	free(m->site);
	free(m->slow);
	free(m->error);
	keymap_fini(&m->target_map);
	keymap_fini(&m->error_map);
	sites_fini(&m->sites);
}

/* One call, taken apart. */
struct io_call {
	enum io_op op;
	uint64_t start_ticks, end_ticks;
	uint64_t bytes;
	uint64_t calls; /* 1, but of streams */
	bool by_stream; /* made by a stream */
	bool failed, is_short;
	uint32_t target;
};

static struct io_call call_of_event(const struct event *e)
{
	int64_t result = (int64_t)e->field[3];
	struct io_call c = { .op = op_of_call(e->call), .end_ticks = e->ticks, .calls = 1 };

	c.start_ticks = e->ticks > e->field[1] ? e->ticks - e->field[1] : 0;
	c.failed = result < 0;
	c.target = e->flags & LAR_IO_NO_TARGET ? 0 : (uint32_t)(e->field[2] >> 32);
	c.by_stream = e->call == LAR_CALL_stdio_read || e->call == LAR_CALL_stdio_write;
	if (!c.failed && (c.op == IO_READ || c.op == IO_WRITE)) {
		c.bytes = (uint64_t)result;
		c.is_short = c.bytes && c.bytes < e->field[4];
	}
	if (io_op_is_stdio(c.op)) {
		c.calls = e->field[4];
		c.bytes = c.failed ? 0 : (uint64_t)result;
	}
	return c;
}

static void figures_add(struct io_figures *f, const struct io_call *c)
{
	f->calls += c->calls;
	f->bytes += c->bytes;
	f->errors += c->failed;
	f->short_calls += c->is_short;
	if (io_op_is_stdio(c->op)) /* how long they took is not known */
		return;
	histogram_add(&f->latency, c->end_ticks - c->start_ticks);
	busy_time_add(&f->busy, c->start_ticks, c->end_ticks);
}

struct io_target *io_model_target(struct io_model *m, uint32_t id)
{
	uint32_t n = keymap_number(&m->target_map, id);

	if (n == KEYMAP_NONE ||
	    array_reserve((void **)&m->target, &m->target_size, n, sizeof(*m->target)))
		return NULL;
	if (!m->target[n].op[0].latency.bits)
		for (unsigned d = 0; d < IO_TARGET_OPS; d++)
			histogram_init(&m->target[n].op[d].latency, HISTOGRAM_FINE);
	m->target[n].id = id;
	return &m->target[n];
}

static enum io_target_op io_target_op(enum io_op op)
{
	switch (op) {
	case IO_READ:
		return IO_TARGET_READ;
	case IO_WRITE:
		return IO_TARGET_WRITE;
	case IO_STDIO_READ:
		return IO_TARGET_STDIO_READ;
	case IO_STDIO_WRITE:
		return IO_TARGET_STDIO_WRITE;
	default:
		return IO_TARGET_OTHER;
	}
}

static int target_add(struct io_model *m, const struct io_call *c)
{
	enum io_target_op d = io_target_op(c->op);
	struct io_target *t = io_model_target(m, c->target);

	if (!t)
		return -ENOMEM;
	if (io_op_is_stdio(c->op)) {
		figures_add(&t->op[d], c);
		return 0;
	}
	t->calls++;
	t->bytes += c->bytes;
	t->errors += c->failed;
	t->short_calls += c->is_short;
	t->time_ticks += c->end_ticks - c->start_ticks;
	figures_add(&t->op[d], c);
	if (c->by_stream)
		figures_add(&t->op[d == IO_TARGET_READ ? IO_TARGET_FILL : IO_TARGET_FLUSH], c);
	return 0;
}

struct io_site *io_model_site(struct io_model *m, uint32_t stack, uint32_t thread, uint32_t target)
{
	uint32_t n = sites_number(&m->sites, stack, thread);
	struct io_site *s;

	if (n == SITE_NONE || array_reserve((void **)&m->site, &m->site_size, n, sizeof(*m->site)))
		return NULL;
	s = &m->site[n];
	if (!s->latency.bits) {
		histogram_init(&s->latency, HISTOGRAM_FINE);
		s->target = target;
	}
	s->more_targets |= s->target != target;
	return s;
}

static int site_add(struct io_model *m, const struct event *e, const struct io_call *c)
{
	struct io_site *s = io_model_site(m, e->stack, e->thread, c->target);

	if (!s)
		return -ENOMEM;
	s->by_op[c->op] += c->calls;
	s->errors += c->failed;
	if (io_op_is_stdio(c->op)) {
		s->stdio_calls += c->calls;
		s->stdio_bytes += c->bytes;
		return 0;
	}
	s->calls++;
	s->bytes += c->bytes;
	s->read_bytes += c->op == IO_READ ? c->bytes : 0;
	s->written_bytes += c->op == IO_WRITE ? c->bytes : 0;
	s->short_calls += c->is_short;
	s->time_ticks += c->end_ticks - c->start_ticks;
	histogram_add(&s->latency, c->end_ticks - c->start_ticks);
	return 0;
}

int io_model_error(struct io_model *m, enum io_op op, uint32_t number, uint64_t count)
{
	uint32_t n = keymap_number(&m->error_map, (uint64_t)op << 32 | number);

	if (n == KEYMAP_NONE ||
	    array_reserve((void **)&m->error, &m->error_size, n, sizeof(*m->error)))
		return -ENOMEM;
	m->error[n].op = op;
	m->error[n].number = number;
	m->error[n].count += count;
	return 0;
}

static int error_add(struct io_model *m, const struct event *e, const struct io_call *c)
{
	int64_t result = (int64_t)e->field[3];
	uint32_t number = result < -4095 ? 0 : (uint32_t)-result;
	struct io_target *t = io_model_target(m, c->target);
	struct io_site *s = io_model_site(m, e->stack, e->thread, c->target);

	if (!t || !s || io_errnos_add(&s->errnos, number, 1))
		return -ENOMEM;
	if (!io_op_is_stdio(c->op) && io_errnos_add(&t->errnos, number, 1))
		return -ENOMEM;
	return io_model_error(m, c->op, number, 1);
}

/* What is in the buffers of streams, after the event has been added to its target and site. */
static void buffered_add(struct io_model *m, const struct event *e, const struct io_call *c)
{
	uint32_t target = keymap_find(&m->target_map, c->target);
	struct io_buffered *b = target == KEYMAP_NONE ? NULL : &m->target[target].buffered;
	struct io_site *s;

	if (b && (e->call == LAR_CALL_fclose || e->call == LAR_CALL_pclose))
		io_buffered_closed(b);
	if (!b || c->failed)
		return;
	if (e->call == LAR_CALL_stdio_write) {
		io_buffered_written(b, c->bytes, c->start_ticks, c->end_ticks, m->unflushed_ticks);
	} else if (c->op == IO_STDIO_WRITE) {
		s = io_model_site(m, e->stack, e->thread, c->target);
		io_buffered_asked(b, c->bytes, c->start_ticks, s ? (uint32_t)(s - m->site) : 0);
	}
}

/* The earlier of two equally slow operations counts as the slower. */
static bool slower(const struct io_slow *a, const struct io_slow *b)
{
	return a->took_ticks != b->took_ticks	  ? a->took_ticks > b->took_ticks
	       : a->start_ticks != b->start_ticks ? a->start_ticks < b->start_ticks
						  : a->thread < b->thread;
}

static void slow_sift_down(struct io_model *m)
{
	struct io_slow moved = m->slow[0];
	uint32_t i = 0;

	for (uint32_t child = 1; child < m->slow_count; child = 2 * i + 1) {
		if (child + 1 < m->slow_count && slower(&m->slow[child], &m->slow[child + 1]))
			child++;
		if (!slower(&moved, &m->slow[child]))
			break;
		m->slow[i] = m->slow[child];
		i = child;
	}
	m->slow[i] = moved;
}

void io_model_slow(struct io_model *m, const struct io_slow *s)
{
	uint32_t i;

	if (m->slow_count == m->slow_limit) {
		if (!m->slow_limit || !slower(s, &m->slow[0]))
			return;
		io_overlaps_drop(&m->overlaps, m->slow[0].beside);
		m->slow[0] = *s;
		slow_sift_down(m);
		return;
	}
	for (i = m->slow_count++; i && slower(&m->slow[(i - 1) / 2], s); i = (i - 1) / 2)
		m->slow[i] = m->slow[(i - 1) / 2];
	m->slow[i] = *s;
}

static void slow_add(struct io_model *m, const struct event *e, const struct io_call *c)
{
	uint64_t took = c->end_ticks - c->start_ticks;
	struct io_slow s = { .took_ticks = took,
			     .start_ticks = c->start_ticks,
			     .asked_bytes = e->field[4],
			     .offset = e->field[5],
			     .result = (int64_t)e->field[3],
			     .stack = e->stack,
			     .thread = e->thread,
			     .target = c->target,
			     .fd = (int32_t)(uint32_t)e->field[2],
			     .call = e->call };
	struct io_overlap_call o = { c->start_ticks, c->end_ticks, e->thread, c->target, e->call };

	io_overlaps_event(&m->overlaps, &o);
	if (m->slow_count == m->slow_limit && !(m->slow_limit && slower(&s, &m->slow[0])))
		return;
	s.beside = io_overlaps_follow(&m->overlaps);
	io_model_slow(m, &s);
}

static unsigned target_kind(const struct io_model *m, uint32_t target)
{
	return m->facts && target < m->facts->target_count ? m->facts->targets[target].kind
							   : LAR_TARGET_UNKNOWN;
}

static int wall_add(struct io_model *m, const struct event *e)
{
	switch (e->kind) {
	case LAR_EV_IO:
		return io_wall_event(&m->wall, e, target_kind(m, (uint32_t)(e->field[2] >> 32)));
	case LAR_EV_LOCK:
	case LAR_EV_THREAD_START:
	case LAR_EV_THREAD_END:
	case LAR_EV_THREAD_JOIN:
		return io_wall_event(&m->wall, e, LAR_TARGET_UNKNOWN);
	default:
		return 0;
	}
}

int io_model_event(struct io_model *m, const struct event *e)
{
	struct io_call c;

	if (e->time_ns < m->since_ns)
		return 0;
	if (wall_add(m, e))
		return -ENOMEM;
	if (e->kind != LAR_EV_IO)
		return 0;
	c = call_of_event(e);
	figures_add(&m->total[c.op], &c);
	if (!io_op_is_stdio(c.op) && lar_io_kernel_counts(e->call) &&
	    (!m->kernel_ticks || c.end_ticks <= m->kernel_ticks))
		m->seen_bytes += c.bytes;
	/* who waits for events is not slow */
	if (!io_op_is_stdio(c.op) && c.op != IO_WAIT)
		slow_add(m, e, &c);
	if (target_add(m, &c) || site_add(m, e, &c))
		return -ENOMEM;
	buffered_add(m, e, &c);
	if (!io_op_is_stdio(c.op) &&
	    io_patterns_event(&m->patterns, keymap_find(&m->target_map, c.target),
			      target_kind(m, c.target), e))
		return -ENOMEM;
	return c.failed ? error_add(m, e, &c) : 0;
}

static int by_slowness(const void *a, const void *b)
{
	return slower(a, b) ? -1 : slower(b, a);
}

const char *const io_unseen_classes[] = { "the loader's reads of libraries",
					  "io_uring and aio",
					  "mapped files",
					  "system calls past libc's functions",
					  "children that are statically linked",
					  NULL };

static void sum_up_streams(struct io_model *m)
{
	for (uint32_t i = 0; i < m->target_map.count; i++) {
		for (unsigned d = 0; d < 2; d++) {
			const struct io_figures *f = &m->target[i].op[IO_TARGET_FILL + d];
			struct io_figures *sum = &m->stream[d];

			sum->calls += f->calls;
			sum->bytes += f->bytes;
			sum->errors += f->errors;
			sum->short_calls += f->short_calls;
			if (f->calls)
				histogram_merge(&sum->latency, &f->latency);
			/* streams may have been at it at the same time */
			sum->busy.settled += busy_time_sum(&f->busy);
			sum->busy.at_least |= f->busy.at_least;
		}
	}
}

void io_model_finish(struct io_model *m)
{
	sum_up_streams(m);
	qsort(m->slow, m->slow_count, sizeof(*m->slow), by_slowness);
}
