/* SPDX-License-Identifier: MIT */
/*
 * The threads of folded events, by the rules of the analyzer's thread model: what one of them
 * counts for an event, the other does. Where there are more threads than rows, early ones that
 * ended share one.
 */
#include <string.h>

#include "fold_rows.h"
#include "format/idle.h"
#include "format/recent.h"
#include "format/weight.h"
#include "recorder.h"

/* As in the table's flags. */
enum { CREATED = 1, STARTED = 2, ENDED = 4, JOINED = 8, DETACHED = 16 };

struct figures {
	uint32_t number, tid, creator, node, flags;
	uint64_t start, end, cpu_ns;
	uint64_t allocations, allocated_bytes;
	uint64_t io_calls, io_bytes, io_ticks;
	uint64_t lock_waits, lock_wait_ticks, idle_ticks;
	uint64_t stack_bytes, stack_used;
	uint64_t cpu_before;		       /* CPU time that is not in the record */
	uint64_t samples, missed, in_recorder; /* of its CPU time */
	uint64_t in_locks, in_io, in_idle;     /* samples in calls that count as such */
	struct lar_recent recent;
	struct lar_idle idle;
};

struct threads {
	uint32_t most, last; /* row of the last event's thread */
	uint64_t period;     /* of sampling; 0 = all was recorded */
	/* the same where no event but those of the heap has come since, and it has started */
	struct figures *again;
	uint64_t created, create_failures, running, peak, peak_ticks;
	struct figures *row;
	struct fold_index rows;
	struct figures others;
	uint64_t gone;	   /* threads in `others` */
	uint64_t unjoined; /* of them: neither joined nor detached */
	uint32_t below;	   /* threads with a lower number and no row are in `others` */
};

static void add_up(struct figures *to, const struct figures *from)
{
	if (from->flags & ENDED) /* else it will still be told */
		to->cpu_ns += from->cpu_ns;
	to->allocations += from->allocations;
	to->allocated_bytes += from->allocated_bytes;
	to->io_calls += from->io_calls;
	to->io_bytes += from->io_bytes;
	to->io_ticks += from->io_ticks;
	to->lock_waits += from->lock_waits;
	to->lock_wait_ticks += from->lock_wait_ticks;
	to->idle_ticks += from->idle_ticks;
	to->samples += from->samples;
	to->missed += from->missed;
	to->in_recorder += from->in_recorder;
	to->in_locks += from->in_locks;
	to->in_io += from->in_io;
	to->in_idle += from->in_idle;
	to->idle.waits += from->idle.waits;
}

static bool is_unjoined(const struct figures *t)
{
	return (t->flags & (CREATED | JOINED | DETACHED)) == CREATED;
}

static void give_up(struct fold *f, struct threads *m, uint32_t n)
{
	const struct figures *t = &m->row[n];
	uint32_t end = m->rows.count - 1;

	add_up(&m->others, t);
	m->gone++;
	m->unjoined += is_unjoined(t);
	if (t->number >= m->below)
		m->below = t->number + 1;
	fold_index_remove(&m->rows, t->number);
	if (n == end)
		return;
	m->row[n] = m->row[end];
	fold_index_put(f, &m->rows, m->row[n].number, n, m->most);
}

/* Those with all of the flags go whose numbers are not above the mean of theirs. */
static void give_up_early(struct fold *f, struct threads *m, uint32_t flags)
{
	uint64_t sum = 0;
	uint32_t count = 0, mean;

	for (uint32_t i = 0; i < m->rows.count; i++) {
		if ((m->row[i].flags & flags) != flags)
			continue;
		sum += m->row[i].number;
		count++;
	}
	mean = count ? (uint32_t)(sum / count) : 0;
	for (uint32_t i = m->rows.count; i-- > 0;)
		if ((m->row[i].flags & flags) == flags && m->row[i].number <= mean)
			give_up(f, m, i);
}

