/* SPDX-License-Identifier: MIT */
/* Figures per thread, lock and place; see lockcell.h. */
#include "lockcell.h"

#include <string.h>

#include "fault.h"
#include "locklife.h"
#include "recorder.h"
#include "span.h"

#define HOLDERS_LOOKED 64 /* slots, where the lock does not tell its owner */
#define SUM_WORDS      8
#define SUM_EVENTS     4 /* at most: the sum and its buckets */

static const char never;
struct lockcell_alone lockcell_alone = { &never, &never, NULL, NULL };

void lockcell_not_alone(void)
{
	lockcell_alone.pthread_mutex = lockcell_alone.mtx = &never;
}

/* Says which cell's figures are in the events that the next commit brings: a reader of a process
 * that was killed before the cell is free takes them once. */
static void announce(struct thread *t, uint32_t cell)
{
	struct lar_slot *slot = t->slot;
	uint64_t head = (uint64_t)((uint8_t *)t->head - (uint8_t *)t->buffer);

	slot->flush_cell = cell;
	FAULT_POINT(cell_named);
	__atomic_store_n(&slot->flush_state, t->slot_seq | head, __ATOMIC_RELEASE);
	FAULT_POINT(cell_announced);
}

/* Four buckets in a word. */
static uint64_t holds_word(const struct lar_lock_holds *h, unsigned word)
{
	uint64_t v;

	memcpy(&v, &h->bucket[4 * word], 8);
	return v;
}

#define HOLD_WORDS (LAR_HOLD_BUCKETS / 4)

/* Whether a sum says it all: most locks of many are held once until another one takes the cell. */
static bool is_one_hold(const struct lar_lock_cell *c, const struct lar_lock_holds *h)
{
	uint32_t bucket = lar_hold_bucket(c->hold_ticks);
	uint64_t other = c->waiters;

	if (bucket >= LAR_HOLD_BUCKETS)
		return false;
	for (unsigned i = 0; i < HOLD_WORDS; i++)
		other |= holds_word(h, i) ^ (i == bucket / 4 ? 1ull << 16 * (bucket % 4) : 0);
	return !other;
}

static void put_holds(struct thread *t, const struct lar_lock_cell *c,
		      const struct lar_lock_holds *h)
{
	uint64_t waiters = c->waiters;

	for (unsigned i = 0; i < HOLD_WORDS; i += 3) {
		uint64_t v[3], *r;

		for (unsigned k = 0; k < 3; k++)
			v[k] = i + k < HOLD_WORDS ? holds_word(h, i + k) : 0;
		if (!(v[0] | v[1] | v[2] | waiters))
			continue;
		r = span_record(t, LAR_EV_LOCKHOLDS, 0, c->call, 7);
		if (!r)
			return;
		r[0] = lar_ticks();
		r[1] = c->addr;
		r[2] = c->caller;
		r[3] = 4 * i | waiters << 16;
		memcpy(&r[4], v, sizeof(v));
		waiters = 0;
	}
}

static void put_sum(struct thread *t, uint32_t cell)
{
	const struct lar_lock_cell *c = lockcell_at(t, cell);
	const struct lar_lock_holds *h = lockcell_holds(lockcell_at(t, cell));
	unsigned flags = is_one_hold(c, h) ? LAR_LOCKSUM_ONE : 0;
	uint64_t *r;

	/* all of them with one commit */
	if (t->head + SUM_EVENTS * SUM_WORDS > t->limit &&
	    !seal_make_room(t, SUM_EVENTS * SUM_WORDS))
		return;
	if (!flags)
		put_holds(t, c, h);
	r = span_record(t, LAR_EV_LOCKSUM, flags, c->call, 7);
	if (!r)
		return;
	r[0] = lar_ticks();
	r[1] = c->addr;
	r[2] = c->acquisitions;
	r[3] = c->hold_ticks;
	r[4] = c->hold_max_ticks;
	r[5] = c->failed_try | (uint64_t)c->owners << 32;
	r[6] = c->caller;
	announce(t, cell);
	span_commit(t);
}

/* ---- cells behind the first places of their lock ---- */

#define CRAMPED_FEW 16 /* one in so many */
#define FAR_PLACES  (LAR_SLOT_LOCK_CELLS - LOCKCELL_PROBES)

/* The n-th, n below FAR_PLACES; those of different callers begin at different ones. */
static uint32_t far_place(uint64_t addr, uint64_t caller, uint32_t n)
{
	uint32_t first = (uint32_t)((caller * 0x9e3779b97f4a7c15ull) >> 40);

	return lockcell_place(addr, LOCKCELL_PROBES + (first + n) % FAR_PLACES);
}

static bool is_far(uint64_t addr, uint32_t cell)
{
	for (uint32_t n = 0; n < LOCKCELL_PROBES; n++)
		if (lockcell_place(addr, n) == cell)
			return false;
	return true;
}

