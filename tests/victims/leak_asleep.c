/* SPDX-License-Identifier: MIT */
/* build: -O1 */
/*
 * Sleeps in a read of its standard input, by a system call of its own, with a known value in each
 * register that such a call leaves alone: leak_asleep. It says "up", then, when a byte has come,
 * "same" or how many registers differ, and what the read returned. 77 bytes are lost.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

static struct {
	uint64_t general[8];
	uint8_t vector[16][32];
} before, after;
static void *volatile lost;
static char byte;

/* rbp is the compiler's, rcx and r11 the system call's. */
static long read_with_known_registers(int wide)
{
	long result;

	__asm__ volatile("push %%rbx\n\t"
			 "push %%rbp\n\t"
			 "sub $128, %%rsp\n\t"
			 "mov %[before], %%rbx\n\t"
			 "test %[wide], %[wide]\n\t"
			 "jz 1f\n\t"
			 ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n\t"
			 "vmovdqu 64+32*\\n(%%rbx), %%ymm\\n\n\t"
			 ".endr\n\t"
			 "1: .irp n,8,9,10,12,13,14,15\n\t"
			 "mov 8*(\\n-8)(%%rbx), %%r\\n\n\t"
			 ".endr\n\t"
			 "mov %[wide], %%ebp\n\t"
			 "xor %%edi, %%edi\n\t"
			 "lea %[byte], %%rsi\n\t"
			 "mov $1, %%edx\n\t"
			 "mov %[number], %%eax\n\t"
			 "syscall\n\t"
			 "lea %[after], %%rbx\n\t"
			 ".irp n,8,9,10,12,13,14,15\n\t"
			 "mov %%r\\n, 8*(\\n-8)(%%rbx)\n\t"
			 ".endr\n\t"
			 "test %%ebp, %%ebp\n\t"
			 "jz 2f\n\t"
			 ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n\t"
			 "vmovdqu %%ymm\\n, 64+32*\\n(%%rbx)\n\t"
			 ".endr\n\t"
			 "vzeroupper\n\t"
			 "2: add $128, %%rsp\n\t"
			 "pop %%rbp\n\t"
			 "pop %%rbx"
			 : "=a"(result)
			 : [before] "r"(&before), [wide] "d"(wide), [number] "i"(SYS_read),
			   [byte] "m"(byte), [after] "m"(after)
			 : "rcx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
			   "r15", "memory", "cc");
	return result;
}

int main(void)
{
	int wide = __builtin_cpu_supports("avx"), different = 0;
	long result;

	for (unsigned i = 0; i < sizeof(before); i++)
		((uint8_t *)&before)[i] = (uint8_t)(i * 7 + 1);
	lost = malloc(77);
	lost = NULL;
	puts("up");
	fflush(stdout);
	result = read_with_known_registers(wide);
	for (int i = 0; i < 8; i++)
		different += i != 3 && before.general[i] != after.general[i]; /* r11 */
	for (int i = 0; wide && i < 16; i++)
		different += memcmp(before.vector[i], after.vector[i], 32) != 0;
	if (different)
		printf("%d differ", different);
	else
		printf("same");
	printf(", read %ld\n", result);
	return 0;
}
