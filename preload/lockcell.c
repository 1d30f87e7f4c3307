/* SPDX-License-Identifier: MIT */
/* Figures per thread and lock; see lockcell.h. */
#include "lockcell.h"

#include "fault.h"
#include "recorder.h"
#include "span.h"

/* Says which cell's figures are in the event that the next commit brings: a reader of a process
 * that was killed before the cell is free takes them once. */
static void announce(struct thread *t, const struct lar_lock_cell *c)
{
	struct lar_slot *slot = t->slot;
	uint64_t head = (uint64_t)((uint8_t *)t->head - (uint8_t *)t->buffer);

	slot->flush_cell = (uint32_t)(c - slot->locks);
	FAULT_POINT(cell_named);
	__atomic_store_n(&slot->flush_state, t->slot_seq | head, __ATOMIC_RELEASE);
	FAULT_POINT(cell_announced);
}

void lockcell_flush(struct thread *t, struct lar_lock_cell *c)
{
	uint64_t *r;

	if (c->acquisitions || c->failed_try) {
		r = span_record(t, LAR_EV_LOCKSUM, 0, c->call, 6);
		if (r) {
			r[0] = lar_ticks();
			r[1] = c->addr;
			r[2] = c->acquisitions;
			r[3] = c->hold_ticks;
			r[4] = c->hold_max_ticks;
			r[5] = c->failed_try;
			announce(t, c);
			span_commit(t);
		}
	}
	FAULT_POINT(cell_summed);
	__atomic_store_n(&c->addr, 0, __ATOMIC_RELEASE);
	FAULT_POINT(cell_cleared);
	__atomic_store_n(&t->slot->flush_state, 0, __ATOMIC_RELEASE);
	FAULT_POINT(cell_done);
}

void lockcell_flush_all(struct thread *t)
{
	for (uint32_t i = 0; i < LAR_SLOT_LOCK_CELLS; i++)
		if (t->slot->locks[i].addr)
			lockcell_flush(t, &t->slot->locks[i]);
}

struct lar_lock_cell *lockcell_make(struct thread *t, uint64_t addr, unsigned call)
{
	struct lar_lock_cell *c = NULL;

	for (uint32_t n = 0; n < LOCKCELL_PROBES && !c; n++)
		if (!lockcell_place(t, addr, n)->addr)
			c = lockcell_place(t, addr, n);
	for (uint32_t n = 0; n < LOCKCELL_PROBES && !c; n++)
		if (!lockcell_place(t, addr, n)->depth)
			c = lockcell_place(t, addr, n);
	if (!c)
		return NULL;
	if (c->addr)
		lockcell_flush(t, c);
	FAULT_POINT(cell_free);
	c->acquisitions = c->contended = c->failed_try = 0;
	c->depth = 0;
	c->call = (uint16_t)call;
	c->hold_ticks = c->hold_max_ticks = c->held_since = 0;
	c->wait_ticks = c->wait_max_ticks = 0;
	FAULT_POINT(cell_zeroed);
	__atomic_store_n(&c->addr, addr, __ATOMIC_RELEASE);
	FAULT_POINT(cell_made);
	return c;
}
