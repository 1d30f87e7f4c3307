/* SPDX-License-Identifier: MIT */
/*
 * Lock figures of folded events, by the rules of the analyzer's lock model: what one of them counts
 * for an event, the other does.
 */
#include "fold_lock.h"

#include <errno.h>

#define PAIRS_MOST(l) (4 * (l)->most)

struct figures {
	uint64_t acquisitions, failed_try, timeouts, errors;
	uint64_t hold, hold_max, owner_died, waiters;
	struct fold_histogram wait; /* of contended acquisitions */
	struct fold_histogram held;
};

struct lock {
	uint64_t address;
	uint32_t call;
	site_name first_site;
	uint64_t shared; /* acquisitions by readers */
	struct figures f;
};

struct site {
	uint32_t node;
	uint32_t lock; /* the one met first */
	bool used, more_locks;
	uint64_t caused, caused_ticks; /* waits of others for what was taken here */
	struct figures f;
};

struct condition {
	uint32_t node, call;
	bool used;
	uint64_t timeouts, errors, signals, in_vain;
	struct fold_histogram wait;
};

struct locks {
	uint32_t most; /* rows of each kind */
	uint64_t unowned_unlocks;
	struct fold_rows locks, sites, conditions;
	struct lock other_locks;
	struct site other_sites;
	struct condition other_conditions[2]; /* conditions, and barriers and the like */
	uint64_t signals[LAR_SIGNALS], in_vain[LAR_SIGNALS];
	uint64_t forks_held;
	uint32_t fork_node; /* of the first of those */
	struct fold_pairs pairs;
	struct fold_waits waits;
};

static struct lock *lock_at(struct locks *l, uint32_t n)
{
	return n == LOCK_OTHERS ? &l->other_locks : (struct lock *)l->locks.row + n;
}

static uint32_t lock_number(struct fold *f, struct locks *l, uint64_t address, unsigned call)
{
	uint32_t n = address ? fold_row(f, &l->locks, sizeof(struct lock), address, l->most)
			     : LOCK_OTHERS;
	struct lock *lock = lock_at(l, n);

	if (!lock->call) {
		lock->call = call;
		lock->address = n == LOCK_OTHERS ? 0 : address;
	}
	return n;
}

static uint64_t lock_name(uint32_t lock)
{
	return lock == LOCK_OTHERS ? 0 : lock + 1ull;
}

static struct site *site_at(struct locks *l, site_name name)
{
	uint32_t n = name < 2 ? FOLD_NONE : fold_map_get(&l->sites.map, name - 1);

	return n == FOLD_NONE ? &l->other_sites : (struct site *)l->sites.row + n;
}

static struct site *site_use(struct site *s, uint32_t node, uint32_t lock)
{
	if (!s->used) {
		s->used = true;
		s->node = node;
		s->lock = lock;
	}
	s->more_locks |= s->lock != lock;
	return s;
}

static site_name site_get(struct fold *f, struct locks *l, uint32_t node, uint32_t lock)
{
	uint32_t n = fold_row(f, &l->sites, sizeof(struct site), node + 1ull, l->most);
	site_name name = n == FOLD_NONE ? 1 : node + 2ull;

	site_use(site_at(l, name), node, lock);
	return name;
}

static struct condition *condition_other(struct locks *l, unsigned call)
{
	struct condition *c = &l->other_conditions[fold_operation(call) != LAR_OP_CONDWAIT];

	c->used = true;
	c->call = call;
	return c;
}

static struct condition *condition_get(struct fold *f, struct locks *l, uint32_t node,
				       unsigned call)
{
	uint32_t n = fold_row(f, &l->conditions, sizeof(struct condition), node + 1ull, l->most);
	struct condition *c = n == FOLD_NONE ? condition_other(l, call)
					     : (struct condition *)l->conditions.row + n;

	if (!c->used) {
		c->used = true;
		c->node = node;
		c->call = call;
	}
	return c;
}

/* ---- pairs ---- */

