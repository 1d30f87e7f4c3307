/* SPDX-License-Identifier: MIT */
/*
 * I/O figures of folded events, by the rules of the analyzer's I/O model: what one of them counts
 * for an event, the other does.
 */
#include "fold_busy.h"
#include "fold_heat.h"
#include "fold_rows.h"
#include "recorder.h"

#define LATENCY_BITS	   4
#define SLOWEST_MOST	   1000u
#define ERRORS_MOST	   256u
#define TARGET_SPANS_LEAST 4u
#define TARGETS_PER_SPAN   256u /* where there is room for more */

enum op {
#define OP(name, operation) OP_##operation,
	LAR_IO_OPS(OP)
#undef OP
		OP_COUNT
};

enum target_op {
	TARGET_READ,
	TARGET_WRITE,
	TARGET_OTHER,
	TARGET_STDIO_READ,
	TARGET_STDIO_WRITE,
	TARGET_FILL, /* of the reads that streams made */
	TARGET_FLUSH,
	TARGET_OPS
};

struct figures {
	uint64_t calls, bytes, errors, short_calls;
	uint64_t kernel_bytes; /* those that the kernel counts too; of totals only */
	struct fold_histogram latency;
	struct fold_busy busy;
};

struct target {
	uint32_t id;
	struct figures *op[TARGET_OPS]; /* NULL = none of it yet */
};

struct site {
	uint32_t node;
	uint64_t read_bytes, written_bytes, errors, short_calls;
	uint64_t calls[OP_COUNT];
	uint64_t stdio_bytes;
	uint32_t target; /* the one met first */
	bool more_targets;
	struct fold_histogram latency;
};

struct slow {
	uint64_t took, start, asked;
	uint64_t offset; /* UINT64_MAX = none */
	int64_t result;
	uint32_t node, thread, target;
	int32_t fd;
	uint16_t call;
};

struct error {
	uint32_t op, number;
	uint32_t node, target; /* ERROR_ANY where there was no room to tell */
	uint64_t count;
};
#define ERROR_ANY     UINT32_MAX
#define ERROR_NODES   (1u << 26) /* that a key has room for */
#define ERROR_TARGETS (1u << 22)

struct io {
	uint32_t most; /* rows of each kind, and spans of a total */
	uint32_t target_spans;
	struct figures total[OP_COUNT];
	struct fold_rows targets, sites, errors;
	struct target other_targets;
	struct site other_sites;
	struct slow *slow; /* a heap with the fastest on top */
	uint32_t slow_count, slow_most;
	struct fold_heat *heat;
};

/* One call, taken apart. */
struct call {
	enum op op;
	uint64_t start, end, bytes;
	uint64_t calls; /* 1, but of streams */
	bool by_stream; /* made by a stream */
	bool failed, is_short;
	uint32_t target;
};

static enum op op_of_call(unsigned call)
{
	switch (fold_operation(call)) {
#define OP(name, operation)                                                                        \
	case LAR_OP_##operation:                                                                   \
		return OP_##operation;
		LAR_IO_OPS(OP)
#undef OP
	default:
		return OP_META;
	}
}

/* What a program asked of its streams: no time is known of it. */
static bool is_stdio(enum op op)
{
	return op == OP_STDIO_READ || op == OP_STDIO_WRITE;
}

static struct call call_of_event(const struct fold_event *e)
{
	int64_t result = (int64_t)e->field[3];
	struct call c = { .op = op_of_call(e->call), .end = e->ticks, .calls = 1 };

	c.start = e->ticks > e->field[1] ? e->ticks - e->field[1] : 0;
	c.failed = result < 0;
	c.target = e->flags & LAR_IO_NO_TARGET ? 0 : (uint32_t)(e->field[2] >> 32);
	c.by_stream = e->call == LAR_CALL_stdio_read || e->call == LAR_CALL_stdio_write;
	if (!c.failed && (c.op == OP_READ || c.op == OP_WRITE)) {
		c.bytes = (uint64_t)result;
		c.is_short = c.bytes && c.bytes < e->field[4];
	}
	if (is_stdio(c.op)) {
		c.calls = e->field[4];
		c.bytes = c.failed ? 0 : (uint64_t)result;
	}
	return c;
}

static void figures_add(struct fold *f, struct figures *g, const struct call *c, uint32_t spans)
{
	g->calls += c->calls;
	g->bytes += c->bytes;
	g->errors += c->failed;
	g->short_calls += c->is_short;
	if (is_stdio(c->op))
		return;
	g->latency.bits = LATENCY_BITS;
	fold_histogram_add(f, &g->latency, c->end - c->start);
	fold_busy_add(f, &g->busy, c->start, c->end, spans);
}

