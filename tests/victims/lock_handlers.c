/* SPDX-License-Identifier: MIT */
/*
 * Mutexes of each kind, taken again and again while a signal's handler, which comes at any moment,
 * takes others: many of them, so that what is known of locks changes under way. Prints how often
 * the program's own were taken, by kind, and the handler's in all. With an argument there has never
 * been a second thread.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

#define TURNS	  100000
#define INTERRUPT 100 /* handlers at least */
#define MANY	  100

static pthread_mutex_t own[3], others[MANY];
static volatile long taken, handlers;

static void handler(int number)
{
	(void)number;
	handlers++;
	for (int i = 0; i < 10; i++) {
		pthread_mutex_t *m = &others[(handlers * 10 + i) % MANY];

		pthread_mutex_lock(m);
		pthread_mutex_unlock(m);
		taken++;
	}
}

static void make(pthread_mutex_t *m, int kind)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, kind);
	pthread_mutex_init(m, &attr);
}

static void *idle(void *arg)
{
	return arg;
}

/* One kind: again until enough handlers have come, and a lock inside another. */
static long turns(pthread_mutex_t *m, pthread_mutex_t *inside)
{
	long n = 0, until = handlers + INTERRUPT;

	while (n < TURNS || handlers < until) {
		pthread_mutex_lock(m);
		if (n % 4 == 0) {
			pthread_mutex_lock(inside);
			pthread_mutex_unlock(inside);
		}
		pthread_mutex_unlock(m);
		n++;
	}
	return n;
}

int main(int argc, char **argv)
{
	static const int kind[] = { PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE,
				    PTHREAD_MUTEX_ERRORCHECK };
	static pthread_mutex_t inside;
	struct itimerval every = { { 0, 300 }, { 0, 300 } }, never = { { 0, 0 }, { 0, 0 } };
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };
	long n[3], inner = 0;
	pthread_t thread;

	(void)argv;
	/* libc takes another way when there has been a second thread */
	if (argc < 2 && (pthread_create(&thread, NULL, idle, NULL) || pthread_join(thread, NULL)))
		return 1;
	for (int i = 0; i < 3; i++)
		make(&own[i], kind[i]);
	make(&inside, PTHREAD_MUTEX_NORMAL);
	for (int i = 0; i < MANY; i++)
		make(&others[i], PTHREAD_MUTEX_NORMAL);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	for (int i = 0; i < 3; i++) {
		n[i] = turns(&own[i], &inside);
		inner += (n[i] + 3) / 4;
	}
	setitimer(ITIMER_REAL, &never, NULL);
	for (int i = 0; i < 3; i++)
		printf("%p %ld\n", (void *)&own[i], n[i]);
	printf("%p %ld\nothers %ld\n", (void *)&inside, inner, taken);
	return 0;
}
