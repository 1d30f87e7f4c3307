/* SPDX-License-Identifier: MIT */
/*
 * Rounds of work whose sums are known, one for each byte on standard input; after each it says
 * "ready" and is idle. In a round each of THREADS threads allocates CHURN blocks of 40 bytes and
 * frees them, leaves LEAVE blocks of 100 bytes in keep_some(), writes CHURN / 10 times 7 bytes to
 * /dev/null and takes one lock CHURN / 10 times.
 *
 *	top_work THREADS CHURN LEAVE
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static long churn, leave;
static pthread_barrier_t start, done;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int null;

__attribute__((noinline)) static void keep_some(void)
{
	for (long i = 0; i < leave; i++)
		*(void *volatile *)malloc(100) = NULL;
}

static void work(void)
{
	void *p[16] = { NULL };

	for (long i = 0; i < churn; i++) {
		free(p[i % 16]);
		p[i % 16] = malloc(40);
		if (i % 10)
			continue;
		pthread_mutex_lock(&lock);
		pthread_mutex_unlock(&lock);
		if (write(null, "seven..", 7) != 7)
			abort();
	}
	for (int i = 0; i < 16; i++)
		free(p[i]);
	keep_some();
}

static void *thread(void *arg)
{
	for (;;) {
		pthread_barrier_wait(&start);
		work();
		pthread_barrier_wait(&done);
	}
	return arg;
}

int main(int argc, char **argv)
{
	int threads = argc > 3 ? atoi(argv[1]) : 0;
	char byte;

	if (threads < 1)
		return 2;
	churn = atol(argv[2]);
	leave = atol(argv[3]);
	null = open("/dev/null", O_WRONLY);
	pthread_barrier_init(&start, NULL, (unsigned)threads + 1);
	pthread_barrier_init(&done, NULL, (unsigned)threads + 1);
	for (int i = 0; i < threads; i++) {
		pthread_t t;

		if (pthread_create(&t, NULL, thread, NULL))
			return 2;
	}
	for (;;) {
		if (write(1, "ready\n", 6) != 6)
			return 1;
		if (read(0, &byte, 1) != 1)
			return 3;
		pthread_barrier_wait(&start);
		pthread_barrier_wait(&done);
	}
}
