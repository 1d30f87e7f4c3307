/* SPDX-License-Identifier: MIT */
/*
 * Threads at work: a pool that waits for work, many that live for a moment, one with a deep stack,
 * one that names itself; and what a program should not do with locks.
 */
#include <pthread.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "expect.h"

#define POOL  3
#define BRIEF 200
#define DEEP  (1u << 20)

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER, other = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int over;

static void *worker(void *arg)
{
	pthread_mutex_lock(&mutex);
	while (!over)
		pthread_cond_wait(&cond, &mutex);
	pthread_mutex_unlock(&mutex);
	return arg;
}

static void *moment(void *arg)
{
	return arg;
}

static void *deep(void *arg)
{
	volatile char room[DEEP];

	prctl(PR_SET_NAME, "deep-one");
	for (unsigned i = 0; i < sizeof(room); i += 512)
		room[i] = 1;
	return arg;
}

static void *unlocker(void *arg)
{
	for (int i = 0; i < 2000; i++)
		if (!pthread_mutex_trylock(&other))
			return NULL;
	pthread_mutex_unlock(&other); /* the main thread's */
	return arg;
}

static void one(void *(*function)(void *))
{
	pthread_t thread;

	pthread_create(&thread, NULL, function, NULL);
	pthread_join(thread, NULL);
}

static void pool(void)
{
	pthread_t thread[POOL];

	for (int i = 0; i < POOL; i++)
		pthread_create(&thread[i], NULL, worker, NULL);
	usleep(50000);
	pthread_mutex_lock(&mutex);
	over = 1;
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&mutex);
	for (int i = 0; i < POOL; i++)
		pthread_join(thread[i], NULL);
}

static void brief(void)
{
	pthread_t thread;

	for (int i = 0; i < BRIEF; i++) {
		pthread_create(&thread, NULL, moment, NULL);
		pthread_join(thread, NULL);
	}
}

static void holding_fork(void)
{
	pid_t pid;

	pthread_mutex_lock(&mutex);
	pid = fork();
	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
	pthread_mutex_unlock(&mutex);
}

int main(void)
{
	pool();
	brief();
	one(deep);
	holding_fork();
	pthread_mutex_lock(&other);
	one(unlocker);
	expect_add("threads.created", POOL + BRIEF + 2);
	expect_add("threads.unjoined", 0);
	expect_add("locks.totals.unowned_unlocks", 1);
	expect_add("locks.totals.failed_try", 2000);
	expect_print();
	return 0;
}
