/* SPDX-License-Identifier: MIT */
/*
 * Locks that are no mutexes of POSIX, and what else threads wait for: each family a known number of
 * times, with and without another holder. A thread is known to wait when the kernel shows it
 * asleep; then it is let through.
 */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#include "asleep.h"
#include "expect.h"

/* The first version of conditions, as programs linked long ago have it. */
struct old_cond {
	void *there;
};
int old_wait(struct old_cond *cond, pthread_mutex_t *m);
int old_timedwait(struct old_cond *cond, pthread_mutex_t *m, const struct timespec *until);
int old_signal(struct old_cond *cond);
int old_broadcast(struct old_cond *cond);
int old_destroy(struct old_cond *cond);
__asm__(".symver old_wait,pthread_cond_wait@GLIBC_2.2.5");
__asm__(".symver old_timedwait,pthread_cond_timedwait@GLIBC_2.2.5");
__asm__(".symver old_signal,pthread_cond_signal@GLIBC_2.2.5");
__asm__(".symver old_broadcast,pthread_cond_broadcast@GLIBC_2.2.5");
__asm__(".symver old_destroy,pthread_cond_destroy@GLIBC_2.2.5");

static volatile int waiter_tid;
static int wrong;

static void check(int right)
{
	wrong += !right;
}

static void took(int n)
{
	expect_add("locks.totals.acquisitions", n);
}

static void until_asleep(void)
{
	while (!__atomic_load_n(&waiter_tid, __ATOMIC_ACQUIRE) || !asleep(waiter_tid))
		usleep(1000);
	waiter_tid = 0;
}

static void i_wait(void)
{
	__atomic_store_n(&waiter_tid, (int)syscall(SYS_gettid), __ATOMIC_RELEASE);
}

static struct timespec in_ms(clockid_t clock, long ms)
{
	struct timespec t;

	clock_gettime(clock, &t);
	t.tv_nsec += ms * 1000000;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	return t;
}

/* ---- readers and writers ---- */

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;

static void *reader(void *arg)
{
	(void)arg;
	i_wait();
	check(!pthread_rwlock_rdlock(&rwlock));
	pthread_rwlock_unlock(&rwlock);
	return NULL;
}

static void *writer(void *arg)
{
	(void)arg;
	i_wait();
	check(!pthread_rwlock_wrlock(&rwlock));
	pthread_rwlock_unlock(&rwlock);
	return NULL;
}

static void *rw_outsider(void *arg)
{
	struct timespec t = in_ms(CLOCK_REALTIME, 2), m;

	(void)arg;
	check(pthread_rwlock_tryrdlock(&rwlock) == EBUSY);
	check(pthread_rwlock_trywrlock(&rwlock) == EBUSY);
	check(pthread_rwlock_timedrdlock(&rwlock, &t) == ETIMEDOUT);
	check(pthread_rwlock_timedwrlock(&rwlock, &t) == ETIMEDOUT);
	m = in_ms(CLOCK_MONOTONIC, 2);
	check(pthread_rwlock_clockrdlock(&rwlock, CLOCK_MONOTONIC, &m) == ETIMEDOUT);
	check(pthread_rwlock_clockwrlock(&rwlock, CLOCK_MONOTONIC, &m) == ETIMEDOUT);
	return NULL;
}

static void rwlocks(void)
{
	struct timespec t = in_ms(CLOCK_REALTIME, 100000), m = in_ms(CLOCK_MONOTONIC, 100000);
	pthread_t thread;

	for (int i = 0; i < 100; i++) {
		check(!pthread_rwlock_rdlock(&rwlock));
		check(!pthread_rwlock_tryrdlock(&rwlock));
		check(!pthread_rwlock_timedrdlock(&rwlock, &t));
		check(!pthread_rwlock_clockrdlock(&rwlock, CLOCK_MONOTONIC, &m));
		for (int k = 0; k < 4; k++)
			pthread_rwlock_unlock(&rwlock);
	}
	for (int i = 0; i < 30; i++) {
		check(!pthread_rwlock_wrlock(&rwlock));
		pthread_rwlock_unlock(&rwlock);
		check(!pthread_rwlock_trywrlock(&rwlock));
		pthread_rwlock_unlock(&rwlock);
		check(!pthread_rwlock_timedwrlock(&rwlock, &t));
		pthread_rwlock_unlock(&rwlock);
		check(!pthread_rwlock_clockwrlock(&rwlock, CLOCK_MONOTONIC, &m));
		pthread_rwlock_unlock(&rwlock);
	}
	pthread_rwlock_wrlock(&rwlock);
	pthread_create(&thread, NULL, reader, NULL);
	until_asleep();
	pthread_rwlock_unlock(&rwlock);
	pthread_join(thread, NULL);
	pthread_rwlock_rdlock(&rwlock);
	pthread_create(&thread, NULL, writer, NULL);
	until_asleep();
	pthread_rwlock_unlock(&rwlock);
	pthread_join(thread, NULL);
	pthread_rwlock_wrlock(&rwlock);
	pthread_create(&thread, NULL, rw_outsider, NULL);
	pthread_join(thread, NULL);
	pthread_rwlock_unlock(&rwlock);
	took(400 + 120 + 2 + 2 + 1);
	expect_add("locks.totals.read_acquisitions", 400 + 1 + 1);
	expect_add("locks.totals.contended", 1 + 1 + 4);
	expect_add("locks.totals.failed_try", 2);
	expect_add("locks.totals.timeouts", 4);
}

