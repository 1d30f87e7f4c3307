/* SPDX-License-Identifier: MIT */
/*
 * What lock calls answer, for every type of mutex and for locks of readers and writers, free, held
 * by this thread and by another, with times and clocks that are right, past and wrong. The same of
 * semaphores, and where a cancellation is acted on in them.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <threads.h>
#include <time.h>

static struct timespec later(clockid_t clock, int seconds)
{
	struct timespec t;

	clock_gettime(clock, &t);
	t.tv_sec += seconds;
	return t;
}

#define SAY(call, undo)                                                                            \
	do {                                                                                       \
		int answer = call;                                                                 \
                                                                                                   \
		printf("%s, %s: %s: %s\n", kind, state, #call, strerror(answer));                  \
		if (!answer || answer == EOWNERDEAD)                                               \
			undo;                                                                      \
	} while (0)

static const char *kind, *state;

/* may_wait: a call without a time would not come back. */
static void ask_mutex(pthread_mutex_t *m, int may_wait)
{
	struct timespec real = later(CLOCK_REALTIME, may_wait ? -1 : 1000);
	struct timespec mono = later(CLOCK_MONOTONIC, may_wait ? -1 : 1000);
	struct timespec wrong = { .tv_sec = 1, .tv_nsec = 2000000000 };

	if (!may_wait)
		SAY(pthread_mutex_lock(m), pthread_mutex_unlock(m));
	SAY(pthread_mutex_trylock(m), pthread_mutex_unlock(m));
	SAY(pthread_mutex_timedlock(m, &real), pthread_mutex_unlock(m));
	SAY(pthread_mutex_timedlock(m, &wrong), pthread_mutex_unlock(m));
	SAY(pthread_mutex_clocklock(m, CLOCK_MONOTONIC, &mono), pthread_mutex_unlock(m));
	SAY(pthread_mutex_clocklock(m, CLOCK_MONOTONIC, &wrong), pthread_mutex_unlock(m));
	SAY(pthread_mutex_clocklock(m, 99, &mono), pthread_mutex_unlock(m));
}

static void ask_rwlock(pthread_rwlock_t *m, int may_wait)
{
	struct timespec real = later(CLOCK_REALTIME, may_wait ? -1 : 1000);
	struct timespec mono = later(CLOCK_MONOTONIC, may_wait ? -1 : 1000);
	struct timespec wrong = { .tv_sec = 1, .tv_nsec = -1 };
	struct timespec *volatile none = NULL;

	if (!may_wait) {
		SAY(pthread_rwlock_wrlock(m), pthread_rwlock_unlock(m));
		SAY(pthread_rwlock_rdlock(m), pthread_rwlock_unlock(m));
		SAY(pthread_rwlock_timedwrlock(m, none), pthread_rwlock_unlock(m));
		SAY(pthread_rwlock_timedrdlock(m, none), pthread_rwlock_unlock(m));
	}
	SAY(pthread_rwlock_trywrlock(m), pthread_rwlock_unlock(m));
	SAY(pthread_rwlock_tryrdlock(m), pthread_rwlock_unlock(m));
	SAY(pthread_rwlock_timedwrlock(m, &real), pthread_rwlock_unlock(m));
	SAY(pthread_rwlock_timedwrlock(m, &wrong), pthread_rwlock_unlock(m));
	SAY(pthread_rwlock_timedrdlock(m, &real), pthread_rwlock_unlock(m));
	SAY(pthread_rwlock_timedrdlock(m, &wrong), pthread_rwlock_unlock(m));
	SAY(pthread_rwlock_clockwrlock(m, CLOCK_MONOTONIC, &mono), pthread_rwlock_unlock(m));
	SAY(pthread_rwlock_clockwrlock(m, CLOCK_MONOTONIC, &wrong), pthread_rwlock_unlock(m));
	SAY(pthread_rwlock_clockwrlock(m, CLOCK_PROCESS_CPUTIME_ID, &mono),
	    pthread_rwlock_unlock(m));
	SAY(pthread_rwlock_clockrdlock(m, CLOCK_PROCESS_CPUTIME_ID, &mono),
	    pthread_rwlock_unlock(m));
}

static void *other_mutex(void *m)
{
	ask_mutex(m, 1);
	return NULL;
}

static void *other_rwlock(void *m)
{
	ask_rwlock(m, 1);
	return NULL;
}

static void *nothing(void *m)
{
	return m;
}

static void *dies_with(void *m)
{
	pthread_mutex_lock(m);
	return NULL;
}

static void in_thread(void *(*run)(void *), void *m)
{
	pthread_t thread;

	pthread_create(&thread, NULL, run, m);
	pthread_join(thread, NULL);
}

static void mutexes(void)
{
	static const struct {
		const char *name;
		int type, robust, protocol, comes_back; /* when its owner asks again */
	} types[] = { { "normal", PTHREAD_MUTEX_NORMAL, 0, 0, 0 },
		      { "recursive", PTHREAD_MUTEX_RECURSIVE, 0, 0, 1 },
		      { "errorcheck", PTHREAD_MUTEX_ERRORCHECK, 0, 0, 1 },
		      { "adaptive", PTHREAD_MUTEX_ADAPTIVE_NP, 0, 0, 0 },
		      { "robust", PTHREAD_MUTEX_ERRORCHECK, 1, 0, 1 },
		      { "inheriting", PTHREAD_MUTEX_RECURSIVE, 0, PTHREAD_PRIO_INHERIT, 1 },
		      { "protecting", PTHREAD_MUTEX_ERRORCHECK, 0, PTHREAD_PRIO_PROTECT, 1 } };

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		pthread_mutexattr_t attr;
		pthread_mutex_t m;

		kind = types[i].name;
		pthread_mutexattr_init(&attr);
		pthread_mutexattr_settype(&attr, types[i].type);
		if (types[i].robust)
			pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
		pthread_mutexattr_setprotocol(&attr, types[i].protocol);
		state = "new";
		SAY(pthread_mutex_init(&m, &attr), (void)0);
		state = "free";
		ask_mutex(&m, 0);
		state = "held";
		pthread_mutex_lock(&m);
		ask_mutex(&m, !types[i].comes_back);
		state = "held by another";
		in_thread(other_mutex, &m);
		pthread_mutex_unlock(&m);
		if (types[i].robust) {
			state = "left behind";
			in_thread(dies_with, &m);
			SAY(pthread_mutex_lock(&m), pthread_mutex_unlock(&m));
			SAY(pthread_mutex_lock(&m), (void)0);
		}
		SAY(pthread_mutex_destroy(&m), (void)0);
		pthread_mutexattr_destroy(&attr);
	}
}

