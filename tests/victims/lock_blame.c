/* SPDX-License-Identifier: MIT */
/*
 * Waits of known length for a lock that is held at a known place: `slow` holds it for 20 ms and
 * `quick` for 5 ms while another thread is seen asleep for it, in turns.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 10

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static volatile int waiter_tid, turn, turns_over;

static int asleep(int tid)
{
	char path[64], text[256], *state;
	int fd;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	fd = (int)syscall(SYS_openat, -100, path, 0);
	n = syscall(SYS_read, fd, text, sizeof(text) - 1);
	syscall(SYS_close, fd);
	text[n > 0 ? n : 0] = 0;
	state = strrchr(text, ')');
	return state && state[2] == 'S';
}

static void let_wait(int ms)
{
	struct timespec t = { 0, ms * 1000000 };

	turn++;
	while (!waiter_tid || !asleep(waiter_tid))
		;
	clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
}

/* The waiter has had it. */
static void until_over(void)
{
	while (turns_over < turn)
		;
}

static void __attribute__((noinline)) slow(void)
{
	pthread_mutex_lock(&mutex);
	let_wait(20);
	pthread_mutex_unlock(&mutex);
	until_over();
}

static void __attribute__((noinline)) quick(void)
{
	pthread_mutex_lock(&mutex);
	let_wait(5);
	pthread_mutex_unlock(&mutex);
	until_over();
}

static void __attribute__((noinline)) wait_for_it(void)
{
	pthread_mutex_lock(&mutex);
	pthread_mutex_unlock(&mutex);
	__asm__ volatile("");
}

static void *waiter(void *arg)
{
	(void)arg;
	waiter_tid = (int)syscall(SYS_gettid);
	for (int i = 0; i < 2 * ROUNDS; i++) {
		while (turn <= i)
			;
		wait_for_it();
		turns_over++;
	}
	return NULL;
}

int main(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, waiter, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		slow();
		quick();
	}
	pthread_join(thread, NULL);
	return 0;
}
