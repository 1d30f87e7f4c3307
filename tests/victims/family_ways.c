/* SPDX-License-Identifier: MIT */
/* build: -fno-builtin */
/*
 * Every way to have descendants. Each process allocates blocks of a size that tells who it is, and
 * the parent's 10 blocks of 100 bytes are there for a child to free.
 *
 *	family_ways daemon|double|vfork|spawn|chain|inherit
 *
 * SELF is run again as `family_ways leaf SIZE`, and as `family_ways links N` for a chain of execs.
 */
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCKS 10

extern char **environ;
static char self[] = "/proc/self/exe";
static void *kept[BLOCKS];

static void allocate(size_t size)
{
	for (int i = 0; i < BLOCKS; i++)
		kept[i] = malloc(size);
}

static void release(void)
{
	for (int i = 0; i < BLOCKS; i++)
		free(kept[i]);
}

static void await(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		abort();
}

/* Says when all that hold the writing end are gone. */
static void await_end(int fd)
{
	char c;

	while (read(fd, &c, 1) > 0)
		;
}

static void become_leaf(char *size)
{
	char *args[] = { "family_ways", "leaf", size, NULL };

	execv(self, args);
	_exit(99);
}

static void detached(int by_hand)
{
	int ends[2];

	if (pipe(ends))
		abort();
	if (!fork()) {
		close(ends[0]);
		if (by_hand) {
			if (fork())
				exit(0);
			setsid();
		} else if (daemon(1, 1)) {
			abort();
		}
		allocate(200);
		release();
		become_leaf("300");
	}
	close(ends[1]);
	while (wait(NULL) > 0)
		;
	await_end(ends[0]);
}

static void by_vfork(void)
{
	for (int i = 0; i < 3; i++) {
		pid_t pid = vfork();

		if (!pid)
			become_leaf("300");
		await(pid);
	}
}

static void by_spawn(void)
{
	char *args[] = { "family_ways", "leaf", "300", NULL };
	pid_t pid;

	for (int i = 0; i < 3; i++) {
		if (posix_spawn(&pid, self, NULL, NULL, args, environ))
			abort();
		await(pid);
	}
}

static void links(int n)
{
	char left[16];
	char *args[] = { "family_ways", "links", left, NULL };

	allocate(300);
	release();
	if (!n)
		return;
	snprintf(left, sizeof(left), "%d", n - 1);
	execv(self, args);
	abort();
}

static void inherit(void)
{
	pid_t pid = fork();

	if (!pid) {
		release();
		exit(0);
	}
	await(pid);
}

int main(int argc, char **argv)
{
	const char *way = argc > 1 ? argv[1] : "";

	if (!strcmp(way, "links")) {
		links(atoi(argv[2]));
		return 0;
	}
	allocate(!strcmp(way, "leaf") ? (size_t)atol(argv[2]) : 100);
	if (!strcmp(way, "daemon"))
		detached(0);
	else if (!strcmp(way, "double"))
		detached(1);
	else if (!strcmp(way, "vfork"))
		by_vfork();
	else if (!strcmp(way, "spawn"))
		by_spawn();
	else if (!strcmp(way, "chain"))
		links(4);
	else if (!strcmp(way, "inherit"))
		inherit();
	else if (strcmp(way, "leaf"))
		return 2;
	release();
	return 0;
}
