/* SPDX-License-Identifier: MIT */
/*
 * Waits of known length for a lock that is held at a known place: `slow` holds it for 20 ms and
 * `quick` for 5 ms while another thread is seen asleep for it, in turns.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "asleep.h"

#include "churn.h"

#define ROUNDS 10

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static volatile int waiter_tid, turn, turns_over;

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

/* A semaphore as a lock: after its first time the thread is known to give it back itself. */
static sem_t binary;

static void *sem_waiter(void *arg)
{
	(void)arg;
	waiter_tid = (int)syscall(SYS_gettid);
	sem_wait(&binary);
	sem_post(&binary);
	return NULL;
}

static void __attribute__((noinline)) hold_semaphore(void (*wait)(void))
{
	sem_wait(&binary);
	if (wait)
		wait();
	sem_post(&binary);
	__asm__ volatile("");
}

static pthread_t sem_thread;

static void let_sem_wait(void)
{
	pthread_create(&sem_thread, NULL, sem_waiter, NULL);
	let_wait(20);
}

static void semaphore(void)
{
	sem_init(&binary, 0, 1);
	waiter_tid = 0;
	hold_semaphore(NULL);
	hold_semaphore(let_sem_wait);
	pthread_join(sem_thread, NULL);
}

int main(int argc, char **argv)
{
	pthread_t thread;

	if (argc > 1 && !strcmp(argv[1], "semaphore")) {
		semaphore();
		return 0;
	}

	pthread_create(&thread, NULL, waiter, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		slow();
		quick();
	}
	pthread_join(thread, NULL);
	if (argc > 1 && !strcmp(argv[1], "wrap"))
		churn(600000);
	return 0;
}
