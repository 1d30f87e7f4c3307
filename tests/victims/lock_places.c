/* SPDX-License-Identifier: MIT */
/*
 * One thread takes a mutex from 40 places, in turn, each a number of times of its own; another
 * thread waits for it once, while it is held from one of the last of them. Then it takes another
 * mutex from as many, more than are told apart. Last, a mutex that is destroyed and made anew is
 * taken from all of them again. One line of JSON for each place. With "wrap", allocations that fill
 * a ring follow.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "asleep.h"
#include "churn.h"
#include "expect.h"

#define PLACES 40

static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER, two = PTHREAD_MUTEX_INITIALIZER;
static volatile int waiter_tid, held;

static void *waits(void *arg)
{
	waiter_tid = (int)syscall(SYS_gettid);
	while (!held)
		;
	pthread_mutex_lock(&one);
	pthread_mutex_unlock(&one);
	return arg;
}

static void __attribute__((noinline)) let_wait(void)
{
	held = 1;
	while (!waiter_tid || !asleep(waiter_tid))
		usleep(200);
}

/* Each its own function, so that its site has its name. */
#define PLACE(n)                                                                                   \
	static void __attribute__((noinline)) place_##n(pthread_mutex_t *m, int wait)              \
	{                                                                                          \
		pthread_mutex_lock(m);                                                             \
		if (wait)                                                                          \
			let_wait();                                                                \
		pthread_mutex_unlock(m);                                                           \
	}
#define TEN(x, d) x(d##0) x(d##1) x(d##2) x(d##3) x(d##4) x(d##5) x(d##6) x(d##7) x(d##8) x(d##9)
#define ALL(x)	  TEN(x, 1) TEN(x, 2) TEN(x, 3) TEN(x, 4)
ALL(PLACE)

#define ENTRY(n) { place_##n, "place_" #n },
static const struct place {
	void (*function)(pthread_mutex_t *m, int wait);
	const char *name;
} place[PLACES] = { ALL(ENTRY) };

int main(int argc, char **argv)
{
	pthread_t thread;
	pthread_mutex_t again;
	int taken[PLACES] = { 0 };

	for (int round = 0; round < 10 + PLACES; round++)
		for (int i = 0; i < PLACES; i++)
			if (round < 10 + i) {
				bool wait = i == PLACES - 3 && round == 30;

				if (wait)
					pthread_create(&thread, NULL, waits, NULL);
				place[i].function(&one, wait);
				if (wait)
					pthread_join(thread, NULL);
				taken[i]++;
			}
	for (int i = 0; i < PLACES; i++)
		printf("{\"function\":\"%s\",\"acquisitions\":%d}\n", place[i].name, taken[i]);

	for (int i = 0; i < 200 * PLACES; i++)
		place[i % PLACES].function(&two, 0);
	for (int life = 0; life < 5; life++) {
		pthread_mutex_init(&again, NULL);
		for (int i = 0; i < 2 * PLACES; i++)
			place[i % PLACES].function(&again, 0);
		pthread_mutex_destroy(&again);
	}
	if (argc > 1 && !strcmp(argv[1], "wrap"))
		churn(600000);
	expect_add("locks.totals.acquisitions", 0);
	for (int i = 0; i < PLACES; i++)
		expect_add("locks.totals.acquisitions", 10 + i);
	expect_add("locks.totals.acquisitions", 1 + 200 * PLACES + 5 * 2 * PLACES);
	expect_add("locks.totals.contended", 1);
	expect_add("locks.lock_count", 2 + 5);
	fflush(stdout);
	expect_print();
	return 0;
}
