/* SPDX-License-Identifier: MIT */
/*
 * How much memory a process takes that allocates from many threads with many stacks:
 * memory_use THREADS CALLS LIVE CODES [NAMES]. It asks about so many files, and each thread makes
 * CALLS allocations from below random paths, 4 to 60 frames deep, through CODES different places
 * per frame, and keeps the last LIVE of them. While all threads are still there, the last line says
 * what the kernel counts, in KiB: anonymous memory, pages of files but for those of traces, and
 * pages of traces.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static long calls, live, codes;
static pthread_barrier_t done, seen;

static uint64_t next(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x >> 11;
}

static void *descend(unsigned depth, uint64_t *x);

/* Sixteen places that call from. */
static __attribute__((noinline)) void *descend_from(unsigned place, unsigned depth, uint64_t *x)
{
	void *p;

	switch (place) {
#define PLACE(n)                                                                                   \
	case n:                                                                                    \
		p = descend(depth - 1, x);                                                         \
		__asm__ volatile("nop # " #n ::: "memory");                                        \
		return p;
		PLACE(0)
		PLACE(1)
		PLACE(2)
		PLACE(3)
		PLACE(4)
		PLACE(5)
		PLACE(6)
		PLACE(7)
		PLACE(8)
		PLACE(9)
		PLACE(10)
		PLACE(11)
		PLACE(12)
		PLACE(13)
		PLACE(14)
	default:
		p = descend(depth - 1, x);
		__asm__ volatile("nop # 15" ::: "memory");
		return p;
	}
}

static __attribute__((noinline)) void *descend(unsigned depth, uint64_t *x)
{
	void *p;

	if (depth < 2) {
		p = malloc(8 + next(x) % 200);
		__asm__ volatile("" ::: "memory");
		return p;
	}
	p = descend_from((unsigned)(next(x) % (uint64_t)codes), depth - 1, x);
	__asm__ volatile("" ::: "memory");
	return p;
}

static void *work(void *arg)
{
	uint64_t x = 88172645463325252ull + (uintptr_t)arg * 977;
	void **kept = calloc((size_t)live, sizeof(*kept));

	for (long i = 0; i < calls; i++) {
		void **at = &kept[i % live];

		free(*at);
		*at = descend(4 + (unsigned)(next(&x) % 57), &x);
	}
	pthread_barrier_wait(&done);
	pthread_barrier_wait(&seen);
	for (long i = 0; i < live; i++)
		free(kept[i]);
	free(kept);
	return NULL;
}

static void state(void)
{
	long anonymous = 0, file = 0, trace = 0, part, of_name = 0;
	FILE *in = fopen("/proc/self/smaps", "r");
	char line[4096];

	while (in && fgets(line, sizeof(line), in)) {
		if (strchr(line, '-') && strchr(line, '-') < strchr(line, ' '))
			of_name = strstr(line, ".lariat\n") ? 2 : strchr(line, '/') ? 1 : 0;
		if (sscanf(line, "Rss: %ld", &part) == 1) {
			if (of_name == 2)
				trace += part;
			else
				file += part;
		}
		if (sscanf(line, "Anonymous: %ld", &part) == 1) {
			anonymous += part;
			file -= of_name == 2 ? 0 : part;
		}
	}
	if (in)
		fclose(in);
	printf("%ld %ld %ld\n", anonymous, file, trace);
}

static void ask(long names)
{
	char name[100];

	for (long i = 0; i < names; i++) {
		snprintf(name, sizeof(name), "/nowhere/a/folder/%ld/with/a/file%ld", i * 7, i);
		if (!access(name, F_OK))
			abort();
	}
}

int main(int argc, char **argv)
{
	long threads = argc > 1 ? atol(argv[1]) : 1;
	pthread_t thread[256];

	calls = argc > 2 ? atol(argv[2]) : 100000;
	live = argc > 3 ? atol(argv[3]) : 100;
	codes = argc > 4 ? atol(argv[4]) : 16;
	if (threads < 1 || threads > 256 || live < 1 || codes < 1)
		return 2;
	ask(argc > 5 ? atol(argv[5]) : 0);
	pthread_barrier_init(&done, NULL, (unsigned)threads + 1);
	pthread_barrier_init(&seen, NULL, (unsigned)threads + 1);
	for (long i = 0; i < threads; i++)
		if (pthread_create(&thread[i], NULL, work, (void *)i))
			return 1;
	pthread_barrier_wait(&done);
	state();
	pthread_barrier_wait(&seen);
	for (long i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	return 0;
}
