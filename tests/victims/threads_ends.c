/* SPDX-License-Identifier: MIT */
/*
 * Ends of threads: left by pthread_exit() and thrd_exit() with and without what they hold given
 * back, cancelled in each kind of wait that can be cancelled, detached by themselves and by others.
 * What a cancelled wait left behind is right if the locks taken and given back afterwards are. One
 * line of JSON for each kind: how long five of them took at least and at most.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#include "asleep.h"
#include "churn.h"
#include "expect.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_t sleeper;
static sem_t sem;
static int ends[2]; /* of a pipe */
static pid_t child;
static volatile int tid, ended, wrong;
static uint64_t began_ns, over_ns; /* of the wait that is cancelled, by the clock of its thread */

static void check(int right)
{
	wrong += !right;
}

static const struct timespec *late(void)
{
	static __thread struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += 1000;
	return &t;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void lock_again(void)
{
	pthread_mutex_lock(&mutex);
	pthread_mutex_unlock(&mutex);
	expect_add("locks.totals.acquisitions", 1);
}

/* Called by the end of a thread that waited for the condition: it has the mutex again. */
static void give_back(void *lock)
{
	over_ns = now_ns();
	check(!pthread_mutex_unlock(lock));
	lock_again();
}

static void clean(void *unused)
{
	(void)unused;
	over_ns = now_ns();
	lock_again();
}

#define CANCELLED(name, handler, argument, ...)                                                    \
	static void *__attribute__((noinline)) name(void *arg)                                     \
	{                                                                                          \
		(void)arg;                                                                         \
		pthread_cleanup_push(handler, argument);                                           \
		__atomic_store_n(&tid, (int)syscall(SYS_gettid), __ATOMIC_RELEASE);                \
		began_ns = now_ns();                                                               \
		__VA_ARGS__                                                                        \
		pthread_cleanup_pop(0);                                                            \
		return NULL;                                                                       \
	}

CANCELLED(in_cond_wait, give_back, &mutex, pthread_mutex_lock(&mutex);
	  pthread_cond_wait(&cond, &mutex);)
CANCELLED(in_cond_timedwait, give_back, &mutex, pthread_mutex_lock(&mutex);
	  pthread_cond_timedwait(&cond, &mutex, late());)
CANCELLED(in_cond_clockwait, give_back, &mutex, pthread_mutex_lock(&mutex);
	  pthread_cond_clockwait(&cond, &mutex, CLOCK_REALTIME, late());)
CANCELLED(in_sem_wait, clean, NULL, sem_wait(&sem);)
CANCELLED(in_sem_timedwait, clean, NULL, sem_timedwait(&sem, late());)
CANCELLED(in_sem_clockwait, clean, NULL, sem_clockwait(&sem, CLOCK_REALTIME, late());)
CANCELLED(in_pthread_join, clean, NULL, pthread_join(sleeper, NULL);)
CANCELLED(in_pause, clean, NULL, pause();)
CANCELLED(in_read, clean, NULL, char c; check(read(ends[0], &c, 1));)
CANCELLED(in_poll, clean, NULL, struct pollfd p = { .fd = ends[0], .events = POLLIN };
	  poll(&p, 1, -1);)
CANCELLED(in_nanosleep, clean, NULL, struct timespec t = { .tv_sec = 1000 }; nanosleep(&t, NULL);)
CANCELLED(in_waitpid, clean, NULL, waitpid(child, NULL, 0);)

static const struct cancellable {
	void *(*function)(void *);
	const char *name; /* of the function, or the call */
	const char *key;  /* where such a wait is counted; NULL: an event of the call */
	int condition;
} cancellable[] = {
#define CONDITION(name)                                                                            \
	{                                                                                          \
		name, #name, "locks.totals.condition_cancelled", 1                                 \
	}
#define SEMAPHORE(name)                                                                            \
	{                                                                                          \
		name, #name, "locks.totals.cancelled", 0                                           \
	}
	CONDITION(in_cond_wait),
	CONDITION(in_cond_timedwait),
	CONDITION(in_cond_clockwait),
	SEMAPHORE(in_sem_wait),
	SEMAPHORE(in_sem_timedwait),
	SEMAPHORE(in_sem_clockwait),
#define CALL(name)                                                                                 \
	{                                                                                          \
		in_##name, #name                                                                   \
	}
	CALL(pthread_join),
	CALL(pause),
	CALL(read),
	CALL(poll),
	CALL(nanosleep),
	CALL(waitpid),
};

/* The wait was no shorter than from when it was seen asleep, and no longer than the thread says. */
static void cancel(const struct cancellable *c, uint64_t *least_ns, uint64_t *most_ns)
{
	pthread_t thread;
	uint64_t since;
	void *result;

	tid = 0;
	check(!pthread_create(&thread, NULL, c->function, NULL));
	while (!tid || !asleep(tid))
		usleep(500);
	since = now_ns();
	usleep(1000);
	*least_ns += now_ns() - since;
	check(!pthread_cancel(thread));
	check(!pthread_join(thread, &result) && result == PTHREAD_CANCELED);
	*most_ns += over_ns - began_ns;
	expect_add("threads.created", 1);
	expect_add("locks.totals.acquisitions", c->condition);
	if (!c->key)
		return;
	expect_add(c->key, 1);
	expect_add(c->condition ? "locks.totals.condition_waits" : "locks.totals.contended", 1);
}

static void *sleep_on(void *arg)
{
	(void)arg;
	pause();
	return NULL;
}

static void cancelled(void)
{
	check(!pthread_create(&sleeper, NULL, sleep_on, NULL));
	for (size_t n = 0; n < sizeof(cancellable) / sizeof(*cancellable); n++) {
		uint64_t least_ns = 0, most_ns = 0;

		for (int i = 0; i < 5; i++)
			cancel(&cancellable[n], &least_ns, &most_ns);
		printf("{\"function\":\"%s\",\"least_ns\":%llu,\"most_ns\":%llu}\n",
		       cancellable[n].name, (unsigned long long)least_ns,
		       (unsigned long long)most_ns);
	}
	fflush(stdout);
	check(!pthread_cancel(sleeper) && !pthread_join(sleeper, NULL));
	expect_add("threads.created", 1);
	expect_add("locks.totals.unowned_unlocks", 0);
	expect_add("locks.totals.errors", 0);
}

static sigjmp_buf away;

static void jump(int signal)
{
	(void)signal;
	siglongjmp(away, 1);
}

/* Leaves a wait by a jump, and is cancelled where it would not wait: that is no cancelled wait. */
static void *jumps(void *arg)
{
	if (!sigsetjmp(away, 1)) {
		__atomic_store_n(&tid, (int)syscall(SYS_gettid), __ATOMIC_RELEASE);
		sem_wait(&sem);
	}
	/* libc has made it asynchronous for the wait */
	pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, NULL);
	sem_post(&sem);
	pthread_cancel(pthread_self());
	sem_wait(&sem);
	return arg;
}