/* Room for new threads: of early ones that ended or, where there are none, of all early ones. */
static void make_room(struct fold *f, struct threads *m)
{
	give_up_early(f, m, ENDED);
	if (m->rows.count == m->most)
		give_up_early(f, m, 0);
}

/* `others` for one of those; NULL when there is no memory. */
static struct figures *thread_look_up(struct fold *f, struct threads *m, uint32_t number)
{
	uint32_t n = fold_index_get(&m->rows, number);

	if (n == FOLD_NONE && number < m->below)
		return &m->others;
	if (n == FOLD_NONE) {
		if (!m->row)
			m->row = fold_alloc(f, m->most * sizeof(*m->row));
		if (!m->row)
			return NULL;
		if (m->rows.count == m->most)
			make_room(f, m);
		n = m->rows.count;
		if (!fold_index_put(f, &m->rows, number, n, m->most))
			return NULL;
		m->row[n] = (struct figures){ .number = number };
	}
	m->last = n;
	return &m->row[n];
}

static struct figures *thread_get(struct fold *f, struct threads *m, uint32_t number)
{
	if (m->row && m->last < m->rows.count && m->row[m->last].number == number)
		return &m->row[m->last];
	return thread_look_up(f, m, number);
}

static void thread_start(struct threads *m, struct figures *t, uint64_t now)
{
	if (t->flags & STARTED)
		return;
	t->flags |= STARTED;
	t->start = now;
	if (++m->running > m->peak) {
		m->peak = m->running;
		m->peak_ticks = now;
	}
}

static void thread_end(struct threads *m, struct figures *t, const struct fold_event *e)
{
	thread_start(m, t, e->ticks);
	t->end = e->ticks;
	t->cpu_ns = e->field[2];
	if (!(t->flags & ENDED))
		m->running--;
	t->flags |= ENDED;
}

static void thread_join(struct figures *t, const struct fold_event *e)
{
	if (!e->field[3])
		t->flags |= fold_operation(e->call) == LAR_OP_DETACH ? DETACHED : JOINED;
}

/* Of a thread without a row only the sums go on. */
static void others_life(struct threads *m, const struct fold_event *e)
{
	switch (e->kind) {
	case LAR_EV_THREAD_CREATE:
		m->created++;
		m->unjoined += !(e->flags & LAR_THREAD_DETACHED);
		break;
	case LAR_EV_THREAD_END:
		m->running -= m->running != 0;
		m->others.cpu_ns += e->field[2];
		break;
	case LAR_EV_THREAD_JOIN:
		m->unjoined -= !e->field[3] && m->unjoined;
		break;
	}
}

static void take_life(struct fold *f, struct threads *m, const struct fold_event *e)
{
	bool other = e->kind == LAR_EV_THREAD_CREATE || e->kind == LAR_EV_THREAD_JOIN;
	uint64_t number = e->field[other ? 2 : 1];
	struct figures *t;

	if (e->kind == LAR_EV_THREAD_CREATE && e->field[3]) {
		m->create_failures++;
		return;
	}
	if (!number || number > UINT32_MAX)
		return;
	t = thread_get(f, m, (uint32_t)number);
	if (!t)
		return;
	if (t == &m->others) {
		others_life(m, e);
		return;
	}
	switch (e->kind) {
	case LAR_EV_THREAD_CREATE:
		m->created += !(t->flags & CREATED);
		t->flags |= CREATED | (e->flags & LAR_THREAD_DETACHED ? DETACHED : 0);
		t->node = e->node;
		t->creator = e->thread;
		break;
	case LAR_EV_THREAD_START:
		thread_start(m, t, e->ticks);
		break;
	case LAR_EV_THREAD_END:
		thread_end(m, t, e);
		break;
	case LAR_EV_THREAD_JOIN:
		thread_join(t, e);
		break;
	}
}

