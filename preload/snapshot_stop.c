/* SPDX-License-Identifier: MIT */
/*
 * Stopping threads; see snapshot_stop.h.
 *
 * The tracing process runs on memory that it shares with the threads it stops, even their
 * thread-local storage: it calls nothing but the kernel.
 */
#include "snapshot_stop.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/ptrace.h>
#include <sys/single_threaded.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>

#include "apart.h"
#include "note.h"
#include "restart.h"
#include "sys.h"

#define STOP_NS	       500000000ull /* all must have stopped by then */
#define WANT_NS	       5000000000ull /* ... or those that only want a processor, which gets them there */
#define STEP_NS	       10000
#define WAIT_NS	       2000000
#define ROUNDS	       64 /* new threads may come up while others are stopped */
#define DIRENTS	       4096

#define ERESTARTNOHAND 514 /* the kernel's own */

enum phase { PHASE_BEGUN, PHASE_STOPPED, PHASE_FAILED, PHASE_RELEASED };

struct dirent64 {
	uint64_t inode, offset;
	uint16_t size;
	uint8_t type;
	char name[];
};

static void nap(uint64_t ns)
{
	struct timespec t = { 0, (long)ns };

	sys_call3(SYS_nanosleep, (long)&t, 0, 0);
}

static uint64_t now_ns(void)
{
	return sys_clock_ns(CLOCK_MONOTONIC);
}

static uint32_t decimal(const char *s)
{
	uint32_t v = 0;

	for (; *s >= '0' && *s <= '9'; s++)
		v = v * 10 + (uint32_t)(*s - '0');
	return v;
}

bool snapshot_each(uint32_t pid, void (*fn)(void *arg, uint32_t tid), void *arg)
{
	uint64_t buf[DIRENTS / 8];
	char path[40];
	long n;
	int fd;

	note_format(path, sizeof(path), "/proc/%u/task", pid);
	fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0)
		return false;
	while ((n = sys_call3(SYS_getdents64, fd, (long)buf, sizeof(buf))) > 0)
		for (long at = 0; at < n;) {
			const struct dirent64 *d =
				(const struct dirent64 *)((const uint8_t *)buf + at);

			if (d->name[0] != '.')
				fn(arg, decimal(d->name));
			at += d->size;
		}
	sys_close(fd);
	return n == 0;
}

static void count_one(void *arg, uint32_t tid)
{
	(void)tid;
	++*(uint32_t *)arg;
}

static void count_threads(void *n)
{
	if (!snapshot_each((uint32_t)sys_getpid(), count_one, n))
		*(uint32_t *)n = 0;
}

bool snapshot_alone(void)
{
	struct stat tasks;

	/* a link for each thread, beside the folder's own two */
	return !sys_call6(SYS_newfstatat, AT_FDCWD, (long)"/proc/self/task", (long)&tasks, 0, 0,
			  0) &&
	       tasks.st_nlink == 3;
}

uint32_t snapshot_count(void)
{
	uint32_t n = 0;

	if (!apart_run(count_threads, &n))
		return 0;
	return __libc_single_threaded || apart_alone || !n ? n : n - 1; /* but for the one apart */
}

static void set_phase(struct snapshot *s, uint32_t phase)
{
	atomic_store(&s->phase, phase);
	sys_call6(SYS_futex, (long)&s->phase, FUTEX_WAKE, INT32_MAX, 0, 0, 0);
}

static void wait_phase(struct snapshot *s, uint32_t phase)
{
	struct timespec t = { 0, WAIT_NS };

	sys_call6(SYS_futex, (long)&s->phase, FUTEX_WAIT, phase, (long)&t, 0, 0);
}

/* ---- in the tracing process ---- */

static void seize(void *arg, uint32_t tid)
{
	struct snapshot *s = arg;
	struct snapshot_thread *t;
	long result;

	for (uint32_t i = 0; i < s->threads; i++)
		if (s->thread[i].tid == tid)
			return;
	if (tid == apart_thread(s->pid))
		return;
	if (s->threads == s->room) {
		s->refused++;
		return;
	}
	t = &s->thread[s->threads];
	memset(t, 0, sizeof(*t));
	t->tid = tid;
	result = sys_call6(SYS_ptrace, PTRACE_SEIZE, tid, 0, 0, 0, 0);
	if (result == -ESRCH) /* it has ended, or is about to */
		return;
	s->threads++;
	t->seized = !result;
	if (!result)
		result = sys_call6(SYS_ptrace, PTRACE_INTERRUPT, tid, 0, 0, 0, 0);
	if (result == -ESRCH)
		t->gone = true;
	else if (result)
		s->refused++;
}

/*
 * A call that ends here with EINTR goes on when the thread does. A program's handler that comes in
 * between ends it all the same: that is what this result means to the kernel.
 */
