/* SPDX-License-Identifier: MIT */
/* The rare halves of what wrappers of locks do; see lockcall.h. */
#include "lockcall.h"

#include <errno.h>

#include "fault.h"
#include "fold_rows.h"
#include "unwound.h"

#define LOCK_ROOM 32 /* words: a few records */

void lock_record(struct thread *t, unsigned flags, unsigned call, uint64_t addr, uint64_t ticks,
		 uint64_t result, uint64_t frame)
{
	uint64_t *r = span_record_stack(t, LAR_EV_LOCK, flags, call, 4, frame);

	if (r) {
		r[0] = lar_ticks();
		r[1] = ticks;
		r[2] = addr;
		r[3] = result;
		span_commit(t);
	}
}

/* Notes the stack's node, and makes room for what is recorded when the wait is over: then the
 * thread has a lock that others may wait for. What is at the head is committed. */
static void wait_prepare(struct thread *t)
{
	t->waited.noted = false;
	if (unlikely(!t->stack.known || t->head + LOCK_ROOM > t->limit)) {
		if (!seal_make_nodes(t, LOCK_ROOM))
			return;
		span_commit(t);
	}
	t->waited.noted = true;
	t->waited.node = t->stack.leaf;
	t->waited.epoch = t->stack.epoch;
}

void lock_record_waited(struct thread *t, unsigned flags, const struct lock_call *l, uint64_t ticks,
			uint64_t result)
{
	uint64_t *r = t->head;

	t->waited.since = 0;
	if (unlikely(!t->waited.noted || t->waited.frame != l->frame ||
		     t->waited.epoch != t->stack.epoch || r + 5 > t->limit)) {
		lock_record(t, flags, l->call, l->addr, ticks, result, l->frame);
		return;
	}
	t->waited.noted = false;
	r[0] = lar_word0(LAR_EV_LOCK, flags, l->call, t->waited.node);
	r[1] = lar_ticks();
	r[2] = ticks;
	r[3] = l->addr;
	r[4] = result;
	t->head = r + 5;
	span_commit(t);
}

/* A cell for a lock that this thread takes at a place for the first time, and the event that says
 * which. */
lar_cold uint32_t lock_first_use(struct thread *t, struct lock_call *l)
{
	bool made;
	uint32_t cell = lockcell_make(t, l->addr, &l->caller, l->call, &made);

	if (made && l->caller)
		lock_record(t, LAR_LOCK_FIRST, l->call, l->addr,
			    locklife_number(&t->held.life[cell]), l->caller, l->frame);
	return cell;
}

/* An event for each lock that the thread holds. */
static void record_held(struct thread *t, const struct lock_call *l, unsigned way)
{
	const struct held *h = &t->held;
	uint64_t wants = 0;

	if (way & LOCK_SHARED) {
		wants = LAR_ORDER_SHARED;
		if (lock_writers_first((const pthread_rwlock_t *)l->addr))
			wants |= LAR_ORDER_WRITERS_FIRST;
	}
	for (uint32_t i = 0; i < h->count; i++) {
		const struct lar_lock_cell *c = lockcell_at(t, h->cell[i]);
		uint64_t held = c->addr, caller = c->caller, shared = wants;
		uint64_t *r;

		if (c->call >= LAR_CALL_pthread_rwlock_rdlock &&
		    c->call <= LAR_CALL_pthread_rwlock_clockrdlock)
			shared |= LAR_ORDER_HELD_SHARED;
		r = span_record_stack(t, LAR_EV_LOCKORDER, 0, l->call, 5, l->frame);
		if (!r)
			return;
		r[0] = lar_ticks();
		r[1] = l->addr;
		r[2] = held;
		r[3] = caller;
		r[4] = i | (uint64_t)h->count << 8 | shared << 16;
		span_commit(t);
	}
}

/*
 * A lock is about to be taken while others are held, for the first time as far as is known: an
 * event for each of those. One that the thread holds already cannot make it wait.
 */
lar_cold void lock_order(struct thread *t, const struct lock_call *l, unsigned way)
{
	const struct held *h = &t->held;

	if (!held_order_new(t, l->cell))
		return;
	for (uint32_t i = 0; i < h->count; i++)
		if (lockcell_at(t, h->cell[i])->addr == l->addr)
			return;
	record_held(t, l, way);
}