static enum target_op target_op(enum op op)
{
	switch (op) {
	case OP_READ:
		return TARGET_READ;
	case OP_WRITE:
		return TARGET_WRITE;
	case OP_STDIO_READ:
		return TARGET_STDIO_READ;
	case OP_STDIO_WRITE:
		return TARGET_STDIO_WRITE;
	default:
		return TARGET_OTHER;
	}
}

static void direction_add(struct fold *f, struct io *io, struct target *t, enum target_op d,
			  const struct call *c)
{
	if (!t->op[d])
		t->op[d] = fold_alloc(f, sizeof(*t->op[d]));
	if (t->op[d])
		figures_add(f, t->op[d], c, io->target_spans);
}

static void target_add(struct fold *f, struct io *io, const struct call *c)
{
	uint32_t n = fold_row(f, &io->targets, sizeof(struct target), c->target + 1ull, io->most);
	struct target *t =
		n == FOLD_NONE ? &io->other_targets : (struct target *)io->targets.row + n;
	enum target_op d = target_op(c->op);

	t->id = c->target;
	direction_add(f, io, t, d, c);
	if (c->by_stream)
		direction_add(f, io, t, d == TARGET_READ ? TARGET_FILL : TARGET_FLUSH, c);
}

static void site_add(struct fold *f, struct io *io, const struct fold_event *e,
		     const struct call *c)
{
	uint32_t n = fold_row(f, &io->sites, sizeof(struct site), e->node + 1ull, io->most);
	struct site *s = n == FOLD_NONE ? &io->other_sites : (struct site *)io->sites.row + n;

	if (!s->latency.bits) {
		s->latency.bits = LATENCY_BITS;
		s->node = e->node;
		s->target = c->target;
	}
	s->more_targets |= s->target != c->target;
	s->calls[c->op] += c->calls;
	s->stdio_bytes += is_stdio(c->op) ? c->bytes : 0;
	s->read_bytes += c->op == OP_READ ? c->bytes : 0;
	s->written_bytes += c->op == OP_WRITE ? c->bytes : 0;
	s->errors += c->failed;
	s->short_calls += c->is_short;
	if (!is_stdio(c->op))
		fold_histogram_add(f, &s->latency, c->end - c->start);
}

/* Sites and targets have no errors of their own where they have no row of their own. */
static void error_add(struct fold *f, struct io *io, const struct fold_event *e,
		      const struct call *c)
{
	int64_t result = (int64_t)e->field[3];
	uint32_t number = result < -4095 ? 0 : (uint32_t)-result, n;
	uint64_t kind = (uint64_t)(c->op + 1) << 60 | (uint64_t)number << 48;
	uint32_t node =
		fold_map_get(&io->sites.map, e->node + 1ull) != FOLD_NONE ? e->node : ERROR_ANY;
	uint32_t target = fold_map_get(&io->targets.map, c->target + 1ull) != FOLD_NONE ? c->target
											: ERROR_ANY;
	struct error *error;

	node = node < ERROR_NODES - 1 ? node : ERROR_ANY;
	target = target < ERROR_TARGETS - 1 ? target : ERROR_ANY;
	n = fold_row(f, &io->errors, sizeof(*error),
		     kind | (uint64_t)(node % ERROR_NODES) << 22 | target % ERROR_TARGETS,
		     io->most);
	if (n == FOLD_NONE) {
		node = target = ERROR_ANY;
		n = fold_row(f, &io->errors, sizeof(*error), kind | ((1ull << 48) - 1),
			     io->most + ERRORS_MOST);
	}
	if (n == FOLD_NONE)
		return;
	error = (struct error *)io->errors.row + n;
	error->op = c->op;
	error->number = number;
	error->node = node;
	error->target = target;
	error->count++;
}

/* The earlier of two equally slow operations counts as the slower. */
static bool slower(const struct slow *a, const struct slow *b)
{
	return a->took != b->took     ? a->took > b->took
	       : a->start != b->start ? a->start < b->start
				      : a->thread < b->thread;
}

static void slow_sift_down(struct io *io)
{
	struct slow moved = io->slow[0];
	uint32_t i = 0;

	for (uint32_t child = 1; child < io->slow_count; child = 2 * i + 1) {
		if (child + 1 < io->slow_count && slower(&io->slow[child], &io->slow[child + 1]))
			child++;
		if (!slower(&moved, &io->slow[child]))
			break;
		io->slow[i] = io->slow[child];
		i = child;
	}
	io->slow[i] = moved;
}