static void call_goes_on(const struct snapshot_thread *t, const struct user_regs_struct *u)
{
	if ((long)u->rax == -EINTR && restart_is_safe((long)u->orig_rax))
		sys_call6(SYS_ptrace, PTRACE_POKEUSER, t->tid,
			  offsetof(struct user_regs_struct, rax), -ERESTARTNOHAND, 0, 0);
}

static void read_registers(struct snapshot_thread *t)
{
	struct user_regs_struct u;

	if (sys_call6(SYS_ptrace, PTRACE_GETREGS, t->tid, 0, (long)&u, 0, 0))
		return;
	call_goes_on(t, &u);
	t->sp = u.rsp;
	t->fs = u.fs_base;
	t->registers[0] = u.rax;
	t->registers[1] = u.rbx;
	t->registers[2] = u.rcx;
	t->registers[3] = u.rdx;
	t->registers[4] = u.rsi;
	t->registers[5] = u.rdi;
	t->registers[6] = u.rbp;
	for (int i = 0; i < 8; i++)
		t->registers[8 + i] = (const uint64_t[]){ u.r8,	 u.r9,	u.r10, u.r11,
							  u.r12, u.r13, u.r14, u.r15 }[i];
	t->stopped = true;
}

/* Looks whether it has stopped; true when there is nothing more to wait for. */
static bool stopped(struct snapshot_thread *t)
{
	int status;
	long got = sys_call6(SYS_wait4, t->tid, (long)&status, __WALL | WNOHANG, 0, 0, 0);

	if (!got)
		return false;
	if (got < 0 || !WIFSTOPPED(status)) {
		t->gone = true;
		return true;
	}
	/* a signal was on its way: it is given back when the thread goes on */
	if (status >> 16 != PTRACE_EVENT_STOP)
		t->signal = (uint32_t)WSTOPSIG(status);
	read_registers(t);
	return true;
}

/* Does it only wait for a processor? Given up then, its call would end with EINTR. */
static bool is_ready(const struct snapshot *s, const struct snapshot_thread *t)
{
	char text[128], path[40];
	long n, at = 0;
	int fd;

	note_format(path, sizeof(path), "/proc/%u/task/%u/stat", s->pid, t->tid);
	fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return false;
	n = sys_call3(SYS_read, fd, (long)text, sizeof(text));
	sys_close(fd);
	for (long i = 0; i + 2 < n; i++) /* a name may have a bracket, too */
		if (text[i] == ')' && text[i + 1] == ' ')
			at = i + 2;
	return at && text[at] == 'R';
}

/* One that was stopped before it was known that another waits for it. */
static void let_apart_go(struct snapshot *s)
{
	uint32_t tid = apart_thread(s->pid);

	for (uint32_t i = 1; tid && i < s->threads; i++) {
		struct snapshot_thread *t = &s->thread[i];

		if (t->tid != tid || !t->stopped || t->gone)
			continue;
		sys_call6(SYS_ptrace, PTRACE_DETACH, tid, 0, 0, 0, 0);
		t->gone = true;
	}
}

/* Waits for a thread to stop; false when it does not. */
static bool await_stop(struct snapshot *s, struct snapshot_thread *t, uint64_t from)
{
	while (!t->gone && !stopped(t)) {
		uint64_t took = now_ns() - from;

		if (took > WANT_NS || (took > STOP_NS && !is_ready(s, t)))
			return false;
		let_apart_go(s);
		nap(STEP_NS);
	}
	return true;
}

static bool stop_all(struct snapshot *s)
{
	uint64_t from = now_ns();

	for (unsigned round = 0; round < ROUNDS; round++) {
		uint32_t before = s->threads;

		if (!snapshot_each(s->pid, seize, s) || s->refused)
			return false;
		if (s->threads == before)
			return true;
		for (uint32_t i = before; i < s->threads; i++) {
			struct snapshot_thread *t = &s->thread[i];

			if (!await_stop(s, t, from)) {
				s->late = true;
				s->refused++;
				return false;
			}
			if (!t->gone && !t->stopped)
				s->refused++;
		}
	}
	return false;
}

static void release_all(struct snapshot *s)
{
	atomic_fetch_add(&snapshot_stops, 1);
	for (uint32_t i = 1; i < s->threads; i++) {
		struct snapshot_thread *t = &s->thread[i];

		if (t->seized && !t->gone)
			sys_call6(SYS_ptrace, PTRACE_DETACH, t->tid, 0, t->signal, 0, 0);
	}
}

/* One that has not stopped is let go when this process ends. */
static long tracer(struct snapshot *s)
{
	bool done;

	sys_call6(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0, 0);
	done = stop_all(s);
	if (!done)
		release_all(s);
	set_phase(s, done ? PHASE_STOPPED : PHASE_FAILED);
	while (done && atomic_load(&s->phase) == PHASE_STOPPED)
		wait_phase(s, PHASE_STOPPED);
	if (done)
		release_all(s);
	return 0;
}

