/* SPDX-License-Identifier: MIT */
/*
 * Asks a peer that answers after a while, and prints how long each answer took to come by its own
 * clock, and the name of what it read from.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define QUESTIONS 200

static long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000l + t.tv_nsec;
}

/* 160 answers come after 0.2 ms or so, 30 after 2 ms, 10 after 9 ms, mixed. */
static void answer(int fd)
{
	char c;

	for (int i = 0; read(fd, &c, 1) == 1; i++) {
		int place = i * 7 % 20;
		struct timespec t = { 0, place < 16 ? 200000 : place < 19 ? 2000000 : 9000000 };

		nanosleep(&t, NULL);
		if (write(fd, &c, 1) != 1)
			_exit(1);
	}
	_exit(0);
}

int main(void)
{
	static long took[QUESTIONS];
	char name[64], link[32], c = 'x';
	int fds[2];
	ssize_t n;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds))
		return 1;
	if (!fork()) {
		close(fds[0]);
		answer(fds[1]);
	}
	close(fds[1]);
	for (int i = 0; i < QUESTIONS; i++) {
		long before;

		if (write(fds[0], &c, 1) != 1)
			return 1;
		before = now();
		if (read(fds[0], &c, 1) != 1)
			return 1;
		took[i] = now() - before;
	}
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fds[0]);
	n = readlink(link, name, sizeof(name) - 1);
	name[n > 0 ? n : 0] = 0;
	printf("target %s\n", name);
	for (int i = 0; i < QUESTIONS; i++)
		printf("took %ld\n", took[i]);
	close(fds[0]);
	wait(NULL);
	return 0;
}
