/* SPDX-License-Identifier: MIT */
/*
 * A program whose report is known site by site; tests/test_report.sh has the figures. Each function
 * is one site. With an argument N it then makes N more temporary allocations in busy().
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SITE __attribute__((noipa))

static void *volatile sink;

/* Keeps the call from being the last thing a function does: a tail call has no frame. */
#define KEEP(p) (sink = (p))

SITE static void temporary(void)
{
	for (int i = 0; i < 1000; i++) {
		void *p = KEEP(malloc(64));

		free(p);
	}
}

SITE static void *held(size_t size)
{
	void *p = malloc(size);

	return KEEP(p);
}

SITE static void leaked(void)
{
	for (int i = 0; i < 7; i++)
		KEEP(malloc(24));
}

SITE static void *xmalloc(size_t size)
{
	void *p = malloc(size);

	return KEEP(p);
}

SITE static void wrapped(void)
{
	void *p = xmalloc(500);

	free(p);
	KEEP(NULL);
}

SITE static void grown(void)
{
	char *p = NULL;

	for (int i = 1; i <= 8; i++)
		p = KEEP(realloc(p, (size_t)i * 100));
	free(p);
}

SITE static void writes(int fd)
{
	char block[100] = { 0 };

	for (int i = 0; i < 10; i++)
		if (write(fd, block, sizeof(block)) != sizeof(block))
			abort();
	fsync(fd);
}

SITE static void reads(int fd)
{
	char block[400];

	/* 400, 400, a short 200, nothing */
	for (int i = 0; i < 4; i++)
		if (read(fd, block, sizeof(block)) < 0)
			abort();
}

SITE static void missing(void)
{
	if (open("/nowhere/at/all", O_RDONLY) != -1)
		abort();
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

SITE static void locked(void)
{
	for (int i = 0; i < 50; i++) {
		pthread_mutex_lock(&mutex);
		pthread_mutex_unlock(&mutex);
	}
}

static void *worker(void *arg)
{
	pthread_setname_np(pthread_self(), "worker");
	locked();
	free(held(3000));
	return arg;
}

SITE static void busy(int n)
{
	for (int i = 0; i < n; i++) {
		void *p = KEEP(malloc((size_t)(i % 1000)));

		free(p);
	}
}

int main(int argc, char **argv)
{
	void *block[100];
	pthread_t thread;
	int fd = open("report-sites.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600);

	temporary();
	for (int i = 0; i < 100; i++)
		block[i] = held(10000);
	leaked();
	for (int i = 0; i < 100; i++)
		free(block[i]);
	wrapped();
	grown();
	writes(fd);
	lseek(fd, 0, SEEK_SET);
	reads(fd);
	close(fd);
	unlink("report-sites.tmp");
	missing();
	if (!pthread_create(&thread, NULL, worker, NULL))
		pthread_join(thread, NULL);
	if (argc > 1)
		busy(atoi(argv[1]));
	return 0;
}
