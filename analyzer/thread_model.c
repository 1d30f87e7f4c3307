/* SPDX-License-Identifier: MIT */
/* Threads; see thread_model.h. */
#include "thread_model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void thread_model_init(struct thread_model *m, uint64_t since_ns)
{
	memset(m, 0, sizeof(*m));
	m->since_ns = since_ns;
}

void thread_model_fini(struct thread_model *m)
{
	free(m->thread);
	keymap_fini(&m->map);
}

struct thread_figures *thread_model_thread(struct thread_model *m, uint32_t number)
{
	uint32_t n = keymap_number(&m->map, number);

	m->plain = NULL; /* they may move */
	if (n == KEYMAP_NONE || array_reserve((void **)&m->thread, &m->size, n, sizeof(*m->thread)))
		return NULL;
	m->thread[n].number = number;
	m->thread[n].number_order = UINT64_MAX - number;
	return &m->thread[n];
}

static struct thread_figures *thread_look_up(struct thread_model *m, uint32_t number)
{
	if (number < m->gone_below && keymap_find(&m->map, number) == KEYMAP_NONE)
		return &m->others;
	return thread_model_thread(m, number);
}

static inline struct thread_figures *thread_get(struct thread_model *m, uint32_t number)
{
	/* the thread numbers of a sound trace are dense: most need no look at the map */
	if (number && number <= m->map.count && m->thread[number - 1].number == number)
		return &m->thread[number - 1];
	return thread_look_up(m, number);
}

struct thread_figures *thread_model_plain(struct thread_model *m, uint32_t number)
{
	struct thread_figures *t;

	/* the thread numbers of a sound trace are dense */
	if (!number || number > m->map.count || m->sampling.period)
		return NULL;
	t = &m->thread[number - 1];
	if (t->number != number || !t->started || t->ended)
		return NULL;
	m->plain = t;
	return t;
}

static void thread_start(struct thread_model *m, struct thread_figures *t, uint64_t now)
{
	if (t->started)
		return;
	t->started = true;
	t->start_ticks = now;
	if (++m->running > m->peak) {
		m->peak = m->running;
		m->peak_at_ticks = now;
	}
}

static void thread_end(struct thread_model *m, struct thread_figures *t, const struct event *e)
{
	m->plain = NULL;
	thread_start(m, t, e->ticks);
	t->end_ticks = e->ticks;
	t->cpu_ns = e->field[2];
	if (!t->ended)
		m->running--;
	t->ended = true;
}

/* Of those that are not told apart only the sums go on. */
static void others_life(struct thread_model *m, const struct event *e)
{
	switch (e->kind) {
	case LAR_EV_THREAD_CREATE:
		m->created++;
		m->gone_unjoined += !(e->flags & LAR_THREAD_DETACHED);
		break;
	case LAR_EV_THREAD_END:
		m->running -= m->running != 0;
		m->others.cpu_ns += e->field[2];
		break;
	case LAR_EV_THREAD_JOIN:
		m->gone_unjoined -= !e->field[3] && m->gone_unjoined;
		break;
	}
}

static int take_life(struct thread_model *m, const struct event *e)
{
	uint64_t number =
		e->field[e->kind == LAR_EV_THREAD_CREATE || e->kind == LAR_EV_THREAD_JOIN ? 2 : 1];
	struct thread_figures *t;

	if (e->kind == LAR_EV_THREAD_CREATE && e->field[3]) {
		m->create_failures++;
		return 0;
	}
	if (!number || number > UINT32_MAX)
		return 0;
	t = thread_get(m, (uint32_t)number);
	if (!t)
		return -ENOMEM;
	if (t == &m->others) {
		others_life(m, e);
		return 0;
	}
	switch (e->kind) {
	case LAR_EV_THREAD_CREATE:
		m->created += !t->created;
		t->created = true;
		t->detached |= (e->flags & LAR_THREAD_DETACHED) != 0;
		t->stack = e->stack;
		t->creator = e->thread;
		break;
	case LAR_EV_THREAD_START:
		thread_start(m, t, e->ticks);
		break;
	case LAR_EV_THREAD_END:
		thread_end(m, t, e);
		break;
	case LAR_EV_THREAD_JOIN:
		if (!e->field[3] && call_operation(e->call) == LAR_OP_DETACH)
			t->detached = true;
		else if (!e->field[3])
			t->joined = true;
		break;
	}
	return 0;
}

