/* SPDX-License-Identifier: MIT */
/*
 * What a filter of system calls leaves; see filter.h. There is no asking what it does with a call,
 * but to make it, and to look who is still there.
 */
#include "filter.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "sys.h"

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

#define STATUS_SIZE 4096
#define PAGE	    4096
#define NO_FD	    (-1)
#define NO_CORE	    1 /* as a limit: none in a file, and none for a program either */

/* How far the process has come. */
enum {
	STEP_NONE,
	STEP_WRITE,
	STEP_WAIT,
	STEP_USUAL,
	STEP_ALL,
};

/*
 * Whether there is a filter. What prctl(2) says in no time may be what it kills for; opening and
 * reading are what the loader has just done. The line is one of the last.
 */
static bool filtered(void)
{
	static const char name[] = "\nSeccomp:\t";
	const long size = sizeof(name) - 1;
	bool none = false;
	char text[STATUS_SIZE];
	long kept = 0, n;
	int fd = sys_openat(AT_FDCWD, "/proc/self/status", O_RDONLY | O_CLOEXEC, 0);

	if (fd < 0)
		return true; /* as far as we know */
	/* a process may have many groups; what the line may begin in is looked at again */
	while (!none && (n = sys_read(fd, text + kept, sizeof(text) - (size_t)kept)) > 0) {
		n += kept;
		for (long at = n - size - 1; at >= 0 && !none; at--)
			none = text[at + 1] == 'S' && !memcmp(text + at, name, (size_t)size) &&
			       text[at + size] == '0';
		kept = n < size ? n : size;
		memmove(text, text + n - kept, (size_t)kept);
	}
	sys_close(fd);
	return !none;
}

static void try_files(void)
{
	sys_call6(SYS_openat, AT_FDCWD, 0, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600,
		  0, 0);
	sys_call3(SYS_read, NO_FD, 0, 0);
	sys_call6(SYS_pread64, NO_FD, 0, 0, 0, 0, 0);
	sys_call6(SYS_pwritev, NO_FD, 0, 0, 0, 0, 0);
	sys_call3(SYS_close, NO_FD, 0, 0);
	sys_call3(SYS_ftruncate, NO_FD, 0, 0);
	sys_call6(SYS_fallocate, NO_FD, 0, 0, 0, 0, 0);
	sys_call3(SYS_unlink, 0, 0, 0);
	sys_call6(SYS_readlinkat, AT_FDCWD, 0, 0, 0, 0, 0);
	sys_call3(SYS_getcwd, 0, 0, 0);
	sys_call3(SYS_statfs, 0, 0, 0);
	sys_call3(SYS_fstat, NO_FD, 0, 0);
	sys_call6(SYS_newfstatat, AT_FDCWD, 0, 0, 0, 0, 0);
	sys_call3(SYS_getdents64, NO_FD, 0, 0);
	sys_call3(SYS_getsockname, NO_FD, 0, 0);
	sys_call3(SYS_getpeername, NO_FD, 0, 0);
	sys_call6(SYS_getsockopt, NO_FD, 0, 0, 0, 0, 0);
}

static void try_memory(uint8_t *page)
{
	void *p = sys_mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (!sys_failed((long)p)) {
		sys_madvise(p, PAGE, MADV_DONTDUMP);
		sys_call3(SYS_mprotect, (long)p, PAGE, PROT_READ);
		sys_munmap(p, PAGE);
	}
	sys_call6(SYS_mremap, 0, 0, 0, 0, 0, 0);
	sys_call3(SYS_mlock, 0, 0, 0);
	sys_call3(SYS_mlock2, 0, 0, 0);
	sys_call3(SYS_munlock, 0, 0, 0);
	sys_call3(SYS_mlockall, 0, 0, 0);
	sys_call3(SYS_munlockall, 0, 0, 0);
	sys_call3(SYS_mincore, (long)page, 0, 0);
	sys_call3(SYS_brk, 0, 0, 0);
}

