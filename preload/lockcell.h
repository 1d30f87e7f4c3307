/* SPDX-License-Identifier: MIT */
/*
 * The exact figures of a thread for each lock it uses, in its slot (struct lar_lock_cell): an
 * uncontended lock makes no event. Only the owner of the slot comes here, its gate BUSY.
 */
#ifndef LARIAT_LOCKCELL_H
#define LARIAT_LOCKCELL_H

#include <stdint.h>

#include "attr.h"
#include "format/trace_format.h"
#include "thread.h"

#define LOCKCELL_PROBES 4

/* The n-th place where the cell of a lock may be, n below LOCKCELL_PROBES. */
static always_inline struct lar_lock_cell *lockcell_place(const struct thread *t, uint64_t addr,
							  uint32_t n)
{
	uint32_t at = (uint32_t)((addr * 0x9e3779b97f4a7c15ull) >> 40) + n;

	return &t->slot->locks[at % LAR_SLOT_LOCK_CELLS];
}

/* The cell of a lock, or NULL. */
static always_inline struct lar_lock_cell *lockcell_find(const struct thread *t, uint64_t addr)
{
	for (uint32_t n = 0; n < LOCKCELL_PROBES; n++) {
		struct lar_lock_cell *c = lockcell_place(t, addr, n);

		if (c->addr == addr)
			return c;
	}
	return NULL;
}

/*
 * A cell for a lock that has none: a free one, or that of a lock not held now, whose figures become
 * an event. NULL when all places are of locks held now.
 */
struct lar_lock_cell *lockcell_make(struct thread *t, uint64_t addr, unsigned call);

/* The cell's figures become an event, the cell is free. */
void lockcell_flush(struct thread *t, struct lar_lock_cell *c);

/* The same for all cells: the slot goes to another thread. */
void lockcell_flush_all(struct thread *t);

#endif