/* ---- spinlocks ---- */

static pthread_spinlock_t spin;

static void *spinner(void *arg)
{
	(void)arg;
	for (int i = 0; i < 7; i++)
		check(pthread_spin_trylock(&spin) == EBUSY);
	i_wait();
	check(!pthread_spin_lock(&spin));
	pthread_spin_unlock(&spin);
	return NULL;
}

static void spinlocks(void)
{
	pthread_t thread;

	pthread_spin_init(&spin, 0);
	for (int i = 0; i < 500; i++) {
		check(!pthread_spin_lock(&spin));
		pthread_spin_unlock(&spin);
		check(!pthread_spin_trylock(&spin));
		pthread_spin_unlock(&spin);
	}
	pthread_spin_lock(&spin);
	pthread_create(&thread, NULL, spinner, NULL);
	while (!__atomic_load_n(&waiter_tid, __ATOMIC_ACQUIRE))
		usleep(1000);
	usleep(20000); /* it does not sleep */
	waiter_tid = 0;
	pthread_spin_unlock(&spin);
	pthread_join(thread, NULL);
	pthread_spin_destroy(&spin);
	took(1000 + 2);
	expect_add("locks.totals.contended", 1);
	expect_add("locks.totals.failed_try", 7);
}

/* ---- semaphores ---- */

static sem_t sem;

static void *sem_waiter(void *arg)
{
	(void)arg;
	i_wait();
	check(!sem_wait(&sem));
	return NULL;
}

static void semaphores(void)
{
	struct timespec t = in_ms(CLOCK_REALTIME, 2), m;
	pthread_t thread;

	sem_init(&sem, 0, 0);
	for (int i = 0; i < 40; i++) {
		check(!sem_post(&sem));
		check(!(i % 2 ? sem_wait(&sem) : sem_trywait(&sem)));
	}
	check(sem_trywait(&sem) == -1 && errno == EAGAIN);
	check(sem_timedwait(&sem, &t) == -1 && errno == ETIMEDOUT);
	m = in_ms(CLOCK_MONOTONIC, 2);
	check(sem_clockwait(&sem, CLOCK_MONOTONIC, &m) == -1 && errno == ETIMEDOUT);
	pthread_create(&thread, NULL, sem_waiter, NULL);
	until_asleep();
	sem_post(&sem);
	pthread_join(thread, NULL);
	sem_destroy(&sem);
	took(40 + 1);
	expect_add("locks.totals.failed_try", 1);
	expect_add("locks.totals.timeouts", 2);
	expect_add("locks.totals.contended", 2 + 1);
	expect_add("locks.totals.posts", 41);
}

/* ---- conditions ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static struct old_cond old_cond;
static int go;

static void *cond_waiter(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&mutex);
	i_wait();
	while (!go)
		check(!pthread_cond_wait(&cond, &mutex));
	pthread_mutex_unlock(&mutex);
	return NULL;
}

static void *old_waiter(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&mutex);
	i_wait();
	while (!go)
		check(!old_wait(&old_cond, &mutex));
	pthread_mutex_unlock(&mutex);
	return NULL;
}

static void wake(void *(*waiter)(void *), int old)
{
	pthread_t thread;

	go = 0;
	pthread_create(&thread, NULL, waiter, NULL);
	until_asleep();
	pthread_mutex_lock(&mutex);
	go = 1;
	check(!(old ? old_signal(&old_cond) : pthread_cond_signal(&cond)));
	pthread_mutex_unlock(&mutex);
	pthread_join(thread, NULL);
	took(2);
	expect_add("locks.totals.condition_waits", 1);
	expect_add("locks.totals.signals", 1);
}

static void conditions(void)
{
	struct timespec t, m;

	for (int i = 0; i < 25; i++)
		check(!pthread_cond_signal(&cond));
	for (int i = 0; i < 5; i++)
		check(!pthread_cond_broadcast(&cond));
	expect_add("locks.totals.signals", 30 + 1);
	expect_add("locks.totals.signals_in_vain", 30);
	check(!old_broadcast(&old_cond)); /* nobody can tell who waits for it */
	wake(cond_waiter, 0);
	wake(old_waiter, 1);
	pthread_mutex_lock(&mutex);
	t = in_ms(CLOCK_REALTIME, 2);
	m = in_ms(CLOCK_MONOTONIC, 2);
	check(pthread_cond_timedwait(&cond, &mutex, &t) == ETIMEDOUT);
	check(pthread_cond_clockwait(&cond, &mutex, CLOCK_MONOTONIC, &m) == ETIMEDOUT);
	check(old_timedwait(&old_cond, &mutex, &t) == ETIMEDOUT);
	pthread_mutex_unlock(&mutex);
	check(!old_destroy(&old_cond));
	took(1);
	expect_add("locks.totals.condition_waits", 3);
	expect_add("locks.totals.condition_timeouts", 3);
}

