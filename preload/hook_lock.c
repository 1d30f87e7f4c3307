/* SPDX-License-Identifier: MIT */
/*
 * Mutexes and condition variables. Exact figures per thread and lock stand in cells of the thread's
 * slot (struct lar_lock_cell); an event is made only for the first use of a lock by a thread, for a
 * wait and for a failure. Stacks are taken and room is made before the lock is taken; what is
 * entered while it is held is a few words.
 */
#include <linux/futex.h>

#include "hook.h"
#include "lockcell.h"

static void record_lock(struct thread *t, unsigned flags, unsigned call, uint64_t addr,
			uint64_t before, int result, uint64_t frame)
{
	uint64_t *r = span_record_stack(t, LAR_EV_LOCK, flags, call, 4, frame);

	if (r) {
		r[0] = lar_ticks();
		r[1] = before ? r[0] - before : 0;
		r[2] = addr;
		r[3] = (uint64_t)result;
		span_commit(t);
	}
}

/* A cell for a lock that this thread meets for the first time, and the event that says where. */
static lar_cold void first_use(struct thread *t, uint64_t addr, unsigned call, uint64_t frame)
{
	if (lockcell_make(t, addr, call))
		record_lock(t, LAR_LOCK_FIRST, call, addr, 0, 0, frame);
}

/* Whether somebody else holds the mutex now, so that locking it will wait. One whose owner died
 * (robust mutexes) is there to be taken. */
static always_inline bool mutex_taken(const pthread_mutex_t *m, uint32_t tid)
{
	uint32_t lock = (uint32_t) * (const volatile int *)&m->__data.__lock;

	return lock != 0 && !(lock & FUTEX_OWNER_DIED) && (uint32_t)m->__data.__owner != tid;
}

#define LOCK_ROOM 16 /* words: a few records */

struct lock_call {
	unsigned call;
	uint64_t addr, frame, before;
	bool contended;
};

/* Before a mutex is locked: everything that takes time. */
static always_inline void lock_enter(struct lock_call *l, const pthread_mutex_t *m)
{
	struct thread *t;

	l->contended = false;
	l->before = 0;
	if (unlikely(!hook_wants(LAR_RECORD_LOCKS)))
		return;
	t = span_open(l->frame);
	if (unlikely(!t))
		return;
	if (unlikely(!lockcell_find(t, l->addr)))
		first_use(t, l->addr, l->call, l->frame);
	l->contended = mutex_taken(m, t->tid);
	if (unlikely(l->contended)) {
		/* what the record will need is there when the lock is held */
		unwind_capture(&t->stack, l->frame);
		if (seal_make_nodes(t, LOCK_ROOM))
			span_commit(t);
		l->before = lar_ticks();
	}
	span_close(t);
}

static always_inline bool lock_got(int result)
{
	return result == 0 || result == EOWNERDEAD;
}

/* After: result is 0 or an errno. */
static always_inline void lock_leave(const struct lock_call *l, int result, bool try)
{
	struct lar_lock_cell *c;
	struct thread *t;

	if (unlikely(!hook_wants(LAR_RECORD_LOCKS)))
		return;
	t = span_open(l->frame);
	if (unlikely(!t))
		return;
	c = lockcell_find(t, l->addr);
	if (likely(c && lock_got(result))) {
		c->acquisitions++;
		if (c->depth++ == 0)
			c->held_since = lar_ticks();
	} else if (c && try && result == EBUSY) {
		c->failed_try++;
	}
	if (unlikely(l->contended || !lock_got(result) || !c) && !(try && result == EBUSY && c)) {
		unsigned flags = (l->contended && !try ? LAR_LOCK_CONTENDED : 0) |
				 (try ? LAR_LOCK_TRY : 0) |
				 (!c && lock_got(result) ? LAR_LOCK_NO_CELL : 0);

		if (c && l->contended && lock_got(result))
			c->contended++;
		record_lock(t, flags, l->call, l->addr, l->before, result, l->frame);
	}
	span_close(t);
}

#define LOCK_CALL(symbol, m)                                                                       \
	{                                                                                          \
		LAR_CALL_##symbol, (uint64_t)(m), HOOK_FRAME, 0, false                             \
	}

LAR_EXPORT int pthread_mutex_lock(pthread_mutex_t *m)
{
	struct lock_call l = LOCK_CALL(pthread_mutex_lock, m);
	int result;

	lock_enter(&l, m);
	result = REAL(pthread_mutex_lock)(m);
	lock_leave(&l, result, false);
	return result;
}

LAR_EXPORT int pthread_mutex_trylock(pthread_mutex_t *m)
{
	struct lock_call l = LOCK_CALL(pthread_mutex_trylock, m);
	int result;

	lock_enter(&l, m);
	result = REAL(pthread_mutex_trylock)(m);
	l.contended = false;
	lock_leave(&l, result, true);
	return result;
}

