/* SPDX-License-Identifier: MIT */
/*
 * What threads wait for that is no lock: conditions, those of POSIX in both versions and those of
 * C11, semaphores, barriers, what is to be done once, and futexes by syscall(). See lockcall.h.
 */
#include "hook_sync.h"

#include <linux/futex.h>
#include <sys/single_threaded.h>
#include <sys/syscall.h>
#include <threads.h>

#include "lockcall.h"
#include "unwound.h"

/* ---- conditions ---- */

/* A wait on a condition gives the mutex up: the hold ends here and begins anew afterwards. */
static void wait_enter(struct lock_call *l, uint64_t mutex)
{
	struct thread *t;

	if (!hook_wants(LAR_RECORD_LOCKS))
		return;
	t = span_open(l->frame);
	if (!t)
		return;
	lock_will_wait(t, l, LOCK_NO_OWNER);
	l->cell = held_find(t, mutex);
	if (l->cell != LOCKCELL_NONE)
		lock_hold_end(t, l->cell, l->before, l->call, l->frame);
	t->waited.cell = l->cell;
	t->waited.mutex = mutex;
	span_close(t);
}

/* The thread has the mutex again. */
static void wait_over(struct thread *t, struct lock_call *l, uint64_t mutex, int result)
{
	if (l->cell != LOCKCELL_NONE) {
		struct lar_lock_cell *c = lockcell_at(t, l->cell);

		if (c->addr == mutex && c->depth) {
			c->owners += locklife_take(&t->held.life[l->cell]);
			held_push(t, l->cell);
			c->held_since = lar_ticks();
		}
	}
	lock_record_waited(t, 0, l, l->before ? lar_ticks() - l->before : 0, (uint64_t)result);
}

static void wait_leave(struct lock_call *l, uint64_t mutex, int result)
{
	struct thread *t;

	if (!hook_wants(LAR_RECORD_LOCKS))
		return;
	t = span_open(l->frame);
	if (!t)
		return;
	wait_over(t, l, mutex, result);
	span_close(t);
}

/* Where a wait is cancelled libc has locked the mutex again before the frame of its caller goes. */
static void wait_left(void)
{
	struct lock_call l;
	struct thread *t = lock_unwound_call(HOOK_FRAME, LAR_OP_CONDWAIT, &l);

	if (!t)
		return;
	wait_over(t, &l, t->waited.mutex, ECANCELED);
	span_close(t);
}

UNWOUND_PERSONALITY(cond_unwound, wait_left)

static int posix_error(int result)
{
	return result;
}

static int c11_error(int result)
{
	return result == thrd_success ? 0 : result == thrd_timedout ? ETIMEDOUT : EINVAL;
}

