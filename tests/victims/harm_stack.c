/* SPDX-License-Identifier: MIT */
/* build: -fno-builtin -Wno-infinite-recursion -O1 -fno-optimize-sibling-calls */
/*
 * Little stack and none. "alt": handlers on an alternate stack of SIGSTKSZ bytes that allocate and
 * write; "caught": overflow with an allocation in each frame, caught on such a stack and left by a
 * jump, ten times; "uncaught": the same without a handler; "small": threads with the smallest stack
 * that is allowed; "narrow": such a thread that uses half of it itself, and has not called anything
 * before; "long": the same as small for longer; "deep": 100000 frames that each allocate.
 */
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static sigjmp_buf back;
static volatile int seen, null_fd[2];
static void *volatile sink;

static void use(int sig)
{
	char c = 0;
	void *p = malloc(500);

	(void)sig;
	if (write(null_fd[1], &c, 1) == 1 && read(null_fd[0], &c, 1) == 1)
		seen++;
	free(p);
}

static void jump(int sig)
{
	(void)sig;
	seen++;
	siglongjmp(back, 1);
}

static void on_alternate_stack(int sig, void (*handler)(int))
{
	struct sigaction action;
	stack_t stack = { .ss_size = (size_t)SIGSTKSZ };

	stack.ss_sp = malloc(stack.ss_size);
	sigaltstack(&stack, NULL);
	memset(&action, 0, sizeof(action));
	action.sa_handler = handler;
	action.sa_flags = SA_ONSTACK;
	sigaction(sig, &action, NULL);
}

static int overflow(int n)
{
	char room[200];

	sink = malloc(16);
	memset(room, n, sizeof(room));
	n = overflow(n + 1) + room[n & 127];
	free(sink);
	return n;
}

static int deep(int n)
{
	void *p = malloc((size_t)n % 64 + 1);
	int result = n ? deep(n - 1) + 1 : 0;

	free(p);
	return result;
}

static void *run_deep(void *arg)
{
	printf("%d deep\n", deep(100000));
	return arg;
}

static void *run_small(void *arg)
{
	for (int i = 0; i < 20000; i++) {
		free(realloc(malloc(10), 100));
		if (i % 10 == 0)
			use(0);
	}
	return arg;
}

static void *run_narrow(void *arg)
{
	char room[8000];
	FILE *f;

	memset(room, 1, sizeof(room));
	sink = room;
	f = fopen("/dev/null", "w");
	if (f && fprintf(f, "%d\n", 3) == 2 && !fclose(f))
		seen++;
	return arg;
}

static void *run_long(void *arg)
{
	for (size_t i = 0; i < 300000; i++) {
		free(malloc(i * i % 797));
		if (i % 10 == 0)
			use(0);
	}
	return arg;
}

static void with_stack(void *(*run)(void *), size_t size)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	if (pthread_attr_setstacksize(&attr, size) || pthread_create(&thread, &attr, run, NULL)) {
		printf("no thread\n");
		return;
	}
	pthread_join(thread, NULL);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "alt";
	struct rlimit limit = { 1 << 20, 1 << 20 };

	if (pipe((int *)null_fd))
		return 2;
	if (!strcmp(mode, "alt")) {
		on_alternate_stack(SIGUSR1, use);
		for (int i = 0; i < 1000; i++)
			raise(SIGUSR1);
	} else if (!strcmp(mode, "small")) {
		for (int i = 0; i < 5; i++)
			with_stack(run_small, (size_t)sysconf(_SC_THREAD_STACK_MIN));
	} else if (!strcmp(mode, "narrow")) {
		with_stack(run_narrow, (size_t)sysconf(_SC_THREAD_STACK_MIN));
	} else if (!strcmp(mode, "long")) {
		for (int i = 0; i < 2; i++)
			with_stack(run_long, (size_t)sysconf(_SC_THREAD_STACK_MIN));
	} else if (!strcmp(mode, "deep")) {
		with_stack(run_deep, 64 << 20);
	} else {
		setrlimit(RLIMIT_STACK, &limit);
		if (!strcmp(mode, "caught"))
			on_alternate_stack(SIGSEGV, jump);
		for (volatile int i = 0; i < 10; i++)
			if (!sigsetjmp(back, 1))
				printf("%d\n", overflow(0));
	}
	printf("%s %d\n", mode, seen);
	return 0;
}
