/* SPDX-License-Identifier: MIT */
/* Lock figures; see lock_model.h. */
#include "lock_model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A thread's first use of a lock at a place: no acquisition, that comes behind it. */
static bool is_first(const struct event *e)
{
	return (e->flags & (LAR_LOCK_FIRST | LAR_LOCK_CONTENDED)) == LAR_LOCK_FIRST;
}

/* What an event is about; a futex call wakes others where it made a cell, else it waits. */
static enum lar_operation operation(const struct event *e)
{
	bool wakes = e->kind != LAR_EV_LOCK || e->flags & (LAR_LOCK_FIRST | LAR_LOCK_NO_CELL);

	if (e->call == LAR_CALL_syscall)
		return wakes ? LAR_OP_SIGNAL : LAR_OP_CONDWAIT;
	return call_operation(e->call);
}

static int pair_open(struct lock_model *m, const struct event *e)
{
	struct lock_pair *pair = lock_model_pair(m, e->thread, e->field[2], e->field[3]);

	if (!pair)
		return -ENOMEM;
	pair->open = true;
	pair->stack = e->stack;
	pair->lock = KEYMAP_NONE;
	if (operation(e) == LAR_OP_SIGNAL)
		return 0; /* its sum is of no lock */
	pair->lock = lock_model_life(m, e->field[2], (uint32_t)e->field[1], e->call);
	return pair->lock == KEYMAP_NONE ? -ENOMEM : 0;
}

/* What one LOCK event adds to each of total, lock and site. */
static void figures_add(struct lock_figures *f, const struct event *e, bool acquired)
{
	if (e->flags & LAR_LOCK_HELD) {
		histogram_add(&f->held, e->field[1]);
		return;
	}
	f->acquisitions += acquired && e->flags & LAR_LOCK_NO_CELL;
	f->owner_died += e->field[3] == EOWNERDEAD;
	if (e->flags & LAR_LOCK_TRY && !acquired)
		f->failed_try++;
	else if (e->field[3] == ETIMEDOUT)
		f->timeouts++;
	else if (e->field[3] == ECANCELED)
		f->cancelled++;
	else if (!acquired)
		f->errors++;
	if (e->flags & LAR_LOCK_CONTENDED && !(e->flags & LAR_LOCK_TRY)) {
		f->contended++;
		histogram_add(&f->wait, e->field[1]);
	}
}

/* A wait is over: those who had what it waited for have caused it. */
static int take_blame(struct lock_model *m, const struct event *e, uint32_t lock, uint32_t site)
{
	struct lock_blame b = { .waits = site,
				.holds = SITE_NONE,
				.lock = lock,
				.count = 1,
				.ticks = e->field[1],
				.most = e->field[1] };
	struct lock_waiting *was;
	uint32_t n = keymap_find(&m->waits.threads, e->thread);

	if (n == KEYMAP_NONE || !e->thread || !m->waits.waiting[n].waits)
		return 0;
	was = &m->waits.waiting[n];
	was->waits = false;
	if (was->address != e->field[2] || !(e->flags & LAR_LOCK_CONTENDED) ||
	    e->time_ns < m->since_ns)
		return 0;
	if (was->holder_known) {
		b.holds = lock_model_site(m, was->holder_stack, e->thread, lock);
		if (b.holds == SITE_NONE)
			return -ENOMEM;
		m->site[b.holds].caused++;
		m->site[b.holds].caused_ticks += b.ticks;
	}
	return lock_waits_blame(&m->waits, &b);
}

static int take_lock(struct lock_model *m, const struct event *e)
{
	bool acquired = !e->field[3] || e->field[3] == EOWNERDEAD;
	uint32_t lock, site;

	if (is_first(e) && pair_open(m, e))
		return -ENOMEM;
	lock = lock_model_lock(m, e->field[2], e->call);
	if (lock == KEYMAP_NONE)
		return -ENOMEM;
	site = lock_model_site(m, e->stack, e->thread, lock);
	if (site == SITE_NONE)
		return -ENOMEM;
	if (!m->site[site].call)
		m->site[site].call = e->call;
	if (m->lock[lock].first_site == SITE_NONE)
		m->lock[lock].first_site = site;
	if (is_first(e))
		return 0;
	if (take_blame(m, e, lock, site))
		return -ENOMEM;
	if (e->time_ns < m->since_ns)
		return 0;
	if (call_operation(e->call) == LAR_OP_RDLOCK && acquired && e->flags & LAR_LOCK_NO_CELL) {
		m->lock[lock].shared++;
		m->shared++;
	}
	figures_add(&m->total, e, acquired);
	figures_add(&m->lock[lock].f, e, acquired);
	figures_add(&m->site[site].f, e, acquired);
	return 0;
}

