/* SPDX-License-Identifier: MIT */
/*
 * Lock figures of folded events, by the rules of the analyzer's lock model: what one of them counts
 * for an event, the other does.
 */
#include <errno.h>

#include "fold_rows.h"

#define WAIT_BITS     4
#define PAIRS_MOST(l) (4 * (l)->most)

/* Locks and sites that have no row of their own share the last. */
#define OTHERS FOLD_NONE

struct figures {
	uint64_t acquisitions, failed_try, timeouts, errors;
	uint64_t hold, hold_max;
	struct fold_histogram wait; /* of contended acquisitions */
};

/* Which site: 0 = none, 1 = others, else its node + 2. */
typedef uint64_t site_name;

struct lock {
	uint64_t address;
	uint32_t call;
	site_name first_site, latest_site;
	uint64_t elsewhere; /* acquisitions that the latest site is to be relieved of */
	struct figures f;
};

struct site {
	uint32_t node;
	uint32_t lock; /* the one met first */
	bool used, more_locks;
	struct figures f;
};

/* A thread that has been first on a lock and whose acquisitions no LOCKSUM has told yet. */
struct pair {
	uint32_t thread, lock;
	site_name first_site;
	uint64_t elsewhere;
};

struct condition {
	uint32_t node;
	uint64_t timeouts, errors;
	struct fold_histogram wait;
};

struct locks {
	uint32_t most; /* rows of each kind */
	uint64_t unowned_unlocks;
	struct fold_rows locks, sites, conditions;
	struct lock other_locks;
	struct site other_sites;
	struct condition other_conditions;
	struct fold_index pairs;
	struct pair *pair;
};

static struct lock *lock_at(struct locks *l, uint32_t n)
{
	return n == OTHERS ? &l->other_locks : (struct lock *)l->locks.row + n;
}

static uint32_t lock_number(struct fold *f, struct locks *l, uint64_t address, unsigned call)
{
	uint32_t n =
		address ? fold_row(f, &l->locks, sizeof(struct lock), address, l->most) : OTHERS;
	struct lock *lock = lock_at(l, n);

	if (!lock->call) {
		lock->call = call;
		lock->address = n == OTHERS ? 0 : address;
	}
	return n;
}

static struct site *site_at(struct locks *l, site_name name)
{
	uint32_t n = name < 2 ? FOLD_NONE : fold_map_get(&l->sites.map, name - 1);

	return n == FOLD_NONE ? &l->other_sites : (struct site *)l->sites.row + n;
}

static site_name site_get(struct fold *f, struct locks *l, uint32_t node, uint32_t lock)
{
	uint32_t n = fold_row(f, &l->sites, sizeof(struct site), node + 1ull, l->most);
	site_name name = n == FOLD_NONE ? 1 : node + 2ull;
	struct site *s = site_at(l, name);

	if (!s->used) {
		s->used = true;
		s->node = node;
		s->lock = lock;
	}
	s->more_locks |= s->lock != lock;
	return name;
}

/* ---- pairs: few, since the cells that they stand for are few ---- */

static uint64_t pair_key(uint32_t thread, uint32_t lock)
{
	return ((uint64_t)thread << 32 | lock) + 1;
}

static struct pair *pair_find(struct locks *l, uint32_t thread, uint32_t lock)
{
	uint32_t n = fold_index_get(&l->pairs, pair_key(thread, lock));

	return n == FOLD_NONE ? NULL : &l->pair[n];
}

/* Where it was first, others' acquisitions are not to be counted once more. */
static void pair_remove(struct fold *f, struct locks *l, struct pair *pair)
{
	struct pair *end = &l->pair[l->pairs.count - 1];

	site_at(l, pair->first_site)->f.acquisitions -= pair->elsewhere;
	fold_index_remove(&l->pairs, pair_key(pair->thread, pair->lock));
	if (pair == end)
		return;
	*pair = *end;
	fold_index_put(f, &l->pairs, pair_key(pair->thread, pair->lock), (uint32_t)(pair - l->pair),
		       PAIRS_MOST(l));
}

static struct pair *pair_get(struct fold *f, struct locks *l, uint32_t thread, uint32_t lock)
{
	struct pair *pair = pair_find(l, thread, lock);
	uint32_t n;