static void left_by_jump(void)
{
	pthread_t thread;
	void *result;

	tid = 0;
	signal(SIGUSR1, jump);
	check(!pthread_create(&thread, NULL, jumps, NULL));
	while (!tid || !asleep(tid))
		usleep(500);
	check(!pthread_kill(thread, SIGUSR1));
	check(!pthread_join(thread, &result) && result == PTHREAD_CANCELED);
	check(!sem_trywait(&sem));
	expect_add("threads.created", 1);
	expect_add("locks.totals.acquisitions", 1);
}

static void __attribute__((noinline)) deeper(int n)
{
	if (n > 20)
		pthread_exit(&mutex);
	if (n >= 0)
		deeper(n + 1);
	__asm__ volatile("");
}

static void *leaves(void *arg)
{
	lock_again();
	deeper(arg ? 0 : 20);
	return NULL;
}

static int c11_leaves(void *arg)
{
	lock_again();
	if (arg)
		thrd_exit(9);
	return 9;
}

static int detached_c11(void *arg)
{
	(void)arg;
	__atomic_fetch_add(&ended, 1, __ATOMIC_RELEASE);
	return 0;
}

static void *detaches_itself(void *arg)
{
	check(!pthread_detach(pthread_self()));
	__atomic_fetch_add(&ended, 1, __ATOMIC_RELEASE);
	return arg;
}

static void left(void)
{
	pthread_t thread;
	thrd_t c11;
	void *value;
	int nine;

	for (long i = 0; i < 8; i++) {
		check(!pthread_create(&thread, NULL, leaves, (void *)(i & 1)));
		check(!pthread_join(thread, &value) && value == &mutex);
		check(thrd_create(&c11, c11_leaves, (void *)(i & 1)) == thrd_success);
		check(thrd_join(c11, &nine) == thrd_success && nine == 9);
		check(thrd_create(&c11, detached_c11, NULL) == thrd_success);
		check(thrd_detach(c11) == thrd_success);
		check(!pthread_create(&thread, NULL, detaches_itself, NULL));
	}
	while (__atomic_load_n(&ended, __ATOMIC_ACQUIRE) < 16)
		usleep(500);
	expect_add("threads.created", 32);
}

int main(int argc, char **argv)
{
	sem_init(&sem, 0, 0);
	check(!pipe(ends));
	child = fork();
	if (!child) {
		pause();
		_exit(0);
	}
	cancelled();
	left_by_jump();
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	left();
	if (argc > 1 && !strcmp(argv[1], "wrap"))
		churn(600000);
	expect_add("threads.unjoined", 0);
	expect_print();
	return wrong ? 1 : 0;
}