static void sum_add(struct lock_figures *f, const struct event *e)
{
	uint32_t bucket = lar_hold_bucket(e->field[3]);

	f->acquisitions += e->field[2];
	f->failed_try += (uint32_t)e->field[5]; /* those that made no event */
	f->owner_changes += e->field[5] >> 32;
	f->hold_ticks += e->field[3];
	if (e->field[4] > f->hold_max_ticks)
		f->hold_max_ticks = e->field[4];
	if (e->flags & LAR_LOCKSUM_ONE && bucket < LAR_HOLD_BUCKETS)
		histogram_add(&f->held, lar_hold_middle(bucket));
}

static void holds_add(struct lock_figures *f, const struct event *e)
{
	uint32_t first = e->field[3] & 0xffff;

	f->waiters += e->field[3] >> 16;
	for (uint32_t i = 0; i < 12 && first + i < LAR_HOLD_BUCKETS; i++) {
		uint64_t n = e->field[4 + i / 4] >> 16 * (i % 4) & 0xffff;

		if (n)
			histogram_add_many(&f->held, lar_hold_middle(first + i), n);
	}
}

/* The lock that a cell was made for. */
static uint32_t pair_lock(struct lock_model *m, const struct lock_pair *pair, uint64_t address,
			  unsigned call)
{
	return pair && pair->lock != KEYMAP_NONE ? pair->lock : lock_model_lock(m, address, call);
}

/* The lock and site of a cell's figures. */
static int cell_site(struct lock_model *m, const struct event *e, uint64_t address, uint64_t caller,
		     uint32_t *lock, uint32_t *site)
{
	const struct lock_pair *pair = lock_model_pair_find(m, e->thread, address, caller);

	*lock = pair_lock(m, pair, address, e->call);
	if (*lock == KEYMAP_NONE)
		return -ENOMEM;
	*site = lock_model_site(m, pair ? pair->stack : 0, e->thread, *lock);
	return *site == SITE_NONE ? -ENOMEM : 0;
}

static int take_signals(struct lock_model *m, const struct event *e)
{
	const struct lock_pair *pair = lock_model_pair_find(m, e->thread, e->field[1], e->field[6]);
	struct condition_site *c =
		lock_model_condition(m, pair ? pair->stack : 0, e->thread, e->call);

	if (!c)
		return -ENOMEM;
	c->signals += e->field[2];
	c->in_vain += (uint32_t)e->field[5];
	m->signals[lar_call_signal(e->call)] += e->field[2];
	m->in_vain[lar_call_signal(e->call)] += (uint32_t)e->field[5];
	return 0;
}

static int note_holding(struct lock_model *m, const struct event *e, const struct lock_pair *pair)
{
	struct lock_holding h = { .thread = e->thread,
				  .stack = pair ? pair->stack : 0,
				  .call = e->call,
				  .address = e->field[1],
				  .ticks = e->ticks > e->field[0] ? e->ticks - e->field[0] : 0 };

	return e->flags & TRACE_FROM_CELL && e->flags & TRACE_CELL_HELD
		       ? lock_waits_hold(&m->waits, &h)
		       : 0;
}

