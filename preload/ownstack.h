/* SPDX-License-Identifier: MIT */
/*
 * Calls on a stack of the recorder's own: the program's may be as small as the system lets it be.
 */
#ifndef LARIAT_OWNSTACK_H
#define LARIAT_OWNSTACK_H

#include <stdint.h>

/*
 * fn(arg) on the stack that ends at `end`, a multiple of 16. With all signals blocked, or where
 * none is handled meanwhile; of one stack only one call at a time.
 */
static inline void ownstack_call(void *end, void (*fn)(void *), void *arg)
{
	register uint64_t top __asm__("rbx") = (uint64_t)end;

	__asm__ volatile("xchg %%rbx, %%rsp\n\t"
			 "call *%[fn]\n\t"
			 "mov %%rbx, %%rsp"
			 : "+r"(top), "+D"(arg), [fn] "+a"(fn)
			 :
			 : "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "memory", "cc", "xmm0",
			   "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
			   "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

#endif
