/* SPDX-License-Identifier: MIT */
/*
 * What programs ask for that were linked with an older libc (before 2.34 most of these functions
 * had another version) or that look functions up by name: all of it is seen as well.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <threads.h>
#include <time.h>

#include "expect.h"

#define OLD(name, version) __asm__(".symver " #name "," #name "@" version)

OLD(pthread_mutex_trylock, "GLIBC_2.2.5");
OLD(pthread_mutex_timedlock, "GLIBC_2.2.5");
OLD(pthread_mutex_clocklock, "GLIBC_2.30");
OLD(pthread_rwlock_rdlock, "GLIBC_2.2.5");
OLD(pthread_rwlock_tryrdlock, "GLIBC_2.2.5");
OLD(pthread_rwlock_timedrdlock, "GLIBC_2.2.5");
OLD(pthread_rwlock_clockrdlock, "GLIBC_2.30");
OLD(pthread_rwlock_wrlock, "GLIBC_2.2.5");
OLD(pthread_rwlock_trywrlock, "GLIBC_2.2.5");
OLD(pthread_rwlock_timedwrlock, "GLIBC_2.2.5");
OLD(pthread_rwlock_clockwrlock, "GLIBC_2.30");
OLD(pthread_rwlock_unlock, "GLIBC_2.2.5");
OLD(pthread_spin_lock, "GLIBC_2.2.5");
OLD(pthread_spin_trylock, "GLIBC_2.2.5");
OLD(pthread_spin_unlock, "GLIBC_2.2.5");
OLD(pthread_barrier_wait, "GLIBC_2.2.5");
OLD(pthread_once, "GLIBC_2.2.5");
OLD(sem_wait, "GLIBC_2.2.5");
OLD(sem_trywait, "GLIBC_2.2.5");
OLD(sem_timedwait, "GLIBC_2.2.5");
OLD(sem_clockwait, "GLIBC_2.30");
OLD(sem_post, "GLIBC_2.2.5");
OLD(mtx_lock, "GLIBC_2.28");
OLD(mtx_trylock, "GLIBC_2.28");
OLD(mtx_timedlock, "GLIBC_2.28");
OLD(mtx_unlock, "GLIBC_2.28");
OLD(call_once, "GLIBC_2.28");
OLD(pthread_create, "GLIBC_2.2.5");
OLD(pthread_join, "GLIBC_2.2.5");
OLD(pthread_tryjoin_np, "GLIBC_2.3.3");
OLD(pthread_timedjoin_np, "GLIBC_2.3.3");
OLD(pthread_clockjoin_np, "GLIBC_2.31");
OLD(pthread_detach, "GLIBC_2.2.5");
OLD(pthread_setname_np, "GLIBC_2.12");
OLD(thrd_create, "GLIBC_2.28");
OLD(thrd_join, "GLIBC_2.28");

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_spinlock_t spin;
static pthread_barrier_t barrier;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static once_flag flag = ONCE_FLAG_INIT;
static mtx_t mtx;
static sem_t sem;
static int wrong;
static const struct timespec late = { 4000000000, 0 };

static void check(int right)
{
	wrong += !right;
}

static void locks(void)
{
	check(!pthread_mutex_trylock(&mutex) && !pthread_mutex_unlock(&mutex));
	check(!pthread_mutex_timedlock(&mutex, &late) && !pthread_mutex_unlock(&mutex));
	check(!pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &late));
	check(!pthread_mutex_unlock(&mutex));
	check(!pthread_rwlock_rdlock(&rwlock) && !pthread_rwlock_unlock(&rwlock));
	check(!pthread_rwlock_tryrdlock(&rwlock) && !pthread_rwlock_unlock(&rwlock));
	check(!pthread_rwlock_timedrdlock(&rwlock, &late) && !pthread_rwlock_unlock(&rwlock));
	check(!pthread_rwlock_clockrdlock(&rwlock, CLOCK_MONOTONIC, &late));
	check(!pthread_rwlock_unlock(&rwlock));
	check(!pthread_rwlock_wrlock(&rwlock) && !pthread_rwlock_unlock(&rwlock));
	check(!pthread_rwlock_trywrlock(&rwlock) && !pthread_rwlock_unlock(&rwlock));
	check(!pthread_rwlock_timedwrlock(&rwlock, &late) && !pthread_rwlock_unlock(&rwlock));
	check(!pthread_rwlock_clockwrlock(&rwlock, CLOCK_MONOTONIC, &late));
	check(!pthread_rwlock_unlock(&rwlock));
	pthread_spin_init(&spin, 0);
	check(!pthread_spin_lock(&spin) && !pthread_spin_unlock(&spin));
	check(!pthread_spin_trylock(&spin) && !pthread_spin_unlock(&spin));
	mtx_init(&mtx, mtx_timed);
	check(mtx_lock(&mtx) == thrd_success && mtx_unlock(&mtx) == thrd_success);
	check(mtx_trylock(&mtx) == thrd_success && mtx_unlock(&mtx) == thrd_success);
	check(mtx_timedlock(&mtx, &late) == thrd_success && mtx_unlock(&mtx) == thrd_success);
	expect_add("locks.totals.acquisitions", 3 + 8 + 2 + 3);
	expect_add("locks.totals.read_acquisitions", 4);
	/* each of them was given back: it was held, and nothing but those was */
	expect_add("locks.totals.unowned_unlocks", 0);
}

