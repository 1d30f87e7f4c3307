/* SPDX-License-Identifier: MIT */
/*
 * Two threads that work: each in two functions, by the kernel's count of its CPU time in the
 * proportion of three to one; then one waits for a lock that the other holds in its sleep. Prints
 * the CPU time of the two functions of both together, and the least times of waits, in ns.
 *
 *	cpu_work [ROUNDS [ALLOCATIONS]]	in each thread; allocations after each piece of work
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define STEP 15000000 /* ns */
#define NAP  150000   /* us */

static volatile unsigned long sink;
static void *volatile last;
static long long spent[2];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t together;
static int rounds = 20, events;

static long long cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

__attribute__((noinline)) void three_parts(long n)
{
	for (long i = 0; i < n; i++)
		sink += (unsigned long)i;
}

__attribute__((noinline)) void one_part(long n)
{
	for (long i = 0; i < n; i++)
		sink ^= (unsigned long)i;
}

/* For that long, in pieces so long that asking for the time does not count. */
static void work(void (*function)(long), long long ns, long long *sum)
{
	long long done = 0;

	while (done < ns) {
		long long start = cpu_ns();

		function(400000);
		done += cpu_ns() - start;
		for (int i = 0; i < events; i++)
			free(last = malloc((size_t)i));
	}
	*sum += done;
}

static void *worker(void *holds)
{
	long long done[2] = { 0, 0 };

	for (int i = 0; i < rounds; i++) {
		work(three_parts, 3 * STEP, &done[0]);
		/* as much as there has been of the other: pieces are not of one length */
		work(one_part, done[0] / 3 - done[1], &done[1]);
	}
	__atomic_fetch_add(&spent[0], done[0], __ATOMIC_RELAXED);
	__atomic_fetch_add(&spent[1], done[1], __ATOMIC_RELAXED);
	if (holds)
		pthread_mutex_lock(&lock);
	pthread_barrier_wait(&together);
	if (holds)
		usleep(NAP);
	else
		pthread_mutex_lock(&lock);
	pthread_mutex_unlock(&lock);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread[2];

	if (argc > 1)
		rounds = atoi(argv[1]);
	if (argc > 2)
		events = atoi(argv[2]);

	pthread_barrier_init(&together, NULL, 2);
	pthread_create(&thread[0], NULL, worker, NULL);
	pthread_create(&thread[1], NULL, worker, &lock);
	pthread_join(thread[0], NULL);
	pthread_join(thread[1], NULL);
	printf("{\"three\": %lld, \"one\": %lld, \"nap\": %lld}\n", spent[0], spent[1],
	       NAP * 1000ll);
	return 0;
}