/* ---- in the asking thread ---- */

/* A process in the same memory with a stack of its own, which runs fn(arg) and ends. Its signals
 * are blocked, and none tells of its end. */
static long clone_run(uint8_t *stack, long (*fn)(struct snapshot *), struct snapshot *arg)
{
	const long flags = CLONE_VM | CLONE_UNTRACED;
	long result = SYS_clone;
	register long r10 __asm__("r10") = 0;
	register long r8 __asm__("r8") = 0;
	register void *f __asm__("r12") = (void *)fn;
	register void *a __asm__("r13") = arg;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "mov %%r13, %%rdi\n\t"
			 "call *%%r12\n\t"
			 "mov %%eax, %%edi\n\t"
			 "mov $60, %%eax\n\t" /* exit */
			 "syscall\n\t"
			 "hlt\n"
			 "1:"
			 : "+a"(result)
			 : "D"(flags), "S"(stack), "d"(0), "r"(r10), "r"(r8), "r"(f), "r"(a)
			 : "rcx", "r11", "memory");
	return result;
}

/* Where only ancestors may trace, the tracing process needs a word from us. */
static void read_scope(void *scope)
{
	int fd =
		sys_openat(AT_FDCWD, "/proc/sys/kernel/yama/ptrace_scope", O_RDONLY | O_CLOEXEC, 0);

	if (fd < 0)
		return;
	sys_read(fd, scope, 1);
	sys_close(fd);
}

static bool tracing_restricted(void)
{
	char scope = '0';

	apart_run(read_scope, &scope);
	return scope == '1';
}

/* The number behind a word of a text; 0 where it is not in it. */
static uint32_t number_behind(const char *text, const char *word)
{
	const char *at = strstr(text, word);

	return at ? decimal(at + strlen(word)) : 0;
}

static void read_text(const char *path, char *to, size_t size)
{
	int fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	ssize_t n = fd < 0 ? 0 : sys_read(fd, to, size - 1);

	to[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		sys_close(fd);
}

static void read_debugger(void *pid)
{
	char path[40], text[2048];
	uint32_t tracer;

	note_format(path, sizeof(path), "/proc/%u/status", (unsigned)sys_getpid());
	read_text(path, text, sizeof(text));
	tracer = number_behind(text, "\nTracerPid:\t");
	note_format(path, sizeof(path), "/proc/%u/comm", tracer);
	read_text(path, text, sizeof(text));
	*(uint32_t *)pid = tracer && strcmp(text, "strace\n") ? tracer : 0;
}

uint32_t snapshot_debugger(void)
{
	uint32_t pid = 0;

	return apart_run(read_debugger, &pid) ? pid : 0;
}

static long tracer_start(struct snapshot *s)
{
	uint8_t *top = (uint8_t *)(((uint64_t)s->stack + s->stack_size - 64) & ~63ull);
	long pid;

	atomic_store(&s->phase, PHASE_BEGUN);
	s->restricted = tracing_restricted();
	if (s->restricted)
		sys_call6(SYS_prctl, PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0, 0);
	pid = clone_run(top, tracer, s);
	return pid;
}

int snapshot_stop(struct snapshot *s)
{
	long pid = sys_emulated ? -EPERM : tracer_start(s), gone = 0;

	if (pid < 0)
		return (int)pid;
	s->tracer = (uint32_t)pid;
	while (atomic_load(&s->phase) == PHASE_BEGUN && !gone) {
		wait_phase(s, PHASE_BEGUN);
		gone = sys_call6(SYS_wait4, pid, 0, __WALL | WNOHANG, 0, 0, 0);
	}
	if (atomic_load(&s->phase) == PHASE_STOPPED && !gone)
		return 0;
	if (!gone)
		sys_call6(SYS_wait4, pid, 0, __WALL, 0, 0, 0);
	if (s->restricted)
		sys_call6(SYS_prctl, PR_SET_PTRACER, 0, 0, 0, 0, 0);
	s->tracer = 0;
	return s->late ? -ETIMEDOUT : -EPERM;
}

void snapshot_resume(struct snapshot *s)
{
	if (s->flags & LAR_LEAKSCAN_BY_SIGNAL) {
		snapshot_resume_by_signal(s);
		return;
	}
	set_phase(s, PHASE_RELEASED);
	while (sys_call6(SYS_wait4, s->tracer, 0, __WALL, 0, 0, 0) == -EINTR)
		;
	if (s->restricted)
		sys_call6(SYS_prctl, PR_SET_PTRACER, 0, 0, 0, 0, 0);
	s->tracer = 0;
}
