/* SPDX-License-Identifier: MIT */
/*
 * A process of two threads whose children are to be in a PID namespace of their own: the first one
 * there is its init, and without it nobody can be made there. The recorder must not be it.
 *
 * harm_namespace exit: it ends without having made one.
 * harm_namespace fork: it makes two, after SIGUSR2, which may have asked for a leak scan.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void *wait_long(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void make_one(void)
{
	pid_t pid;
	int status = 0;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		printf("process %d there\n", getpid());
		fflush(stdout);
		sleep(1); /* the init has to outlive the next */
		exit(0);
	}
	if (pid < 0)
		perror("fork");
	else if (waitpid(pid, &status, WNOHANG) < 0)
		perror("waitpid");
}

int main(int argc, char **argv)
{
	struct timespec some = { 0, 300000000 };
	struct sigaction asked;
	pthread_t thread;

	if (pthread_create(&thread, NULL, wait_long, NULL) || unshare(CLONE_NEWPID)) {
		puts("no namespace");
		return 0;
	}
	puts("a namespace of its own");
	if (argc < 2 || strcmp(argv[1], "fork"))
		return 0;
	sigaction(SIGUSR2, NULL, &asked);
	if (asked.sa_handler == SIG_DFL)
		signal(SIGUSR2, SIG_IGN);
	kill(getpid(), SIGUSR2);
	nanosleep(&some, NULL);
	make_one();
	nanosleep(&some, NULL);
	make_one();
	while (wait(NULL) > 0)
		;
	return 0;
}