static void rwlocks(int type)
{
	pthread_rwlockattr_t attr;
	pthread_rwlock_t m;

	kind = type == PTHREAD_RWLOCK_PREFER_READER_NP ? "rwlock" : "rwlock, writers first";
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, type);
	pthread_rwlock_init(&m, &attr);
	pthread_rwlockattr_destroy(&attr);
	state = "free";
	ask_rwlock(&m, 0);
	state = "read by another";
	pthread_rwlock_rdlock(&m);
	in_thread(other_rwlock, &m);
	pthread_rwlock_unlock(&m);
	state = "written by another";
	pthread_rwlock_wrlock(&m);
	in_thread(other_rwlock, &m);
	state = "written";
	SAY(pthread_rwlock_wrlock(&m), (void)0);
	SAY(pthread_rwlock_rdlock(&m), (void)0);
	pthread_rwlock_unlock(&m);
	pthread_rwlock_destroy(&m);
}

static sem_t sem;

/* errno is left alone where nothing failed. */
static void say_sem(const char *call, int result)
{
	int value;

	sem_getvalue(&sem, &value);
	printf("semaphore: %s: %d, errno %d, value %d\n", call, result, errno, value);
}

#define SEM(call)                                                                                  \
	do {                                                                                       \
		errno = 77;                                                                        \
		say_sem(#call, call);                                                              \
	} while (0)

static void *ask_sem(void *arg)
{
	struct timespec real = later(CLOCK_REALTIME, 1000), past = later(CLOCK_REALTIME, -1);
	struct timespec mono = later(CLOCK_MONOTONIC, 1000), wrong = { .tv_nsec = -1 };

	SEM(sem_wait(&sem));
	SEM(sem_trywait(&sem));
	SEM(sem_timedwait(&sem, &real));
	SEM(sem_timedwait(&sem, &past));
	SEM(sem_timedwait(&sem, &wrong));
	SEM(sem_clockwait(&sem, CLOCK_MONOTONIC, &mono));
	SEM(sem_clockwait(&sem, CLOCK_MONOTONIC, &wrong));
	SEM(sem_clockwait(&sem, CLOCK_PROCESS_CPUTIME_ID, &mono));
	SEM(sem_trywait(&sem));
	SEM(sem_trywait(&sem));
	SEM(sem_timedwait(&sem, &past));
	return arg;
}

static void at_end(void *call)
{
	say_sem(call, -1);
}

/* Cancelled before it comes to a semaphore that is free: not all of these calls look. */
static void *cancelled(void *arg)
{
	static const char *const calls[] = { "sem_wait", "sem_timedwait", "sem_clockwait", "none" };
	struct timespec real = later(CLOCK_REALTIME, 1000), wrong = { .tv_nsec = -1 };
	long n = (long)arg;

	errno = 77;
	pthread_cleanup_push(at_end, (void *)calls[n % 4]);
	pthread_cancel(pthread_self());
	if (n == 0)
		sem_wait(&sem);
	else if (n % 4 == 1)
		sem_timedwait(&sem, n > 4 ? &wrong : &real);
	else if (n % 4 == 2)
		sem_clockwait(&sem, CLOCK_REALTIME, n > 4 ? &wrong : &real);
	say_sem("not cancelled in it", 0);
	pthread_testcancel();
	pthread_cleanup_pop(0);
	return NULL;
}

static void semaphores(void)
{
	sem_init(&sem, 0, 6);
	ask_sem(NULL);
	sem_destroy(&sem);
	sem_init(&sem, 0, 6);
	in_thread(ask_sem, NULL);
	sem_destroy(&sem);
	sem_init(&sem, 0, 9);
	for (long n = 0; n < 8; n++)
		in_thread(cancelled, (void *)n);
}

static void c11(void)
{
	struct timespec past = later(CLOCK_REALTIME, -1), wrong = { .tv_nsec = 2000000000 };
	mtx_t m;

	mtx_init(&m, mtx_timed | mtx_recursive);
	printf("%d %d %d %d ", mtx_lock(&m), mtx_lock(&m), mtx_trylock(&m),
	       mtx_timedlock(&m, &past));
	printf("%d %d %d ", mtx_unlock(&m), mtx_unlock(&m), mtx_unlock(&m));
	printf("%d %d\n", mtx_unlock(&m), mtx_timedlock(&m, &wrong));
}

int main(void)
{
	/* in a process of one thread, and in one of several */
	mutexes();
	rwlocks(PTHREAD_RWLOCK_PREFER_READER_NP);
	rwlocks(PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	semaphores();
	in_thread(nothing, NULL);
	mutexes();
	rwlocks(PTHREAD_RWLOCK_PREFER_READER_NP);
	rwlocks(PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	semaphores();
	c11();
	return 0;
}
