/* SPDX-License-Identifier: MIT */
/* Mutexes, those of POSIX and those of C11, which have the same form. See lockcall.h. */
#include <linux/futex.h>
#include <sys/single_threaded.h>
#include <threads.h>

#include "lockcall.h"

static always_inline uint32_t mutex_word(const pthread_mutex_t *m)
{
	return (uint32_t) * (const volatile int *)&m->__data.__lock;
}

static always_inline uint32_t mutex_owner(const pthread_mutex_t *m)
{
	return (uint32_t) * (const volatile int *)&m->__data.__owner;
}

static always_inline int mutex_type(const pthread_mutex_t *m)
{
	return m->__data.__kind & 3;
}

/* Whether locking it will wait: for ever, where it is this thread's own and of a type that does not
 * care. One whose owner died (robust mutexes) is there to be taken. */
static always_inline bool mutex_taken(const pthread_mutex_t *m)
{
	uint32_t word = mutex_word(m);

	return unlikely(word != 0) && !(word & FUTEX_OWNER_DIED) &&
	       (mutex_owner(m) != lar_self->tid || (mutex_type(m) != PTHREAD_MUTEX_RECURSIVE_NP &&
						    mutex_type(m) != PTHREAD_MUTEX_ERRORCHECK_NP));
}

static always_inline unsigned mutex_way(const pthread_mutex_t *m)
{
	return mutex_type(m) == PTHREAD_MUTEX_RECURSIVE_NP ? LOCK_RECURSIVE : 0;
}

/* The owner, where it is not the calling thread. */
static always_inline uint32_t mutex_foreign(const pthread_mutex_t *m)
{
	uint32_t owner = mutex_owner(m);

	return likely(owner == lar_self->tid) ? 0 : owner;
}

/* Two in the lock's word says that others wait; of a robust or inheriting one, its top bit. */
static always_inline bool mutex_waiters(const pthread_mutex_t *m)
{
	uint32_t word = mutex_word(m);

	return word == 2 || word & FUTEX_WAITERS;
}

static int mutex_error(int result)
{
	return result;
}

/* C11's results as errors. */
static int c11_error(int result)
{
	return result == thrd_success	 ? 0
	       : result == thrd_busy	 ? EBUSY
	       : result == thrd_timedout ? ETIMEDOUT
	       : result == thrd_nomem	 ? ENOMEM
					 : EINVAL;
}

#define KIND_MASK   0x17f /* type, robust, protocol, elision; not shared */
#define KIND_SHARED 0x80  /* with other processes */

/*
 * Whether trying first is the same as locking at once: it tells whether another thread was faster
 * since the look at the word. So it is but for robust mutexes and those with a protocol, and where
 * the own thread has it and locking says so. In a process of one thread nobody is faster, and
 * libc's lock is cheaper than its try.
 */
static always_inline bool mutex_may_try(const pthread_mutex_t *m)
{
	int kind = *(const volatile int *)&m->__data.__kind & KIND_MASK;

	return likely(!__libc_single_threaded && kind <= PTHREAD_MUTEX_RECURSIVE_NP) ||
	       (!__libc_single_threaded && kind <= PTHREAD_MUTEX_ADAPTIVE_NP &&
		mutex_owner(m) != lar_self->tid);
}

/* A sample of CPU time in the real call is to have a stack: in an open span it has none. */
static always_inline bool quick_hides(void)
{
	return hook_wants(LAR_RECORD_CPU);
}

/* The cell of a lock taken at a place, not held by it, or NULL; and what is known of the lock. */
static always_inline struct lar_lock_cell *quick_find(struct lar_lock_cell *cells,
						      const struct held_life *lives, uint64_t addr,
						      uint64_t caller, unsigned call,
						      const struct held_life **life_out)
{
	struct lar_lock_cell *c = &cells[lockcell_first(addr)];
	const struct held_life *life = &lives[lockcell_first(addr)];
	const struct lar_lock_cell *end = c + LOCKCELL_PROBES;

	lar_kept(c);
	lar_kept(life);
	while (unlikely(c->addr != addr || c->caller != caller ||
			*lockcell_state_of(c) != LOCKCELL_STATE(0, call))) {
		life++;
		if (++c == end)
			return NULL;
	}
	*life_out = life;
	return c;
}