/* Says who is in the way before the thread blocks: who reads the trace of a process that hangs sees
 * it. What the record afterwards needs is there when the lock is held. */
lar_cold void lock_will_wait(struct thread *t, struct lock_call *l, uint32_t owner)
{
	struct lock_holder holder = { 0, 0 };
	uint64_t *r;

	if (owner != LOCK_NO_OWNER)
		holder = lockcell_holder(l->addr, owner);
	r = span_record_stack(t, LAR_EV_LOCKWAIT, 0, l->call, 4, l->frame);

	if (r) {
		r[0] = lar_ticks();
		r[1] = l->addr;
		r[2] = holder.thread;
		r[3] = holder.caller;
		span_commit(t);
	}
	wait_prepare(t);
	l->before = lar_ticks();
	t->waited.since = l->before;
	t->waited.frame = l->frame;
	t->waited.addr = l->addr;
	t->waited.call = l->call;
}

/* The cell of the lock, its figures those of the lock that is there now. */
static uint32_t cell_now(struct thread *t, struct lock_call *l)
{
	uint32_t cell = lockcell_find(t, l->addr, l->caller, l->call);

	if (cell == LOCKCELL_NONE)
		cell = lockcell_find_far(t, l->addr, l->caller, l->call);
	if (cell != LOCKCELL_NONE && !locklife_same(&t->held.life[cell], false)) {
		lockcell_flush(t, cell);
		cell = LOCKCELL_NONE;
	}
	return cell == LOCKCELL_NONE ? lock_first_use(t, l) : cell;
}

lar_cold void lock_enter_other(struct lock_call *l, bool taken, uint32_t owner, unsigned way)
{
	struct thread *t = span_open(l->frame);

	if (!t)
		return;
	if (!t->held.count && t->head > t->early)
		seal_early(t);
	l->cell = cell_now(t, l);
	if (!(way & (LOCK_TRY | LOCK_NO_HOLD)) && l->cell != LOCKCELL_NONE &&
	    !held_order_known(t, l->cell))
		lock_order(t, l, way);
	if (taken && !(way & LOCK_TRY))
		lock_will_wait(t, l, owner);
	span_close(t);
}

/* The thread has it already, in this cell or another, or it was given back by somebody else. */
lar_cold void lock_again(struct thread *t, uint32_t cell, unsigned way)
{
	struct lar_lock_cell *c = lockcell_at(t, cell);

	if (way & LOCK_RECURSIVE) {
		uint32_t outer = c->depth ? cell : held_search(t, c->addr);

		if (outer != LOCKCELL_NONE) {
			lockcell_at(t, outer)->depth++;
			return;
		}
	} else {
		held_remove(t, cell);
	}
	lock_begin_hold(t, c, cell, way);
}

/* Those that waited or failed are events; so are those that there is no cell for. */
lar_cold void lock_left_other(struct thread *t, struct lock_call *l, int result, unsigned way)
{
	bool got = !result || result == EOWNERDEAD;
	struct lar_lock_cell *c = lock_cell(t, l);
	uint64_t waited = l->before ? lar_ticks() - l->before : 0;
	unsigned flags = (l->before ? LAR_LOCK_CONTENDED : 0) |
			 (way & LOCK_TRY ? LAR_LOCK_TRY : 0) | (got ? LAR_LOCK_NO_CELL : 0);

	if (c && got)
		lock_hold(t, c, l->cell, way);
	if (c && way & LOCK_TRY && (result == EBUSY || result == EAGAIN)) {
		c->failed_try++;
		return;
	}
	if (l->before)
		lock_record_waited(t, flags, l, waited, (uint64_t)result);
	else
		lock_record(t, flags, l->call, l->addr, waited, (uint64_t)result, l->frame);
}

struct thread *lock_unwound_call(uint64_t frame, unsigned operation, struct lock_call *l)
{
	struct thread *t;

	if (!hook_wants(LAR_RECORD_LOCKS))
		return NULL;
	t = span_open(frame);
	if (!t)
		return NULL;
	*l = (struct lock_call){ t->waited.call, t->waited.cell, t->waited.addr, t->waited.frame, 0,
				 t->waited.since };
	if (l->before && fold_operation(l->call) == operation)
		return t;
	span_close(t);
	return NULL;
}