static int take_sum(struct lock_model *m, const struct event *e)
{
	struct lock_pair *pair = lock_model_pair_find(m, e->thread, e->field[1], e->field[6]);
	uint32_t lock, site;
	int err = 0;

	if (operation(e) == LAR_OP_SIGNAL) {
		err = take_signals(m, e);
	} else if (!cell_site(m, e, e->field[1], e->field[6], &lock, &site)) {
		err = note_holding(m, e, pair);
		sum_add(&m->total, e);
		sum_add(&m->lock[lock].f, e);
		sum_add(&m->site[site].f, e);
		if (!m->site[site].call)
			m->site[site].call = e->call;
		if (call_operation(e->call) == LAR_OP_RDLOCK) {
			m->lock[lock].shared += e->field[2];
			m->shared += e->field[2];
		}
	} else {
		err = -ENOMEM;
	}
	/* what a cell still holds is delivered at the end, and its order with what uses the pair
	 * does not matter */
	if (pair && !(e->flags & TRACE_FROM_CELL))
		pair->open = false;
	return err;
}

static int take_holds(struct lock_model *m, const struct event *e)
{
	uint32_t lock, site;

	if (operation(e) == LAR_OP_SIGNAL)
		return 0;
	if (cell_site(m, e, e->field[1], e->field[2], &lock, &site))
		return -ENOMEM;
	holds_add(&m->total, e);
	holds_add(&m->lock[lock].f, e);
	holds_add(&m->site[site].f, e);
	return 0;
}

/* A hold that made an event: the site that took it is that of the cell. */
static int take_hold(struct lock_model *m, const struct event *e)
{
	uint32_t lock, site, n;

	if (cell_site(m, e, e->field[2], e->field[3], &lock, &site))
		return -ENOMEM;
	figures_add(&m->total, e, true);
	figures_add(&m->lock[lock].f, e, true);
	figures_add(&m->site[site].f, e, true);
	if (e->flags & LAR_LOCK_UNOWNED && !m->abandoned++)
		m->abandoned_stack = m->sites.stack[site];
	n = keymap_find(&m->waits.threads, e->thread);
	if (n == KEYMAP_NONE || m->waits.waiting[n].io_ticks + e->field[1] <= e->ticks)
		return 0;
	m->site[site].io_holds++;
	m->site[site].io_hold_ticks += e->field[1];
	if (e->field[1] > m->site[site].io_hold_max_ticks)
		m->site[site].io_hold_max_ticks = e->field[1];
	m->site[site].io_call = m->waits.waiting[n].io_call;
	return 0;
}

/* For what was done while a lock was held. */
static int take_io(struct lock_model *m, const struct event *e)
{
	struct lock_waiting *w;

	if (!e->thread || lar_io_is_stdio(call_operation(e->call)))
		return 0;
	w = lock_waits_thread(&m->waits, e->thread);
	if (!w)
		return -ENOMEM;
	w->io_ticks = e->ticks;
	w->io_call = e->call;
	return 0;
}

static int take_fork(struct lock_model *m, const struct event *e)
{
	if (e->field[4] & 0xff)
		return 0;
	if (!m->forks_held++)
		m->fork_stack = e->stack;
	return 0;
}

static int take_wait_begin(struct lock_model *m, const struct event *e)
{
	const struct lock_pair *holder = NULL;
	struct lock_waiting *w;

	if (!e->thread)
		return 0;
	if (e->field[2] && e->field[2] <= UINT32_MAX)
		holder = lock_model_pair_find(m, (uint32_t)e->field[2], e->field[1], e->field[3]);
	w = lock_waits_thread(&m->waits, e->thread);
	if (!w)
		return -ENOMEM;
	w->waits = true;
	w->stack = e->stack;
	w->call = e->call;
	w->address = e->field[1];
	w->since_ticks = e->ticks;
	w->in_call = e->flags & TRACE_FROM_CELL;
	w->joins = w->in_call && call_operation(e->call) == LAR_OP_JOIN;
	w->target = w->in_call ? (uint32_t)e->field[3] : 0;
	w->holder_known = holder != NULL;
	w->holder_stack = holder ? holder->stack : 0;
	return 0;
}

static int take_order(struct lock_model *m, const struct event *e)
{
	const struct lock_pair *pair = lock_model_pair_find(m, e->thread, e->field[2], e->field[3]);
	struct lock_edge edge = { .thread = e->thread,
				  .to = lock_model_lock(m, e->field[1], e->call),
				  .from = pair_lock(m, pair, e->field[2], e->call),
				  .stack = e->stack,
				  .held_stack = pair ? pair->stack : 0,
				  .ticks = e->ticks };

	if (edge.to == KEYMAP_NONE || edge.from == KEYMAP_NONE)
		return -ENOMEM;
	return lock_order_add(&m->order, &edge, e->field[4]);
}

