/* SPDX-License-Identifier: MIT */
/*
 * Lock figures of folded events, by the rules of the analyzer's lock model: what one of them counts
 * for an event, the other does.
 */
#include "fold_lock.h"

#include <errno.h>

#define PAIRS_MOST(l) (4 * (l)->most)

static struct lock *lock_at(struct locks *l, uint32_t n)
{
	return n == LOCK_OTHERS ? &l->other_locks : (struct lock *)l->locks.row + n;
}

/* A new row; LOCK_OTHERS = there is no room. */
static uint32_t lock_new(struct fold *f, struct locks *l, uint64_t address, unsigned call)
{
	uint32_t n =
		fold_row(f, &l->locks, sizeof(struct lock), l->locks.map.count + 1ull, l->most);
	struct lock *lock = lock_at(l, n);

	if (!lock->call)
		lock->call = call;
	lock->address = n == LOCK_OTHERS ? 0 : address;
	return n;
}

/* The element of what is at an address now: a row + 1, or 0. NULL: it is among the others. */
static uint32_t *lock_now(struct fold *f, struct locks *l, uint64_t address)
{
	uint32_t n = address ? fold_row(f, &l->addresses, sizeof(uint32_t), address, l->most)
			     : FOLD_NONE;

	return n == FOLD_NONE ? NULL : (uint32_t *)l->addresses.row + n;
}

static uint32_t lock_number(struct fold *f, struct locks *l, uint64_t address, unsigned call)
{
	uint32_t *now = lock_now(f, l, address);

	if (now && *now)
		return *now - 1;
	if (!now) {
		l->other_locks.call = l->other_locks.call ? l->other_locks.call : call;
		return LOCK_OTHERS;
	}
	*now = lock_new(f, l, address, call) + 1; /* LOCK_OTHERS + 1 is 0 */
	return *now - 1;
}

/* The same of the life that a first use tells. */
static uint32_t lock_life(struct fold *f, struct locks *l, uint64_t address, uint32_t life,
			  unsigned call)
{
	uint32_t n = lock_number(f, l, address, call), fresh;
	struct lock *lock = lock_at(l, n);

	if (n == LOCK_OTHERS || life <= lock->life)
		return n;
	fresh = lock->life ? lock_new(f, l, address, call) : n;
	if (fresh == LOCK_OTHERS) {
		lock_at(l, n)->more_lives++;
		fresh = n;
	}
	lock_at(l, fresh)->life = life;
	*lock_now(f, l, address) = fresh + 1;
	return fresh;
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
static void pair_put(struct fold *f, struct locks *l, const struct fold_event *e, uint32_t lock)
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
					 .node = e->node,
					 .lock = lock };
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

static void figures_add(struct fold *f, struct lock_figures *g, const struct fold_event *e,
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
	else if (e->field[3] == ECANCELED)
		g->cancelled++;
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
		pair_put(f, l, e, lock_life(f, l, e->field[2], (uint32_t)e->field[1], e->call));
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

static void sum_add(struct fold *f, struct lock_figures *g, const struct fold_event *e)
{
	uint32_t bucket = lar_hold_bucket(e->field[3]);

	g->acquisitions += e->field[2];
	g->failed_try += (uint32_t)e->field[5]; /* those that made no event */
	g->owner_changes += e->field[5] >> 32;
	g->hold += e->field[3];
	if (e->field[4] > g->hold_max)
		g->hold_max = e->field[4];
	if (!(e->flags & LAR_LOCKSUM_ONE) || bucket >= LAR_HOLD_BUCKETS)
		return;
	g->held.bits = LOCK_WAIT_BITS;
	fold_histogram_add_many(f, &g->held, lar_hold_middle(bucket), 1);
}

static void holds_add(struct fold *f, struct lock_figures *g, const struct fold_event *e)
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

/* The lock that a cell was made for. */
static uint32_t pair_lock(struct fold *f, struct locks *l, const struct fold_pair *pair,
			  uint64_t address, unsigned call)
{
	return pair && pair->lock != LOCK_OTHERS ? pair->lock : lock_number(f, l, address, call);
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
	c->in_vain += (uint32_t)e->field[5];
	l->signals[lar_call_signal(e->call)] += e->field[2];
	l->in_vain[lar_call_signal(e->call)] += (uint32_t)e->field[5];
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
		number = pair_lock(f, l, pair, e->field[1], e->call);
		site = site_of_cell(f, l, pair, number);
		if (holds) {
			holds_add(f, &lock_at(l, number)->f, e);
			holds_add(f, &site->f, e);
		} else {
			if (fold_operation(e->call) == LAR_OP_RDLOCK)
				lock_at(l, number)->shared += e->field[2];
			sum_add(f, &lock_at(l, number)->f, e);
			sum_add(f, &site->f, e);
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
	uint32_t number = pair_lock(f, l, pair, e->field[2], e->call);

	figures_add(f, &lock_at(l, number)->f, e, true);
	figures_add(f, &site_of_cell(f, l, pair, number)->f, e, true);
	if (e->flags & LAR_LOCK_UNOWNED && !l->abandoned++)
		l->abandoned_node = pair ? pair->node : 0;
}

static void take_condition(struct fold *f, struct locks *l, const struct fold_event *e)
{
	struct condition *c = condition_get(f, l, e->node, e->call);
	struct fold_waiting was;

	fold_wait_end(f, &l->waits, e->thread, &was);
	if (e->field[3] == ETIMEDOUT)
		c->timeouts++;
	else if (e->field[3] == ECANCELED)
		c->cancelled++;
	else if (e->field[3])
		c->errors++;
	c->wait.bits = LOCK_WAIT_BITS;
	fold_histogram_add(f, &c->wait, e->field[1]);
}

static void take_signal(struct fold *f, struct locks *l, const struct fold_event *e)
{
	struct condition *c;

	if (e->flags & LAR_LOCK_FIRST) {
		pair_put(f, l, e, LOCK_OTHERS); /* its sum is of no lock */
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
				.held = lock_name(pair_lock(f, l, pair, e->field[2], e->call)),
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
		if (e->flags & LAR_LOCK_UNOWNED && !l->unowned_unlocks++)
			l->unowned_node = e->node;
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
	struct fold_waiting was;

	/* one that was cancelled while it waited waits no more */
	if (e->kind == LAR_EV_THREAD_END && l)
		fold_wait_end(f, &l->waits, (uint32_t)e->field[1], &was);
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