	if (pair)
		return pair;
	if (!l->pair)
		l->pair = fold_alloc(f, PAIRS_MOST(l) * sizeof(*l->pair));
	if (!l->pair)
		return NULL;
	/* one of them is of a thread that ended without a word */
	if (l->pairs.count == PAIRS_MOST(l))
		pair_remove(f, l, &l->pair[(thread + lock) % PAIRS_MOST(l)]);
	n = l->pairs.count;
	if (!fold_index_put(f, &l->pairs, pair_key(thread, lock), n, PAIRS_MOST(l)))
		return NULL;
	l->pair[n] = (struct pair){ .thread = thread, .lock = lock };
	return &l->pair[n];
}

/* ---- the rules ---- */

static void figures_add(struct fold *f, struct figures *g, const struct fold_event *e,
			bool acquired)
{
	g->acquisitions += acquired && e->flags & LAR_LOCK_NO_CELL;
	if (e->flags & LAR_LOCK_TRY && !acquired)
		g->failed_try++;
	else if (e->field[3] == ETIMEDOUT)
		g->timeouts++;
	else if (!acquired)
		g->errors++;
	if (e->flags & LAR_LOCK_CONTENDED && !(e->flags & LAR_LOCK_TRY)) {
		g->wait.bits = WAIT_BITS;
		fold_histogram_add(f, &g->wait, e->field[1]);
	}
}

/* Such an acquisition is in a LOCKSUM, too. */
static bool is_told_twice(const struct fold_event *e)
{
	return (e->flags & (LAR_LOCK_CONTENDED | LAR_LOCK_NO_CELL)) == LAR_LOCK_CONTENDED;
}

static void take_lock(struct fold *f, struct locks *l, const struct fold_event *e)
{
	bool acquired = !e->field[3] || e->field[3] == EOWNERDEAD;
	uint32_t number = lock_number(f, l, e->field[2], e->call);
	site_name site = site_get(f, l, e->node, number);
	struct lock *lock = lock_at(l, number);
	struct pair *pair;

	if (e->flags & LAR_LOCK_FIRST) {
		lock->latest_site = site;
		pair = pair_get(f, l, e->thread, number);
		if (pair)
			pair->first_site = site;
	} else {
		pair = pair_find(l, e->thread, number);
	}
	if (!lock->first_site)
		lock->first_site = site;
	if (acquired && is_told_twice(e) && (!pair || site != pair->first_site)) {
		site_at(l, site)->f.acquisitions++;
		*(pair ? &pair->elsewhere : &lock->elsewhere) += 1;
	}
	figures_add(f, &lock->f, e, acquired);
	figures_add(f, &site_at(l, site)->f, e, acquired);
}

static void sum_add(struct figures *g, const struct fold_event *e, uint64_t acquisitions)
{
	g->acquisitions += acquisitions;
	g->failed_try += e->field[5]; /* those that made no event */
	g->hold += e->field[3];
	if (e->field[4] > g->hold_max)
		g->hold_max = e->field[4];
}

/* The site of a thread's first acquisition has all of them that no event of another site has. */
static void take_sum(struct fold *f, struct locks *l, const struct fold_event *e)
{
	uint32_t number = lock_number(f, l, e->field[1], e->call);
	struct lock *lock = lock_at(l, number);
	struct pair *pair = pair_find(l, e->thread, number);
	site_name site = pair ? pair->first_site : lock->latest_site;

	if (!site)
		site = lock->latest_site = site_get(f, l, 0, number);
	if (pair) {
		pair_remove(f, l, pair);
	}
	sum_add(&lock->f, e, e->field[2]);
	sum_add(&site_at(l, site)->f, e, e->field[2]);
}

static void take_condition(struct fold *f, struct locks *l, const struct fold_event *e)
{
	uint32_t n = fold_row(f, &l->conditions, sizeof(struct condition), e->node + 1ull, l->most);
	struct condition *c =
		n == FOLD_NONE ? &l->other_conditions : (struct condition *)l->conditions.row + n;

	c->node = e->node;
	if (e->field[3] == ETIMEDOUT)
		c->timeouts++;
	else if (e->field[3])
		c->errors++;
	c->wait.bits = WAIT_BITS;
	fold_histogram_add(f, &c->wait, e->field[1]);
}

