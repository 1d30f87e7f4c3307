/* SPDX-License-Identifier: MIT */
/* build: -fno-builtin */
/*
 * Every way for a process to end, named by the argument; before it, known work: 1000 blocks of
 * 100 bytes, none freed, and 500 writes of one byte.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *kept[1000];
static volatile int *volatile nowhere = (volatile int *)8;

static void at_exit(void)
{
	free(malloc(10));
	write(1, "handler at exit\n", 16);
}

static void *end_here(void *how)
{
	if (!strcmp(how, "thread-exit"))
		exit(31);
	if (!strcmp(how, "thread-_exit"))
		_exit(32);
	if (!strcmp(how, "thread-crash"))
		*nowhere = 1;
	usleep(50000);
	write(1, "last thread\n", 12);
	return NULL;
}

static void by_signal(const char *how)
{
	if (!strcmp(how, "kill"))
		kill(getpid(), SIGKILL);
	if (!strcmp(how, "term"))
		raise(SIGTERM);
	if (!strcmp(how, "abort"))
		abort();
	if (!strcmp(how, "crash"))
		*nowhere = 1;
	if (!strcmp(how, "trap"))
		__builtin_trap();
	if (!strcmp(how, "double-free")) {
		free(kept[0]);
		free(kept[0]);
	}
	if (!strcmp(how, "bad-free"))
		free((char *)kept[1] + 8);
}

static void chain(char **argv, int left)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", left - 1);
	execl(argv[0], argv[0], "chain", text, NULL);
	_exit(96);
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "return";
	int null_fd = open("/dev/null", O_WRONLY);
	pthread_t thread;

	for (int i = 0; i < 1000; i++) {
		kept[i] = malloc(100);
		if (i % 2 && write(null_fd, "x", 1) != 1)
			return 2;
	}
	atexit(at_exit);
	at_quick_exit(at_exit);
	by_signal(how);
	if (!strcmp(how, "_exit"))
		_exit(21);
	if (!strcmp(how, "_Exit"))
		_Exit(22);
	if (!strcmp(how, "quick_exit"))
		quick_exit(23);
	if (!strcmp(how, "exit"))
		exit(24);
	if (!strcmp(how, "daemon")) {
		if (daemon(1, 1))
			abort();
		free(malloc(10));
		_exit(25); /* the child, for which nobody waits */
	}
	if (!strcmp(how, "chain") && atoi(argv[2]) > 0)
		chain(argv, atoi(argv[2]));
	if (!strncmp(how, "thread-", 7)) {
		pthread_create(&thread, NULL, end_here, (void *)how);
		if (!strcmp(how, "thread-last"))
			pthread_exit(NULL);
		pthread_join(thread, NULL);
	}
	return 25;
}