static void count_allocation(const struct thread_model *m, struct thread_figures *t,
			     uint64_t address, uint64_t size)
{
	struct lar_weight w;

	if (!address)
		return;
	w = sampling_weigh(&m->sampling, size);
	t->allocations += w.blocks;
	t->allocated_bytes += w.bytes;
}

static void note_life(struct thread_model *m, struct thread_figures *t, const struct event *e)
{
	t->tid = e->tid;
	/* the record began in the middle of its life, or its start was overwritten */
	if (!t->started)
		thread_start(m, t, e->ticks);
	if (!t->ended && e->ticks > t->end_ticks)
		t->end_ticks = e->ticks;
}

static void note_cpu(struct thread_figures *t, const struct event *e)
{
	if (e->flags & LAR_CPU_CLOCK && !t->cpu_ns)
		t->cpu_before_ns = e->field[1];
	if (e->field[1] > t->cpu_ns)
		t->cpu_ns = e->field[1];
}

static void count_sample(struct thread_figures *t, const struct event *e)
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
static uint64_t samples_in(const struct thread_figures *t, const struct event *e)
{
	return lar_recent_since(&t->recent, e->ticks - e->field[1]);
}

static void count_idle(struct thread_figures *t, const struct event *e)
{
	t->idle_ticks += e->field[1];
	t->in_idle += samples_in(t, e);
	lar_idle_add(&t->idle, e->stack, e->call, 1, e->field[1]);
}

