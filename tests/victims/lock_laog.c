/* SPDX-License-Identifier: MIT */
/*
 * Orders of locks, each shape in a process of its own, whose pid is printed: those that helgrind's
 * own test programs have (two locks in both orders, dining philosophers, locks that are destroyed
 * and made anew) and the cases in which an order is none or can do no harm. Threads run one after
 * the other: nothing here ever waits.
 */
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define PHILOSOPHERS 5

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER, b = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER, recursive;
static pthread_mutex_t fork_of[PHILOSOPHERS];
static pthread_rwlock_t x = PTHREAD_RWLOCK_INITIALIZER, y = PTHREAD_RWLOCK_INITIALIZER;

#define THREAD(name, ...)                                                                          \
	static void *name(void *arg)                                                               \
	{                                                                                          \
		(void)arg;                                                                         \
		__VA_ARGS__                                                                        \
		return NULL;                                                                       \
	}

#define LOCK(m)	   pthread_mutex_lock(m)
#define UNLOCK(m)  pthread_mutex_unlock(m)
#define BOTH(m, n) (LOCK(m), LOCK(n), UNLOCK(n), UNLOCK(m))

THREAD(a_b, BOTH(&a, &b);)
THREAD(b_a, BOTH(&b, &a);)
THREAD(both_orders, BOTH(&a, &b); BOTH(&b, &a);)
THREAD(gated_a_b, LOCK(&gate); BOTH(&a, &b); UNLOCK(&gate);)
THREAD(gated_b_a, LOCK(&gate); BOTH(&b, &a); UNLOCK(&gate);)
THREAD(half_gated_b_a, LOCK(&gate); LOCK(&b); UNLOCK(&gate); LOCK(&a); UNLOCK(&a); UNLOCK(&b);)
THREAD(a_try_b, LOCK(&a); if (!pthread_mutex_trylock(&b)) UNLOCK(&b); UNLOCK(&a);)
THREAD(try_a_b, if (!pthread_mutex_trylock(&a)) LOCK(&b), UNLOCK(&b), UNLOCK(&a);)
THREAD(again, LOCK(&recursive); BOTH(&a, &recursive); UNLOCK(&recursive);)
THREAD(eats, long n = (long)arg; BOTH(&fork_of[n], &fork_of[(n + 1) % PHILOSOPHERS]);)
THREAD(rx_ry, pthread_rwlock_rdlock(&x); pthread_rwlock_rdlock(&y); pthread_rwlock_unlock(&y);
       pthread_rwlock_unlock(&x);)
THREAD(ry_rx, pthread_rwlock_rdlock(&y); pthread_rwlock_rdlock(&x); pthread_rwlock_unlock(&x);
       pthread_rwlock_unlock(&y);)
THREAD(wx_wy, pthread_rwlock_wrlock(&x); pthread_rwlock_unlock(&x); pthread_rwlock_wrlock(&y);
       pthread_rwlock_unlock(&y);)
THREAD(wx_a, pthread_rwlock_wrlock(&x); BOTH(&a, &b); pthread_rwlock_unlock(&x);)
THREAD(a_rx, LOCK(&a); pthread_rwlock_rdlock(&x); pthread_rwlock_unlock(&x); UNLOCK(&a);)

static void in_thread(void *(*function)(void *), void *arg)
{
	pthread_t thread;

	pthread_create(&thread, NULL, function, arg);
	pthread_join(thread, NULL);
}

static void renew(void)
{
	pthread_mutex_destroy(&a);
	pthread_mutex_destroy(&b);
	pthread_mutex_init(&a, NULL);
	pthread_mutex_init(&b, NULL);
}

static void writers_first(void)
{
	pthread_rwlockattr_t attr;

	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&x, &attr);
	pthread_rwlock_init(&y, &attr);
}

static void philosophers(long n)
{
	for (long i = 0; i < n; i++)
		in_thread(eats, (void *)i);
}

#define SHAPE(name, ...)                                                                           \
	static void shape_##name(void)                                                             \
	{                                                                                          \
		__VA_ARGS__                                                                        \
	}

SHAPE(two_threads, in_thread(a_b, NULL); in_thread(b_a, NULL);)
SHAPE(one_thread, in_thread(both_orders, NULL);)
SHAPE(philosophers, philosophers(PHILOSOPHERS);)
SHAPE(philosophers_but_one, philosophers(PHILOSOPHERS - 1);)
SHAPE(renewed, in_thread(a_b, NULL); renew(); in_thread(b_a, NULL);)
SHAPE(renewed_again, in_thread(a_b, NULL); renew(); in_thread(b_a, NULL); in_thread(a_b, NULL);)
SHAPE(gated, in_thread(gated_a_b, NULL); in_thread(gated_b_a, NULL);)
SHAPE(half_gated, in_thread(gated_a_b, NULL); in_thread(half_gated_b_a, NULL);)
SHAPE(tried_inner, in_thread(a_try_b, NULL); in_thread(b_a, NULL);)
SHAPE(tried_outer, in_thread(try_a_b, NULL); in_thread(b_a, NULL);)
SHAPE(recursive, in_thread(again, NULL); in_thread(again, NULL);)
SHAPE(readers, in_thread(rx_ry, NULL); in_thread(ry_rx, NULL);)
SHAPE(readers_and_writers, in_thread(rx_ry, NULL); in_thread(ry_rx, NULL); in_thread(wx_wy, NULL);)
SHAPE(readers_behind_writers, writers_first(); in_thread(rx_ry, NULL); in_thread(ry_rx, NULL);
      in_thread(wx_wy, NULL);)
SHAPE(readers_nobody_writes, writers_first(); in_thread(rx_ry, NULL); in_thread(ry_rx, NULL);)
SHAPE(mixed, in_thread(wx_a, NULL); in_thread(a_rx, NULL);)

static const struct {
	const char *name;
	void (*run)(void);
} shapes[] = {
#define ROW(name)                                                                                  \
	{                                                                                          \
#name, shape_##name                                                                \
	}
	ROW(two_threads),
	ROW(one_thread),
	ROW(philosophers),
	ROW(philosophers_but_one),
	ROW(renewed),
	ROW(renewed_again),
	ROW(gated),
	ROW(half_gated),
	ROW(tried_inner),
	ROW(tried_outer),
	ROW(recursive),
	ROW(readers),
	ROW(readers_and_writers),
	ROW(readers_behind_writers),
	ROW(readers_nobody_writes),
	ROW(mixed),
};

int main(void)
{
	pthread_mutexattr_t attr;
	pid_t child;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&recursive, &attr);
	for (int i = 0; i < PHILOSOPHERS; i++)
		pthread_mutex_init(&fork_of[i], NULL);
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		child = fork();
		if (!child) {
			shapes[i].run();
			return 0;
		}
		waitpid(child, NULL, 0);
		printf("%s %d\n", shapes[i].name, child);
		fflush(stdout);
	}
	return 0;
}
