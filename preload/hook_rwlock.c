/* SPDX-License-Identifier: MIT */
/* Locks for readers and writers, and spinlocks. See lockcall.h. */
#include "lockcall.h"

/* Bits of libc's word of readers; the count of readers is above them. */
enum { RW_WRITE_PHASE = 1, RW_WRITE_LOCKED = 2, RW_READERS_SHIFT = 3 };

static always_inline uint32_t rwlock_word(const pthread_rwlock_t *m)
{
	return *(const volatile unsigned *)&m->__data.__readers;
}

static always_inline uint32_t rwlock_writer(const pthread_rwlock_t *m)
{
	return (uint32_t) * (const volatile int *)&m->__data.__cur_writer;
}

/* A reader waits while a writer has it, and where writers go first, while one wants it. */
static always_inline bool read_taken(const pthread_rwlock_t *m)
{
	uint32_t word = rwlock_word(m);

	return word & RW_WRITE_LOCKED && (word & RW_WRITE_PHASE || m->__data.__flags);
}

static always_inline bool write_taken(const pthread_rwlock_t *m)
{
	uint32_t word = rwlock_word(m);

	return word & RW_WRITE_LOCKED || word >> RW_READERS_SHIFT;
}

#define RWLOCK(symbol, way, taken, parameters, arguments)                                          \
	LAR_EXPORT int symbol parameters                                                           \
	{                                                                                          \
		struct lock_call l = LOCK_CALL(symbol, m);                                         \
		int result;                                                                        \
                                                                                                   \
		lock_enter(&l, taken(m), rwlock_writer(m), way);                                   \
		result = REAL(symbol) arguments;                                                   \
		lock_leave(&l, result, way);                                                       \
		return result;                                                                     \
	}

/* Tries first: that tells whether another thread was faster since the look at the word. A reader
 * does not: among many readers libc's try is slower than its lock. Nor where libc refuses what it
 * is given before it looks at the lock. */
#define WRITE_LOCK(symbol, sound, parameters, arguments)                                           \
	LAR_EXPORT int symbol parameters                                                           \
	{                                                                                          \
		struct lock_call l = LOCK_CALL(symbol, m);                                         \
		bool waits = write_taken(m);                                                       \
		int result;                                                                        \
                                                                                                   \
		lock_enter(&l, waits, rwlock_writer(m), LOCK_WAITS);                               \
		result = waits || !(sound) ? EBUSY : REAL(pthread_rwlock_trywrlock)(m);            \
		if (unlikely(result == EBUSY)) {                                                   \
			if (!waits && (sound))                                                     \
				lock_blocks(&l, rwlock_writer(m));                                 \
			result = REAL(symbol) arguments;                                           \
		}                                                                                  \
		lock_leave(&l, result, LOCK_WAITS);                                                \
		return result;                                                                     \
	}

static bool sound_time(const struct timespec *until)
{
	return (unsigned long)until->tv_nsec < 1000000000ul;
}

#define READ (LOCK_SHARED | LOCK_RECURSIVE)
RWLOCK(pthread_rwlock_rdlock, READ, read_taken, (pthread_rwlock_t * m), (m))
RWLOCK(pthread_rwlock_tryrdlock, READ | LOCK_TRY, read_taken, (pthread_rwlock_t * m), (m))
RWLOCK(pthread_rwlock_timedrdlock, READ, read_taken,
       (pthread_rwlock_t * m, const struct timespec *until), (m, until))
RWLOCK(pthread_rwlock_clockrdlock, READ, read_taken,
       (pthread_rwlock_t * m, clockid_t clock, const struct timespec *until), (m, clock, until))
WRITE_LOCK(pthread_rwlock_wrlock, true, (pthread_rwlock_t * m), (m))
RWLOCK(pthread_rwlock_trywrlock, LOCK_TRY, write_taken, (pthread_rwlock_t * m), (m))
WRITE_LOCK(pthread_rwlock_timedwrlock, sound_time(until),
	   (pthread_rwlock_t * m, const struct timespec *until), (m, until))
WRITE_LOCK(pthread_rwlock_clockwrlock, lock_sound_clock(clock) && sound_time(until),
	   (pthread_rwlock_t * m, clockid_t clock, const struct timespec *until), (m, clock, until))

LAR_EXPORT int pthread_rwlock_unlock(pthread_rwlock_t *m)
{
	uint64_t now = hook_ticks();
	uint32_t writer = rwlock_writer(m), writers = *(volatile unsigned *)&m->__data.__writers;
	int result = REAL(pthread_rwlock_unlock)(m);

	lock_released(LAR_CALL_pthread_rwlock_unlock, (uint64_t)m, now, result, writers != 0,
		      writer == lar_self->tid ? 0 : writer, HOOK_FRAME);
	return result;
}

LAR_EXPORT int pthread_rwlock_init(pthread_rwlock_t *m, const pthread_rwlockattr_t *attr)
{
	lock_destroy((uint64_t)m, HOOK_FRAME);
	return REAL(pthread_rwlock_init)(m, attr);
}

LAR_EXPORT int pthread_rwlock_destroy(pthread_rwlock_t *m)
{
	lock_destroy((uint64_t)m, HOOK_FRAME);
	return REAL(pthread_rwlock_destroy)(m);
}

/* On this machine 1 is free. */
static always_inline bool spin_taken(const pthread_spinlock_t *m)
{
	return *(const volatile int *)m <= 0;
}

LAR_EXPORT int pthread_spin_lock(pthread_spinlock_t *m)
{
	struct lock_call l = LOCK_CALL(pthread_spin_lock, m);
	int result;

	lock_enter(&l, spin_taken(m), 0, LOCK_WAITS);
	result = REAL(pthread_spin_lock)(m);
	lock_leave(&l, result, LOCK_WAITS);
	return result;
}

LAR_EXPORT int pthread_spin_trylock(pthread_spinlock_t *m)
{
	struct lock_call l = LOCK_CALL(pthread_spin_trylock, m);
	int result;

	lock_enter(&l, false, 0, LOCK_TRY);
	result = REAL(pthread_spin_trylock)(m);
	lock_leave(&l, result, LOCK_TRY);
	return result;
}

LAR_EXPORT int pthread_spin_unlock(pthread_spinlock_t *m)
{
	uint64_t now = hook_ticks();
	bool waiters = *(volatile int *)m < 0;
	int result = REAL(pthread_spin_unlock)(m);

	lock_released(LAR_CALL_pthread_spin_unlock, (uint64_t)m, now, result, waiters, 0,
		      HOOK_FRAME);
	return result;
}

LAR_EXPORT int pthread_spin_init(pthread_spinlock_t *m, int shared)
{
	lock_destroy((uint64_t)m, HOOK_FRAME);
	return REAL(pthread_spin_init)(m, shared);
}

LAR_EXPORT int pthread_spin_destroy(pthread_spinlock_t *m)
{
	lock_destroy((uint64_t)m, HOOK_FRAME);
	return REAL(pthread_spin_destroy)(m);
}
