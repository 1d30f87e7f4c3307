/* SPDX-License-Identifier: MIT */
/* Folded figures of locks as a checkpoint's tables; see fold_lock.h. */
#include "fold_lock.h"

/* The last columns of a row. */
static void put_figures(struct fold_out *o, const struct lock_figures *g)
{
	fold_put(o, g->acquisitions);
	fold_put(o, g->failed_try);
	fold_put(o, g->timeouts);
	fold_put(o, g->errors);
	fold_put(o, g->hold);
	fold_put(o, g->hold_max);
	fold_put(o, g->owner_died);
	fold_put(o, g->waiters);
	fold_put(o, g->owner_changes);
	fold_put(o, g->cancelled);
	fold_put_histogram(o, &g->wait);
	fold_put_histogram(o, &g->held);
}

static void put_lock(struct fold_out *o, const struct lock *lock, uint64_t *last)
{
	fold_put_site(o, lock->address, last);
	fold_put(o, lock->call);
	fold_put(o, lock->first_site);
	fold_put(o, lock->shared);
	fold_put(o, lock->life);
	fold_put(o, lock->more_lives);
	put_figures(o, &lock->f);
}

static void write_locks(struct fold_out *o, const struct locks *l)
{
	bool others = l->other_locks.call != 0;
	uint64_t last = 0;

	fold_table(o, LAR_TABLE_LOCKS, l->locks.map.count + others, 16);
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

	fold_table(o, LAR_TABLE_LOCK_SITES, l->sites.map.count + l->other_sites.used, 15);
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

	fold_table(o, LAR_TABLE_LOCK_PAIRS, p->index.count, 5);
	for (uint32_t i = 0; i < p->index.count; i++) {
		fold_put(o, p->pair[i].thread);
		fold_put(o, p->pair[i].address);
		fold_put(o, p->pair[i].caller);
		fold_put(o, p->pair[i].node);
		fold_put(o, lock_name(p->pair[i].lock));
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
	fold_put(o, c->cancelled);
	fold_put_histogram(o, &c->wait);
}

static void write_conditions(struct fold_out *o, const struct locks *l)
{
	uint32_t others = 0u + l->other_conditions[0].used + l->other_conditions[1].used;
	uint64_t last = 0;

	fold_table(o, LAR_TABLE_CONDITIONS, l->conditions.map.count + others, 7);
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

	fold_table(o, LAR_TABLE_LOCK_TOTALS, 1, 7 + 2 * LAR_SIGNALS);
	fold_put(o, l->unowned_unlocks);
	fold_put(o, l->waits.orders_left_out);
	for (uint32_t i = 0; i < LAR_SIGNALS; i++) {
		fold_put(o, l->signals[i]);
		fold_put(o, l->in_vain[i]);
	}
	fold_put(o, l->forks_held);
	fold_put(o, l->fork_node);
	fold_put(o, l->unowned_node);
	fold_put(o, l->abandoned);
	fold_put(o, l->abandoned_node);
	write_locks(o, l);
	write_sites(o, l);
	write_pairs(o, l);
	write_conditions(o, l);
	fold_waits_write(o, &l->waits);
}