uint32_t lockcell_find_far(const struct thread *t, uint64_t addr, uint64_t caller, unsigned call)
{
	for (uint32_t n = 0; n < FAR_PLACES && t->held.far; n++) {
		uint32_t i = far_place(addr, caller, n);
		const struct lar_lock_cell *c = lockcell_at(t, i);

		if (c->addr == addr && c->caller == caller && c->call == call)
			return i;
	}
	return LOCKCELL_NONE;
}

/* Which one to take: a free one; now and then, where there is none, another lock's: those that are
 * taken no more make room for those that are, and those that take turns cost few events. */
static uint32_t far_for(struct thread *t, uint64_t addr, uint64_t caller)
{
	uint32_t other = LOCKCELL_NONE;

	if (t->held.cells == LAR_SLOT_LOCK_CELLS && ++t->held.cramped % CRAMPED_FEW)
		return LOCKCELL_NONE;
	for (uint32_t n = 0; n < FAR_PLACES; n++) {
		uint32_t i = far_place(addr, caller, n);
		const struct lar_lock_cell *c = lockcell_at(t, i);

		if (!c->addr)
			return i;
		if (!c->depth && c->addr != addr && other == LOCKCELL_NONE)
			other = i;
	}
	return other;
}

void lockcell_flush(struct thread *t, uint32_t cell)
{
	struct lar_lock_cell *c = lockcell_at(t, cell);

	if (unlikely(t->held.far) && is_far(c->addr, cell))
		t->held.far--;
	t->held.cells--;
	put_sum(t, cell);
	FAULT_POINT(cell_summed);
	__atomic_store_n(&c->addr, 0, __ATOMIC_RELEASE);
	FAULT_POINT(cell_cleared);
	__atomic_store_n(&t->slot->flush_state, 0, __ATOMIC_RELEASE);
	t->held.order[cell] = 0;
	if (c->depth)
		held_remove(t, cell);
	FAULT_POINT(cell_done);
}

/* A lock on the stack of a thread that has ended is none any more. */
static void end_on_stack(const struct thread *t, uint64_t addr)
{
	if (addr - t->stack.low < t->stack.high - t->stack.low)
		locklife_end(addr);
}

/* Nobody gives it back: the hold is over with its thread. */
static void held_for_good(struct thread *t, uint32_t cell)
{
	struct lar_lock_cell *c = lockcell_at(t, cell);
	uint64_t now = lar_ticks(), hold = now - c->held_since, *r;

	if (!c->held_since || !c->depth)
		return;
	c->hold_ticks += hold;
	if (hold > c->hold_max_ticks)
		c->hold_max_ticks = hold;
	c->held_since = 0;
	r = span_record(t, LAR_EV_LOCK, LAR_LOCK_HELD | LAR_LOCK_UNOWNED, c->call, 4);
	if (!r)
		return;
	r[0] = now;
	r[1] = hold;
	r[2] = c->addr;
	r[3] = c->caller;
	span_commit(t);
}

void lockcell_leave(struct thread *t)
{
	for (uint32_t i = 0; i < LAR_SLOT_LOCK_CELLS; i++) {
		if (!lockcell_at(t, i)->addr)
			continue;
		/* they are of the slot's last owner: its THREAD record comes first */
		seal_begin(t);
		held_for_good(t, i);
		end_on_stack(t, lockcell_at(t, i)->addr);
		lockcell_flush(t, i);
	}
	memset(&t->held, 0, sizeof(t->held));
	t->waited.since = 0;
}

void lockcell_destroy(struct thread *t, uint64_t addr)
{
	for (uint32_t n = 0, places = lockcell_places(t); n < places; n++) {
		uint32_t i = lockcell_place(addr, n);

		if (lockcell_at(t, i)->addr == addr)
			lockcell_flush(t, i);
	}
	locklife_end(addr);
}

/*
 * A cell that is to make room: one that was not used since it was in the way last (second chance;
 * Corbato 1968), else the one that was used least. What is locked often keeps its cell.
 */
struct victim {
	uint32_t cell, uses;
};

static void victim_look(struct thread *t, struct victim *v, uint32_t cell)
{
	uint32_t acquisitions = lockcell_at(t, cell)->acquisitions;
	uint32_t uses = acquisitions - t->held.looked[cell];

	t->held.looked[cell] = acquisitions;
	if (v->cell == LOCKCELL_NONE || uses < v->uses)
		*v = (struct victim){ cell, uses };
}

static uint32_t place_for(struct thread *t, uint64_t addr)
{
	struct victim other = { LOCKCELL_NONE, 0 };
	uint32_t same = LOCKCELL_NONE;

	for (uint32_t n = 0; n < LOCKCELL_PROBES; n++) {
		uint32_t i = lockcell_place(addr, n);
		const struct lar_lock_cell *c = lockcell_at(t, i);

		if (!c->addr)
			return i;
		if (c->depth)
			continue;
		if (c->addr != addr)
			victim_look(t, &other, i);
		else if (same == LOCKCELL_NONE)
			same = i;
	}
	return other.cell != LOCKCELL_NONE ? other.cell : same;
}