/* Programs linked long ago ask for the first version of conditions, which have another form. */
#define OLD_VERSION "GLIBC_2.2.5"
#define NEW_VERSION "GLIBC_2.3.2"
#define EXPORT_AS(name, symbol, version)                                                           \
	__asm__(".symver " #name "," #symbol version ",remove");                                   \
	LAR_EXPORT

#define COND_WAIT(name, symbol, real_wait, error, parameters, arguments)                           \
	int name parameters;                                                                       \
	int name parameters                                                                        \
	{                                                                                          \
		struct lock_call l = LOCK_CALL(symbol, cond);                                      \
		int result;                                                                        \
                                                                                                   \
		UNWOUND_TELLS(cond_unwound);                                                       \
		wait_enter(&l, (uint64_t)m);                                                       \
		result = real_wait arguments;                                                      \
		wait_leave(&l, (uint64_t)m, error(result));                                        \
		return result;                                                                     \
	}

#define COND_PARAMETERS	 (pthread_cond_t * cond, pthread_mutex_t * m)
#define TIMED_PARAMETERS (pthread_cond_t * cond, pthread_mutex_t * m, const struct timespec *until)

EXPORT_AS(new_cond_wait, pthread_cond_wait, "@@" NEW_VERSION)
COND_WAIT(new_cond_wait, pthread_cond_wait, REAL(pthread_cond_wait), posix_error, COND_PARAMETERS,
	  (cond, m))
EXPORT_AS(old_cond_wait, pthread_cond_wait, "@" OLD_VERSION)
COND_WAIT(old_cond_wait, pthread_cond_wait, REAL_OLD(pthread_cond_wait), posix_error,
	  COND_PARAMETERS, (cond, m))
EXPORT_AS(new_cond_timedwait, pthread_cond_timedwait, "@@" NEW_VERSION)
COND_WAIT(new_cond_timedwait, pthread_cond_timedwait, REAL(pthread_cond_timedwait), posix_error,
	  TIMED_PARAMETERS, (cond, m, until))
EXPORT_AS(old_cond_timedwait, pthread_cond_timedwait, "@" OLD_VERSION)
COND_WAIT(old_cond_timedwait, pthread_cond_timedwait, REAL_OLD(pthread_cond_timedwait), posix_error,
	  TIMED_PARAMETERS, (cond, m, until))
LAR_EXPORT COND_WAIT(pthread_cond_clockwait, pthread_cond_clockwait, REAL(pthread_cond_clockwait),
		     posix_error,
		     (pthread_cond_t * cond, pthread_mutex_t *m, clockid_t clock,
		      const struct timespec *until),
		     (cond, m, clock, until)) LAR_EXPORT
	COND_WAIT(cnd_wait, cnd_wait, REAL(cnd_wait), c11_error, (cnd_t * cond, mtx_t *m),
		  (cond, m)) LAR_EXPORT
	COND_WAIT(cnd_timedwait, cnd_timedwait, REAL(cnd_timedwait), c11_error,
		  (cnd_t * cond, mtx_t *m, const struct timespec *until), (cond, m, until))

	/* Libc counts those who wait in steps of 8. */
	static bool nobody_waits(const pthread_cond_t *cond)
{
	return *(const volatile unsigned *)&cond->__data.__wrefs >> 3 == 0;
}

#define SIGNAL(name, symbol, real_signal, type, nobody)                                            \
	int name(type *cond);                                                                      \
	int name(type *cond)                                                                       \
	{                                                                                          \
		struct lock_call l = LOCK_CALL(symbol, cond);                                      \
		bool in_vain = nobody;                                                             \
		int result = real_signal(cond);                                                    \
                                                                                                   \
		lock_signal(&l, in_vain);                                                          \
		return result;                                                                     \
	}

EXPORT_AS(new_cond_signal, pthread_cond_signal, "@@" NEW_VERSION)
SIGNAL(new_cond_signal, pthread_cond_signal, REAL(pthread_cond_signal), pthread_cond_t,
       nobody_waits(cond))
EXPORT_AS(old_cond_signal, pthread_cond_signal, "@" OLD_VERSION)
SIGNAL(old_cond_signal, pthread_cond_signal, REAL_OLD(pthread_cond_signal), pthread_cond_t, false)
EXPORT_AS(new_cond_broadcast, pthread_cond_broadcast, "@@" NEW_VERSION)
SIGNAL(new_cond_broadcast, pthread_cond_broadcast, REAL(pthread_cond_broadcast), pthread_cond_t,
       nobody_waits(cond))
EXPORT_AS(old_cond_broadcast, pthread_cond_broadcast, "@" OLD_VERSION)
SIGNAL(old_cond_broadcast, pthread_cond_broadcast, REAL_OLD(pthread_cond_broadcast), pthread_cond_t,
       false)
LAR_EXPORT SIGNAL(cnd_signal, cnd_signal, REAL(cnd_signal), cnd_t,
		  nobody_waits((const pthread_cond_t *)cond)) LAR_EXPORT
	SIGNAL(cnd_broadcast, cnd_broadcast, REAL(cnd_broadcast), cnd_t,
	       nobody_waits((const pthread_cond_t *)cond))

#define COND_DESTROY(name, real_destroy)                                                           \
	int name(pthread_cond_t *cond);                                                            \
	int name(pthread_cond_t *cond)                                                             \
	{                                                                                          \
		lock_destroy((uint64_t)cond, HOOK_FRAME);                                          \
		return real_destroy(cond);                                                         \
	}

		EXPORT_AS(new_cond_destroy, pthread_cond_destroy, "@@" NEW_VERSION)
			COND_DESTROY(new_cond_destroy, REAL(pthread_cond_destroy))
				EXPORT_AS(old_cond_destroy, pthread_cond_destroy, "@" OLD_VERSION)
					COND_DESTROY(old_cond_destroy,
						     REAL_OLD(pthread_cond_destroy))

						LAR_EXPORT void cnd_destroy(cnd_t *cond)
{
	lock_destroy((uint64_t)cond, HOOK_FRAME);
	REAL(cnd_destroy)(cond);
}

/* ---- semaphores: nobody holds them ---- */

/* The low half of libc's word is the value. */
static bool sem_taken(const sem_t *sem)
{
	return *(const volatile uint32_t *)(const void *)sem == 0;
}

/* One that a signal handler has left by a jump is not the one that a cancellation ends. */
static always_inline void sem_forget_wait(void)
{
	if (unlikely(lar_self->waited.since))
		lar_self->waited.since = 0;
}

/*
 * Tries first, as with mutexes. In libc (2.34 and later) sem_wait and sem_timedwait act on a
 * cancellation before they look at the semaphore, whether or not they will wait, and sem_clockwait
 * where it waits; what they refuse, they refuse before both. errno is theirs only where they fail.
 */
#define SEM_WAIT(symbol, sound, acts, parameters, arguments)                                       \
	LAR_EXPORT int symbol parameters                                                           \
	{                                                                                          \
		struct lock_call l = LOCK_CALL(symbol, sem);                                       \
		bool waits = sem_taken(sem);                                                       \
		int result = -1, e = errno;                                                        \
                                                                                                   \
		UNWOUND_TELLS(lock_unwound);                                                       \
		lock_enter(&l, waits, 0, LOCK_NO_HOLD);                                            \
		if (likely(!waits && !__libc_single_threaded && (sound))) {                        \
			sem_forget_wait();                                                         \
			acts;                                                                      \
			result = REAL(sem_trywait)(sem);                                           \
			if (unlikely(result))                                                      \
				lock_blocks(&l, 0);                                                \
		}                                                                                  \
		if (unlikely(result)) {                                                            \
			errno = e;                                                                 \
			result = REAL(symbol) arguments;                                           \
			e = errno;                                                                 \
		}                                                                                  \
		lock_leave(&l, result ? e : 0, LOCK_NO_HOLD);                                      \
		errno = e;                                                                         \
		return result;                                                                     \
	}

SEM_WAIT(sem_wait, true, pthread_testcancel(), (sem_t * sem), (sem))
SEM_WAIT(sem_timedwait, lock_sound_time(until), pthread_testcancel(),
	 (sem_t *restrict sem, const struct timespec *restrict until), (sem, until))
SEM_WAIT(sem_clockwait, lock_sound_clock(clock) && lock_sound_time(until), (void)0,
	 (sem_t * sem, clockid_t clock, const struct timespec *until), (sem, clock, until))

LAR_EXPORT int sem_trywait(sem_t *sem)
{
	struct lock_call l = LOCK_CALL(sem_trywait, sem);
	int result, e;

	lock_enter(&l, sem_taken(sem), 0, LOCK_NO_HOLD | LOCK_TRY);
	result = REAL(sem_trywait)(sem);
	e = errno;
	lock_leave(&l, result ? e : 0, LOCK_NO_HOLD | LOCK_TRY);
	errno = e;
	return result;
}

LAR_EXPORT int sem_post(sem_t *sem)
{
	struct lock_call l = LOCK_CALL(sem_post, sem);
	uint64_t now = hook_ticks_of(LAR_RECORD_LOCKS);
	int result = REAL(sem_post)(sem), e = errno;

	lock_post(&l, now);
	errno = e;
	return result;
}

LAR_EXPORT int sem_init(sem_t *sem, int shared, unsigned value)
{
	lock_destroy((uint64_t)sem, HOOK_FRAME);
	return REAL(sem_init)(sem, shared, value);
}

LAR_EXPORT int sem_destroy(sem_t *sem)
{
	lock_destroy((uint64_t)sem, HOOK_FRAME);
	return REAL(sem_destroy)(sem);
}

/* ---- barriers, and what is done once ---- */

LAR_EXPORT int pthread_barrier_wait(pthread_barrier_t *barrier)
{
	struct lock_call l = LOCK_CALL(pthread_barrier_wait, barrier);
	int result;

	lock_wait_begin(&l);
	result = REAL(pthread_barrier_wait)(barrier);
	lock_wait_end(&l, result == PTHREAD_BARRIER_SERIAL_THREAD ? 0 : result);
	return result;
}

/* In libc's word. */
#define ONCE_RUNS 1
#define ONCE_DONE 2

/* Which thread of several has run the function only the function knows: the others have waited. */
struct once_call {
	void (*function)(void);
	struct once_call *outer;
	bool ran;
};

static __thread struct once_call *once_innermost __attribute__((tls_model("initial-exec")));

/* A function that is left by a jump or an exception leaves its call behind here. It is looked at no
 * more: whoever comes here has put one of its own before. */
static void once_run(void)
{
	once_innermost->ran = true;
	once_innermost->function();
}

static void once_enter(struct lock_call *l, struct once_call *o, int word)
{
	o->outer = once_innermost;
	once_innermost = o;
	if (word & ONCE_RUNS)
		lock_wait_begin(l);
	else
		l->before = hook_ticks_of(LAR_RECORD_LOCKS);
}

static void once_leave(struct lock_call *l, const struct once_call *o, int word, int result)
{
	once_innermost = o->outer;
	if (!o->ran || word & ONCE_RUNS)
		lock_wait_end(l, result);
}

LAR_EXPORT int pthread_once(pthread_once_t *once, void (*function)(void))
{
	struct lock_call l = LOCK_CALL(pthread_once, once);
	struct once_call o = { .function = function };
	int word = *(volatile int *)once, result;

	if (likely(word & ONCE_DONE))
		return REAL(pthread_once)(once, function);
	once_enter(&l, &o, word);
	result = REAL(pthread_once)(once, once_run);
	once_leave(&l, &o, word, result);
	return result;
}

LAR_EXPORT void call_once(once_flag *once, void (*function)(void))
{
	struct lock_call l = LOCK_CALL(call_once, once);
	struct once_call o = { .function = function };
	int word = *(volatile int *)(void *)once;

	if (likely(word & ONCE_DONE)) {
		REAL(call_once)(once, function);
		return;
	}
	once_enter(&l, &o, word);
	REAL(call_once)(once, once_run);
	once_leave(&l, &o, word, 0);
}

/* ---- futexes ---- */

static bool futex_waits(long operation)
{
	switch (operation & FUTEX_CMD_MASK) {
	case FUTEX_WAIT:
	case FUTEX_WAIT_BITSET:
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
	case FUTEX_WAIT_REQUEUE_PI:
		return true;
	default:
		return false;
	}
}

static bool futex_wakes(long operation)
{
	long command = operation & FUTEX_CMD_MASK;

	return command == FUTEX_WAKE || command == FUTEX_WAKE_BITSET || command == FUTEX_WAKE_OP ||
	       command == FUTEX_REQUEUE || command == FUTEX_CMP_REQUEUE;
}

/* frame: of the wrapper of syscall(). */
long sync_futex(const long *a, uint64_t frame)
{
	struct lock_call l = { LAR_CALL_syscall,    LOCKCELL_NONE,
			       (uint64_t)a[0],	    frame,
			       frame_caller(frame), 0 };
	bool waits = futex_waits(a[1]);
	long result;
	int e;

	if (waits)
		lock_wait_begin(&l);
	result = REAL(syscall)(SYS_futex, a[0], a[1], a[2], a[3], a[4], a[5]);
	e = errno;
	if (waits)
		lock_wait_end(&l, result < 0 ? e : 0);
	else if (futex_wakes(a[1]) && result >= 0)
		lock_signal(&l, result == 0);
	errno = e;
	return result;
}
