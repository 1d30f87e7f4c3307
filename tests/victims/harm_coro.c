/* SPDX-License-Identifier: MIT */
/* build: -fno-builtin */
/*
 * Coroutines by swapcontext, 50 of them with 32 KiB of stack each, that allocate at different
 * depths and switch in the middle; one is left by the other's free of its stack.
 */
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>
#include <unistd.h>

#define ROUTINES 50
#define STACK	 32768

static ucontext_t main_context, context[ROUTINES];
static char *stack[ROUTINES];
static long sum;

static void descend(int self, int depth)
{
	int *p = malloc(sizeof(int) * (size_t)(depth + 1));

	p[depth] = depth;
	swapcontext(&context[self], &main_context);
	if (depth < self % 20)
		descend(self, depth + 1);
	sum += p[depth];
	free(p);
}

static void routine(int self)
{
	for (int i = 0; i < 3; i++)
		descend(self, 0);
	for (;;)
		swapcontext(&context[self], &main_context);
}

int main(void)
{
	for (int i = 0; i < ROUTINES; i++) {
		stack[i] = malloc(STACK);
		getcontext(&context[i]);
		context[i].uc_stack.ss_sp = stack[i];
		context[i].uc_stack.ss_size = STACK;
		context[i].uc_link = &main_context;
		makecontext(&context[i], (void (*)(void))routine, 1, i);
	}
	for (int round = 0; round < 100; round++)
		for (int i = 0; i < ROUTINES; i++)
			swapcontext(&main_context, &context[(i * 7 + round) % ROUTINES]);
	for (int i = 0; i < ROUTINES; i++)
		free(stack[i]);
	printf("sum %ld\n", sum);
	return 0;
}
