/* SPDX-License-Identifier: MIT */
/*
 * A thread that waits for a condition and one that waits for a lock until the process ends, a tenth
 * of a second later; with `wrap`, after so many events that those of before are given up. With
 * `futex`, one thread that waits for a futex three times, and no lock.
 */
#include <linux/futex.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "churn.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER, held = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static volatile int at_work;

static void *wait_for_work(void *arg)
{
	pthread_mutex_lock(&lock);
	at_work++;
	while (!arg)
		pthread_cond_wait(&never, &lock);
	return NULL;
}

static void *wait_for_lock(void *arg)
{
	at_work++;
	pthread_mutex_lock(&held);
	return arg;
}

/* What locks are made of that are not the C library's. */
static void futexes(void)
{
	struct timespec moment = { 0, 5000000 };
	static int word;

	for (int i = 0; i < 3; i++)
		syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &moment, NULL, 0);
}

int main(int argc, char **argv)
{
	pthread_t thread;

	if (argc > 1 && !strcmp(argv[1], "futex")) {
		futexes();
		return 0;
	}

	pthread_mutex_lock(&held);
	pthread_create(&thread, NULL, wait_for_work, NULL);
	while (at_work < 1)
		usleep(100);
	/* it has gone to wait when the lock is free again */
	pthread_mutex_lock(&lock);
	pthread_mutex_unlock(&lock);
	pthread_create(&thread, NULL, wait_for_lock, NULL);
	while (at_work < 2)
		usleep(100);
	usleep(50000);
	if (argc > 1 && !strcmp(argv[1], "wrap"))
		churn(600000);
	usleep(100000);
	_exit(0);
}
