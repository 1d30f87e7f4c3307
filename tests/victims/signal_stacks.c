/* SPDX-License-Identifier: MIT */
/* build: -fno-builtin -Wno-infinite-recursion */
/*
 * Signal handlers that interrupt the recording, on stacks where it is not easy to say whether it
 * still goes on. Handlers call nothing but write().
 *
 *	altstack	an alternate stack that is an array in main's frame
 *	jumps		siglongjmp() out of the handler to main, which writes before it goes on
 *	contexts	a scheduler of user contexts, whose stacks are blocks of the heap
 *	contexts-frame	the same, the stacks in main's frame
 *
 * The first two state what was done.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#include "expect.h"

#define PAIRS	 50000
#define JUMPS	 100
#define CONTEXTS 4
#define SWITCHES 800
#define STACK	 65536
#define PERIOD	 200 /* us */

static int null;
static sigset_t alarms;
static volatile long written, by_handler, jumps, switches;
static sigjmp_buf back;
static ucontext_t context[CONTEXTS], home;
static volatile int current, over;

static void timer(long us)
{
	struct itimerval t = { { 0, us }, { 0, us } };

	setitimer(ITIMER_REAL, &t, NULL);
}

static void on_alarm(void (*handler)(int), int flags)
{
	struct sigaction a = { .sa_handler = handler, .sa_flags = flags | SA_RESTART };

	sigaction(SIGALRM, &a, NULL);
	timer(PERIOD);
}

static void writes(int signal)
{
	(void)signal;
	if (write(null, "h", 1) == 1)
		by_handler++;
}

static void altstack(char *room)
{
	stack_t s = { .ss_sp = room, .ss_size = STACK };

	sigaltstack(&s, NULL);
	on_alarm(writes, SA_ONSTACK);
	for (long i = 0; i < PAIRS; i++) {
		void *volatile p = malloc((size_t)(i % 500 + 1));

		if (write(null, "xx", 2) == 2)
			written++;
		free(p);
	}
	timer(0);
	expect_add("heap.allocations", PAIRS);
	expect_add("heap.frees", PAIRS);
	expect_call("write", "calls", written + by_handler);
	expect_call("write", "bytes", 2 * written + by_handler);
	expect_print();
}

static void leaves(int signal)
{
	(void)signal;
	jumps++;
	siglongjmp(back, 1);
}

static __attribute__((noinline)) void serve(long depth)
{
	volatile char pad[64];

	pad[0] = 0;
	if (depth)
		serve(depth - 1);
	else
		for (;;)
			written += write(null, "x", 1) == 1;
	pad[1] = pad[0];
}

static void jump(void)
{
	on_alarm(leaves, 0);
	sigsetjmp(back, 1);
	written += write(null, "y", 1) == 1;
	if (jumps < JUMPS)
		serve(3 + jumps % 3 * 2);
	timer(0);
	/* of the calls that were left, it is not known whether they were counted */
	expect_add("written", written);
	expect_add("jumps", jumps);
	expect_print();
}

static void switch_context(int signal)
{
	int old = current;

	(void)signal;
	if (over)
		return;
	over = ++switches == SWITCHES;
	current = (old + 1) % CONTEXTS;
	swapcontext(&context[old], over ? &home : &context[current]);
}

static void body(void)
{
	sigprocmask(SIG_UNBLOCK, &alarms, NULL);
	for (;;)
		if (write(null, "xxx", 3) != 3)
			abort();
}

static void contexts(char *room)
{
	sigprocmask(SIG_BLOCK, &alarms, NULL);
	for (int i = 0; i < CONTEXTS; i++) {
		getcontext(&context[i]);
		context[i].uc_stack.ss_sp = room ? room + STACK * i : malloc(STACK);
		context[i].uc_stack.ss_size = STACK;
		makecontext(&context[i], body, 0);
	}
	on_alarm(switch_context, 0);
	swapcontext(&home, &context[0]);
	timer(0);
	for (int i = 0; i < 100; i++)
		if (write(null, "y", 1) != 1)
			abort();
}

int main(int argc, char **argv)
{
	char room[CONTEXTS * STACK];
	const char *mode = argc > 1 ? argv[1] : "";

	null = open("/dev/null", O_WRONLY);
	sigemptyset(&alarms);
	sigaddset(&alarms, SIGALRM);
	if (!strcmp(mode, "altstack"))
		altstack(room);
	else if (!strcmp(mode, "jumps"))
		jump();
	else if (!strcmp(mode, "contexts") || !strcmp(mode, "contexts-frame"))
		contexts(mode[8] ? room : NULL);
	else
		return 2;
	return 0;
}