/* ---- C11 ---- */

static mtx_t mtx;
static cnd_t cnd;

static int c11_outsider(void *arg)
{
	struct timespec t = in_ms(CLOCK_REALTIME, 2);

	(void)arg;
	check(mtx_trylock(&mtx) == thrd_busy);
	check(mtx_timedlock(&mtx, &t) == thrd_timedout);
	i_wait();
	check(mtx_lock(&mtx) == thrd_success);
	check(mtx_unlock(&mtx) == thrd_success);
	return 3;
}

static once_flag flag = ONCE_FLAG_INIT;
static int once_runs;

static void run_once(void)
{
	once_runs++;
}

static void c11(void)
{
	struct timespec t;
	thrd_t thread;
	int result = 0;

	check(mtx_init(&mtx, mtx_timed) == thrd_success);
	check(cnd_init(&cnd) == thrd_success);
	for (int i = 0; i < 60; i++) {
		check(mtx_lock(&mtx) == thrd_success);
		check(mtx_unlock(&mtx) == thrd_success);
		check(mtx_trylock(&mtx) == thrd_success);
		check(mtx_unlock(&mtx) == thrd_success);
	}
	mtx_lock(&mtx);
	check(thrd_create(&thread, c11_outsider, NULL) == thrd_success);
	until_asleep();
	mtx_unlock(&mtx);
	check(thrd_join(thread, &result) == thrd_success && result == 3);
	check(cnd_signal(&cnd) == thrd_success);
	check(cnd_broadcast(&cnd) == thrd_success);
	mtx_lock(&mtx);
	t = in_ms(CLOCK_REALTIME, 2);
	check(cnd_timedwait(&cnd, &mtx, &t) == thrd_timedout);
	mtx_unlock(&mtx);
	for (int i = 0; i < 9; i++)
		call_once(&flag, run_once);
	check(once_runs == 1);
	cnd_destroy(&cnd);
	mtx_destroy(&mtx);
	took(120 + 1 + 1 + 1);
	expect_add("locks.totals.failed_try", 1);
	expect_add("locks.totals.timeouts", 1);
	expect_add("locks.totals.contended", 2);
	expect_add("locks.totals.condition_waits", 1);
	expect_add("locks.totals.condition_timeouts", 1);
	expect_add("locks.totals.signals", 2);
	expect_add("locks.totals.signals_in_vain", 2);
}

/* ---- barriers, once, futexes ---- */

static pthread_barrier_t barrier;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int word;

static void *other_waiter(void *arg)
{
	(void)arg;
	for (int i = 0; i < 10; i++)
		check(pthread_barrier_wait(&barrier) <= 0);
	check(!pthread_once(&once, run_once));
	i_wait();
	while (!__atomic_load_n(&word, __ATOMIC_ACQUIRE))
		check(!syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0));
	return NULL;
}

static void others(void)
{
	struct timespec t = { 0, 2000000 };
	pthread_t thread;
	int none = 0;

	pthread_barrier_init(&barrier, NULL, 2);
	check(!pthread_once(&once, run_once));
	pthread_create(&thread, NULL, other_waiter, NULL);
	for (int i = 0; i < 10; i++)
		check(pthread_barrier_wait(&barrier) <= 0);
	until_asleep();
	__atomic_store_n(&word, 1, __ATOMIC_RELEASE);
	check(syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) == 1);
	pthread_join(thread, NULL);
	check(syscall(SYS_futex, &none, FUTEX_WAIT_PRIVATE, 0, &t, NULL, 0) == -1 &&
	      errno == ETIMEDOUT);
	check(syscall(SYS_futex, &none, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0) == -1 &&
	      errno == EAGAIN);
	for (int i = 0; i < 6; i++)
		check(syscall(SYS_futex, &none, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) == 0);
	pthread_barrier_destroy(&barrier);
	expect_add("locks.totals.other_waits",
		   20 + 1 + 2); /* who runs what is done once waits for nobody */
	expect_add("locks.totals.futex_wakes", 1 + 6);
}

int main(void)
{
	rwlocks();
	spinlocks();
	semaphores();
	conditions();
	c11();
	others();
	expect_add("threads.created", 9);
	expect_add("threads.unjoined", 0);
	expect_print();
	return wrong ? 1 : 0;
}
