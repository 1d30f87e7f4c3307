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

#define KIND_MASK 0x17f /* type, robust, protocol, elision; not shared */

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

#define MUTEX_LOCK(symbol, try, sound, error, parameters, arguments)                               \
	LAR_EXPORT int symbol parameters                                                           \
	{                                                                                          \
		pthread_mutex_t *mutex = (pthread_mutex_t *)m;                                     \
		struct lock_call l = LOCK_CALL(symbol, m);                                         \
		bool waits = mutex_taken(mutex);                                                   \
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

MUTEX_LOCK(pthread_mutex_lock, pthread_mutex_trylock, true, mutex_error, (pthread_mutex_t * m), (m))
MUTEX_LOCK(pthread_mutex_timedlock, pthread_mutex_trylock, true, mutex_error,
	   (pthread_mutex_t * m, const struct timespec *until), (m, until))
MUTEX_LOCK(pthread_mutex_clocklock, pthread_mutex_trylock, lock_sound_clock(clock), mutex_error,
	   (pthread_mutex_t * m, clockid_t clock, const struct timespec *until), (m, clock, until))
MUTEX_LOCK(mtx_lock, mtx_trylock, true, c11_error, (mtx_t * m), (m))
MUTEX_LOCK(mtx_timedlock, mtx_trylock, true, c11_error, (mtx_t * m, const struct timespec *until),
	   (m, until))
MUTEX_TRYLOCK(pthread_mutex_trylock, mutex_error, pthread_mutex_t)
MUTEX_TRYLOCK(mtx_trylock, c11_error, mtx_t)

/* The hold ends where the unlock begins; the figures are entered after it. */
#define MUTEX_UNLOCK(symbol, error, parameters)                                                    \
	LAR_EXPORT int symbol parameters                                                           \
	{                                                                                          \
		const pthread_mutex_t *mutex = (const pthread_mutex_t *)m;                         \
		uint64_t now = hook_ticks();                                                       \
		bool waiters = mutex_waiters(mutex);                                               \
		uint32_t foreign = mutex_foreign(mutex);                                           \
		int result = REAL(symbol)(m);                                                      \
                                                                                                   \
		lock_released(LAR_CALL_##symbol, (uint64_t)m, now, error(result), waiters,         \
			      foreign, HOOK_FRAME);                                                \
		return result;                                                                     \
	}

MUTEX_UNLOCK(pthread_mutex_unlock, mutex_error, (pthread_mutex_t * m))
MUTEX_UNLOCK(mtx_unlock, c11_error, (mtx_t * m))

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
