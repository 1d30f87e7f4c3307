/* SPDX-License-Identifier: MIT */
/*
 * A wait of known length in every function that can make a thread wait. The main thread sees the
 * other asleep in it, lets it wait a while longer by its own clock, and releases it: the wait took
 * at least that while, and at most what the other's own clock says around the call. One line of
 * JSON for each: the function that called, the kind of what it waited for (of a join,
 * the call), the bounds.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#include "asleep.h"
#include "expect.h"

#define A_WHILE_NS	   4000000
#define CERTAINLY_SPINS_NS 5000000

/* The first version of conditions, as programs linked long ago have it. */
struct old_cond {
	void *there;
};
int old_cond_wait(struct old_cond *cond, pthread_mutex_t *m);
int old_cond_timedwait(struct old_cond *cond, pthread_mutex_t *m, const struct timespec *until);
int old_cond_broadcast(struct old_cond *cond);
__asm__(".symver old_cond_wait,pthread_cond_wait@GLIBC_2.2.5");
__asm__(".symver old_cond_timedwait,pthread_cond_timedwait@GLIBC_2.2.5");
__asm__(".symver old_cond_broadcast,pthread_cond_broadcast@GLIBC_2.2.5");

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t inheriting, shared, robust, recursive;
static mtx_t mtx;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_spinlock_t spin;
static sem_t sem, *named;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static struct old_cond old_cond;
static cnd_t cnd;
static pthread_barrier_t barrier;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static once_flag flag = ONCE_FLAG_INIT;
static int word, inheriting_word;
static volatile int go, in_once, once_may_end;
static volatile int waiter_tid;
static volatile clockid_t waiter_clock;
static int wrong;

static void check(int right)
{
	wrong += !right;
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* For tests that wait till then only when they fail. */
static const struct timespec *late(clockid_t clock)
{
	static __thread struct timespec t;

	clock_gettime(clock, &t);
	t.tv_sec += 1000;
	return &t;
}

/* What waits: a function of its own for each, so that its site has its name. */
#define WAITER(name, ...)                                                                          \
	static void __attribute__((noinline)) name(void)                                           \
	{                                                                                          \
		__VA_ARGS__                                                                        \
		__asm__ volatile("");                                                              \
	}

WAITER(wait_lock, check(!pthread_mutex_lock(&mutex));)
WAITER(wait_timedlock, check(!pthread_mutex_timedlock(&mutex, late(CLOCK_REALTIME)));)
WAITER(wait_clocklock,
       check(!pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, late(CLOCK_MONOTONIC)));)
WAITER(wait_recursive, check(!pthread_mutex_lock(&recursive));)
WAITER(wait_inheriting, check(!pthread_mutex_lock(&inheriting));)
WAITER(wait_shared, check(!pthread_mutex_lock(&shared));)
WAITER(wait_robust, check(!pthread_mutex_lock(&robust));)
WAITER(wait_mtx, check(mtx_lock(&mtx) == thrd_success);)
WAITER(wait_mtx_timed, check(mtx_timedlock(&mtx, late(CLOCK_REALTIME)) == thrd_success);)
WAITER(wait_rdlock, check(!pthread_rwlock_rdlock(&rwlock));)
WAITER(wait_timedrdlock, check(!pthread_rwlock_timedrdlock(&rwlock, late(CLOCK_REALTIME)));)
WAITER(wait_clockrdlock,
       check(!pthread_rwlock_clockrdlock(&rwlock, CLOCK_MONOTONIC, late(CLOCK_MONOTONIC)));)
WAITER(wait_wrlock, check(!pthread_rwlock_wrlock(&rwlock));)
WAITER(wait_wrlock_for_reader, check(!pthread_rwlock_wrlock(&rwlock));)
WAITER(wait_timedwrlock, check(!pthread_rwlock_timedwrlock(&rwlock, late(CLOCK_REALTIME)));)
WAITER(wait_clockwrlock,
       check(!pthread_rwlock_clockwrlock(&rwlock, CLOCK_MONOTONIC, late(CLOCK_MONOTONIC)));)