static void try_process(void)
{
	static const struct timespec no_time;
	struct rusage usage;
	uint64_t mask = 0, action[4];
	char name[16];
	uint32_t word = 0;

	sys_call6(SYS_prctl, PR_GET_NAME, (long)name, 0, 0, 0, 0);
	sys_call3(SYS_prctl, PR_GET_SECCOMP, 0, 0);
	sys_call6(SYS_prlimit64, 0, RLIMIT_AS, 0, 0, 0, 0);
	sys_call3(SYS_uname, 0, 0, 0);
	sys_call3(SYS_getuid, 0, 0, 0);
	sys_call3(SYS_getppid, 0, 0, 0);
	sys_call3(SYS_getrusage, RUSAGE_SELF, (long)&usage, 0);
	sys_call6(SYS_rt_sigprocmask, SIG_BLOCK, 0, (long)&mask, sizeof(mask), 0, 0);
	sys_call6(SYS_rt_sigaction, SIGUSR1, 0, (long)action, sizeof(mask), 0, 0);
	sys_call3(SYS_rt_sigpending, (long)&mask, sizeof(mask), 0);
	sys_call3(SYS_sigaltstack, 0, 0, 0);
	sys_call3(SYS_tgkill, sys_getpid(), sys_gettid(), 0);
	sys_call6(SYS_futex, (long)&word, FUTEX_WAKE, 1, 0, 0, 0);
	sys_call6(SYS_futex, (long)&word, FUTEX_WAIT, 1, 0, 0, 0);
	sys_call3(SYS_nanosleep, (long)&no_time, 0, 0);
	sys_yield();
	sys_call3(SYS_sched_getaffinity, 0, 0, 0);
	sys_call3(SYS_clock_gettime, CLOCK_THREAD_CPUTIME_ID, 0, 0);
}

static void try_cpu(void)
{
	sys_call3(SYS_timer_create, -1, 0, 0);
	sys_call6(SYS_timer_settime, -1, 0, 0, 0, 0, 0);
	sys_call3(SYS_timer_delete, -1, 0, 0);
	sys_call6(SYS_rt_tgsigqueueinfo, -1, -1, 0, 0, 0, 0);
}

/* What this process does to itself it does to nobody else. */
static void try_scan(void)
{
	sys_call6(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0, 0);
	sys_call6(SYS_prctl, PR_SET_PTRACER, 0, 0, 0, 0, 0);
	sys_call6(SYS_ptrace, PTRACE_SEIZE, 0, 0, 0, 0, 0);
	sys_call3(SYS_kill, sys_getpid(), 0, 0);
	sys_call3(SYS_setpriority, PRIO_PROCESS, 0, 10);
	sys_call3(SYS_close_range, ~0u, ~0u, 0);
}

static void try_all(_Atomic uint32_t *step, bool cpu)
{
	const struct rlimit none = { NO_CORE, NO_CORE };

	/* nothing shall be left of a process that is killed; libc has made that call, too */
	sys_call6(SYS_prlimit64, 0, RLIMIT_CORE, (long)&none, 0, 0, 0);
	sys_call3(SYS_write, NO_FD, 0, 0);
	atomic_store(step, STEP_WRITE);
	sys_call6(SYS_wait4, -1, 0, __WALL | WNOHANG, 0, 0, 0);
	atomic_store(step, STEP_WAIT);
	sys_call6(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0, 0);
	try_files();
	try_memory((uint8_t *)step);
	try_process();
	if (cpu)
		try_cpu();
	atomic_store(step, STEP_USUAL);
	try_scan();
	atomic_store(step, STEP_ALL);
}

enum filter_leaves filter_look(bool cpu)
{
	static const enum filter_leaves leaves[] = {
		[STEP_NONE] = FILTER_LEAVES_NOTHING, [STEP_WRITE] = FILTER_LEAVES_NOTE,
		[STEP_WAIT] = FILTER_LEAVES_NOTE,    [STEP_USUAL] = FILTER_LEAVES_ALL_BUT_SCAN,
		[STEP_ALL] = FILTER_LEAVES_ALL,
	};
	_Atomic uint32_t *step;
	uint32_t reached;
	long pid;

	if (sys_emulated || !filtered())
		return FILTER_LEAVES_ALL;
	sys_filtered = 1;
	step = sys_mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sys_failed((long)step))
		return FILTER_LEAVES_NOTHING;
	/* it shares no memory with this one, which goes on when it has ended; its end sends no
	 * signal */
	pid = sys_call6(SYS_clone, CLONE_VFORK, 0, 0, 0, 0, 0);
	if (!pid) {
		try_all(step, cpu);
		for (;;) {
			sys_call3(SYS_exit_group, 0, 0, 0);
			sys_call3(SYS_exit, 0, 0, 0);
			__builtin_trap(); /* what refuses both may let this end it */
		}
	}
	reached = atomic_load(step);
	/* else it stays until this process ends, and no plain wait() tells of it */
	if (pid > 0 && reached >= STEP_WAIT)
		sys_call6(SYS_wait4, pid, 0, __WALL, 0, 0, 0);
	sys_munmap((void *)step, PAGE);
	return pid < 0 ? FILTER_LEAVES_UNKNOWN : leaves[reached];
}

