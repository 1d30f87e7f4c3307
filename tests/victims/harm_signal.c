/* SPDX-License-Identifier: MIT */
/* build: -fno-builtin */
/*
 * Signal handlers at a high rate that do what the interrupted code may do: "write" writes, reads
 * and locks nothing while the main thread allocates, writes and reads; "malloc" allocates while
 * the main thread spins in code of its own; "threads" does the first in four threads at once.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#define ENOUGH 500

static volatile sig_atomic_t seen, wrong;
static int loop[2], devnull[2];
static void *volatile handlers_block;

static void writing(int sig)
{
	int saved = errno;
	char c = 'h';

	(void)sig;
	errno = 12345;
	if (write(loop[1], &c, 1) != 1 || read(loop[0], &c, 1) != 1 || errno != 12345)
		wrong = 1;
	seen++;
	errno = saved;
}

static void allocating(int sig)
{
	int saved = errno;

	(void)sig;
	free(handlers_block);
	handlers_block = malloc((size_t)seen % 1000 + 1);
	free(malloc(20000));
	seen++;
	errno = saved;
}

static void every_100us(void (*handler)(int))
{
	struct sigaction action = { .sa_flags = SA_RESTART };
	struct itimerval timer = { { 0, 100 }, { 0, 100 } };

	action.sa_handler = handler;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

static void stop(void)
{
	struct itimerval timer;

	memset(&timer, 0, sizeof(timer));
	setitimer(ITIMER_REAL, &timer, NULL);
	signal(SIGALRM, SIG_IGN);
}

static void *busy(void *arg)
{
	char text[64];

	while (seen < ENOUGH) {
		void *p = malloc(100), *q = calloc(10, 10);

		p = realloc(p, 1000);
		if (write(devnull[1], text, 10) != 10 || read(devnull[0], text, 10) != 10)
			wrong = 2;
		free(q);
		free(p);
	}
	return arg;
}

static unsigned spin(void)
{
	unsigned x = 1;

	while (seen < ENOUGH)
		for (int i = 0; i < 1000; i++)
			x = x * 1103515245 + 12345;
	return x | 1;
}

int main(int argc, char **argv)
{
	pthread_t thread[4];
	const char *mode = argc > 1 ? argv[1] : "write";

	if (pipe(loop) || pipe(devnull))
		return 2;
	every_100us(strcmp(mode, "malloc") ? writing : allocating);
	if (!strcmp(mode, "threads")) {
		for (int i = 0; i < 4; i++)
			pthread_create(&thread[i], NULL, busy, NULL);
		for (int i = 0; i < 4; i++)
			pthread_join(thread[i], NULL);
	} else if (!strcmp(mode, "malloc")) {
		if (!spin())
			wrong = 3;
	} else {
		busy(NULL);
	}
	stop();
	printf("%s: enough signals, wrong %d\n", mode, (int)wrong);
	return wrong;
}