WAITER(wait_spin, check(!pthread_spin_lock(&spin));)
WAITER(wait_sem, check(!sem_wait(&sem));)
WAITER(wait_sem_timed, check(!sem_timedwait(&sem, late(CLOCK_REALTIME)));)
WAITER(wait_sem_clock, check(!sem_clockwait(&sem, CLOCK_MONOTONIC, late(CLOCK_MONOTONIC)));)
WAITER(wait_sem_named, check(!sem_wait(named));)

/* A condition may be left without a signal: each call counts. */
#define COND_WAITER(name, call)                                                                    \
	WAITER(                                                                                    \
		name, while (!go) {                                                                \
			check(!(call));                                                            \
			expect_add("locks.totals.condition_waits", 1);                             \
		})
COND_WAITER(wait_cond, pthread_cond_wait(&cond, &mutex))
COND_WAITER(wait_cond_timed, pthread_cond_timedwait(&cond, &mutex, late(CLOCK_REALTIME)))
COND_WAITER(wait_cond_clock,
	    pthread_cond_clockwait(&cond, &mutex, CLOCK_MONOTONIC, late(CLOCK_MONOTONIC)))
COND_WAITER(wait_cond_signalled, pthread_cond_wait(&cond, &mutex))
COND_WAITER(wait_old_cond, old_cond_wait(&old_cond, &mutex))
COND_WAITER(wait_old_cond_timed, old_cond_timedwait(&old_cond, &mutex, late(CLOCK_REALTIME)))
COND_WAITER(wait_cnd, cnd_wait(&cnd, &mtx))
COND_WAITER(wait_cnd_timed, cnd_timedwait(&cnd, &mtx, late(CLOCK_REALTIME)))

static void run_once(void)
{
	in_once = 1;
	while (!once_may_end)
		usleep(1000);
}

WAITER(wait_barrier, check(pthread_barrier_wait(&barrier) <= 0);)
WAITER(wait_once, check(!pthread_once(&once, run_once));)
WAITER(wait_call_once, call_once(&flag, run_once);)
WAITER(wait_futex, check(!syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0));)
WAITER(wait_futex_bitset, check(!syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, 0,
					 late(CLOCK_MONOTONIC), NULL, FUTEX_BITSET_MATCH_ANY));)
/* A thread that is not over before main says so. */
static pthread_t joined;

WAITER(wait_join, check(!pthread_join(joined, NULL));)
WAITER(wait_timedjoin, check(!pthread_timedjoin_np(joined, NULL, late(CLOCK_REALTIME)));)
WAITER(wait_clockjoin,
       check(!pthread_clockjoin_np(joined, NULL, CLOCK_MONOTONIC, late(CLOCK_MONOTONIC)));)
WAITER(wait_thrd_join, check(thrd_join(joined, NULL) == thrd_success);)
WAITER(wait_futex_pi,
       check(!syscall(SYS_futex, &inheriting_word, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0));)

/* How the main thread takes what is waited for, and lets it go. */
#define MAIN(name, ...)                                                                            \
	static void __attribute__((noinline)) name(void)                                           \
	{                                                                                          \
		__VA_ARGS__                                                                        \
		__asm__ volatile("");                                                              \
	}

