/* SPDX-License-Identifier: MIT */
/*
 * Stacks of user contexts. One that is an array on a thread's own stack has its frames between that
 * thread's, so that which of two is further out says no more which of them is still there.
 */
#include <ucontext.h>

#include "attr.h"
#include "real.h"
#include "thread.h"

#define STACK_MOST (1ull << 30)

LAR_LOCAL void *makecontext_way(const ucontext_t *u);

/* Any arguments, passed on as they are. */
__asm__(".text\n"
	".globl makecontext\n"
	".type makecontext, @function\n"
	"makecontext:\n\t"
	".cfi_startproc\n\t"
	"endbr64\n\t"
	"push %rdi\n\tpush %rsi\n\tpush %rdx\n\tpush %rcx\n\tpush %r8\n\tpush %r9\n\tpush %rax\n\t"
	".cfi_adjust_cfa_offset 56\n\t"
	"call makecontext_way\n\t"
	"mov %rax, %r11\n\t"
	"pop %rax\n\tpop %r9\n\tpop %r8\n\tpop %rcx\n\tpop %rdx\n\tpop %rsi\n\tpop %rdi\n\t"
	".cfi_adjust_cfa_offset -56\n\t"
	"jmp *%r11\n\t"
	".cfi_endproc\n"
	".size makecontext, . - makecontext\n");

void *makecontext_way(const ucontext_t *u)
{
	uint64_t here = (uint64_t)__builtin_frame_address(0);

	if ((uint64_t)u->uc_stack.ss_sp - here < STACK_MOST)
		thread_stack_shared = true;
	return (void *)REAL(makecontext);
}