uint32_t lockcell_make(struct thread *t, uint64_t addr, uint64_t *caller, unsigned call, bool *made)
{
	struct lar_lock_cell *c;
	uint32_t cell, far = LOCKCELL_NONE, shared = LOCKCELL_NONE;

	*made = false;
	if (t->slot->owner_tid == THREAD_SHARED)
		return LOCKCELL_NONE;
	cell = place_for(t, addr);
	if (cell == LOCKCELL_NONE || lockcell_at(t, cell)->addr == addr)
		far = far_for(t, addr, *caller);
	if (far != LOCKCELL_NONE) {
		t->held.far++;
		cell = far;
	} else if (cell == LOCKCELL_NONE || lockcell_at(t, cell)->addr == addr) {
		/* more places than cells: one for those that are left */
		*caller = 0;
		shared = lockcell_find(t, addr, 0, call);
	}
	if (shared != LOCKCELL_NONE && !locklife_same(&t->held.life[shared], false)) {
		cell = shared;
		shared = LOCKCELL_NONE;
	}
	if (shared != LOCKCELL_NONE || cell == LOCKCELL_NONE)
		return shared;
	c = lockcell_at(t, cell);
	if (c->addr)
		lockcell_flush(t, cell);
	t->held.cells++;
	FAULT_POINT(cell_free);
	memset(&c->acquisitions, 0, sizeof(*c) - offsetof(struct lar_lock_cell, acquisitions));
	memset(lockcell_holds(c), 0, sizeof(struct lar_lock_holds));
	c->call = (uint16_t)call;
	c->caller = *caller;
	FAULT_POINT(cell_zeroed);
	__atomic_store_n(&c->addr, addr, __ATOMIC_RELEASE);
	FAULT_POINT(cell_made);
	t->held.looked[cell] = 0;
	t->held.life[cell] = locklife_of(addr, t->number);
	*made = true;
	return cell;
}

/* ---- what is held ---- */

uint32_t held_search(const struct thread *t, uint64_t addr)
{
	for (uint32_t i = t->held.count; i-- > 0;)
		if (lockcell_at(t, t->held.cell[i])->addr == addr)
			return t->held.cell[i];
	/* one of very many, or one that a cancelled wait gave back */
	for (uint32_t n = 0, places = lockcell_places(t); n < places; n++) {
		uint32_t i = lockcell_place(addr, n);

		if (lockcell_at(t, i)->addr == addr && lockcell_at(t, i)->depth)
			return i;
	}
	return LOCKCELL_NONE;
}

void held_remove(struct thread *t, uint32_t cell)
{
	struct held *h = &t->held;
	uint32_t n = h->count, at = n;

	while (at > 0 && h->cell[at - 1] != cell)
		at--;
	if (!at)
		return;
	h->count = at - 1;
	for (uint32_t i = at; i < n; i++)
		held_push(t, h->cell[i]);
}

bool held_order_new(struct thread *t, uint32_t cell)
{
	struct held *h = &t->held;
	const struct lar_lock_cell *c = lockcell_at(t, cell);
	uint32_t key = held_hash(t);
	uint32_t mixed =
		(key ^ (uint32_t)(c->addr >> 3) ^ (uint32_t)c->caller * 0x85ebca6bu) * 0x9e3779b1u;
	uint32_t *seen = &h->seen[mixed >> 23];

	_Static_assert(ORDER_SEEN == 1u << (32 - 23), "the hash's top bits are the place");
	h->order[cell] = key;
	if (*seen == mixed)
		return false;
	*seen = mixed;
	return true;
}

/* ---- who holds it ---- */

static bool holder_in(uint32_t index, uint64_t addr, struct lock_holder *out)
{
	const struct lar_slot *slot = recorder_slot(index);
	const struct thread *t = lar->thread[index];
	uint32_t places = t ? lockcell_places(t) : LOCKCELL_PROBES;

	for (uint32_t n = 0; n < places; n++) {
		const struct lar_lock_cell *c = &slot->locks[lockcell_place(addr, n)];

		if (__atomic_load_n(&c->addr, __ATOMIC_ACQUIRE) != addr ||
		    !__atomic_load_n(&c->held_since, __ATOMIC_RELAXED))
			continue;
		out->caller = c->caller;
		out->thread = slot->thread_no;
		return true;
	}
	return false;
}

struct lock_holder lockcell_holder(uint64_t addr, uint32_t tid)
{
	uint32_t used = atomic_load_explicit(&lar->slots_used, memory_order_relaxed);
	struct lock_holder out = { 0, 0 };

	if (tid) {
		uint32_t index = lar->slot_of_tid[tid % RECORDER_TIDS];

		if (index < used && recorder_slot(index)->owner_tid == tid) {
			out.thread = recorder_slot(index)->thread_no;
			holder_in(index, addr, &out);
			return out;
		}
	}
	for (uint32_t i = 0; i < used && i < HOLDERS_LOOKED; i++)
		if ((!tid || recorder_slot(i)->owner_tid == tid) && holder_in(i, addr, &out))
			break;
	return out;
}