/* The interpreter's state; linux/filter.h has its words, "seccomp(2)" what of them is allowed. */
struct machine {
	uint32_t a, x, memory[BPF_MEMWORDS];
	struct seccomp_data data;
};

static uint32_t load(const struct machine *m, const struct sock_filter *i)
{
	uint32_t word = 0;

	switch (BPF_MODE(i->code)) {
	case BPF_ABS:
		if (i->k <= sizeof(m->data) - sizeof(word))
			memcpy(&word, (const uint8_t *)&m->data + i->k, sizeof(word));
		return word;
	case BPF_MEM:
		return m->memory[i->k % BPF_MEMWORDS];
	case BPF_LEN:
		return sizeof(m->data);
	default:
		return i->k;
	}
}

static uint32_t compute(const struct machine *m, const struct sock_filter *i)
{
	uint32_t b = BPF_SRC(i->code) == BPF_X ? m->x : i->k;

	switch (BPF_OP(i->code)) {
	case BPF_ADD:
		return m->a + b;
	case BPF_SUB:
		return m->a - b;
	case BPF_MUL:
		return m->a * b;
	case BPF_DIV:
		return b ? m->a / b : 0;
	case BPF_OR:
		return m->a | b;
	case BPF_AND:
		return m->a & b;
	case BPF_XOR:
		return m->a ^ b;
	case BPF_LSH:
		return m->a << b % 32;
	case BPF_RSH:
		return m->a >> b % 32;
	default: /* BPF_NEG */
		return 0 - m->a;
	}
}

/* How many instructions are left out. */
static uint32_t jump(const struct machine *m, const struct sock_filter *i)
{
	uint32_t b = BPF_SRC(i->code) == BPF_X ? m->x : i->k;
	bool yes;

	switch (BPF_OP(i->code)) {
	case BPF_JA:
		return i->k;
	case BPF_JEQ:
		yes = m->a == b;
		break;
	case BPF_JGT:
		yes = m->a > b;
		break;
	case BPF_JGE:
		yes = m->a >= b;
		break;
	default: /* BPF_JSET */
		yes = m->a & b;
		break;
	}
	return yes ? i->jt : i->jf;
}

static uint32_t verdict(const struct sock_fprog *program, struct machine *m)
{
	for (uint32_t at = 0; at < program->len; at++) {
		const struct sock_filter *i = &program->filter[at];

		switch (BPF_CLASS(i->code)) {
		case BPF_LD:
			m->a = load(m, i);
			break;
		case BPF_LDX:
			m->x = load(m, i);
			break;
		case BPF_ST:
			m->memory[i->k % BPF_MEMWORDS] = m->a;
			break;
		case BPF_STX:
			m->memory[i->k % BPF_MEMWORDS] = m->x;
			break;
		case BPF_ALU:
			m->a = compute(m, i);
			break;
		case BPF_JMP:
			at += jump(m, i);
			break;
		case BPF_RET:
			return BPF_RVAL(i->code) == BPF_A ? m->a : i->k;
		default: /* BPF_MISC */
			if (BPF_MISCOP(i->code) == BPF_TXA)
				m->a = m->x;
			else
				m->x = m->a;
			break;
		}
	}
	return SECCOMP_RET_KILL_PROCESS;
}

bool filter_kills_look(const struct sock_fprog *program)
{
	struct machine m;
	uint32_t action;

	memset(&m, 0, sizeof(m));
	m.data.nr = SYS_clone;
	m.data.arch = AUDIT_ARCH_X86_64;
	m.data.args[0] = CLONE_VFORK;
	action = verdict(program, &m) & SECCOMP_RET_ACTION_FULL;
	return action == SECCOMP_RET_KILL_PROCESS || action == SECCOMP_RET_KILL_THREAD ||
	       action == SECCOMP_RET_TRAP;
}