static uint64_t pair_key(uint32_t thread, uint64_t address, uint64_t caller)
{
	uint64_t h = address * 0x9e3779b97f4a7c15ull ^ caller;

	return ((h ^ h >> 29) * 0xc2b2ae3d27d4eb4full + thread * 0x165667b19e3779f9ull) | 1;
}

const struct fold_pair *fold_pair_find(const struct fold_pairs *p, uint32_t thread,
				       uint64_t address, uint64_t caller)
{
	uint32_t n = fold_index_get(&p->index, pair_key(thread, address, caller));

	return n == FOLD_NONE ? NULL : &p->pair[n];
}

/* There are as many as cells in use. Where there is no room, what the cell counts has no stack. */
static void pair_put(struct fold *f, struct locks *l, const struct fold_event *e)
{
	struct fold_pairs *p = &l->pairs;
	uint64_t key = pair_key(e->thread, e->field[2], e->field[3]);
	uint32_t n = fold_index_get(&p->index, key);

	if (!p->pair)
		p->pair = fold_alloc(f, PAIRS_MOST(l) * sizeof(*p->pair));
	if (!p->pair)
		return;
	if (n == FOLD_NONE) {
		n = p->index.count;
		if (!fold_index_put(f, &p->index, key, n, PAIRS_MOST(l)))
			return;
	}
	p->pair[n] = (struct fold_pair){ .key = key,
					 .address = e->field[2],
					 .caller = e->field[3],
					 .thread = e->thread,
					 .node = e->node };
}

static void pair_remove(struct fold *f, struct locks *l, const struct fold_pair *pair)
{
	struct fold_pairs *p = &l->pairs;
	struct fold_pair *end = &p->pair[p->index.count - 1];
	uint32_t n = (uint32_t)(pair - p->pair);

	fold_index_remove(&p->index, pair->key);
	if (pair == end)
		return;
	p->pair[n] = *end;
	fold_index_put(f, &p->index, end->key, n, PAIRS_MOST(l));
}

/* ---- the rules ---- */

static void figures_add(struct fold *f, struct figures *g, const struct fold_event *e,
			bool acquired)
{
	if (e->flags & LAR_LOCK_HELD) {
		g->held.bits = LOCK_WAIT_BITS;
		fold_histogram_add(f, &g->held, e->field[1]);
		return;
	}
	g->acquisitions += acquired && e->flags & LAR_LOCK_NO_CELL;
	g->owner_died += e->field[3] == EOWNERDEAD;
	if (e->flags & LAR_LOCK_TRY && !acquired)
		g->failed_try++;
	else if (e->field[3] == ETIMEDOUT)
		g->timeouts++;
	else if (!acquired)
		g->errors++;
	if (e->flags & LAR_LOCK_CONTENDED && !(e->flags & LAR_LOCK_TRY)) {
		g->wait.bits = LOCK_WAIT_BITS;
		fold_histogram_add(f, &g->wait, e->field[1]);
	}
}

/* A wait is over: those who had what it waited for have caused it. */
static void take_blame(struct fold *f, struct locks *l, const struct fold_event *e, uint32_t number,
		       site_name waits)
{
	struct fold_blame b = { .waits = waits, .lock = lock_name(number), .ticks = e->field[1] };
	struct fold_waiting was;
	struct site *s;

	if (!fold_wait_end(f, &l->waits, e->thread, &was) || was.address != e->field[2] ||
	    !(e->flags & LAR_LOCK_CONTENDED))
		return;
	if (was.holder) {
		b.holds = site_get(f, l, (uint32_t)(was.holder - 1), number);
		s = site_at(l, b.holds);
		s->caused++;
		s->caused_ticks += b.ticks;
	}
	fold_blame_add(f, &l->waits, &b);
}

