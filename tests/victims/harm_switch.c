/* SPDX-License-Identifier: MIT */
/*
 * A function that runs on the thread's own stack, now here, now megabytes away, called from another
 * stack that is gone the next time: as runtimes of coroutines call what needs much room. The stack
 * of calls cannot be followed to its end, and what is known of it from before is of another place.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define SIZE 65536
#define FAR  900000

/* Calls a function on the stack below `top`; the caller's is found by rbp, as the rules say. */
void call_on(void *top, void (*function)(void));
__asm__(".text\n"
	".globl call_on\n"
	".type call_on, @function\n"
	"call_on:\n"
	"	.cfi_startproc\n"
	"	push %rbp\n"
	"	.cfi_def_cfa_offset 16\n"
	"	.cfi_offset %rbp, -16\n"
	"	mov %rsp, %rbp\n"
	"	.cfi_def_cfa_register %rbp\n"
	"	mov %rdi, %rsp\n"
	"	call *%rsi\n"
	"	mov %rbp, %rsp\n"
	"	pop %rbp\n"
	"	.cfi_def_cfa %rsp, 8\n"
	"	ret\n"
	"	.cfi_endproc\n"
	"	.size call_on, . - call_on\n");

static void *volatile sink;
static char *own;
static int runs;

static void __attribute__((noinline)) work(void)
{
	for (int i = 0; i < 3; i++) {
		sink = malloc(100);
		free(sink);
	}
	runs++;
	__asm__ volatile("");
}

static void __attribute__((noinline)) on_other(void)
{
	call_on(own, work);
	__asm__ volatile("");
}

static char *other_stack(void)
{
	return mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

int main(void)
{
	char *before = other_stack(), *now;

	uintptr_t here = (uintptr_t)__builtin_frame_address(0) - SIZE;

	for (int i = 0; i < 100; i++) {
		now = other_stack();
		own = (char *)((here - (uintptr_t)(i * 3 % 8) * FAR) & ~(uintptr_t)15);
		call_on(before + SIZE, on_other);
		munmap(before, SIZE);
		before = now;
		work();
	}
	printf("%d\n", runs);
	return 0;
}