/* A lock can be taken with nothing to be said of it. */
static always_inline bool quick_known(const struct thread *t, const struct lar_lock_cell *c)
{
	return held_order_known(t, lockcell_index(t, c)) && t->head <= t->early;
}

/* It has been taken; the life of the lock is looked at by the caller. */
static always_inline void quick_enter(struct thread *t, struct lar_lock_cell *c, unsigned call)
{
	c->acquisitions++;
	*lockcell_state_of(c) = LOCKCELL_STATE(1, call);
	held_push(t, lockcell_index(t, c));
}

/*
 * Most locks are free and known, and all there is to record are a few words in a cell: the span is
 * open over the call, which does not wait. False when it is not so, and the lock has not been
 * taken; then *busy says that another thread was faster. What is not looked up yet is NULL.
 */
static always_inline bool quick_lock(pthread_mutex_t *m, unsigned call, int (*lock)(void *),
				     int (*try)(void *), uint64_t frame, bool *busy)
{
	int kind = *(const volatile int *)&m->__data.__kind & KIND_MASK, result;
	struct thread *t = lar_self;
	const struct held_life *life;
	struct lar_lock_cell *c;

	if (unlikely(mutex_word(m) || kind > PTHREAD_MUTEX_RECURSIVE_NP || quick_hides() || !lock ||
		     !try || !gate_take(t, frame)))
		return false;
	c = quick_find(t->slot->locks, t->held.life, (uint64_t)m, frame_caller(frame), call, &life);
	if (unlikely(!c || !locklife_same(life, true) || !quick_known(t, c))) {
		span_close(t);
		return false;
	}
	result = __libc_single_threaded ? lock(m) : try(m);
	*busy = result;
	if (unlikely(t->gate != GATE_BUSY)) /* a child, by a handler's fork: it knows no locks */
		return !result;
	if (likely(!result)) {
		if (unlikely(locklife_take(life)))
			c->owners++;
		quick_enter(t, c, call);
		c->held_since = lar_ticks();
	}
	span_close(t);
	return !result;
}

/*
 * A thread that is alone (lockcell.h): who and where it is needs not be asked for, the life of the
 * lock not be looked at. What the processor has to wait for before it reads the time is most of
 * what a lock costs. Not where the time is another one or samples are taken; neither changes.
 */
static lar_cold void alone_look(void)
{
	struct lockcell_alone *a = &lockcell_alone;
	struct thread *t = lar_self;

	if (t->gate != GATE_OPEN || !hook_wants(LAR_RECORD_LOCKS) || !lar->tsc || quick_hides() ||
	    atomic_load_explicit(&lar->slots_used, memory_order_relaxed) != 1)
		return;
	a->self = t;
	a->cells = t->slot->locks;
	if (real.pthread_mutex_lock && real.pthread_mutex_unlock)
		a->pthread_mutex = &__libc_single_threaded;
	if (real.mtx_lock && real.mtx_unlock)
		a->mtx = &__libc_single_threaded;
}

/* After the whole way of a call. */
static always_inline int alone_after(int result)
{
	if (__libc_single_threaded)
		alone_look();
	return result;
}

/* Those of which libc only writes a few words. */
static always_inline bool alone_kind(const pthread_mutex_t *m)
{
	return !(m->__data.__kind & (KIND_MASK | KIND_SHARED) & ~PTHREAD_MUTEX_RECURSIVE_NP);
}

