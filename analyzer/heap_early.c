/* SPDX-License-Identifier: MIT */
/*
 * Allocations and frees of several threads that are read in another order than they happened: of
 * one step of the clock no order is known, and a realloc is recorded when it is done. See
 * heap_model.h.
 */
#include "heap_count.h"

bool early_freed(struct heap_model *m, uint64_t address, const struct event *e)
{
	if (moment_take(&m->stray, address, e, false))
		return true;
	if (!moment_take(&m->stray, address, e, true))
		return false;
	if (moment_take(&m->freed, address, e, false))
		return true;
	moment_add(&m->stray, e->ticks, address, e->thread);
	return false;
}

/* Room for one more; when all is taken, the oldest, whose realloc does not seem to come, goes. */
static struct heap_early *early_new(struct heap_model *m)
{
	struct heap_early *oldest = &m->early[0];

	if (m->early_count < HEAP_EARLY)
		return &m->early[m->early_count++];
	for (uint32_t i = 1; i < HEAP_EARLY; i++)
		if (m->early[i].ticks < oldest->ticks)
			oldest = &m->early[i];
	return oldest;
}

/*
 * The address is given out again while we think it is in use. A realloc is recorded when it is
 * done, so another thread can have got its old block, and be recorded, before. If no such realloc
 * follows, the free was never recorded.
 */
static void block_given_out_again(struct heap_model *m, struct live_block *b, const struct event *e)
{
	struct heap_early *early;

	/* its free came before it did: of that step of the clock the order is not known */
	if (m->stray.count && (moment_take(&m->stray, b->address, e, false) ||
			       moment_take(&m->stray, b->address, e, true))) {
		m->total.unpaired_frees--;
		count_death(m, b, e, e->ticks, false);
		live_remove(&m->live, b);
		return;
	}
	early = early_new(m);
	early->address = b->address;
	early->ticks = e->ticks;
	early->site = b->site;
	early->thread = b->thread;
	early->weight = count_death(m, b, e, e->ticks, false);
	m->total.frees -= early->weight.blocks;
	m->total.freed_bytes -= early->weight.bytes;
	m->total.implied_frees += early->weight.blocks;
	live_remove(&m->live, b);
}

struct live_block *early_place(struct heap_model *m, struct live_block *b, const struct event *e)
{
	uint64_t address = b->address;
	bool known;

	block_given_out_again(m, b, e);
	return live_claim(&m->live, address, &known);
}

void early_is_free_of(struct heap_model *m, struct live_block *b, const struct event *e)
{
	uint64_t address = b->address;

	m->total.unpaired_frees--;
	count_death(m, b, e, e->ticks, false);
	live_remove(&m->live, b);
	moment_add(&m->freed, e->ticks, address, 0); /* if it is resized in place yet */
}

/*
 * Was the block's end announced by block_given_out_again()? Then it is counted already. The oldest
 * announcement since the realloc began is its own: when several threads were held up in reallocs of
 * one address, the later announcements are the others'. A free's is of its very time: two threads
 * can free and allocate in one step of the clock, and the free has its place behind what its thread
 * did before it.
 */
bool early_death(struct heap_model *m, const struct event *e, uint64_t address, uint64_t start)
{
	struct heap_early *own = NULL;

	for (uint32_t i = 0; i < m->early_count; i++) {
		struct heap_early *early = &m->early[i];

		if (early->address == address && early->ticks >= start &&
		    (!own || early->ticks < own->ticks))
			own = early;
	}
	if (!own)
		return false;
	m->total.frees += own->weight.blocks;
	m->total.freed_bytes += own->weight.bytes;
	m->total.implied_frees -= own->weight.blocks;
	count_temporary(m, e, address, own->site, own->thread, false);
	*own = m->early[--m->early_count];
	return true;
}