static void take_lock(struct fold *f, struct locks *l, const struct fold_event *e)
{
	bool acquired = !e->field[3] || e->field[3] == EOWNERDEAD;
	uint32_t number;
	site_name site;
	struct lock *lock;

	if (e->flags & LAR_LOCK_FIRST && !(e->flags & LAR_LOCK_CONTENDED)) {
		pair_put(f, l, e);
		acquired = true;
	}
	number = lock_number(f, l, e->field[2], e->call);
	site = site_get(f, l, e->node, number);
	lock = lock_at(l, number);
	if (!lock->first_site)
		lock->first_site = site;
	if (e->flags & LAR_LOCK_FIRST && !(e->flags & LAR_LOCK_CONTENDED))
		return;
	if (fold_operation(e->call) == LAR_OP_RDLOCK)
		lock->shared += acquired && e->flags & LAR_LOCK_NO_CELL;
	take_blame(f, l, e, number, site);
	figures_add(f, &lock->f, e, acquired);
	figures_add(f, &site_at(l, site)->f, e, acquired);
}

static void sum_add(struct figures *g, const struct fold_event *e)
{
	g->acquisitions += e->field[2];
	g->failed_try += e->field[5]; /* those that made no event */
	g->hold += e->field[3];
	if (e->field[4] > g->hold_max)
		g->hold_max = e->field[4];
}

static void holds_add(struct fold *f, struct figures *g, const struct fold_event *e)
{
	uint32_t first = e->field[3] & 0xffff;

	g->waiters += e->field[3] >> 16;
	g->held.bits = LOCK_WAIT_BITS;
	for (uint32_t i = 0; i < 12 && first + i < LAR_HOLD_BUCKETS; i++) {
		uint32_t n = (uint32_t)(e->field[4 + i / 4] >> 16 * (i % 4)) & 0xffff;

		if (n)
			fold_histogram_add_many(f, &g->held, lar_hold_middle(first + i), n);
	}
}

/* Where the figures of a cell belong. */
static struct site *site_of_cell(struct fold *f, struct locks *l, const struct fold_pair *pair,
				 uint32_t lock)
{
	return site_at(l, site_get(f, l, pair ? pair->node : 0, lock));
}

/* What an event is about; a futex call wakes others where it made a cell, else it waits. */
static unsigned operation(const struct fold_event *e)
{
	bool wakes = e->kind != LAR_EV_LOCK || e->flags & (LAR_LOCK_FIRST | LAR_LOCK_NO_CELL);

	if (e->call == LAR_CALL_syscall)
		return wakes ? LAR_OP_SIGNAL : LAR_OP_CONDWAIT;
	return fold_operation(e->call);
}

static void take_signals(struct fold *f, struct locks *l, const struct fold_event *e,
			 const struct fold_pair *pair)
{
	struct condition *c = condition_get(f, l, pair ? pair->node : 0, e->call);

	c->signals += e->field[2];
	c->in_vain += e->field[5];
	l->signals[lar_call_signal(e->call)] += e->field[2];
	l->in_vain[lar_call_signal(e->call)] += e->field[5];
}

static void take_sum(struct fold *f, struct locks *l, const struct fold_event *e)
{
	bool holds = e->kind == LAR_EV_LOCKHOLDS;
	const struct fold_pair *pair =
		fold_pair_find(&l->pairs, e->thread, e->field[1], e->field[holds ? 2 : 6]);
	struct site *site;
	uint32_t number;

	if (operation(e) == LAR_OP_SIGNAL) {
		if (!holds)
			take_signals(f, l, e, pair);
	} else {
		number = lock_number(f, l, e->field[1], e->call);
		site = site_of_cell(f, l, pair, number);
		if (holds) {
			holds_add(f, &lock_at(l, number)->f, e);
			holds_add(f, &site->f, e);
		} else {
			if (fold_operation(e->call) == LAR_OP_RDLOCK)
				lock_at(l, number)->shared += e->field[2];
			sum_add(&lock_at(l, number)->f, e);
			sum_add(&site->f, e);
		}
	}
	if (pair && !holds)
		pair_remove(f, l, pair);
}

/* A hold that made an event: the site that took it is that of the cell. */
static void take_hold(struct fold *f, struct locks *l, const struct fold_event *e)
{
	const struct fold_pair *pair =
		fold_pair_find(&l->pairs, e->thread, e->field[2], e->field[3]);
	uint32_t number = lock_number(f, l, e->field[2], e->call);

	figures_add(f, &lock_at(l, number)->f, e, true);
	figures_add(f, &site_of_cell(f, l, pair, number)->f, e, true);
}

