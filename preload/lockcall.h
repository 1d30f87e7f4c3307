/* SPDX-License-Identifier: MIT */
/*
 * What wrappers of locks do before and after the real call. Stacks are taken, and room is made,
 * before a lock is taken or when it has been given back; what is entered while it is held is a few
 * words in a cell (lockcell.h).
 *
 *	struct lock_call l = LOCK_CALL(pthread_mutex_lock, m);
 *
 *	lock_enter(&l, taken, owner, LOCK_WAITS);
 *	result = REAL(pthread_mutex_lock)(m);
 *	lock_leave(&l, result, LOCK_WAITS);
 */
#ifndef LARIAT_LOCKCALL_H
#define LARIAT_LOCKCALL_H

#include <pthread.h>
#include <time.h>

#include "hook.h"
#include "lockcell.h"
#include "locklife.h"

struct lock_call {
	unsigned call;
	uint32_t cell; /* LOCKCELL_NONE: none */
	uint64_t addr, frame, caller;
	uint64_t before; /* a wait began then; 0 = none did */
};

/* After lock_enter(): another thread, known or not (as there), was faster. */
void lock_blocks(struct lock_call *l, uint32_t owner);

/* How a lock is taken. */
enum lock_way {
	LOCK_WAITS = 0,
	LOCK_TRY = 1,
	LOCK_RECURSIVE = 2, /* the same thread may take it again */
	LOCK_SHARED = 4,    /* with others */
	LOCK_NO_HOLD = 8,   /* nobody holds it, unless it is used as a lock: semaphores */
};

/* The return address of the wrapper whose frame it is. */
static always_inline uint64_t frame_caller(uint64_t frame)
{
	return *(const uint64_t *)(frame + 8);
}

#define LOCK_CALL_IN(symbol, object, in_frame)                                                     \
	{                                                                                          \
		LAR_CALL_##symbol, LOCKCELL_NONE, (uint64_t)(object), (in_frame),                  \
			frame_caller(in_frame), 0                                                  \
	}
#define LOCK_CALL(symbol, object) LOCK_CALL_IN(symbol, object, HOOK_FRAME)

/* Others are refused by libc, whether or not a lock is free. */
static inline bool lock_sound_clock(clockid_t clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC;
}

/* Of the kinds of locks for readers and writers this one alone makes readers wait for writers that
 * wait. */
static inline bool lock_writers_first(const pthread_rwlock_t *m)
{
	return m->__data.__flags == PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP;
}

/* None at all is for libc to judge. The compiler is told by its headers that there always is one.
 */
static inline bool lock_sound_time(const struct timespec *until)
{
	__asm__("" : "+r"(until));
	return until && (unsigned long)until->tv_nsec < 1000000000ul;
}

/* The rare halves of what is below. */
uint32_t lock_first_use(struct thread *t, struct lock_call *l);
void lock_order(struct thread *t, const struct lock_call *l, unsigned way);
#define LOCK_NO_OWNER UINT32_MAX /* what is waited for is nobody's */
void lock_will_wait(struct thread *t, struct lock_call *l, uint32_t owner);
void lock_again(struct thread *t, uint32_t cell, unsigned way);
void lock_left_other(struct thread *t, struct lock_call *l, int result, unsigned way);
void lock_hold_long(struct thread *t, uint32_t cell, unsigned call, uint64_t hold, uint64_t frame);
void lock_released_other(struct thread *t, uint64_t addr, unsigned call, uint64_t now, int result,
			 uint32_t foreign, uint64_t frame);
void lock_record(struct thread *t, unsigned flags, unsigned call, uint64_t addr, uint64_t ticks,
		 uint64_t result, uint64_t frame);

/*
 * The LOCK event of a wait that lock_will_wait() began, by what that has found: a lock that others
 * may wait for is held again.
 */
void lock_record_waited(struct thread *t, unsigned flags, const struct lock_call *l, uint64_t ticks,
			uint64_t result);

/* A wrapper whose wait can end with its thread says UNWOUND_TELLS(lock_unwound) (unwound.h): then
 * the LOCK event is of ECANCELED. */

/* For another such function: the wait of such an operation that is under way, or NULL when there is
 * none. The span is open then. */
struct thread *lock_unwound_call(uint64_t frame, unsigned operation, struct lock_call *l);

void lock_enter_other(struct lock_call *l, bool taken, uint32_t owner, unsigned way);

/*
 * Before: everything that takes time. taken: the call will wait; owner: kernel id of the thread
 * that is in the way, where it is known, else 0. Where nothing is to be recorded, looking needs no
 * closed gate: a handler that comes in between is noticed afterwards.
 */
static always_inline void lock_enter(struct lock_call *l, bool taken, uint32_t owner, unsigned way)
{
	const struct thread *t = lar_self;

	if (unlikely(!hook_wants(LAR_RECORD_LOCKS)))
		return;
	if (likely(t->gate == GATE_OPEN && !taken)) {
		l->cell = lockcell_find(t, l->addr, l->caller, l->call);
		if (likely(l->cell != LOCKCELL_NONE && held_order_known(t, l->cell) &&
			   locklife_same(&t->held.life[l->cell],
					 !(way & (LOCK_SHARED | LOCK_NO_HOLD))) &&
			   t->head <= t->early))
			return;
	}
	lock_enter_other(l, taken, owner, way);
}

