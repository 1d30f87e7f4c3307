/* SPDX-License-Identifier: MIT */
/*
 * Calls that a handler of the program's is to end, or not, while the handler of another signal
 * runs: the process is sent SIGUSR2 and SIGALRM right behind it. leak_interrupted ROUNDS prints
 * what each kind of call did; SIGUSR2 is ignored unless it asks for something.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define LONG_US 1500000 /* a call that is still there then goes on */

static volatile int caught;

static void handler(int signal)
{
	(void)signal;
	caught++;
}

/* In a process of its own: the signals, and what ends the call if they do not. */
static _Noreturn void send_signals(int to)
{
	pid_t parent = getppid();

	usleep(20000);
	kill(parent, SIGUSR2);
	kill(parent, SIGALRM);
	usleep(LONG_US);
	if (write(to, "x", 1) < 0)
		_exit(1);
	_exit(0);
}

/* How often the call was ended; *other: anything but that or a byte. */
static int interrupted(int rounds, bool polls, int flags, int *other)
{
	struct sigaction a = { .sa_handler = handler, .sa_flags = flags };
	int ended = 0;

	sigaction(SIGALRM, &a, NULL);
	for (int i = 0; i < rounds; i++) {
		struct pollfd p = { .events = POLLIN };
		int ends[2], got;
		pid_t child;
		char c;

		if (pipe(ends))
			abort();
		p.fd = ends[0];
		child = fork();
		if (!child)
			send_signals(ends[1]);
		got = polls ? poll(&p, 1, -1) : (int)read(ends[0], &c, 1);
		if (got < 0 && errno == EINTR)
			ended++;
		else if (got != 1)
			++*other;
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		close(ends[0]);
		close(ends[1]);
	}
	return ended;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 1, other = 0;
	struct sigaction now;

	sigaction(SIGUSR2, NULL, &now);
	if (now.sa_handler == SIG_DFL)
		signal(SIGUSR2, SIG_IGN);
	printf("read: %d\n", interrupted(rounds, false, 0, &other));
	printf("read that is restarted: %d\n", interrupted(1, false, SA_RESTART, &other));
	printf("poll: %d\n", interrupted(rounds, true, SA_RESTART, &other));
	printf("other results: %d, handlers: %d\n", other, caught);
	return 0;
}
