/* SPDX-License-Identifier: MIT */
/* Who waits for whom, and the order in which locks are taken, of folded events; see fold_lock.h. */
#include "fold_lock.h"

#define ORDERS_MOST(w) (4 * (w)->most)

static void waiting_remove(struct fold *f, struct fold_waits *w, uint32_t n)
{
	uint32_t end = w->threads.count - 1;

	fold_index_remove(&w->threads, w->waiting[n].thread);
	if (n == end)
		return;
	w->waiting[n] = w->waiting[end];
	fold_index_put(f, &w->threads, w->waiting[n].thread, n, w->most);
}

void fold_wait_begin(struct fold *f, struct fold_waits *w, const struct fold_pairs *p,
		     const struct fold_event *e)
{
	const struct fold_pair *holder =
		e->field[2] ? fold_pair_find(p, (uint32_t)e->field[2], e->field[1], e->field[3])
			    : NULL;
	uint32_t n;

	if (!e->thread)
		return;
	if (!w->waiting)
		w->waiting = fold_alloc(f, w->most * sizeof(*w->waiting));
	if (!w->waiting)
		return;
	n = fold_index_get(&w->threads, e->thread);
	if (n == FOLD_NONE) {
		n = w->threads.count;
		if (!fold_index_put(f, &w->threads, e->thread, n, w->most))
			return;
	}
	w->waiting[n] = (struct fold_waiting){ .thread = e->thread,
					       .node = e->node,
					       .call = e->call,
					       .address = e->field[1],
					       .since = e->ticks,
					       .holder = holder ? holder->node + 1ull : 0 };
}

bool fold_wait_end(struct fold *f, struct fold_waits *w, uint32_t thread, struct fold_waiting *was)
{
	uint32_t n = thread ? fold_index_get(&w->threads, thread) : FOLD_NONE;

	if (n == FOLD_NONE)
		return false;
	*was = w->waiting[n];
	waiting_remove(f, w, n);
	return true;
}

void fold_blame_add(struct fold *f, struct fold_waits *w, const struct fold_blame *b)
{
	uint64_t key = (b->waits * 0x9e3779b97f4a7c15ull ^ b->holds) * 0xc2b2ae3d27d4eb4full ^
		       b->lock * 0x165667b19e3779f9ull;
	uint32_t n = fold_row(f, &w->blame, sizeof(*b), key | 1, w->most);
	struct fold_blame *row =
		n == FOLD_NONE ? &w->other_blame : (struct fold_blame *)w->blame.row + n;

	if (n == FOLD_NONE) {
		row->waits = row->holds = 1;
	} else {
		row->waits = b->waits;
		row->holds = b->holds;
		row->lock = b->lock;
	}
	row->count++;
	row->ticks += b->ticks;
	if (b->ticks > row->most)
		row->most = b->ticks;
}

void fold_order_add(struct fold *f, struct fold_waits *w, const struct fold_order *o)
{
	if (!w->order)
		w->order = fold_alloc(f, ORDERS_MOST(w) * sizeof(*w->order));
	if (!w->order || w->orders == ORDERS_MOST(w)) {
		w->orders_left_out++;
		return;
	}
	w->order[w->orders++] = *o;
}

/* ---- writing ---- */

static void put_blame(struct fold_out *o, const struct fold_blame *b)
{
	fold_put(o, b->waits);
	fold_put(o, b->holds);
	fold_put(o, b->lock);
	fold_put(o, b->count);
	fold_put(o, b->ticks);
	fold_put(o, b->most);
}

static void write_orders(struct fold_out *o, const struct fold_waits *w)
{
	fold_table(o, LAR_TABLE_LOCK_ORDER, w->orders, 7);
	for (uint32_t i = 0; i < w->orders; i++) {
		const struct fold_order *order = &w->order[i];

		fold_put(o, order->lock);
		fold_put(o, order->held);
		fold_put(o, order->node);
		fold_put(o, order->held_node);
		fold_put(o, order->thread);
		fold_put(o, order->info);
		fold_put(o, order->ticks);
	}
}

void fold_waits_write(struct fold_out *o, const struct fold_waits *w)
{
	uint32_t others = w->other_blame.count != 0;

	write_orders(o, w);
	fold_table(o, LAR_TABLE_LOCK_BLAME, w->blame.map.count + others, 6);
	for (uint32_t i = 0; i < w->blame.map.count; i++)
		put_blame(o, (const struct fold_blame *)w->blame.row + i);
	if (others)
		put_blame(o, &w->other_blame);
	fold_table(o, LAR_TABLE_LOCK_WAITING, w->threads.count, 6);
	for (uint32_t i = 0; i < w->threads.count; i++) {
		const struct fold_waiting *t = &w->waiting[i];

		fold_put(o, t->thread);
		fold_put(o, t->node);
		fold_put(o, t->call);
		fold_put(o, t->address);
		fold_put(o, t->since);
		fold_put(o, t->holder);
	}
}
