/* SPDX-License-Identifier: MIT */
/*
 * Resident memory, from /proc/self/statm. A file must be open to be read, and the number it gets is
 * one that the program may count on to be free. While there is one thread, nobody can tell. Where
 * there are more, a short-lived thread with a table of descriptors of its own reads it; the thread
 * that wants to know waits for its end. Where that could harm (a filter of system calls may be
 * there to kill who clones), the peak is all that is told.
 */
#include "resident.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/single_threaded.h>
#include <time.h>

#include "recorder.h"
#include "sys.h"

#define SHARE	  200	       /* of the time that passes, one part at most is spent here */
#define WAIT_MOST 500000000ull /* ns, where it takes so long that this is more */
#define PAGE	  4096u
#define STACK	  1024
#define THREADED  (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_VFORK)

/* The second number of the file: pages. 0 when there is none. */
static uint64_t second_number(const char *text, size_t n)
{
	uint64_t pages = 0;
	size_t i = 0;

	while (i < n && text[i] != ' ')
		i++;
	for (i++; i < n && text[i] >= '0' && text[i] <= '9'; i++)
		pages = pages * 10 + (uint64_t)(text[i] - '0');
	return pages;
}

static void read_statm(uint64_t *bytes)
{
	int fd = sys_openat(AT_FDCWD, "/proc/self/statm", O_RDONLY | O_CLOEXEC, 0);
	char text[128];
	ssize_t n;

	if (fd < 0)
		return;
	n = sys_read(fd, text, sizeof(text));
	sys_close(fd);
	if (n > 0)
		*bytes = second_number(text, (size_t)n) * PAGE;
}

/* In the thread of its own, which shares everything until its table of descriptors is its own; an
 * empty one, where the kernel can make it so. */
__attribute__((used)) static void read_apart(uint64_t *bytes)
{
	if (!sys_call3(SYS_close_range, 0, ~0u, CLOSE_RANGE_UNSHARE))
		read_statm(bytes);
}

/* Runs read_apart() in a thread on a stack of its own and returns at its end. False if it could not
 * be made. */
static bool thread_reads(uint64_t *bytes)
{
	_Alignas(16) char stack[STACK];
	long ret = SYS_clone;
	register void *arg __asm__("r12") = bytes;
	register long r10 __asm__("r10") = 0;
	register long r8 __asm__("r8") = 0;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "mov %%r12, %%rdi\n\t"
			 "call %P[reader]\n\t"
			 "mov %[exit], %%eax\n\t"
			 "xor %%edi, %%edi\n\t"
			 "syscall\n\t"
			 "hlt\n"
			 "1:"
			 : "+a"(ret)
			 : "D"((long)THREADED), "S"(stack + STACK), "d"(0), "r"(r10), "r"(r8),
			   "r"(arg), [reader] "i"(read_apart), [exit] "i"(SYS_exit)
			 : "rcx", "r11", "memory", "cc");
	return ret > 0;
}

static uint64_t peak_bytes(void)
{
	struct rusage usage;

	if (sys_call3(SYS_getrusage, RUSAGE_SELF, (long)&usage, 0))
		return 0;
	return (uint64_t)usage.ru_maxrss << 10;
}

static bool may_clone(void)
{
	return !sys_forbidden && sys_call3(SYS_prctl, PR_GET_SECCOMP, 0, 0) == 0;
}

struct resident resident_now(uint64_t now_ns)
{
	struct resident r = { 0, 0 };
	uint64_t due = __atomic_load_n(&lar->resident_due_ns, __ATOMIC_RELAXED);

	if (now_ns < due)
		return r;
	if (due != UINT64_MAX) {
		if (__libc_single_threaded)
			read_statm(&r.bytes);
		else if (may_clone())
			thread_reads(&r.bytes);
		due = sys_clock_ns(CLOCK_MONOTONIC);
		due += (due - now_ns) * SHARE < WAIT_MOST ? (due - now_ns) * SHARE : WAIT_MOST;
		__atomic_store_n(&lar->resident_due_ns, due, __ATOMIC_RELAXED);
	}
	if (!r.bytes) {
		r.bytes = peak_bytes();
		r.most = 1;
	}
	return r;
}
