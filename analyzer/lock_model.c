/* SPDX-License-Identifier: MIT */
/* Lock figures; see lock_model.h. */
#include "lock_model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void figures_init(struct lock_figures *f)
{
	histogram_init(&f->wait, HISTOGRAM_FINE);
	histogram_init(&f->held, HISTOGRAM_FINE);
}

static void figures_fini(struct lock_figures *f)
{
	histogram_fini(&f->wait);
	histogram_fini(&f->held);
}

void lock_model_init(struct lock_model *m, const struct site_rule *rule, uint64_t since_ns)
{
	memset(m, 0, sizeof(*m));
	sites_init(&m->sites, rule);
	sites_init(&m->condition_sites, rule);
	figures_init(&m->total);
	histogram_init(&m->condition_total.wait, HISTOGRAM_FINE);
	histogram_init(&m->other_total.wait, HISTOGRAM_FINE);
	m->since_ns = since_ns;
}

void lock_model_fini(struct lock_model *m)
{
	for (uint32_t i = 0; i < m->lock_map.count && i < m->lock_size; i++)
		figures_fini(&m->lock[i].f);
	for (uint32_t i = 0; i < m->sites.count && i < m->site_size; i++)
		figures_fini(&m->site[i].f);
	for (uint32_t i = 0; i < m->condition_sites.count && i < m->condition_size; i++)
		histogram_fini(&m->condition[i].wait);
	figures_fini(&m->total);
	histogram_fini(&m->condition_total.wait);
	histogram_fini(&m->other_total.wait);
	lock_waits_fini(&m->waits);
	lock_order_fini(&m->order);
	free(m->lock);
	free(m->pair);
	free(m->site);
	free(m->condition);
	keymap_fini(&m->lock_map);
	keymap_fini(&m->pair_map);
	sites_fini(&m->sites);
	sites_fini(&m->condition_sites);
}

const char *lock_kind(unsigned call)
{
	static const struct {
		const char *prefix, *kind;
	} kinds[] = {
		{ "pthread_mutex_", "mutex" },
		{ "pthread_rwlock_", "rwlock" },
		{ "pthread_spin_", "spinlock" },
		{ "pthread_cond_", "condition" },
		{ "pthread_barrier_", "barrier" },
		{ "pthread_once", "once" },
		{ "sem_", "semaphore" },
		{ "mtx_", "mutex" },
		{ "cnd_", "condition" },
		{ "call_once", "once" },
		{ "syscall", "futex" },
	};
	const char *name = call_name(call);

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strncmp(name, kinds[i].prefix, strlen(kinds[i].prefix)))
			return kinds[i].kind;
	return "lock";
}

bool lock_call_condition(unsigned call)
{
	return call_operation(call) == LAR_OP_CONDWAIT;
}

uint32_t lock_model_lock(struct lock_model *m, uint64_t address, unsigned call)
{
	uint32_t n = keymap_number(&m->lock_map, address);
	struct lock_one *l;

	if (n == KEYMAP_NONE ||
	    array_reserve((void **)&m->lock, &m->lock_size, n, sizeof(*m->lock)))
		return KEYMAP_NONE;
	l = &m->lock[n];
	if (!l->f.wait.bits) {
		l->address = address;
		l->call = (uint16_t)call;
		l->first_site = SITE_NONE;
		figures_init(&l->f);
	}
	return n;
}

static uint64_t pair_key(uint32_t thread, uint64_t address, uint64_t caller)
{
	return lock_mix(lock_mix(lock_mix(1, thread), address), caller);
}

struct lock_pair *lock_model_pair(struct lock_model *m, uint32_t thread, uint64_t address,
				  uint64_t caller)
{
	uint32_t n = keymap_number(&m->pair_map, pair_key(thread, address, caller));

	if (n == KEYMAP_NONE ||
	    array_reserve((void **)&m->pair, &m->pair_size, n, sizeof(*m->pair)))
		return NULL;
	return &m->pair[n];
}

/* NULL where there has been no first use since the last LOCKSUM. */
static struct lock_pair *pair_find(struct lock_model *m, uint32_t thread, uint64_t address,
				   uint64_t caller)
{
	uint32_t n = keymap_find(&m->pair_map, pair_key(thread, address, caller));

	return n == KEYMAP_NONE || !m->pair[n].open ? NULL : &m->pair[n];
}

static int pair_open(struct lock_model *m, const struct event *e)
{
	struct lock_pair *pair = lock_model_pair(m, e->thread, e->field[2], e->field[3]);

	if (!pair)
		return -ENOMEM;
	pair->open = true;
	pair->stack = e->stack;
	return 0;
}

uint32_t lock_model_site(struct lock_model *m, uint32_t stack, uint32_t thread, uint32_t lock)
{
	uint32_t n = sites_number(&m->sites, stack, thread);
	struct lock_site *s;

	if (n == SITE_NONE || array_reserve((void **)&m->site, &m->site_size, n, sizeof(*m->site)))
		return SITE_NONE;
	s = &m->site[n];
	if (!s->used) {
		figures_init(&s->f);
		s->lock = lock;
		s->used = true;
	}
	s->more_locks |= s->lock != lock;
	return n;
}