/* A lock was waited for in vain. */
static void unwound(void)
{
	struct lock_call l;
	struct thread *t = lock_unwound_call(HOOK_FRAME, LAR_OP_LOCK, &l);

	if (!t)
		return;
	lock_record_waited(t, LAR_LOCK_CONTENDED, &l, lar_ticks() - l.before, ECANCELED);
	span_close(t);
}

UNWOUND_PERSONALITY(lock_unwound, unwound)

lar_cold void lock_hold_long(struct thread *t, uint32_t cell, unsigned call, uint64_t hold,
			     uint64_t frame)
{
	lock_record(t, LAR_LOCK_HELD, call, lockcell_at(t, cell)->addr, hold,
		    lockcell_at(t, cell)->caller, frame);
}

lar_cold void lock_released_other(struct thread *t, uint64_t addr, unsigned call, uint64_t now,
				  int result, uint32_t foreign, uint64_t frame)
{
	uint32_t cell = held_search(t, addr);

	/* what was locked before a fork has an owner that there is not in the child */
	if (foreign && !result && !lockcell_holder(addr, foreign).thread)
		foreign = 0;
	if (result || foreign)
		lock_record(t, LAR_LOCK_UNOWNED, call, addr, 0, (uint64_t)result, frame);
	else if (cell != LOCKCELL_NONE && --lockcell_at(t, cell)->depth == 0)
		lock_hold_end(t, cell, now, call, frame);
}

void lock_blocks(struct lock_call *l, uint32_t owner)
{
	struct thread *t;

	if (!hook_wants(LAR_RECORD_LOCKS))
		return;
	t = span_open(l->frame);
	if (!t)
		return;
	lock_will_wait(t, l, owner);
	span_close(t);
}

void lock_wait_end(struct lock_call *l, int result)
{
	struct thread *t;

	if (!hook_wants(LAR_RECORD_LOCKS))
		return;
	t = span_open(l->frame);
	if (!t)
		return;
	lock_record_waited(t, 0, l, l->before ? lar_ticks() - l->before : 0, (uint64_t)result);
	span_close(t);
}

void lock_signal(struct lock_call *l, bool nobody)
{
	struct lar_lock_cell *c;
	struct thread *t;

	if (!hook_wants(LAR_RECORD_LOCKS))
		return;
	t = span_open(l->frame);
	if (!t)
		return;
	l->cell = cell_now(t, l);
	c = lock_cell(t, l);
	if (c) {
		c->acquisitions++;
		c->failed_try += nobody;
	} else {
		lock_record(t, LAR_LOCK_NO_CELL | (nobody ? LAR_LOCK_TRY : 0), l->call, l->addr, 0,
			    0, l->frame);
	}
	span_close(t);
}

void lock_post(struct lock_call *l, uint64_t now)
{
	struct thread *t;

	lock_signal(l, false);
	if (!hook_wants(LAR_RECORD_LOCKS))
		return;
	t = span_open(l->frame);
	if (!t)
		return;
	for (uint32_t n = 0, places = lockcell_places(t); n < places; n++) {
		uint32_t cell = lockcell_place(l->addr, n);
		struct lar_lock_cell *c = lockcell_at(t, cell);

		if (c->addr != l->addr || !(c->taken & LAR_SEM_TAKEN))
			continue;
		c->taken = LAR_SEM_AS_LOCK;
		if (c->held_since)
			lock_hold_end(t, cell, now, l->call, l->frame);
		break;
	}
	span_close(t);
}

void lock_destroy(uint64_t addr, uint64_t frame)
{
	struct thread *t;

	if (!hook_wants(LAR_RECORD_LOCKS))
		return;
	t = span_open(frame);
	if (!t)
		return;
	lockcell_destroy(t, addr);
	span_close(t);
}

void lock_at_fork(unsigned call, uint64_t frame)
{
	struct lock_call l = { call, LOCKCELL_NONE, 0, frame, frame_caller(frame), 0 };
	struct thread *t;

	if (!hook_wants(LAR_RECORD_LOCKS) || !lar_self->held.count)
		return;
	t = span_open(frame);
	if (!t)
		return;
	record_held(t, &l, 0);
	span_close(t);
}