static void do_once(void) {}

static void others(void)
{
	sem_init(&sem, 0, 4);
	check(!sem_wait(&sem) && !sem_trywait(&sem) && !sem_timedwait(&sem, &late));
	check(!sem_clockwait(&sem, CLOCK_MONOTONIC, &late) && !sem_post(&sem));
	pthread_barrier_init(&barrier, NULL, 1);
	check(pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD);
	check(!pthread_once(&once, do_once));
	call_once(&flag, do_once);
	expect_add("locks.totals.acquisitions", 4);
	expect_add("locks.totals.posts", 1);
}

static void *run(void *arg)
{
	return arg;
}

static int c11_run(void *arg)
{
	(void)arg;
	return 5;
}

static pthread_t start(void)
{
	pthread_t thread;

	check(!pthread_create(&thread, NULL, run, NULL));
	expect_add("threads.created", 1);
	return thread;
}

static void threads(void)
{
	pthread_t thread = start();
	thrd_t c11;
	int five = 0;

	check(!pthread_setname_np(pthread_self(), "an-old-name"));
	check(!pthread_join(thread, NULL));
	check(!pthread_timedjoin_np(start(), NULL, &late));
	check(!pthread_clockjoin_np(start(), NULL, CLOCK_MONOTONIC, &late));
	thread = start();
	while (pthread_tryjoin_np(thread, NULL) == EBUSY)
		thrd_yield();
	check(!pthread_detach(start()));
	check(thrd_create(&c11, c11_run, NULL) == thrd_success);
	check(thrd_join(c11, &five) == thrd_success && five == 5);
	expect_add("threads.created", 1);
	expect_add("threads.unjoined", 0);
}

/* Signals in vain of a condition of either version, by what dlvsym() and dlsym() find. */
static void by_name(void)
{
	static void *old_cond[6];
	static const char *const names[] = { "pthread_cond_signal", "pthread_cond_broadcast" };
	int (*lock)(pthread_mutex_t *) = dlsym(RTLD_DEFAULT, "pthread_mutex_lock");
	int (*unlock)(pthread_mutex_t *) = dlsym(RTLD_DEFAULT, "pthread_mutex_unlock");
	int (*wait)(void *, pthread_mutex_t *, const struct timespec *);

	for (int i = 0; i < 2; i++) {
		int (*wake)(void *) = dlvsym(RTLD_DEFAULT, names[i], "GLIBC_2.2.5");

		check(wake && !wake(old_cond));
		wake = dlvsym(RTLD_DEFAULT, names[i], "GLIBC_2.3.2");
		check(wake && !wake(&cond));
		wake = dlsym(RTLD_DEFAULT, names[i]);
		check(wake && !wake(&cond));
		expect_add("locks.totals.signals", 3);
		expect_add("locks.totals.signals_in_vain", 2);
	}
	for (int i = 0; i < 2; i++) {
		wait = dlvsym(RTLD_DEFAULT, "pthread_cond_timedwait",
			      i ? "GLIBC_2.3.2" : "GLIBC_2.2.5");
		check(wait && lock && unlock && !lock(&mutex));
		check(wait(i ? (void *)&cond : old_cond, &mutex, &(struct timespec){ 1, 0 }) ==
		      ETIMEDOUT);
		check(!unlock(&mutex));
		expect_add("locks.totals.acquisitions", 1);
		expect_add("locks.totals.condition_waits", 1);
		expect_add("locks.totals.condition_timeouts", 1);
	}
}

int main(void)
{
	locks();
	others();
	threads();
	by_name();
	expect_print();
	return wrong;
}