static void slow_add(struct io *io, const struct fold_event *e, const struct call *c)
{
	struct slow s = { .took = c->end - c->start,
			  .start = c->start,
			  .asked = e->field[4],
			  .offset = e->field[5],
			  .result = (int64_t)e->field[3],
			  .node = e->node,
			  .thread = e->thread,
			  .target = c->target,
			  .fd = (int32_t)(uint32_t)e->field[2],
			  .call = (uint16_t)e->call };
	uint32_t i;

	if (io->slow_count == io->slow_most) {
		if (!slower(&s, &io->slow[0]))
			return;
		io->slow[0] = s;
		slow_sift_down(io);
		return;
	}
	for (i = io->slow_count++; i && slower(&io->slow[(i - 1) / 2], &s); i = (i - 1) / 2)
		io->slow[i] = io->slow[(i - 1) / 2];
	io->slow[i] = s;
}

static struct io *io_new(struct fold *f)
{
	struct io *io = fold_alloc(f, sizeof(*io));

	if (!io)
		return NULL;
	io->most = fold_rows_most();
	io->target_spans = io->most / TARGETS_PER_SPAN;
	if (io->target_spans < TARGET_SPANS_LEAST)
		io->target_spans = TARGET_SPANS_LEAST;
	io->slow_most = io->most < SLOWEST_MOST ? io->most : SLOWEST_MOST;
	io->slow = fold_alloc(f, io->slow_most * sizeof(*io->slow));
	io->heat = fold_alloc(f, sizeof(*io->heat));
	return io->slow && io->heat ? io : NULL;
}

void fold_io_event(struct fold *f, void **state, const struct fold_event *e)
{
	uint64_t start = lar->header->clock_start.ticks;
	struct io *io = *state;
	struct call c;

	if (e->kind != LAR_EV_IO)
		return;
	if (!io)
		io = *state = io_new(f);
	if (!io)
		return;
	c = call_of_event(e);
	figures_add(f, &io->total[c.op], &c, io->most);
	if (!is_stdio(c.op) && lar_io_kernel_counts(e->call))
		io->total[c.op].kernel_bytes += c.bytes;
	/* who waits for events is not slow */
	if (!is_stdio(c.op) && c.op != OP_WAIT) {
		slow_add(io, e, &c);
		/* times are rounded down */
		fold_heat_add(io->heat, e->ticks > start ? e->ticks - start : 0, c.end - c.start);
	}
	target_add(f, io, &c);
	site_add(f, io, e, &c);
	if (c.failed)
		error_add(f, io, e, &c);
}

/* ---- writing ---- */

/* The columns behind the first ones of a row of figures, but for the histogram. */
static void put_columns(struct fold_out *o, const struct figures *g)
{
	fold_put(o, g->calls);
	fold_put(o, g->bytes);
	fold_put(o, g->errors);
	fold_put(o, g->short_calls);
	fold_put(o, g->busy.settled);
	fold_put(o, g->busy.settled_until);
	fold_put(o, g->busy.at_least);
}

static void put_figures(struct fold_out *o, const struct figures *g)
{
	put_columns(o, g);
	fold_put_histogram(o, &g->latency);
}

static void write_totals(struct fold_out *o, const struct io *io)
{
	unsigned rows = 0;

	for (unsigned op = 0; op < OP_COUNT; op++)
		rows += io->total[op].calls != 0;
	fold_table(o, LAR_TABLE_IO, rows, 9);
	for (unsigned op = 0; op < OP_COUNT; op++) {
		if (!io->total[op].calls)
			continue;
		fold_put(o, op);
		put_columns(o, &io->total[op]);
		fold_put(o, io->total[op].kernel_bytes);
		fold_put_histogram(o, &io->total[op].latency);
	}
}

/* The i-th target, the one that stands for others last. */
static const struct target *target_at(const struct io *io, uint32_t i)
{
	return i < io->targets.map.count ? (const struct target *)io->targets.row + i
					 : &io->other_targets;
}

static uint64_t target_id(const struct io *io, uint32_t i)
{
	return i < io->targets.map.count ? target_at(io, i)->id + 1ull : 0;
}