static void take_condition(struct fold *f, struct locks *l, const struct fold_event *e)
{
	struct condition *c = condition_get(f, l, e->node, e->call);
	struct fold_waiting was;

	fold_wait_end(f, &l->waits, e->thread, &was);
	if (e->field[3] == ETIMEDOUT)
		c->timeouts++;
	else if (e->field[3])
		c->errors++;
	c->wait.bits = LOCK_WAIT_BITS;
	fold_histogram_add(f, &c->wait, e->field[1]);
}

static void take_signal(struct fold *f, struct locks *l, const struct fold_event *e)
{
	struct condition *c;

	if (e->flags & LAR_LOCK_FIRST) {
		pair_put(f, l, e);
		return;
	}
	c = condition_get(f, l, e->node, e->call);
	c->signals++;
	c->in_vain += !!(e->flags & LAR_LOCK_TRY);
	l->signals[lar_call_signal(e->call)]++;
	l->in_vain[lar_call_signal(e->call)] += !!(e->flags & LAR_LOCK_TRY);
}

static void take_order(struct fold *f, struct locks *l, const struct fold_event *e)
{
	const struct fold_pair *pair =
		fold_pair_find(&l->pairs, e->thread, e->field[2], e->field[3]);
	struct fold_order o = { .lock = lock_name(lock_number(f, l, e->field[1], e->call)),
				.held = lock_name(lock_number(f, l, e->field[2], e->call)),
				.node = e->node,
				.held_node = pair ? pair->node : 0,
				.thread = e->thread,
				.info = e->field[4],
				.ticks = e->ticks };

	if (o.lock && o.held)
		fold_order_add(f, &l->waits, &o);
	else
		l->waits.orders_left_out++;
}

static void take_fork(struct locks *l, const struct fold_event *e)
{
	if (!(e->field[4] & 0xff) && !l->forks_held++)
		l->fork_node = e->node;
}

static void take_event(struct fold *f, struct locks *l, const struct fold_event *e)
{
	switch (e->kind) {
	case LAR_EV_LOCKSUM:
	case LAR_EV_LOCKHOLDS:
		take_sum(f, l, e);
		return;
	case LAR_EV_LOCKWAIT:
		fold_wait_begin(f, &l->waits, &l->pairs, e);
		return;
	case LAR_EV_LOCKORDER:
		if (fold_operation(e->call) == LAR_OP_FORK)
			take_fork(l, e);
		else
			take_order(f, l, e);
		return;
	}
	if (e->flags & LAR_LOCK_HELD) {
		take_hold(f, l, e);
		return;
	}
	switch (operation(e)) {
	case LAR_OP_UNLOCK:
		l->unowned_unlocks += !!(e->flags & LAR_LOCK_UNOWNED);
		break;
	case LAR_OP_LOCK:
	case LAR_OP_RDLOCK:
		take_lock(f, l, e);
		break;
	case LAR_OP_SIGNAL:
		take_signal(f, l, e);
		break;
	case LAR_OP_DESTROY:
		break;
	default:
		take_condition(f, l, e);
	}
}

void fold_lock_event(struct fold *f, void **state, const struct fold_event *e)
{
	struct locks *l = *state;

	if (e->kind != LAR_EV_LOCK && e->kind != LAR_EV_LOCKSUM && e->kind != LAR_EV_LOCKHOLDS &&
	    e->kind != LAR_EV_LOCKORDER && e->kind != LAR_EV_LOCKWAIT)
		return;
	if (!l) {
		l = *state = fold_alloc(f, sizeof(*l));
		if (l)
			l->most = l->waits.most = fold_rows_most();
	}
	if (l)
		take_event(f, l, e);
}

/* ---- writing ---- */

/* The last columns of a row. */
static void put_figures(struct fold_out *o, const struct figures *g)
{
	fold_put(o, g->acquisitions);
	fold_put(o, g->failed_try);
	fold_put(o, g->timeouts);
	fold_put(o, g->errors);
	fold_put(o, g->hold);
	fold_put(o, g->hold_max);
	fold_put(o, g->owner_died);
	fold_put(o, g->waiters);
	fold_put_histogram(o, &g->wait);
	fold_put_histogram(o, &g->held);
}