/* The cell from before, unless something came in between: a handler's locks, a fork. */
static always_inline struct lar_lock_cell *lock_cell(const struct thread *t,
						     const struct lock_call *l)
{
	struct lar_lock_cell *c;

	if (unlikely(l->cell == LOCKCELL_NONE))
		return NULL;
	c = lockcell_at(t, l->cell);
	return likely(c->addr == l->addr && c->caller == l->caller) ? c : NULL;
}

static always_inline void lock_begin_hold(struct thread *t, struct lar_lock_cell *c, uint32_t cell,
					  unsigned way)
{
	if (!(way & LOCK_SHARED) && unlikely(locklife_take(&t->held.life[cell])))
		c->owners++;
	c->depth = 1;
	held_push(t, cell);
	c->held_since = lar_ticks();
}

static always_inline void lock_hold(struct thread *t, struct lar_lock_cell *c, uint32_t cell,
				    unsigned way)
{
	if (way & LOCK_NO_HOLD) {
		if (c->taken & LAR_SEM_AS_LOCK)
			c->held_since = lar_ticks();
		c->taken |= LAR_SEM_TAKEN;
		return;
	}
	if (unlikely(c->depth || (way & LOCK_RECURSIVE && t->held.count))) {
		lock_again(t, cell, way);
		return;
	}
	lock_begin_hold(t, c, cell, way);
}

/* After: result is 0 or an errno. */
static always_inline void lock_leave(struct lock_call *l, int result, unsigned way)
{
	struct lar_lock_cell *c;
	struct thread *t;

	if (unlikely(!hook_wants(LAR_RECORD_LOCKS)))
		return;
	t = span_open(l->frame);
	if (unlikely(!t))
		return;
	c = lock_cell(t, l);
	if (likely(c && !result && !l->before)) {
		c->acquisitions++;
		lock_hold(t, c, l->cell, way);
	} else {
		lock_left_other(t, l, result, way);
	}
	span_close(t);
}

/* The figures of a hold that is over, and that the thread no longer has among those it holds. */
static always_inline void lock_hold_sum(struct thread *t, struct lar_lock_cell *c, uint32_t cell,
					uint64_t now, unsigned call, uint64_t frame)
{
	uint64_t hold = now - c->held_since;
	uint32_t bucket;

	if (unlikely((int64_t)hold < 0))
		hold = 0;
	c->held_since = 0;
	c->hold_ticks += hold;
	if (hold > c->hold_max_ticks)
		c->hold_max_ticks = hold;
	if (unlikely(hold >= LAR_HOLD_EVENT)) {
		lock_hold_long(t, cell, call, hold, frame);
		return;
	}
	bucket = lar_hold_bucket(hold);
	if (unlikely(++lockcell_holds(c)->bucket[bucket] == UINT16_MAX) && !c->depth)
		lockcell_flush(t, cell);
}

/* The hold is over, the depth is the caller's matter. */
static always_inline void lock_hold_end(struct thread *t, uint32_t cell, uint64_t now,
					unsigned call, uint64_t frame)
{
	struct lar_lock_cell *c = lockcell_at(t, cell);

	held_pop(t, cell);
	if (likely(c->held_since))
		lock_hold_sum(t, c, cell, now, call, frame);
}

/*
 * After an unlock: now is the time before it. waiters: others waited; foreign: kernel id of the
 * owner, where it was another thread.
 */
static always_inline void lock_released(unsigned call, uint64_t addr, uint64_t now, int result,
					bool waiters, uint32_t foreign, uint64_t frame)
{
	struct lar_lock_cell *c;
	struct thread *t;
	uint32_t cell;

	if (unlikely(!hook_wants(LAR_RECORD_LOCKS)))
		return;
	t = span_open(frame);
	if (unlikely(!t))
		return;
	cell = held_find(t, addr);
	if (likely(cell != LOCKCELL_NONE && !result && !foreign)) {
		c = lockcell_at(t, cell);
		if (unlikely(waiters))
			c->waiters++;
		if (likely(c->depth && --c->depth == 0))
			lock_hold_end(t, cell, now, call, frame);
	} else {
		lock_released_other(t, addr, call, now, result, foreign, frame);
	}
	span_close(t);
}

/* One of few words for calls whose waits are events: no cell, no hold. */
static always_inline void lock_wait_begin(struct lock_call *l)
{
	lock_blocks(l, LOCK_NO_OWNER);
}

void lock_wait_end(struct lock_call *l, int result);

/* A signal, a broadcast, a post: counted in a cell. nobody: no thread waited for it. */
void lock_signal(struct lock_call *l, bool nobody);

/* A post, too, by now: a thread that posts what it has taken uses it as a lock. */
void lock_post(struct lock_call *l, uint64_t now);

/* Before a fork: what the thread holds, nobody gives back in the child. */
void lock_at_fork(unsigned call, uint64_t frame);

/* Before the real call that ends the lock's life. */
void lock_destroy(uint64_t addr, uint64_t frame);

#endif