static void write_targets(struct fold_out *o, const struct io *io)
{
	uint64_t rows = 0, last = 0;

	for (uint32_t i = 0; i <= io->targets.map.count; i++)
		for (unsigned d = 0; d < TARGET_OPS; d++)
			rows += target_at(io, i)->op[d] != NULL;
	fold_table(o, LAR_TABLE_IO_TARGETS, rows, 9);
	for (uint32_t i = 0; i <= io->targets.map.count; i++) {
		for (unsigned d = 0; d < TARGET_OPS; d++) {
			if (!target_at(io, i)->op[d])
				continue;
			fold_put_site(o, target_id(io, i), &last);
			fold_put(o, d);
			put_figures(o, target_at(io, i)->op[d]);
		}
	}
}

static void put_spans(struct fold_out *o, const struct fold_busy *b, uint64_t owner, unsigned op,
		      uint64_t *last)
{
	for (uint32_t i = 0; i < b->count; i++) {
		fold_put(o, owner);
		fold_put(o, op);
		fold_put_signed(o, (int64_t)(b->span[i].start - *last));
		fold_put(o, b->span[i].end - b->span[i].start);
		*last = b->span[i].start;
	}
}

static void write_spans(struct fold_out *o, const struct io *io)
{
	uint64_t rows = 0, last = 0;

	for (unsigned op = 0; op < OP_COUNT; op++)
		rows += io->total[op].busy.count;
	for (uint32_t i = 0; i <= io->targets.map.count; i++)
		for (unsigned d = 0; d < TARGET_OPS; d++)
			rows += target_at(io, i)->op[d] ? target_at(io, i)->op[d]->busy.count : 0;
	fold_table(o, LAR_TABLE_IO_SPANS, rows, 4);
	for (unsigned op = 0; op < OP_COUNT; op++)
		put_spans(o, &io->total[op].busy, 0, op, &last);
	for (uint32_t i = 0; i <= io->targets.map.count; i++)
		for (unsigned d = 0; d < TARGET_OPS; d++)
			if (target_at(io, i)->op[d])
				put_spans(o, &target_at(io, i)->op[d]->busy, 1 + target_id(io, i),
					  d, &last);
}

static void put_site(struct fold_out *o, const struct site *s, uint64_t site, uint64_t *last)
{
	fold_put_site(o, site, last);
	fold_put(o, s->read_bytes);
	fold_put(o, s->written_bytes);
	fold_put(o, s->errors);
	fold_put(o, s->short_calls);
	fold_put(o, s->target);
	fold_put(o, s->more_targets);
	for (unsigned op = 0; op < OP_COUNT; op++)
		fold_put(o, s->calls[op]);
	fold_put(o, s->stdio_bytes);
	fold_put_histogram(o, &s->latency);
}

static void write_sites(struct fold_out *o, const struct io *io)
{
	bool others = io->other_sites.latency.bits != 0;
	uint64_t last = 0;

	fold_table(o, LAR_TABLE_IO_SITES, io->sites.map.count + others, 8 + OP_COUNT);
	for (uint32_t i = 0; i < io->sites.map.count; i++) {
		const struct site *s = (const struct site *)io->sites.row + i;

		put_site(o, s, s->node + 1ull, &last);
	}
	if (others)
		put_site(o, &io->other_sites, 0, &last);
}

static void write_slowest(struct fold_out *o, const struct io *io)
{
	uint64_t last = 0;

	fold_table(o, LAR_TABLE_IO_SLOWEST, io->slow_count, 10);
	for (uint32_t i = 0; i < io->slow_count; i++) {
		const struct slow *s = &io->slow[i];

		fold_put(o, s->took);
		fold_put_signed(o, (int64_t)(s->start - last));
		fold_put(o, s->node);
		fold_put(o, s->thread);
		fold_put(o, s->target);
		fold_put_signed(o, s->fd);
		fold_put(o, s->call);
		fold_put(o, s->asked);
		fold_put_signed(o, s->result);
		fold_put(o, s->offset + 1);
		last = s->start;
	}
}

void fold_io_write(struct fold_out *o, void *state)
{
	const struct io *io = state;

	write_totals(o, io);
	write_targets(o, io);
	write_spans(o, io);
	write_sites(o, io);
	write_slowest(o, io);
	fold_heat_write(o, io->heat);
	fold_table(o, LAR_TABLE_IO_ERRORS, io->errors.map.count, 5);
	for (uint32_t i = 0; i < io->errors.map.count; i++) {
		const struct error *error = (const struct error *)io->errors.row + i;

		fold_put(o, error->op);
		fold_put(o, error->number);
		fold_put(o, error->count);
		fold_put(o, error->node == ERROR_ANY ? 1 : error->node + 2ull);
		fold_put(o, error->target == ERROR_ANY ? 1 : error->target + 2ull);
	}
}