static void put_lock(struct fold_out *o, const struct lock *lock, uint64_t *last)
{
	fold_put_site(o, lock->address, last);
	fold_put(o, lock->call);
	fold_put(o, lock->first_site);
	fold_put(o, lock->shared);
	put_figures(o, &lock->f);
}

static void write_locks(struct fold_out *o, const struct locks *l)
{
	bool others = l->other_locks.call != 0;
	uint64_t last = 0;

	fold_table(o, LAR_TABLE_LOCKS, l->locks.map.count + others, 12);
	for (uint32_t i = 0; i < l->locks.map.count; i++)
		put_lock(o, (const struct lock *)l->locks.row + i, &last);
	if (others)
		put_lock(o, &l->other_locks, &last);
}

static void put_lock_site(struct fold_out *o, const struct site *s, uint64_t name, uint64_t *last)
{
	fold_put_site(o, name, last);
	fold_put(o, lock_name(s->lock));
	fold_put(o, s->more_locks);
	fold_put(o, s->caused);
	fold_put(o, s->caused_ticks);
	put_figures(o, &s->f);
}

static void write_sites(struct fold_out *o, const struct locks *l)
{
	uint64_t last = 0;

	fold_table(o, LAR_TABLE_LOCK_SITES, l->sites.map.count + l->other_sites.used, 13);
	for (uint32_t i = 0; i < l->sites.map.count; i++) {
		const struct site *s = (const struct site *)l->sites.row + i;

		put_lock_site(o, s, s->node + 1ull, &last);
	}
	if (l->other_sites.used)
		put_lock_site(o, &l->other_sites, 0, &last);
}

static void write_pairs(struct fold_out *o, const struct locks *l)
{
	const struct fold_pairs *p = &l->pairs;

	fold_table(o, LAR_TABLE_LOCK_PAIRS, p->index.count, 4);
	for (uint32_t i = 0; i < p->index.count; i++) {
		fold_put(o, p->pair[i].thread);
		fold_put(o, p->pair[i].address);
		fold_put(o, p->pair[i].caller);
		fold_put(o, p->pair[i].node);
	}
}

static void put_condition(struct fold_out *o, const struct condition *c, uint64_t name,
			  uint64_t *last)
{
	fold_put_site(o, name, last);
	fold_put(o, c->call);
	fold_put(o, c->timeouts);
	fold_put(o, c->errors);
	fold_put(o, c->signals);
	fold_put(o, c->in_vain);
	fold_put_histogram(o, &c->wait);
}

static void write_conditions(struct fold_out *o, const struct locks *l)
{
	uint32_t others = 0u + l->other_conditions[0].used + l->other_conditions[1].used;
	uint64_t last = 0;

	fold_table(o, LAR_TABLE_CONDITIONS, l->conditions.map.count + others, 6);
	for (uint32_t i = 0; i < l->conditions.map.count; i++) {
		const struct condition *c = (const struct condition *)l->conditions.row + i;

		put_condition(o, c, c->node + 1ull, &last);
	}
	for (uint32_t i = 0; i < 2; i++)
		if (l->other_conditions[i].used)
			put_condition(o, &l->other_conditions[i], 0, &last);
}

void fold_lock_write(struct fold_out *o, void *state)
{
	const struct locks *l = state;

	fold_table(o, LAR_TABLE_LOCK_TOTALS, 1, 4 + 2 * LAR_SIGNALS);
	fold_put(o, l->unowned_unlocks);
	fold_put(o, l->waits.orders_left_out);
	for (uint32_t i = 0; i < LAR_SIGNALS; i++) {
		fold_put(o, l->signals[i]);
		fold_put(o, l->in_vain[i]);
	}
	fold_put(o, l->forks_held);
	fold_put(o, l->fork_node);
	write_locks(o, l);
	write_sites(o, l);
	write_pairs(o, l);
	write_conditions(o, l);
	fold_waits_write(o, &l->waits);
}
