/* SPDX-License-Identifier: MIT */
/* build: -fno-builtin -Wno-infinite-recursion */
/*
 * Jumps out of signal handlers that interrupted a blocked read, then goes on: what comes after is
 * recorded as ever. Also plain longjmp over frames that allocate. "counts" states the bytes read.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#include "expect.h"

static sigjmp_buf back;
static jmp_buf plain;
static volatile int jumps;

static void handler(int sig)
{
	(void)sig;
	jumps++;
	siglongjmp(back, 1);
}

static void deep(int n)
{
	char *volatile p = malloc(50);

	free(p);
	if (!n)
		longjmp(plain, 1);
	deep(n - 1);
}

int main(int argc, char **argv)
{
	struct sigaction action;
	int ends[2];
	volatile int good = 0;
	char c;

	(void)argv;
	memset(&action, 0, sizeof(action));
	action.sa_handler = handler;
	sigaction(SIGALRM, &action, NULL);
	if (pipe(ends))
		return 2;
	for (volatile int i = 0; i < 30; i++) {
		struct itimerval timer = { { 0, 0 }, { 0, 2000 } };

		if (!sigsetjmp(back, 1)) {
			setitimer(ITIMER_REAL, &timer, NULL);
			for (;;)
				good += (int)read(ends[0], &c, 1) * 1000;
		}
		free(malloc(100));
		if (write(ends[1], &c, 1) == 1 && read(ends[0], &c, 1) == 1)
			good++;
		if (!setjmp(plain))
			deep(40);
	}
	if (argc > 1) {
		expect_call("read", "bytes", good);
		expect_call("write", "bytes", good);
		expect_call("malloc", "calls", 30 + 30 * 41);
		expect_call("free", "calls", 30 + 30 * 41);
		expect_print();
		return 0;
	}
	printf("%d jumps, %d good\n", jumps, good);
	return 0;
}