MAIN(nothing, )
MAIN(take_mutex, pthread_mutex_lock(&mutex);)
MAIN(give_mutex, pthread_mutex_unlock(&mutex);)
MAIN(take_recursive, pthread_mutex_lock(&recursive);)
MAIN(give_recursive, pthread_mutex_unlock(&recursive);)
MAIN(take_inheriting, pthread_mutex_lock(&inheriting);)
MAIN(give_inheriting, pthread_mutex_unlock(&inheriting);)
MAIN(take_shared, pthread_mutex_lock(&shared);)
MAIN(give_shared, pthread_mutex_unlock(&shared);)
MAIN(take_robust, pthread_mutex_lock(&robust);)
MAIN(give_robust, pthread_mutex_unlock(&robust);)
MAIN(take_mtx, mtx_lock(&mtx);)
MAIN(give_mtx, mtx_unlock(&mtx);)
MAIN(take_write, pthread_rwlock_wrlock(&rwlock);)
MAIN(take_read, pthread_rwlock_rdlock(&rwlock);)
MAIN(give_rwlock, pthread_rwlock_unlock(&rwlock);)
MAIN(take_spin, pthread_spin_lock(&spin);)
MAIN(give_spin, pthread_spin_unlock(&spin);)
MAIN(post, sem_post(&sem);)
MAIN(post_named, sem_post(named);)
MAIN(no_go, go = 0;)
MAIN(set_go, go = 1;)
#define WAKE(name, lock, unlock, wake)                                                             \
	MAIN(name, lock; go = 1; unlock; check(!(wake)); expect_add("locks.totals.signals", 1);)
WAKE(broadcast, pthread_mutex_lock(&mutex), pthread_mutex_unlock(&mutex),
     pthread_cond_broadcast(&cond))
WAKE(signal_one, pthread_mutex_lock(&mutex), pthread_mutex_unlock(&mutex),
     pthread_cond_signal(&cond))
WAKE(old_broadcast, pthread_mutex_lock(&mutex), pthread_mutex_unlock(&mutex),
     old_cond_broadcast(&old_cond))
WAKE(c11_broadcast, mtx_lock(&mtx), mtx_unlock(&mtx), cnd_broadcast(&cnd))
MAIN(meet, check(pthread_barrier_wait(&barrier) <= 0);
     expect_add("locks.totals.other_waits",
		1);) /* it comes last, and is told so by the call alone */
MAIN(end_once, once_may_end = 1;)
MAIN(wake_futex, check(syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) == 1);)
MAIN(take_futex_pi,
     check(!syscall(SYS_futex, &inheriting_word, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0));
     expect_add("locks.totals.other_waits", 1);)
MAIN(give_futex_pi,
     check(!syscall(SYS_futex, &inheriting_word, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0));)

/* One runs what is done once, the other has to wait for that. */
static pthread_t once_thread;

static void *once_runner(void *arg)
{
	if (arg)
		check(!pthread_once(&once, run_once));
	else
		call_once(&flag, run_once);
	return NULL;
}

static void begin_once(void *which)
{
	in_once = once_may_end = 0;
	pthread_create(&once_thread, NULL, once_runner, which);
	while (!in_once)
		usleep(1000);
}

MAIN(begin_posix_once, begin_once(&once);)
MAIN(begin_c11_once, begin_once(NULL);)

static void *until_go(void *arg)
{
	while (!go)
		usleep(500);
	return arg;
}

static int c11_until_go(void *arg)
{
	return until_go(arg) != NULL;
}

MAIN(begin_joined, go = 0; check(!pthread_create(&joined, NULL, until_go, NULL));)
MAIN(begin_c11_joined, go = 0; check(thrd_create(&joined, c11_until_go, NULL) == thrd_success);)

enum { LOCK, CONDITION, OTHER, JOIN }; /* whose total counts it */

