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

	return word & RW_WRITE_LOCKED && (word & RW_WRITE_PHASE || lock_writers_first(m));
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

/*
 * Tries first: that tells whether another thread was faster since the look at the word. But not
 * where libc refuses what it is given before it looks at the lock.
 */
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

/*
 * Whether a reader tries first, too. Among many readers libc's try is slower than its lock, but
 * while there are some, no writer gets in between, unless writers go first: then all of them would
 * have to leave and it to come, all since the look.
 */
static always_inline bool read_tries(const pthread_rwlock_t *m)
{
	return !(rwlock_word(m) >> RW_READERS_SHIFT) || lock_writers_first(m);
}

#define READ (LOCK_SHARED | LOCK_RECURSIVE)
#define READ_LOCK(symbol, sound, parameters, arguments)                                            \
	LAR_EXPORT int symbol parameters                                                           \
	{                                                                                          \
		struct lock_call l = LOCK_CALL(symbol, m);                                         \
		bool waits = read_taken(m);                                                        \
		int result = EBUSY;                                                                \
                                                                                                   \
		lock_enter(&l, waits, rwlock_writer(m), READ);                                     \
		if (likely(!waits) && read_tries(m) && (sound)) {                                  \
			result = REAL(pthread_rwlock_tryrdlock)(m);                                \
			if (unlikely(result == EBUSY))                                             \
				lock_blocks(&l, rwlock_writer(m));                                 \
		}                                                                                  \
		if (result == EBUSY)                                                               \
			result = REAL(symbol) arguments;                                           \
		lock_leave(&l, result, READ);                                                      \
		return result;                                                                     \
	}

READ_LOCK(pthread_rwlock_rdlock, true, (pthread_rwlock_t * m), (m))
RWLOCK(pthread_rwlock_tryrdlock, READ | LOCK_TRY, read_taken, (pthread_rwlock_t * m), (m))
READ_LOCK(pthread_rwlock_timedrdlock, lock_sound_time(until),
	  (pthread_rwlock_t * m, const struct timespec *until), (m, until))
READ_LOCK(pthread_rwlock_clockrdlock, lock_sound_clock(clock) && lock_sound_time(until),
	  (pthread_rwlock_t * m, clockid_t clock, const struct timespec *until), (m, clock, until))
WRITE_LOCK(pthread_rwlock_wrlock, true, (pthread_rwlock_t * m), (m))
RWLOCK(pthread_rwlock_trywrlock, LOCK_TRY, write_taken, (pthread_rwlock_t * m), (m))
WRITE_LOCK(pthread_rwlock_timedwrlock, lock_sound_time(until),
	   (pthread_rwlock_t * m, const struct timespec *until), (m, until))
WRITE_LOCK(pthread_rwlock_clockwrlock, lock_sound_clock(clock) && lock_sound_time(until),
	   (pthread_rwlock_t * m, clockid_t clock, const struct timespec *until), (m, clock, until))

LAR_EXPORT int pthread_rwlock_unlock(pthread_rwlock_t *m)
{
	uint64_t now = hook_ticks_of(LAR_RECORD_LOCKS);
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
	uint64_t now = hook_ticks_of(LAR_RECORD_LOCKS);
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
