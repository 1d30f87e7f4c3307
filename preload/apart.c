/* SPDX-License-Identifier: MIT */
/* Opening files in somebody else's process; see apart.h. */
#include "apart.h"

#include <linux/close_range.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/single_threaded.h>
#include <time.h>

#include "pool.h"
#include "sys.h"

#define STACK_SIZE 32768
#define SHARE	   200		/* of the time that passes, one part at most is spent */
#define WAIT_MOST  500000000ull /* ns, where it takes so long that this is more */
#define THREADED                                                                                   \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_VFORK |          \
	 CLONE_PARENT_SETTID)

bool apart_alone;

static _Atomic uint32_t busy; /* pid: a forked child finds its parent's */
static _Atomic uint32_t thread;

struct task {
	void (*work)(void *);
	void *argument;
	bool done;
};

/* In the thread of its own, which shares everything until its table of descriptors is its own; an
 * empty one, where the kernel can make it so. */
__attribute__((used)) static void run_apart(struct task *task)
{
	if (sys_call3(SYS_close_range, 0, ~0u, CLOSE_RANGE_UNSHARE))
		return;
	task->work(task->argument);
	task->done = true;
}

/* Returns when the thread has ended. */
static void run_on(uint8_t *stack, struct task *task)
{
	long ret = SYS_clone;
	register void *arg __asm__("r12") = task;
	register long r10 __asm__("r10") = 0;
	register long r8 __asm__("r8") = 0;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "mov %%r12, %%rdi\n\t"
			 "call %P[entry]\n\t"
			 "mov %[exit], %%eax\n\t"
			 "xor %%edi, %%edi\n\t"
			 "syscall\n\t"
			 "hlt\n"
			 "1:"
			 : "+a"(ret)
			 : "D"((long)THREADED), "S"(stack + STACK_SIZE), "d"(&thread), "r"(r10),
			   "r"(r8), "r"(arg), [entry] "i"(run_apart), [exit] "i"(SYS_exit)
			 : "rcx", "r11", "memory", "cc");
}

/* The thread has a stack of its own, as the program's threads may have little. */
static void run_in_thread(struct task *task)
{
	static uint8_t *stack;
	uint32_t me = (uint32_t)sys_getpid(), other = atomic_load(&busy);

	if (other == me || !atomic_compare_exchange_strong(&busy, &other, me))
		return;
	if (!stack)
		stack = pool_map(STACK_SIZE);
	atomic_store(&thread, 0);
	if (stack)
		run_on(stack, task);
	atomic_store(&busy, 0);
}

uint32_t apart_thread(uint32_t pid)
{
	return atomic_load(&busy) == pid ? atomic_load(&thread) : 0;
}

bool apart_run(void (*work)(void *), void *argument)
{
	struct task task = { work, argument, false };

	if (sys_forbidden)
		return false;
	if (__libc_single_threaded || apart_alone) {
		work(argument);
		return true;
	}
	if (!sys_emulated && sys_call3(SYS_prctl, PR_GET_SECCOMP, 0, 0) == 0)
		run_in_thread(&task);
	return task.done;
}

uint64_t apart_due(uint64_t before)
{
	uint64_t now = sys_clock_ns(CLOCK_MONOTONIC), wait = (now - before) * SHARE;

	return now + (wait < WAIT_MOST ? wait : WAIT_MOST);
}
