/* SPDX-License-Identifier: MIT */
/*
 * Runs a command and says what it used: measure FD [NAME=VALUE...] CMD [ARG...]. Writes one line
 * to descriptor FD: wall time, user and system time in nanoseconds, peak resident bytes, wait
 * status. Small, because the kernel counts the parent's peak before the exec as the child's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static long long time_ns(struct timeval t)
{
	return (t.tv_sec * 1000000ll + t.tv_usec) * 1000;
}

int main(int argc, char **argv)
{
	int fd = argc > 2 ? atoi(argv[1]) : -1, status = 0;
	char **command = argv + 2;
	struct rusage used;
	long long begin;
	pid_t pid;

	if (fd < 3 || fcntl(fd, F_SETFD, FD_CLOEXEC)) {
		fprintf(stderr, "usage: measure FD [NAME=VALUE...] CMD [ARG...]\n");
		return 2;
	}
	begin = now_ns();
	pid = fork();
	if (!pid) {
		for (; *command && strchr(*command, '='); command++)
			putenv(*command);
		if (*command)
			execvp(*command, command);
		fprintf(stderr, "measure: %s: %s\n", *command ? *command : "", strerror(errno));
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &used) != pid)
		return 1;
	dprintf(fd, "%lld %lld %lld %lld %d\n", now_ns() - begin, time_ns(used.ru_utime),
		time_ns(used.ru_stime), used.ru_maxrss * 1024ll, status);
	return 0;
}
