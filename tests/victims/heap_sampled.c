/* SPDX-License-Identifier: MIT */
/*
 * Known numbers of allocations of known sizes, each function one site. Prints for each: function,
 * blocks, bytes of a block, blocks never freed; tests/test_sampling.sh compares.
 *	heap_sampled [write N]	N writes before and N after the allocations
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SITE	__attribute__((noipa))

#define THREADS 300

static void *volatile sink;

SITE static void *small(size_t size)
{
	return sink = malloc(size);
}

SITE static void *medium(size_t size)
{
	return sink = malloc(size);
}

SITE static void *large(size_t size)
{
	return sink = malloc(size);
}

SITE static void *small_lost(size_t size)
{
	return sink = malloc(size);
}

SITE static void *medium_lost(size_t size)
{
	return sink = calloc(1, size);
}

SITE static void *before_growth(size_t size)
{
	return sink = malloc(size);
}

SITE static void *grown(void *p, size_t size)
{
	return sink = realloc(p, size);
}

/* The first and only allocation of a thread is as likely to be recorded as any other. */
SITE static void *in_thread(void *arg)
{
	sink = malloc(100);
	free(sink);
	return arg;
}

SITE static void *none(size_t size)
{
	return sink = malloc(size);
}

static void many(const char *name, void *(*site)(size_t), int blocks, size_t size, int left)
{
	for (int i = 0; i < blocks; i++) {
		void *p = site(size);

		if (i >= left)
			free(p);
	}
	fprintf(stderr, "%s %d %zu %d\n", name, blocks, size, left);
}

/* Writes of nothing much, so many. */
static int writes(long n)
{
	int fd = open("/dev/null", O_WRONLY);

	while (n-- > 0)
		if (write(fd, "x", 1) != 1)
			return 1;
	return close(fd);
}

int main(int argc, char **argv)
{
	if (argc > 2 && writes(atol(argv[2])))
		return 1;
	many("small", small, 200000, 100, 0);
	many("medium", medium, 20000, 10240, 0);
	many("large", large, 100, 10 << 20, 0);
	many("small_lost", small_lost, 40000, 100, 30000);
	many("medium_lost", medium_lost, 1000, 10240, 500);
	many("none", none, 1000, 0, 0);
	for (int i = 0; i < 500; i++)
		free(grown(before_growth(65536), 131072));
	fprintf(stderr, "before_growth 500 65536 0\ngrown 500 131072 0\n");
	for (int i = 0; i < THREADS; i++) {
		pthread_t t;

		if (pthread_create(&t, NULL, in_thread, NULL))
			return 1;
		pthread_join(t, NULL);
	}
	fprintf(stderr, "in_thread %d 100 0\n", THREADS);
	if (argc > 2 && writes(atol(argv[2])))
		return 1;
	return 0;
}
