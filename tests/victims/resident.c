/* SPDX-License-Identifier: MIT */
/*
 * Resident memory that rises and falls while the heap is busy; with an argument a second thread
 * opens files meanwhile, and minds which descriptor it is given.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SIZE (128u << 20)

static void *volatile sink;
static atomic_bool over;
static int wrong;

static void churn(double seconds)
{
	struct timespec start, now;

	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		for (int i = 0; i < 1000; i++) {
			sink = malloc(40);
			free(sink);
		}
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9 <
		 seconds);
}

static void *open_files(void *unused)
{
	int first = open("/dev/null", O_RDONLY);

	close(first);
	while (!over) {
		int fd = open("/dev/null", O_RDONLY);

		wrong += fd != first;
		close(fd);
	}
	return unused;
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? 0.8 : 0.2;
	pthread_t other;
	char *p;

	(void)argv;
	if (argc > 1 && pthread_create(&other, NULL, open_files, NULL))
		return 2;
	churn(seconds);
	p = malloc(SIZE);
	if (!p)
		return 2;
	memset(p, 1, SIZE);
	sink = p;
	churn(seconds);
	free(p);
	churn(seconds);
	over = true;
	if (argc > 1)
		pthread_join(other, NULL);
	if (wrong)
		printf("%d times another descriptor\n", wrong);
	return wrong > 0;
}