static struct family {
	const char *function, *kind;
	void (*take)(void);   /* main */
	void (*before)(void); /* the waiter: what it has to hold */
	void (*wait)(void);
	void (*after)(void); /* the waiter */
	void (*give)(void);  /* main: the wait is over */
	int total, acquisitions;
} families[] = {
#define MUTEXES(name, lock)                                                                        \
#name, "mutex", take_##lock, nothing, name, give_##lock, give_##lock, LOCK, 2
	{ MUTEXES(wait_lock, mutex) },
	{ MUTEXES(wait_timedlock, mutex) },
	{ MUTEXES(wait_clocklock, mutex) },
	{ MUTEXES(wait_recursive, recursive) },
	{ MUTEXES(wait_inheriting, inheriting) },
	{ MUTEXES(wait_shared, shared) },
	{ MUTEXES(wait_robust, robust) },
	{ MUTEXES(wait_mtx, mtx) },
	{ MUTEXES(wait_mtx_timed, mtx) },
#define RWLOCKS(name, take) #name, "rwlock", take, nothing, name, give_rwlock, give_rwlock, LOCK, 2
	{ RWLOCKS(wait_rdlock, take_write) },
	{ RWLOCKS(wait_timedrdlock, take_write) },
	{ RWLOCKS(wait_clockrdlock, take_write) },
	{ RWLOCKS(wait_wrlock, take_write) },
	{ RWLOCKS(wait_wrlock_for_reader, take_read) },
	{ RWLOCKS(wait_timedwrlock, take_read) },
	{ RWLOCKS(wait_clockwrlock, take_read) },
	{ "wait_spin", "spinlock", take_spin, nothing, wait_spin, give_spin, give_spin, LOCK, 2 },
#define SEMAPHORES(name, post) #name, "semaphore", nothing, nothing, name, nothing, post, LOCK, 1
	{ SEMAPHORES(wait_sem, post) },
	{ SEMAPHORES(wait_sem_timed, post) },
	{ SEMAPHORES(wait_sem_clock, post) },
	{ SEMAPHORES(wait_sem_named, post_named) },
#define CONDITIONS(name, lock, wake)                                                               \
#name, "condition", no_go, take_##lock, name, give_##lock, wake, CONDITION, 2
	{ CONDITIONS(wait_cond, mutex, broadcast) },
	{ CONDITIONS(wait_cond_timed, mutex, broadcast) },
	{ CONDITIONS(wait_cond_clock, mutex, broadcast) },
	{ CONDITIONS(wait_cond_signalled, mutex, signal_one) },
	{ CONDITIONS(wait_old_cond, mutex, old_broadcast) },
	{ CONDITIONS(wait_old_cond_timed, mutex, old_broadcast) },
	{ CONDITIONS(wait_cnd, mtx, c11_broadcast) },
	{ CONDITIONS(wait_cnd_timed, mtx, c11_broadcast) },
	{ "wait_barrier", "barrier", nothing, nothing, wait_barrier, nothing, meet, OTHER, 0 },
	{ "wait_once", "once", begin_posix_once, nothing, wait_once, nothing, end_once, OTHER, 0 },
	{ "wait_call_once", "once", begin_c11_once, nothing, wait_call_once, nothing, end_once,
	  OTHER, 0 },
	{ "wait_futex", "futex", nothing, nothing, wait_futex, nothing, wake_futex, OTHER, 0 },
	{ "wait_futex_bitset", "futex", nothing, nothing, wait_futex_bitset, nothing, wake_futex,
	  OTHER, 0 },
#define JOINS(name, call, begin) #name, #call, begin, nothing, name, nothing, set_go, JOIN, 0
	{ JOINS(wait_join, pthread_join, begin_joined) },
	{ JOINS(wait_timedjoin, pthread_timedjoin_np, begin_joined) },
	{ JOINS(wait_clockjoin, pthread_clockjoin_np, begin_joined) },
	{ JOINS(wait_thrd_join, thrd_join, begin_c11_joined) },
	{ "wait_futex_pi", "futex", take_futex_pi, nothing, wait_futex_pi, give_futex_pi,
	  give_futex_pi, OTHER, 0 },
};

static uint64_t most_ns; /* of the waiter */

