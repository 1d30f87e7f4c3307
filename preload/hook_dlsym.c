/* SPDX-License-Identifier: MIT */
/*
 * Functions that a program asks the loader for by name. Asked in a library's own handle, as foreign
 * function interfaces do with libc's, it would be given the function behind the wrapper: calls that
 * nobody sees, of blocks that others give back. It is given the wrapper, as all others are.
 *
 * What is asked for RTLD_NEXT depends on who asks, which the loader reads from the stack: the real
 * function is jumped to as if it had been called.
 */
#include <stddef.h>

#include "attr.h"
#include "real.h"

/* Either what the program gets, or where to go on; in two registers. */
struct way {
	void *found;
	void *next;
};

LAR_LOCAL struct way dlsym_way(void *handle, const char *name);

__asm__(".text\n"
	".globl dlsym\n"
	".type dlsym, @function\n"
	"dlsym:\n\t"
	".cfi_startproc\n\t"
	"endbr64\n\t"
	"push %rdi\n\t"
	".cfi_adjust_cfa_offset 8\n\t"
	"push %rsi\n\t"
	".cfi_adjust_cfa_offset 8\n\t"
	"sub $8, %rsp\n\t"
	".cfi_adjust_cfa_offset 8\n\t"
	"call dlsym_way\n\t"
	"add $8, %rsp\n\t"
	".cfi_adjust_cfa_offset -8\n\t"
	"pop %rsi\n\t"
	".cfi_adjust_cfa_offset -8\n\t"
	"pop %rdi\n\t"
	".cfi_adjust_cfa_offset -8\n\t"
	"test %rax, %rax\n\t"
	"jz 1f\n\t"
	"ret\n"
	"1:\n\t"
	"jmp *%rdx\n\t"
	".cfi_endproc\n"
	".size dlsym, . - dlsym\n");

struct way dlsym_way(void *handle, const char *name)
{
	struct way way = { NULL, (void *)REAL(dlsym) };
	void *own;

	if (handle == RTLD_NEXT || handle == RTLD_DEFAULT || !real_is_wrapped(name))
		return way;
	way.found = REAL(dlsym)(handle, name);
	own = way.found ? real_wrapper(name, way.found) : NULL;
	if (own)
		way.found = own;
	return way;
}