static void count_allocation(const struct threads *m, struct figures *t, uint64_t address,
			     uint64_t size)
{
	struct lar_weight w;

	if (!address)
		return;
	w = lar_weight(m->period, size);
	t->allocations += w.blocks;
	t->allocated_bytes += w.bytes;
}

static void count_sample(struct figures *t, const struct fold_event *e)
{
	if (e->flags & LAR_CPU_RECORDER) {
		t->in_recorder += e->field[2];
	} else if (e->flags & LAR_CPU_CLOCK) {
		t->missed += e->field[2];
	} else {
		uint64_t weight = lar_sample_weight(e->flags, e->field[2]);

		t->samples += weight;
		t->missed += 1 + (e->field[2] & UINT32_MAX) - weight;
		lar_recent_add(&t->recent, e->ticks, weight);
	}
}

/* The samples that were taken in the event's call. */
static uint64_t samples_in(const struct figures *t, const struct fold_event *e)
{
	return lar_recent_since(&t->recent, e->ticks - e->field[1]);
}

static void count_idle(struct figures *t, const struct fold_event *e)
{
	t->idle_ticks += e->field[1];
	t->in_idle += samples_in(t, e);
	lar_idle_add(&t->idle, e->node, e->call, 1, e->field[1]);
}

static void count_work(const struct threads *m, struct figures *t, const struct fold_event *e)
{
	unsigned op;

	switch (e->kind) {
	case LAR_EV_ALLOC:
		count_allocation(m, t, e->field[1], e->field[2]);
		break;
	case LAR_EV_REALLOC:
		count_allocation(m, t, e->field[3], e->field[4]);
		break;
	case LAR_EV_IO:
		op = fold_operation(e->call);
		if (op == LAR_OP_WAIT)
			count_idle(t, e);
		if (op == LAR_OP_WAIT || lar_io_is_stdio(op))
			break;
		t->in_io += samples_in(t, e);
		t->io_calls++;
		t->io_ticks += e->field[1];
		if ((op == LAR_OP_READ || op == LAR_OP_WRITE) && (int64_t)e->field[3] > 0)
			t->io_bytes += e->field[3];
		break;
	case LAR_EV_THREAD_JOIN:
		if (fold_operation(e->call) != LAR_OP_JOIN)
			break;
		count_idle(t, e);
		break;
	case LAR_EV_THREAD_STACK:
		t->stack_bytes = e->field[2];
		t->stack_used = e->field[3];
		break;
	case LAR_EV_LOCK:
		op = fold_operation(e->call);
		if (lar_lock_idles(e->flags, e->call, op))
			count_idle(t, e);
		if (!(e->flags & LAR_LOCK_CONTENDED) || !lar_op_locks(op))
			break;
		t->lock_waits++;
		t->lock_wait_ticks += e->field[1];
		t->in_locks += samples_in(t, e);
		break;
	case LAR_EV_CPU:
		count_sample(t, e);
		return;
	default:
		break;
	}
	lar_recent_forget(&t->recent);
}

static void take_event(struct fold *f, struct threads *m, const struct fold_event *e)
{
	struct figures *t = e->thread ? thread_get(f, m, e->thread) : NULL;

	if (t)
		count_work(m, t, e);
	if (t == &m->others)
		lar_recent_forget(&t->recent); /* of many threads */
	if (t && t != &m->others) {
		if (e->kind == LAR_EV_CPU && e->flags & LAR_CPU_CLOCK && !t->cpu_ns)
			t->cpu_before = e->field[1];
		if (e->kind == LAR_EV_CPU && e->field[1] > t->cpu_ns)
			t->cpu_ns = e->field[1];
		t->tid = e->tid;
		if (!t->creator)
			t->creator = e->creator;
		thread_start(m, t, e->ticks);
		if (!(t->flags & ENDED) && e->ticks > t->end)
			t->end = e->ticks;
	}
	switch (e->kind) {
	case LAR_EV_THREAD_CREATE:
	case LAR_EV_THREAD_START:
	case LAR_EV_THREAD_END:
	case LAR_EV_THREAD_JOIN:
		take_life(f, m, e);
		break;
	default:
		break;
	}
}