static void take_event(struct fold *f, struct locks *l, const struct fold_event *e)
{
	if (e->kind == LAR_EV_LOCKSUM) {
		take_sum(f, l, e);
		return;
	}
	switch (fold_operation(e->call)) {
	case LAR_OP_CONDWAIT:
		take_condition(f, l, e);
		break;
	case LAR_OP_UNLOCK:
		l->unowned_unlocks += !!(e->flags & LAR_LOCK_UNOWNED);
		break;
	case LAR_OP_DESTROY:
		break;
	default:
		take_lock(f, l, e);
	}
}

void fold_lock_event(struct fold *f, void **state, const struct fold_event *e)
{
	struct locks *l = *state;

	if (e->kind != LAR_EV_LOCK && e->kind != LAR_EV_LOCKSUM)
		return;
	if (!l) {
		l = *state = fold_alloc(f, sizeof(*l));
		if (l)
			l->most = fold_rows_most();
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
	fold_put_histogram(o, &g->wait);
}

static void put_lock(struct fold_out *o, const struct lock *lock, uint64_t *last)
{
	fold_put_site(o, lock->address, last);
	fold_put(o, lock->call);
	fold_put(o, lock->first_site);
	fold_put(o, lock->latest_site);
	fold_put(o, lock->elsewhere);
	put_figures(o, &lock->f);
}

static void write_locks(struct fold_out *o, const struct locks *l)
{
	bool others = l->other_locks.call != 0;
	uint64_t last = 0;

	fold_table(o, LAR_TABLE_LOCKS, l->locks.map.count + others, 11);
	for (uint32_t i = 0; i < l->locks.map.count; i++)
		put_lock(o, (const struct lock *)l->locks.row + i, &last);
	if (others)
		put_lock(o, &l->other_locks, &last);
}

static uint64_t lock_name(uint32_t lock)
{
	return lock == OTHERS ? 0 : lock + 1ull;
}

static void put_lock_site(struct fold_out *o, const struct site *s, uint64_t name, uint64_t *last)
{
	fold_put_site(o, name, last);
	fold_put(o, lock_name(s->lock));
	fold_put(o, s->more_locks);
	put_figures(o, &s->f);
}

static void write_sites(struct fold_out *o, const struct locks *l)
{
	uint64_t last = 0;

	fold_table(o, LAR_TABLE_LOCK_SITES, l->sites.map.count + l->other_sites.used, 9);
	for (uint32_t i = 0; i < l->sites.map.count; i++) {
		const struct site *s = (const struct site *)l->sites.row + i;

		put_lock_site(o, s, s->node + 1ull, &last);
	}
	if (l->other_sites.used)
		put_lock_site(o, &l->other_sites, 0, &last);
}

static void write_pairs(struct fold_out *o, const struct locks *l)
{
	fold_table(o, LAR_TABLE_LOCK_PAIRS, l->pairs.count, 4);
	for (uint32_t i = 0; i < l->pairs.count; i++) {
		fold_put(o, l->pair[i].thread);
		fold_put(o, lock_name(l->pair[i].lock));
		fold_put(o, l->pair[i].first_site);
		fold_put(o, l->pair[i].elsewhere);
	}
}

static void put_condition(struct fold_out *o, const struct condition *c, uint64_t name,
			  uint64_t *last)
{
	fold_put_site(o, name, last);
	fold_put(o, c->timeouts);
	fold_put(o, c->errors);
	fold_put_histogram(o, &c->wait);
}

static void write_conditions(struct fold_out *o, const struct locks *l)
{
	bool others = l->other_conditions.wait.count != 0;
	uint64_t last = 0;

	fold_table(o, LAR_TABLE_CONDITIONS, l->conditions.map.count + others, 3);
	for (uint32_t i = 0; i < l->conditions.map.count; i++) {
		const struct condition *c = (const struct condition *)l->conditions.row + i;

		put_condition(o, c, c->node + 1ull, &last);
	}
	if (others)
		put_condition(o, &l->other_conditions, 0, &last);
}

void fold_lock_write(struct fold_out *o, void *state)
{
	const struct locks *l = state;

	fold_table(o, LAR_TABLE_LOCK_TOTALS, 1, 1);
	fold_put(o, l->unowned_unlocks);
	write_locks(o, l);
	write_sites(o, l);
	write_pairs(o, l);
	write_conditions(o, l);
}