/* As quick_lock(): nobody is faster, so there is nothing to try. */
static always_inline bool alone_lock(pthread_mutex_t *m, unsigned call, int (*const *lock)(void *),
				     uint64_t frame)
{
	struct thread *t = lockcell_alone.self;
	const struct held_life *life;
	struct lar_lock_cell *c;
	int result;

	if (unlikely(lar_self != t || m->__data.__lock || !alone_kind(m) || !gate_take(t, frame)))
		return false;
	c = quick_find(lockcell_alone.cells, t->held.life, (uint64_t)m, frame_caller(frame), call,
		       &life);
	if (unlikely(!c || !quick_known(t, c))) {
		span_close(t);
		return false;
	}
	result = (*lock)(m);
	if (unlikely(t->gate != GATE_BUSY))
		return !result;
	if (likely(!result)) {
		quick_enter(t, c, call);
		c->held_since = lar_tsc();
	}
	span_close(t);
	return !result;
}

/* The whole of it. busy: another thread is known to have been faster. */
#define MUTEX_LOCK_FULL(head, symbol, try, sound, error, busy, in_frame, arguments)                \
	head                                                                                       \
	{                                                                                          \
		pthread_mutex_t *mutex = (pthread_mutex_t *)m;                                     \
		struct lock_call l = LOCK_CALL_IN(symbol, m, in_frame);                            \
		bool waits = (busy) || mutex_taken(mutex);                                         \
		unsigned how = mutex_way(mutex);                                                   \
		int result = 0;                                                                    \
                                                                                                   \
		lock_enter(&l, waits, mutex_owner(mutex), how);                                    \
		if (likely(!waits)) {                                                              \
			waits = !mutex_may_try(mutex) || !(sound);                                 \
			if (likely(!waits)) {                                                      \
				result = REAL(try)(m);                                             \
				waits = error(result) == EBUSY;                                    \
				if (unlikely(waits))                                               \
					lock_blocks(&l, mutex_owner(mutex));                       \
			}                                                                          \
		}                                                                                  \
		if (unlikely(waits))                                                               \
			result = REAL(symbol) arguments;                                           \
		lock_leave(&l, error(result), how);                                                \
		return result;                                                                     \
	}