LAR_EXPORT int pthread_mutex_timedlock(pthread_mutex_t *m, const struct timespec *until)
{
	struct lock_call l = LOCK_CALL(pthread_mutex_timedlock, m);
	int result;

	lock_enter(&l, m);
	result = REAL(pthread_mutex_timedlock)(m, until);
	lock_leave(&l, result, false);
	return result;
}

LAR_EXPORT int pthread_mutex_clocklock(pthread_mutex_t *m, clockid_t clock,
				       const struct timespec *until)
{
	struct lock_call l = LOCK_CALL(pthread_mutex_clocklock, m);
	int result;

	lock_enter(&l, m);
	result = REAL(pthread_mutex_clocklock)(m, clock, until);
	lock_leave(&l, result, false);
	return result;
}

/* The hold ends where the unlock begins; the figures are entered after it. */
static always_inline void hold_end(struct lar_lock_cell *c, uint64_t now)
{
	uint64_t hold;

	if (!c->held_since || now < c->held_since)
		return;
	hold = now - c->held_since;
	c->hold_ticks += hold;
	if (hold > c->hold_max_ticks)
		c->hold_max_ticks = hold;
	c->held_since = 0;
}

LAR_EXPORT int pthread_mutex_unlock(pthread_mutex_t *m)
{
	uint64_t now = hook_ticks(), addr = (uint64_t)m;
	int result = REAL(pthread_mutex_unlock)(m);
	struct lar_lock_cell *c;
	struct thread *t;

	if (unlikely(!hook_wants(LAR_RECORD_LOCKS)))
		return result;
	t = span_open(HOOK_FRAME);
	if (unlikely(!t))
		return result;
	c = lockcell_find(t, addr);
	if (likely(c && result == 0 && c->depth)) {
		if (--c->depth == 0)
			hold_end(c, now);
	} else if (result) {
		record_lock(t, LAR_LOCK_UNOWNED, LAR_CALL_pthread_mutex_unlock, addr, 0, result,
			    HOOK_FRAME);
	}
	span_close(t);
	return result;
}

LAR_EXPORT int pthread_mutex_destroy(pthread_mutex_t *m)
{
	struct lar_lock_cell *c;
	struct thread *t;

	if (hook_wants(LAR_RECORD_LOCKS) && (t = span_open(HOOK_FRAME))) {
		c = lockcell_find(t, (uint64_t)m);
		if (c)
			lockcell_flush(t, c); /* the address may become another lock */
		span_close(t);
	}
	return REAL(pthread_mutex_destroy)(m);
}

/* A wait on a condition gives the mutex up: the hold ends here and begins anew afterwards. */
static void wait_enter(struct lock_call *l, uint64_t mutex)
{
	struct lar_lock_cell *c;
	struct thread *t;

	if (!hook_wants(LAR_RECORD_LOCKS))
		return;
	t = span_open(l->frame);
	if (!t)
		return;
	l->before = lar_ticks();
	c = lockcell_find(t, mutex);
	if (c)
		hold_end(c, l->before);
	span_close(t);
}

static void wait_leave(struct lock_call *l, uint64_t mutex, int result)
{
	struct lar_lock_cell *c;
	struct thread *t;

	if (!hook_wants(LAR_RECORD_LOCKS))
		return;
	t = span_open(l->frame);
	if (!t)
		return;
	c = lockcell_find(t, mutex);
	if (c && c->depth)
		c->held_since = lar_ticks();
	record_lock(t, 0, l->call, l->addr, l->before, result, l->frame);
	span_close(t);
}

LAR_EXPORT int pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *m)
{
	struct lock_call l = LOCK_CALL(pthread_cond_wait, cond);
	int result;

	wait_enter(&l, (uint64_t)m);
	result = REAL(pthread_cond_wait)(cond, m);
	wait_leave(&l, (uint64_t)m, result);
	return result;
}

LAR_EXPORT int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *m,
				      const struct timespec *until)
{
	struct lock_call l = LOCK_CALL(pthread_cond_timedwait, cond);
	int result;

	wait_enter(&l, (uint64_t)m);
	result = REAL(pthread_cond_timedwait)(cond, m, until);
	wait_leave(&l, (uint64_t)m, result);
	return result;
}

LAR_EXPORT int pthread_cond_clockwait(pthread_cond_t *cond, pthread_mutex_t *m, clockid_t clock,
				      const struct timespec *until)
{
	struct lock_call l = LOCK_CALL(pthread_cond_clockwait, cond);
	int result;

	wait_enter(&l, (uint64_t)m);
	result = REAL(pthread_cond_clockwait)(cond, m, clock, until);
	wait_leave(&l, (uint64_t)m, result);
	return result;
}
