/* SPDX-License-Identifier: MIT */
/*
 * Stands between the recorder and libc: when a function that takes a lock is called there,
 * something else happens first, once. So a lock is taken by another thread behind the recorder's
 * look at it.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <time.h>

static __thread void (*in_the_gap)(void);

void gap_in_next(void (*what)(void));

/* What happens in the calling thread's next call. */
void gap_in_next(void (*what)(void))
{
	in_the_gap = what;
}

static void gap(void)
{
	void (*what)(void) = in_the_gap;

	in_the_gap = NULL;
	if (what)
		what();
}

#define BEHIND(symbol, parameters, arguments)                                                      \
	int symbol parameters                                                                      \
	{                                                                                          \
		static int(*real) parameters;                                                      \
                                                                                                   \
		if (!real)                                                                         \
			*(void **)&real = dlsym(RTLD_NEXT, #symbol);                               \
		gap();                                                                             \
		return real arguments;                                                             \
	}

BEHIND(pthread_mutex_lock, (pthread_mutex_t * m), (m))
BEHIND(pthread_mutex_trylock, (pthread_mutex_t * m), (m))
BEHIND(pthread_rwlock_wrlock, (pthread_rwlock_t * m), (m))
BEHIND(pthread_rwlock_trywrlock, (pthread_rwlock_t * m), (m))
BEHIND(pthread_rwlock_rdlock, (pthread_rwlock_t * m), (m))
BEHIND(pthread_rwlock_tryrdlock, (pthread_rwlock_t * m), (m))
BEHIND(pthread_rwlock_timedrdlock, (pthread_rwlock_t * m, const struct timespec *t), (m, t))
BEHIND(pthread_rwlock_clockrdlock,
       (pthread_rwlock_t * m, clockid_t clock, const struct timespec *t), (m, clock, t))
BEHIND(sem_wait, (sem_t * m), (m))
BEHIND(sem_trywait, (sem_t * m), (m))
BEHIND(sem_timedwait, (sem_t * m, const struct timespec *t), (m, t))
BEHIND(sem_clockwait, (sem_t * m, clockid_t clock, const struct timespec *t), (m, clock, t))