struct condition_site *lock_model_condition(struct lock_model *m, uint32_t stack, uint32_t thread,
					    unsigned call)
{
	uint32_t n = sites_number(&m->condition_sites, stack, thread);

	if (n == SITE_NONE ||
	    array_reserve((void **)&m->condition, &m->condition_size, n, sizeof(*m->condition)))
		return NULL;
	if (!m->condition[n].wait.bits) {
		histogram_init(&m->condition[n].wait, HISTOGRAM_FINE);
		m->condition[n].call = (uint16_t)call;
	}
	return &m->condition[n];
}

/* A thread's first use of a lock at a place: no acquisition, that comes behind it. */
static bool is_first(const struct event *e)
{
	return (e->flags & (LAR_LOCK_FIRST | LAR_LOCK_CONTENDED)) == LAR_LOCK_FIRST;
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
	uint32_t lock = lock_model_lock(m, e->field[2], e->call);
	bool acquired = !e->field[3] || e->field[3] == EOWNERDEAD;
	uint32_t site;

	if (lock == KEYMAP_NONE)
		return -ENOMEM;
	site = lock_model_site(m, e->stack, e->thread, lock);
	if (site == SITE_NONE || (is_first(e) && pair_open(m, e)))
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
	f->acquisitions += e->field[2];
	f->failed_try += e->field[5]; /* those that made no event */
	f->hold_ticks += e->field[3];
	if (e->field[4] > f->hold_max_ticks)
		f->hold_max_ticks = e->field[4];
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

/* The lock and site of a cell's figures. */
static int cell_site(struct lock_model *m, const struct event *e, uint64_t address, uint64_t caller,
		     uint32_t *lock, uint32_t *site)
{
	const struct lock_pair *pair = pair_find(m, e->thread, address, caller);

	*lock = lock_model_lock(m, address, e->call);
	if (*lock == KEYMAP_NONE)
		return -ENOMEM;
	*site = lock_model_site(m, pair ? pair->stack : 0, e->thread, *lock);
	return *site == SITE_NONE ? -ENOMEM : 0;
}

/* What an event is about; a futex call wakes others where it made a cell, else it waits. */
static enum lar_operation operation(const struct event *e)
{
	bool wakes = e->kind != LAR_EV_LOCK || e->flags & (LAR_LOCK_FIRST | LAR_LOCK_NO_CELL);

	if (e->call == LAR_CALL_syscall)
		return wakes ? LAR_OP_SIGNAL : LAR_OP_CONDWAIT;
	return call_operation(e->call);
}

static int take_signals(struct lock_model *m, const struct event *e)
{
	const struct lock_pair *pair = pair_find(m, e->thread, e->field[1], e->field[6]);
	struct condition_site *c =
		lock_model_condition(m, pair ? pair->stack : 0, e->thread, e->call);

	if (!c)
		return -ENOMEM;
	c->signals += e->field[2];
	c->in_vain += e->field[5];
	m->signals[lar_call_signal(e->call)] += e->field[2];
	m->in_vain[lar_call_signal(e->call)] += e->field[5];
	return 0;
}

static int note_holding(struct lock_model *m, const struct event *e, const struct lock_pair *pair)
{
	struct lock_holding h = { .thread = e->thread,
				  .stack = pair ? pair->stack : 0,
				  .call = e->call,
				  .address = e->field[1] };

	return e->flags & TRACE_FROM_CELL && e->flags & TRACE_CELL_HELD
		       ? lock_waits_hold(&m->waits, &h)
		       : 0;
}

static int take_sum(struct lock_model *m, const struct event *e)
{
	struct lock_pair *pair = pair_find(m, e->thread, e->field[1], e->field[6]);
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
	n = keymap_find(&m->waits.threads, e->thread);
	if (n == KEYMAP_NONE || m->waits.waiting[n].io_ticks + e->field[1] <= e->ticks)
		return 0;
	m->site[site].io_holds++;
	m->site[site].io_hold_ticks += e->field[1];
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
		holder = pair_find(m, (uint32_t)e->field[2], e->field[1], e->field[3]);
	w = lock_waits_thread(&m->waits, e->thread);
	if (!w)
		return -ENOMEM;
	w->waits = true;
	w->stack = e->stack;
	w->call = e->call;
	w->address = e->field[1];
	w->since_ticks = e->ticks;
	w->holder_known = holder != NULL;
	w->holder_stack = holder ? holder->stack : 0;
	return 0;
}

static int take_order(struct lock_model *m, const struct event *e)
{
	const struct lock_pair *pair = pair_find(m, e->thread, e->field[2], e->field[3]);
	struct lock_edge edge = { .thread = e->thread,
				  .to = lock_model_lock(m, e->field[1], e->call),
				  .from = lock_model_lock(m, e->field[2], e->call),
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
		m->unowned_unlocks += !!(e->flags & LAR_LOCK_UNOWNED);
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
	default:
		return 0;
	}
}

int lock_model_finish(struct lock_model *m)
{
	if (lock_waits_finish(&m->waits))
		return -ENOMEM;
	return lock_order_finish(&m->order, m->lock_map.count);
}
