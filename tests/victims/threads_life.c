/* SPDX-License-Identifier: MIT */
/*
 * Creates, joins and detaches threads in every way, a known number of each, and leaves some that
 * nobody joined.
 */
#include <errno.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "expect.h"

static pthread_barrier_t together;
static volatile int finished;

static void *quick(void *arg)
{
	__atomic_fetch_add(&finished, 1, __ATOMIC_RELEASE);
	return arg;
}

static void *meet(void *arg)
{
	pthread_barrier_wait(&together);
	return arg;
}

static void *leave(void *arg)
{
	pthread_exit(arg);
}

static pthread_t start(void *(*run)(void *), const pthread_attr_t *attr)
{
	pthread_t thread;

	if (pthread_create(&thread, attr, run, (void *)7))
		return 0;
	expect_add("threads.created", 1);
	return thread;
}

static int joined(int result)
{
	return result == 0;
}

static int joins(void)
{
	struct timespec late = { 4000000000, 0 }, past = { 0, 0 };
	void *value = NULL;
	int right = 0;
	pthread_t t;

	right += joined(pthread_join(start(quick, NULL), &value)) && value == (void *)7;
	right += joined(pthread_join(start(leave, NULL), &value)) && value == (void *)7;
	right += joined(pthread_timedjoin_np(start(quick, NULL), &value, &late));
	right += joined(pthread_clockjoin_np(start(quick, NULL), NULL, CLOCK_MONOTONIC, &late));
	t = start(quick, NULL);
	while (pthread_tryjoin_np(t, NULL) == EBUSY)
		usleep(1000);
	right++;
	pthread_barrier_init(&together, NULL, 2);
	t = start(meet, NULL);
	right += pthread_tryjoin_np(t, NULL) == EBUSY;
	right += pthread_timedjoin_np(t, NULL, &past) == ETIMEDOUT;
	pthread_setname_np(t, "a-named-thread");
	pthread_barrier_wait(&together);
	right += joined(pthread_join(t, NULL));
	pthread_barrier_destroy(&together);
	right += pthread_join(pthread_self(), NULL) == EDEADLK;
	return right;
}

int main(void)
{
	pthread_t many[16];
	pthread_attr_t attr;
	int right = joins();

	pthread_barrier_init(&together, NULL, 17);
	for (int i = 0; i < 16; i++)
		many[i] = start(meet, NULL);
	pthread_barrier_wait(&together);
	for (int i = 0; i < 16; i++)
		right += joined(pthread_join(many[i], NULL));

	finished = 0;
	for (int i = 0; i < 3; i++)
		right += pthread_detach(start(quick, NULL)) == 0;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	for (int i = 0; i < 2; i++)
		start(quick, &attr);
	for (int i = 0; i < 4; i++)
		start(quick, NULL);
	expect_add("threads.unjoined", 4);
	while (__atomic_load_n(&finished, __ATOMIC_ACQUIRE) < 9)
		usleep(1000);
	/* cannot be started: no memory for such a stack */
	pthread_attr_setstacksize(&attr, (size_t)1 << 46);
	right += pthread_create(&many[0], &attr, quick, NULL) == EAGAIN;
	expect_print();
	return right == 29 ? 0 : right + 100;
}