static void count_work(const struct thread_model *m, struct thread_figures *t,
		       const struct event *e)
{
	enum lar_operation op;

	switch (e->kind) {
	case LAR_EV_ALLOC:
		count_allocation(m, t, e->field[1], e->field[2]);
		break;
	case LAR_EV_REALLOC:
		count_allocation(m, t, e->field[3], e->field[4]);
		break;
	case LAR_EV_IO:
		op = call_operation(e->call);
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
		if (call_operation(e->call) != LAR_OP_JOIN)
			break;
		count_idle(t, e);
		break;
	case LAR_EV_LOCK:
		op = call_operation(e->call);
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

/* Whether it waits from now on, or does no longer. */
static void note_wait(const struct thread_model *m, struct thread_figures *t, const struct event *e)
{
	enum lar_operation op = call_operation(e->call);

	if (e->kind == LAR_EV_LOCKWAIT) {
		t->wait_ticks = e->time_ns >= m->since_ns ? e->ticks : 0;
		t->wait_idle = !lar_op_locks(op);
		t->wait_io = e->flags & TRACE_FROM_CELL && op != LAR_OP_WAIT && op != LAR_OP_JOIN;
	} else if (lar_lock_idles(e->flags, e->call, op) || e->flags & LAR_LOCK_CONTENDED) {
		t->wait_ticks = 0;
	}
}

/* Of a thread that has not ended, by the way. */
static int take_cpu(struct thread_model *m, const struct event *e)
{
	struct thread_figures *t = thread_get(m, e->thread);

	if (!t)
		return -ENOMEM;
	if (t != &m->others && !t->ended && e->field[1] > t->cpu_ns)
		t->cpu_ns = e->field[1];
	return 0;
}

int thread_model_event(struct thread_model *m, const struct event *e)
{
	struct thread_figures *t = NULL;

	if (e->kind == LAR_EV_CPU && e->flags & TRACE_FROM_CELL)
		return take_cpu(m, e);
	if (e->ticks > m->last_ticks)
		m->last_ticks = e->ticks;

	/* not a thread at work */
	if (e->kind == LAR_EV_LOCKSUM || e->kind == LAR_EV_LOCKHOLDS || e->kind == LAR_EV_TICK)
		return 0;
	if (e->thread) {
		t = thread_get(m, e->thread);
		if (!t)
			return -ENOMEM;
		if (t != &m->others)
			note_life(m, t, e);
		if (e->kind == LAR_EV_CPU && t != &m->others)
			note_cpu(t, e);
		if (e->kind == LAR_EV_LOCKWAIT || e->kind == LAR_EV_LOCK)
			note_wait(m, t, e);
		if (e->time_ns >= m->since_ns)
			count_work(m, t, e);
		if (t == &m->others)
			lar_recent_forget(&t->recent); /* of many threads */
	}
	switch (e->kind) {
	case LAR_EV_THREAD_STACK:
		if (t) {
			t->stack_bytes = e->field[2];
			t->stack_used = e->field[3];
		}
		return 0;
	case LAR_EV_THREAD_CREATE:
	case LAR_EV_THREAD_START:
	case LAR_EV_THREAD_END:
	case LAR_EV_THREAD_JOIN:
		return take_life(m, e);
	default:
		return 0;
	}
}

/* Of threads by pthread_create, and the first, an end is always seen. */
static void last_until(struct thread_figures *t, uint64_t end)
{
	bool runs = !t->ended && t->started && (t->created || t->number == 1);
	uint64_t waited;

	/* it has done something since */
	if (!runs || t->end_ticks > end || t->end_ticks > t->wait_ticks)
		t->wait_ticks = 0;
	if (!runs || t->end_ticks > end)
		return;
	waited = t->wait_ticks ? end - t->wait_ticks : 0;
	if (waited && t->wait_io) {
		t->io_ticks += waited;
	} else if (waited && t->wait_idle) {
		t->idle_ticks += waited;
	} else if (waited) {
		t->lock_waits++;
		t->lock_wait_ticks += waited;
	}
	t->end_ticks = end;
}

void thread_model_finish(struct thread_model *m)
{
	for (uint32_t i = 0; i < m->map.count; i++) {
		last_until(&m->thread[i], m->last_ticks);
		sampling_round(&m->sampling, &m->thread[i].allocations);
		sampling_round(&m->sampling, &m->thread[i].allocated_bytes);
	}
	sampling_round(&m->sampling, &m->others.allocations);
	sampling_round(&m->sampling, &m->others.allocated_bytes);
}

uint64_t thread_model_unjoined(const struct thread_model *m)
{
	uint64_t n = m->gone_unjoined;

	for (uint32_t i = 0; i < m->map.count; i++)
		n += m->thread[i].created && !m->thread[i].joined && !m->thread[i].detached;
	return n;
}

static void pool_add(struct thread_pool *p, const struct thread_figures *t, uint64_t brief_ticks)
{
	uint64_t life = t->end_ticks > t->start_ticks ? t->end_ticks - t->start_ticks : 0, waits;

	p->stack = t->stack;
	p->threads++;
	p->ended += t->ended;
	p->brief += t->ended && life < brief_ticks;
	p->life_ticks += life;
	p->idle_ticks += t->idle_ticks;
	p->lock_wait_ticks += t->lock_wait_ticks;
	p->io_ticks += t->io_ticks;
	waits = t->idle_ticks + t->lock_wait_ticks + t->io_ticks;
	p->busy_ticks += life > waits ? life - waits : 0;
	lar_idle_add(&p->idle, t->idle.where, t->idle.call, t->idle.waits, t->idle.weight);
	p->cpu_ns += t->cpu_ns;
	if (t->stack_used > p->stack_used)
		p->stack_used = t->stack_used;
}

struct thread_pool *thread_model_pools(const struct thread_model *m, uint64_t brief_ticks,
				       uint32_t *count)
{
	struct thread_pool *pool = calloc(m->map.count + 1, sizeof(*pool));
	struct keymap stacks = { 0 };
	uint32_t kept = 0;

	*count = 0;
	for (uint32_t i = 0; pool && i < m->map.count; i++) {
		const struct thread_figures *t = &m->thread[i];
		uint32_t n = t->created ? keymap_number(&stacks, t->stack) : KEYMAP_NONE;

		if (n != KEYMAP_NONE)
			pool_add(&pool[n], t, brief_ticks);
	}
	for (uint32_t i = 0; i < stacks.count; i++)
		if (pool[i].threads > 1)
			pool[kept++] = pool[i];
	keymap_fini(&stacks);
	*count = kept;
	return pool;
}