static void condition_add(struct condition_site *c, const struct event *e)
{
	c->waits++;
	if (e->field[3] == ETIMEDOUT)
		c->timeouts++;
	else if (e->field[3] == ECANCELED)
		c->cancelled++;
	else if (e->field[3])
		c->errors++;
	histogram_add(&c->wait, e->field[1]);
}

static int take_condition(struct lock_model *m, const struct event *e)
{
	uint32_t n = keymap_find(&m->waits.threads, e->thread);
	struct condition_site *c;

	if (n != KEYMAP_NONE)
		m->waits.waiting[n].waits = false;
	if (e->time_ns < m->since_ns)
		return 0;
	c = lock_model_condition(m, e->stack, e->thread, e->call);
	if (!c)
		return -ENOMEM;
	condition_add(lock_call_condition(e->call) ? &m->condition_total : &m->other_total, e);
	condition_add(c, e);
	return 0;
}

static int take_signal(struct lock_model *m, const struct event *e)
{
	struct condition_site *c;

	if (e->flags & LAR_LOCK_FIRST)
		return pair_open(m, e);
	c = lock_model_condition(m, e->stack, e->thread, e->call);
	if (!c)
		return -ENOMEM;
	c->signals++;
	c->in_vain += !!(e->flags & LAR_LOCK_TRY);
	m->signals[lar_call_signal(e->call)]++;
	m->in_vain[lar_call_signal(e->call)] += !!(e->flags & LAR_LOCK_TRY);
	return 0;
}

static int take_event(struct lock_model *m, const struct event *e)
{
	if (e->flags & LAR_LOCK_HELD)
		return take_hold(m, e);
	switch (operation(e)) {
	case LAR_OP_UNLOCK:
		if (e->flags & LAR_LOCK_UNOWNED && !m->unowned_unlocks++)
			m->unowned_stack = e->stack;
		return 0;
	case LAR_OP_DESTROY:
		return 0;
	case LAR_OP_LOCK:
	case LAR_OP_RDLOCK:
		return take_lock(m, e);
	case LAR_OP_SIGNAL:
		return take_signal(m, e);
	default:
		return take_condition(m, e);
	}
}

/* One that was cancelled while it waited waits no more. */
static void take_end(struct lock_model *m, const struct event *e)
{
	uint32_t n = keymap_find(&m->waits.threads, e->field[1]);

	if (n != KEYMAP_NONE)
		m->waits.waiting[n].waits = false;
}

int lock_model_event(struct lock_model *m, const struct event *e)
{
	switch (e->kind) {
	case LAR_EV_LOCK:
		return take_event(m, e);
	case LAR_EV_LOCKSUM:
		return take_sum(m, e);
	case LAR_EV_LOCKHOLDS:
		return take_holds(m, e);
	case LAR_EV_LOCKWAIT:
		return take_wait_begin(m, e);
	case LAR_EV_LOCKORDER:
		return call_operation(e->call) == LAR_OP_FORK ? take_fork(m, e) : take_order(m, e);
	case LAR_EV_IO:
		return take_io(m, e);
	case LAR_EV_THREAD_END:
		take_end(m, e);
		return 0;
	default:
		return 0;
	}
}

/* A lock that nobody writes keeps no reader out, whatever its kind. */
static int finish_order(struct lock_model *m)
{
	bool *written = calloc(m->lock_count + 1ull, sizeof(*written));
	int err;

	if (!written)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->lock_count; i++)
		written[i] = m->lock[i].f.acquisitions > m->lock[i].shared;
	lock_order_writers(&m->order, written);
	err = lock_order_finish(&m->order, m->lock_count, written);
	free(written);
	return err;
}

int lock_model_finish(struct lock_model *m)
{
	return lock_waits_finish(&m->waits) ? -ENOMEM : finish_order(m);
}
