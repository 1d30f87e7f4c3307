/* SPDX-License-Identifier: MIT */
/*
 * Where a thread goes that sleeps when a leak scan is asked for: whoever asks makes it continue at
 * lar_scan_entry (the trace's header says where that is), with the address that it would have gone
 * on at on its stack, 128 bytes below. All registers come back as they were, vectors included, so
 * that the thread goes on by itself, whatever becomes of who asked.
 */
#include <sys/platform/x86.h>

#include "recorder.h"
#include "snapshot.h"

/* Bytes that all vector and other extended registers may take. How many they do take is asked for
 * when it is needed: virtual machines answer slowly, and most processes are never asked. */
#define XSAVE_MOST "0x4000"

void lar_scan_entry(void) __attribute__((visibility("hidden")));

__asm__(".text\n"
	".globl lar_scan_entry\n"
	".type lar_scan_entry, @function\n"
	".hidden lar_scan_entry\n"
	"lar_scan_entry:\n\t"
	"pushfq\n\t"
	"push %r15\n\tpush %r14\n\tpush %r13\n\tpush %r12\n\t"
	"push %r11\n\tpush %r10\n\tpush %r9\n\tpush %r8\n\t"
	"push %rbp\n\tpush %rdi\n\tpush %rsi\n\tpush %rdx\n\t"
	"push %rcx\n\tpush %rbx\n\tpush %rax\n\t"
	"cld\n\t"
	"mov $0xd, %eax\n\t"
	"xor %ecx, %ecx\n\t"
	"cpuid\n\t"
	"mov %ebx, %edx\n\t"
	"mov %rsp, %rbx\n\t"
	"test %edx, %edx\n\t"
	"jz 1f\n\t"
	"cmp $" XSAVE_MOST ", %edx\n\t"
	"ja 1f\n\t"
	"sub %rdx, %rsp\n\t"
	"and $-64, %rsp\n\t"
	/* its header must be zero */
	"lea 512(%rsp), %rdi\n\t"
	"xor %eax, %eax\n\t"
	"mov $8, %ecx\n\t"
	"rep stosq\n\t"
	"mov $-1, %eax\n\t"
	"mov $-1, %edx\n\t"
	"xsave64 (%rsp)\n\t"
	/* snapshot_now(its stack from the red zone on, its registers, how many) */
	"lea 136(%rbx), %rdi\n\t"
	"mov %rbx, %rsi\n\t"
	"mov $15, %edx\n\t"
	"call snapshot_now\n\t"
	"mov $-1, %eax\n\t"
	"mov $-1, %edx\n\t"
	"xrstor64 (%rsp)\n\t"
	"mov %rbx, %rsp\n"
	"1:\n\t"
	"pop %rax\n\tpop %rbx\n\tpop %rcx\n\t"
	"pop %rdx\n\tpop %rsi\n\tpop %rdi\n\tpop %rbp\n\t"
	"pop %r8\n\tpop %r9\n\tpop %r10\n\tpop %r11\n\t"
	"pop %r12\n\tpop %r13\n\tpop %r14\n\tpop %r15\n\t"
	"popfq\n\t"
	"ret $128\n"
	".size lar_scan_entry, . - lar_scan_entry\n");

void snapshot_offer(void)
{
	if (CPU_FEATURE_ACTIVE(OSXSAVE))
		lar->header->scan_entry = (uint64_t)lar_scan_entry;
}