static void *waiter(void *arg)
{
	const struct family *f = arg;
	clockid_t clock;
	uint64_t begin;

	f->before();
	pthread_getcpuclockid(pthread_self(), &clock);
	waiter_clock = clock;
	begin = clock_ns(CLOCK_MONOTONIC);
	__atomic_store_n(&waiter_tid, (int)syscall(SYS_gettid), __ATOMIC_RELEASE);
	f->wait();
	most_ns = clock_ns(CLOCK_MONOTONIC) - begin;
	f->after();
	return NULL;
}

/* Who spins is known by the processor time that it takes. */
static int waits(const struct family *f, uint64_t *cpu_then)
{
	if (!waiter_tid)
		return 0;
	if (f->wait != wait_spin)
		return asleep(waiter_tid);
	if (!*cpu_then)
		*cpu_then = clock_ns(waiter_clock);
	return clock_ns(waiter_clock) - *cpu_then > CERTAINLY_SPINS_NS;
}

static void family_run(struct family *f)
{
	struct timespec a_while = { 0, A_WHILE_NS };
	uint64_t since, least_ns, cpu_then = 0;
	pthread_t thread;

	waiter_tid = 0;
	f->take();
	pthread_create(&thread, NULL, waiter, f);
	while (!waits(f, &cpu_then))
		usleep(500);
	since = clock_ns(CLOCK_MONOTONIC);
	clock_nanosleep(CLOCK_MONOTONIC, 0, &a_while, NULL);
	least_ns = clock_ns(CLOCK_MONOTONIC) - since;
	f->give();
	pthread_join(thread, NULL);
	if (once_thread) {
		pthread_join(once_thread, NULL);
		expect_add("threads.created", 1);
	}
	once_thread = 0;
	printf("{\"function\":\"%s\",\"kind\":\"%s\",\"least_ns\":%llu,\"most_ns\":%llu}\n",
	       f->function, f->kind, (unsigned long long)least_ns, (unsigned long long)most_ns);
	expect_add("locks.totals.acquisitions", f->acquisitions);
	expect_add("locks.totals.contended", f->total == LOCK);
	expect_add("locks.totals.other_waits", f->total == OTHER);
	expect_add("threads.created", 1 + (f->total == JOIN));
}

static void init_mutex(pthread_mutex_t *m, int type, int protocol, int pshared, int robustness)
{
	pthread_mutexattr_t a;

	pthread_mutexattr_init(&a);
	pthread_mutexattr_settype(&a, type);
	pthread_mutexattr_setprotocol(&a, protocol);
	pthread_mutexattr_setpshared(&a, pshared);
	pthread_mutexattr_setrobust(&a, robustness);
	check(!pthread_mutex_init(m, &a));
}

int main(void)
{
	char name[64];

	init_mutex(&recursive, PTHREAD_MUTEX_RECURSIVE, PTHREAD_PRIO_NONE, 0, 0);
	init_mutex(&inheriting, PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_INHERIT, 0, 0);
	init_mutex(&shared, PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE, PTHREAD_PROCESS_SHARED, 0);
	init_mutex(&robust, PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE, 0, PTHREAD_MUTEX_ROBUST);
	mtx_init(&mtx, mtx_timed);
	cnd_init(&cnd);
	pthread_spin_init(&spin, 0);
	sem_init(&sem, 0, 0);
	snprintf(name, sizeof(name), "/lariat-test-%d", getpid());
	named = sem_open(name, O_CREAT | O_EXCL, 0600, 0);
	check(named != SEM_FAILED && !sem_unlink(name));
	pthread_barrier_init(&barrier, NULL, 2);
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		family_run(&families[i]);
	fflush(stdout);
	expect_add("locks.totals.posts", 4);
	expect_add("locks.totals.signals_in_vain", 0);
	expect_add("locks.totals.timeouts", 0);
	expect_add("threads.unjoined", 0);
	expect_add("locks.totals.condition_timeouts", 0);
	expect_add("locks.totals.errors", 0);
	expect_print();
	return wrong ? 1 : 0;
}