/* What is not recorded is libc's, without a frame of the wrapper's but for the first call. */
#define MUTEX_CALL(kind, symbol)                                                                   \
	static lar_noinline lar_cold int first_##symbol(kind##_t *m)                               \
	{                                                                                          \
		return REAL(symbol)(m);                                                            \
	}                                                                                          \
                                                                                                   \
	LAR_EXPORT int symbol(kind##_t *m)                                                         \
	{                                                                                          \
		if (unlikely(!hook_wants(LAR_RECORD_LOCKS)))                                       \
			return likely(real.symbol != NULL) ? real.symbol(m) : first_##symbol(m);   \
		return recorded_##symbol(m);                                                       \
	}

#define MUTEX_LOCK(kind, symbol, try)                                                              \
	static lar_noinline int recorded_##symbol(kind##_t *m)                                     \
	{                                                                                          \
		bool busy = false;                                                                 \
                                                                                                   \
		if (likely(*lockcell_alone.kind) &&                                                \
		    likely(alone_lock((pthread_mutex_t *)m, LAR_CALL_##symbol,                     \
				      (int (*const *)(void *)) & real.symbol, HOOK_FRAME)))        \
			return 0;                                                                  \
		if (likely(quick_lock((pthread_mutex_t *)m, LAR_CALL_##symbol,                     \
				      (int (*)(void *))real.symbol, (int (*)(void *))real.try,     \
				      HOOK_FRAME, &busy)))                                         \
			return 0;                                                                  \
		return alone_after(full_##symbol(m, busy, HOOK_FRAME));                            \
	}                                                                                          \
                                                                                                   \
	MUTEX_CALL(kind, symbol)

#define MUTEX_TIMED(symbol, try, sound, error, parameters, arguments)                              \
	MUTEX_LOCK_FULL(LAR_EXPORT int symbol parameters, symbol, try, sound, error, false,        \
			HOOK_FRAME, arguments)

#define MUTEX_TRYLOCK(symbol, error, type)                                                         \
	LAR_EXPORT int symbol(type *m)                                                             \
	{                                                                                          \
		pthread_mutex_t *mutex = (pthread_mutex_t *)m;                                     \
		struct lock_call l = LOCK_CALL(symbol, m);                                         \
		unsigned how = LOCK_TRY | mutex_way(mutex);                                        \
		int result;                                                                        \
                                                                                                   \
		lock_enter(&l, mutex_taken(mutex), mutex_owner(mutex), how);                       \
		result = REAL(symbol)(m);                                                          \
		lock_leave(&l, error(result), how);                                                \
		return result;                                                                     \
	}

MUTEX_LOCK_FULL(static lar_noinline int full_pthread_mutex_lock(pthread_mutex_t *m, bool busy,
								uint64_t frame),
		pthread_mutex_lock, pthread_mutex_trylock, true, mutex_error, busy, frame, (m))
MUTEX_LOCK(pthread_mutex, pthread_mutex_lock, pthread_mutex_trylock)
MUTEX_TIMED(pthread_mutex_timedlock, pthread_mutex_trylock, true, mutex_error,
	    (pthread_mutex_t * m, const struct timespec *until), (m, until))
MUTEX_TIMED(pthread_mutex_clocklock, pthread_mutex_trylock, lock_sound_clock(clock), mutex_error,
	    (pthread_mutex_t * m, clockid_t clock, const struct timespec *until), (m, clock, until))
MUTEX_LOCK_FULL(static lar_noinline int full_mtx_lock(mtx_t *m, bool busy, uint64_t frame),
		mtx_lock, mtx_trylock, true, c11_error, busy, frame, (m))
MUTEX_LOCK(mtx, mtx_lock, mtx_trylock)
MUTEX_TIMED(mtx_timedlock, mtx_trylock, true, c11_error, (mtx_t * m, const struct timespec *until),
	    (m, until))
MUTEX_TRYLOCK(pthread_mutex_trylock, mutex_error, pthread_mutex_t)
MUTEX_TRYLOCK(mtx_trylock, c11_error, mtx_t)

static always_inline bool held_once(const struct lar_lock_cell *c, uint64_t addr)
{
	return c->addr == addr && c->depth == 1 && c->held_since;
}

/*
 * The same of what is given back: the innermost of the locks that the thread holds, which it holds
 * once, and for which nobody waits. False when it is not so, or has been refused. now: the time
 * before it, 0 = not read yet; read ahead of the cell: the processor has less to wait for.
 */
static always_inline bool quick_unlock(pthread_mutex_t *m, unsigned call, int (*unlock)(void *),
				       uint64_t frame, uint64_t *now)
{
	struct thread *t = lar_self;
	struct lar_lock_cell *c;
	uint32_t n, cell = 0;
	bool done;

	if (unlikely(mutex_word(m) != 1 || mutex_owner(m) != t->tid || quick_hides() || !unlock ||
		     !gate_take(t, frame)))
		return false;
	n = t->held.count;
	if (likely(n))
		cell = t->held.cell[n - 1];
	c = lockcell_at(t, cell);
	lar_kept(c);
	if (likely(!*now))
		*now = lar_ticks();
	if (unlikely(!n || !held_once(c, (uint64_t)m))) {
		span_close(t);
		return false;
	}
	done = !unlock(m);
	if (unlikely(t->gate != GATE_BUSY))
		return done;
	if (likely(done)) {
		--*lockcell_state_of(c);
		t->held.count = n - 1;
		lock_hold_sum(t, c, cell, *now, call, frame);
	}
	span_close(t);
	return done;
}

/*
 * The same where the thread is alone: nobody waits for the lock, and libc cannot refuse to give it
 * back, so that the figures are entered first and the call is the last thing done. What is rare, a
 * bucket that is nearly full or a hold that is an event, goes the other way.
 */
static always_inline bool alone_unlock(const pthread_mutex_t *m, uint64_t frame, uint64_t *now)
{
	struct thread *t = lockcell_alone.self;
	struct lar_lock_cell *c;
	uint16_t *bucket;
	uint64_t hold;
	uint32_t n;

	if (unlikely(lar_self != t || m->__data.__lock != 1 ||
		     (uint32_t)m->__data.__owner != t->tid || !alone_kind(m) ||
		     !gate_take(t, frame)))
		return false;
	n = t->held.count;
	if (unlikely(!n))
		goto other;
	c = &lockcell_alone.cells[t->held.cell[--n]];
	lar_kept(c);
	/* very long, too, where a wait has ended the hold, or the clock went back */
	*now = lar_tsc();
	hold = *now - c->held_since;
	if (unlikely(c->addr != (uint64_t)m || c->depth != 1 || hold >= LAR_HOLD_EVENT))
		goto other;
	bucket = &lockcell_holds(c)->bucket[lar_hold_bucket(hold)];
	if (unlikely(*bucket == UINT16_MAX - 1))
		goto other;
	++*bucket;
	c->hold_ticks += hold;
	if (hold > c->hold_max_ticks)
		c->hold_max_ticks = hold;
	c->held_since = 0;
	--*lockcell_state_of(c);
	t->held.count = n;
	span_close(t);
	return true;
other:
	span_close(t);
	return false;
}

/* The hold ends where the unlock begins; the figures are entered after it. */
#define MUTEX_UNLOCK(kind, symbol, error)                                                          \
	static lar_noinline int full_##symbol(kind##_t *m, uint64_t frame, uint64_t now)           \
	{                                                                                          \
		const pthread_mutex_t *mutex = (const pthread_mutex_t *)m;                         \
		bool waiters = mutex_waiters(mutex);                                               \
		uint32_t foreign = mutex_foreign(mutex);                                           \
		int result;                                                                        \
                                                                                                   \
		if (!now)                                                                          \
			now = hook_ticks();                                                        \
		result = REAL(symbol)(m);                                                          \
		lock_released(LAR_CALL_##symbol, (uint64_t)m, now, error(result), waiters,         \
			      foreign, frame);                                                     \
		return result;                                                                     \
	}                                                                                          \
                                                                                                   \
	static lar_noinline int other_##symbol(kind##_t *m, uint64_t frame, uint64_t now)          \
	{                                                                                          \
		if (likely(quick_unlock((pthread_mutex_t *)m, LAR_CALL_##symbol,                   \
					(int (*)(void *))real.symbol, frame, &now)))               \
			return 0;                                                                  \
		return alone_after(full_##symbol(m, frame, now));                                  \
	}                                                                                          \
                                                                                                   \
	static lar_noinline int recorded_##symbol(kind##_t *m)                                     \
	{                                                                                          \
		uint64_t now = 0;                                                                  \
                                                                                                   \
		if (likely(*lockcell_alone.kind) &&                                                \
		    likely(alone_unlock((pthread_mutex_t *)m, HOOK_FRAME, &now)))                  \
			return real.symbol(m);                                                     \
		return other_##symbol(m, HOOK_FRAME, now);                                         \
	}                                                                                          \
                                                                                                   \
	MUTEX_CALL(kind, symbol)

MUTEX_UNLOCK(pthread_mutex, pthread_mutex_unlock, mutex_error)
MUTEX_UNLOCK(mtx, mtx_unlock, c11_error)

/* What was there is gone, whether or not it was destroyed. */
LAR_EXPORT int pthread_mutex_init(pthread_mutex_t *m, const pthread_mutexattr_t *attr)
{
	lock_destroy((uint64_t)m, HOOK_FRAME);
	return REAL(pthread_mutex_init)(m, attr);
}

LAR_EXPORT int mtx_init(mtx_t *m, int type)
{
	lock_destroy((uint64_t)m, HOOK_FRAME);
	return REAL(mtx_init)(m, type);
}

LAR_EXPORT int pthread_mutex_destroy(pthread_mutex_t *m)
{
	lock_destroy((uint64_t)m, HOOK_FRAME);
	return REAL(pthread_mutex_destroy)(m);
}

LAR_EXPORT void mtx_destroy(mtx_t *m)
{
	lock_destroy((uint64_t)m, HOOK_FRAME);
	REAL(mtx_destroy)(m);
}
