/* SPDX-License-Identifier: MIT */
/*
 * Calls from code that does not keep the stack aligned to 16 bytes, as hand-written assembly and
 * some compilers' code does not: libc takes it in the functions here.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TIMES 3000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Calls f(a, b, c) with a stack that is off by 8. */
__attribute__((noinline)) static intptr_t off(void *f, intptr_t a, intptr_t b, intptr_t c)
{
	intptr_t result;

	__asm__ volatile("mov %%rsp, %%rbx\n\t"
			 "sub $128, %%rsp\n\t"
			 "and $-16, %%rsp\n\t"
			 "sub $8, %%rsp\n\t"
			 "xor %%eax, %%eax\n\t"
			 "call *%4\n\t"
			 "mov %%rbx, %%rsp"
			 : "=&a"(result), "+D"(a), "+S"(b), "+d"(c)
			 : "r"(f)
			 : "rbx", "rcx", "r8", "r9", "r10", "r11", "memory", "cc");
	return result;
}

static void *work(void *arg)
{
	/* the heap of a thread is made by code that needs it aligned */
	void *volatile first = malloc(1);
	int fd = (int)off((void *)open, (intptr_t) "/dev/null", O_RDWR, 0), good = 0;

	for (int i = 0; i < TIMES; i++) {
		intptr_t p = off((void *)malloc, 10 + i % 100, 0, 0);

		p = off((void *)realloc, p, 200, 0);
		good += off((void *)write, fd, p, 3) == 3;
		off((void *)free, p, 0, 0);
		p = off((void *)calloc, 3, 5, 0);
		off((void *)free, p, 0, 0);
		good += !off((void *)pthread_mutex_lock, (intptr_t)&lock, 0, 0);
		good += !off((void *)pthread_mutex_unlock, (intptr_t)&lock, 0, 0);
		off((void *)sched_yield, 0, 0, 0);
		off((void *)lseek, fd, 0, 0);
	}
	free(first);
	good += !off((void *)close, fd, 0, 0);
	*(int *)arg = good;
	return NULL;
}

int main(void)
{
	pthread_t thread;
	int here = 0, there = 0;

	if (pthread_create(&thread, NULL, work, &there))
		return 1;
	work(&here);
	pthread_join(thread, NULL);
	printf("%d %d\n", here, there);
	return 0;
}
