/* SPDX-License-Identifier: MIT */
/*
 * The exact figures of a thread for each lock that it uses and each place in the code that takes
 * it, in its slot (struct lar_lock_cell): an uncontended lock makes no event. And which locks it
 * holds, in what order. Only the owner of the slot comes here, its gate BUSY; other threads look at
 * its cells to see who is in their way.
 */
#ifndef LARIAT_LOCKCELL_H
#define LARIAT_LOCKCELL_H

#include <stdint.h>

#include "attr.h"
#include "format/trace_format.h"
#include "thread.h"

#define LOCKCELL_PROBES 8
#define LOCKCELL_NONE	UINT32_MAX

/* Of the first place there are so many that the first few never wrap. */
#define LOCKCELL_FIRST (LAR_SLOT_LOCK_CELLS - LOCKCELL_PROBES + 1)

static always_inline uint32_t lockcell_first(uint64_t addr)
{
	uint64_t hash = (uint32_t)addr * 0x9e3779b1u;

	return (uint32_t)(hash * LOCKCELL_FIRST >> 32);
}

/* The n-th place where the cell of a lock may be: n below LOCKCELL_PROBES, and where those are all
 * taken, by cells of this lock or by such as are held, n below LAR_SLOT_LOCK_CELLS. */
static always_inline uint32_t lockcell_place(uint64_t addr, uint32_t n)
{
	uint32_t i = lockcell_first(addr) + n;

	return i < LAR_SLOT_LOCK_CELLS ? i : i - LAR_SLOT_LOCK_CELLS;
}

/* How many of these places have to be looked at to see all cells of a lock. */
static always_inline uint32_t lockcell_places(const struct thread *t)
{
	return unlikely(t->held.far) ? LAR_SLOT_LOCK_CELLS : LOCKCELL_PROBES;
}

static always_inline struct lar_lock_cell *lockcell_at(const struct thread *t, uint32_t cell)
{
	return &t->slot->locks[cell];
}

static always_inline uint32_t lockcell_index(const struct thread *t, const struct lar_lock_cell *c)
{
	return (uint32_t)(c - t->slot->locks);
}

/* They stand behind the cells and are as large. */
static always_inline struct lar_lock_holds *lockcell_holds(struct lar_lock_cell *c)
{
	_Static_assert(sizeof(struct lar_lock_holds) == sizeof(struct lar_lock_cell) &&
			       offsetof(struct lar_slot, locks[LAR_SLOT_LOCK_CELLS]) ==
				       sizeof(struct lar_slot),
		       "holds of lock cells");
	return (struct lar_lock_holds *)(c + LAR_SLOT_LOCK_CELLS);
}

/*
 * Where one thread alone has ever recorded, and no handler on it apart from it, nobody else has
 * taken a lock or ended its life: a cell of its own, as long as it has it, is of the lock that is
 * there, which it took last. So it may be as long as the place says yes that stands for the kind of
 * lock: libc's word that there is one thread; else one that never does.
 */
extern LAR_LOCAL struct lockcell_alone {
	const char *pthread_mutex, *mtx;
	struct thread *self;	     /* who it is, */
	struct lar_lock_cell *cells; /* and its slot's */
} lockcell_alone;

/* Another one enters. Any thread. */
void lockcell_not_alone(void);

/* A cell's depth, and its call above it, as one word: it is slow to read as one what has just been
 * written by halves. */
typedef uint32_t __attribute__((__may_alias__)) lockcell_state;
#define LOCKCELL_STATE(depth, call) ((depth) | (uint32_t)(call) << 16)

static always_inline lockcell_state *lockcell_state_of(struct lar_lock_cell *c)
{
	_Static_assert(offsetof(struct lar_lock_cell, depth) % 4 == 0 &&
			       offsetof(struct lar_lock_cell, call) ==
				       offsetof(struct lar_lock_cell, depth) + 2,
		       "a word of both");
	return (lockcell_state *)&c->depth;
}

/* The cell of a lock taken at a place, or LOCKCELL_NONE: among the first places. */
static always_inline uint32_t lockcell_find(const struct thread *t, uint64_t addr, uint64_t caller,
					    unsigned call)
{
	uint32_t i = lockcell_first(addr);

	for (uint32_t end = i + LOCKCELL_PROBES; i < end; i++) {
		const struct lar_lock_cell *c = &t->slot->locks[i];

		if (likely(c->addr == addr && c->caller == caller && c->call == call))
			return i;
	}
	return LOCKCELL_NONE;
}

/* The same behind the first places. */
uint32_t lockcell_find_far(const struct thread *t, uint64_t addr, uint64_t caller, unsigned call);

/*
 * A cell for a lock and place that has none: a free one, or that of another lock not held now,
 * whose figures become an event, or, where this lock has them all, a free one anywhere, or, where
 * there is none, one that its further places share. *made: it is new, and an event has to say what
 * it is of. LOCKCELL_NONE when all are held, or when several threads share the slot.
 */
uint32_t lockcell_make(struct thread *t, uint64_t addr, uint64_t *caller, unsigned call,
		       bool *made);

/* The cell's figures become events, the cell is free. */
void lockcell_flush(struct thread *t, uint32_t cell);

/* The same for all cells: the thread is about to end, or the slot goes to another one. */
void lockcell_leave(struct thread *t);

/* The lock goes away: the address may become another one. */
void lockcell_destroy(struct thread *t, uint64_t addr);

static always_inline void held_push(struct thread *t, uint32_t cell)
{
	struct held *h = &t->held;
	uint32_t n = h->count;

	if (unlikely(n == HELD_MOST))
		return;
	h->cell[n] = (uint8_t)cell;
	h->count = n + 1;
}

/* The cell by which the thread holds a lock, or LOCKCELL_NONE. */
uint32_t held_search(const struct thread *t, uint64_t addr);

static always_inline uint32_t held_find(const struct thread *t, uint64_t addr)
{
	uint32_t n = t->held.count;

	if (likely(n)) {
		uint32_t top = t->held.cell[n - 1];

		if (likely(t->slot->locks[top].addr == addr))
			return top;
	}
	return held_search(t, addr);
}

void held_remove(struct thread *t, uint32_t cell);

static always_inline void held_pop(struct thread *t, uint32_t cell)
{
	uint32_t n = t->held.count;

	if (likely(n && t->held.cell[n - 1] == cell))
		t->held.count = n - 1;
	else
		held_remove(t, cell);
}

/* Of the addresses of the locks that are held, in their order. */
static always_inline uint32_t held_hash(const struct thread *t)
{
	const struct held *h = &t->held;
	uint32_t hash = 0;

	for (uint32_t i = 0; i < h->count; i++)
		hash = (hash ^ (uint32_t)(lockcell_at(t, h->cell[i])->addr >> 3)) * 0x9e3779b1u + 1;
	return hash;
}

/* Whether it is known that these locks are held when that cell's is taken. */
static always_inline bool held_order_known(const struct thread *t, uint32_t cell)
{
	return likely(!t->held.count) || t->held.order[cell] == held_hash(t);
}

/* The same from a larger memory; true when nobody has told yet: the caller does now. */
bool held_order_new(struct thread *t, uint32_t cell);

/* Who holds a lock, as far as cells tell. */
struct lock_holder {
	uint32_t thread; /* number; 0 = not known */
	uint64_t caller; /* where it took it */
};

/* tid: kernel id of the owner, where the lock says it, else 0. */
struct lock_holder lockcell_holder(uint64_t addr, uint32_t tid);

#endif