/* The same of an event of the heap, of the thread that the last event was of: nearly all are. */
static inline bool take_again(const struct threads *m, const struct fold_event *e)
{
	struct figures *t = m->again;

	if (unlikely(!t || t->number != e->thread))
		return false;
	if (e->kind == LAR_EV_ALLOC)
		count_allocation(m, t, e->field[1], e->field[2]);
	else if (e->kind == LAR_EV_REALLOC)
		count_allocation(m, t, e->field[3], e->field[4]);
	lar_recent_forget(&t->recent);
	t->tid = e->tid;
	if (!t->creator)
		t->creator = e->creator;
	if (!(t->flags & ENDED) && e->ticks > t->end)
		t->end = e->ticks;
	return true;
}

static lar_noinline void take_any(struct fold *f, void **state, const struct fold_event *e)
{
	struct threads *m = *state;

	/* not a thread at work */
	if (e->kind == LAR_EV_LOCKSUM || e->kind == LAR_EV_LOCKHOLDS || e->kind == LAR_EV_TICK)
		return;
	if (!m) {
		m = *state = fold_alloc(f, sizeof(*m));
		if (!m)
			return;
		m->most = fold_rows_most();
		m->period = lar->config.sample_bytes;
	}
	m->again = NULL; /* rows may move */
	take_event(f, m, e);
	if (fold_is_of_heap(e->kind) && e->thread && m->row && m->last < m->rows.count &&
	    m->row[m->last].number == e->thread && m->row[m->last].flags & STARTED)
		m->again = &m->row[m->last];
}

void fold_thread_event(struct fold *f, void **state, const struct fold_event *e)
{
	if (unlikely(!*state || !fold_is_of_heap(e->kind) || !take_again(*state, e)))
		take_any(f, state, e);
}

/* ---- writing ---- */

static void put_thread(struct fold_out *o, const struct figures *t, uint64_t *number,
		       uint64_t *start)
{
	uint64_t columns[] = {
		t->cpu_ns,     t->allocations, t->allocated_bytes, t->io_calls,	   t->io_bytes,
		t->io_ticks,   t->lock_waits,  t->lock_wait_ticks, t->idle_ticks,  t->stack_bytes,
		t->stack_used, t->samples,     t->missed,	   t->in_recorder, t->in_locks,
		t->in_io,      t->in_idle,     t->cpu_before,	   t->idle.waits,  t->idle.weight,
		t->idle.where, t->idle.call
	};

	fold_put_site(o, t->number, number);
	fold_put(o, t->flags);
	fold_put(o, t->tid);
	fold_put(o, t->creator);
	fold_put(o, t->node);
	fold_put_signed(o, (int64_t)(t->start - *start));
	fold_put_signed(o, (int64_t)(t->end - t->start));
	for (unsigned i = 0; i < sizeof(columns) / sizeof(*columns); i++)
		fold_put(o, columns[i]);
	*start = t->start;
}

void fold_thread_write(struct fold_out *o, void *state)
{
	const struct threads *m = state;
	uint64_t number = 0, start = 0;
	uint64_t totals[] = { m->created, m->create_failures, m->running, m->peak, m->peak_ticks,
			      m->gone,	  m->unjoined,	      m->below };

	fold_table(o, LAR_TABLE_THREAD_TOTALS, 1, sizeof(totals) / sizeof(*totals));
	for (unsigned i = 0; i < sizeof(totals) / sizeof(*totals); i++)
		fold_put(o, totals[i]);
	fold_table(o, LAR_TABLE_THREADS, m->rows.count + (m->gone != 0), 29);
	for (uint32_t i = 0; i < m->rows.count; i++)
		put_thread(o, &m->row[i], &number, &start);
	if (m->gone)
		put_thread(o, &m->others, &number, &start);
}
