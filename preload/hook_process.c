/* SPDX-License-Identifier: MIT */
/* Processes: fork, exec, the end, and libraries that go away. */
#include <alloca.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <sys/prctl.h>

#include "cpu.h"
#include "fault.h"
#include "hook.h"
#include "hook_sync.h"
#include "life.h"
#include "lockcall.h"
#include "memlock.h"
#include "module.h"
#include "sys.h"

static void record_process(unsigned call, uint64_t before, int64_t pid, int64_t result,
			   uint64_t frame)
{
	struct thread *t;
	uint64_t *r;

	if (!hook_wants(LAR_RECORD_THREADS))
		return;
	t = span_open(frame);
	if (!t)
		return;
	r = span_record_stack(t, LAR_EV_PROCESS, 0, call, 4, frame);
	if (r) {
		r[0] = lar_ticks();
		r[1] = before ? r[0] - before : 0;
		r[2] = (uint64_t)pid;
		r[3] = (uint64_t)result;
		span_commit(t);
	}
	span_close(t);
}

LAR_EXPORT pid_t fork(void)
{
	uint64_t before = hook_ticks();
	pid_t pid;
	int e;

	lock_at_fork(LAR_CALL_fork, HOOK_FRAME);
	pid = REAL(fork)();
	e = errno;

	FAULT_POINT(fork_returned);
	/* the child starts its own trace at its first event; at once where its CPU time counts */
	if (!pid && cpu_signal && life_start())
		cpu_thread_enter(HOOK_FRAME);
	if (pid)
		record_process(LAR_CALL_fork, before, pid > 0 ? pid : 0, pid > 0 ? 0 : -e,
			       HOOK_FRAME);
	errno = e;
	return pid;
}

/* The image is about to be replaced: what is in the buffers is sealed now. A failed exec returns
 * and the recording goes on. Does nothing in a vfork child, whose memory is its parent's, but to
 * say that it leaves that: what exec_failed() must be given. */
static int exec_begin(unsigned call, uint64_t frame)
{
	int e = errno;

	if (life_own_process()) {
		record_process(call, 0, 0, 0, frame);
		life_end(LAR_END_EXEC, 0);
	}
	errno = e;
	return life_child_leaves();
}

static int exec_failed(int left, int result)
{
	int e = errno;

	life_child_stays(left);
	life_not_ended();
	errno = e;
	return result;
}

#define EXEC(symbol, parameters, arguments)                                                        \
	LAR_EXPORT int symbol parameters                                                           \
	{                                                                                          \
		int left = exec_begin(LAR_CALL_##symbol, HOOK_FRAME);                              \
                                                                                                   \
		return exec_failed(left, REAL(symbol) arguments);                                  \
	}

EXEC(execve, (const char *path, char *const argv[], char *const envp[]), (path, argv, envp))
EXEC(execv, (const char *path, char *const argv[]), (path, argv))
EXEC(execvp, (const char *file, char *const argv[]), (file, argv))
EXEC(execvpe, (const char *file, char *const argv[], char *const envp[]), (file, argv, envp))
EXEC(fexecve, (int fd, char *const argv[], char *const envp[]), (fd, argv, envp))
EXEC(execveat, (int dir, const char *path, char *const argv[], char *const envp[], int flags),
     (dir, path, argv, envp, flags))

/* The argument list of an execl form as an array, on the stack: these are async-signal-safe. */
#define ARGV_COLLECT(argv, first, ap)                                                              \
	do {                                                                                       \
		va_list count_;                                                                    \
		uintptr_t first_ = (uintptr_t)first;                                               \
		size_t n_;                                                                         \
                                                                                                   \
		/* declared nonnull, yet programs pass NULL */                                     \
		__asm__("" : "+r"(first_));                                                        \
		n_ = first_ ? 1 : 0;                                                               \
                                                                                                   \
		va_copy(count_, ap);                                                               \
		while (n_ && va_arg(count_, char *))                                               \
			n_++;                                                                      \
		va_end(count_);                                                                    \
		argv = alloca((n_ + 1) * sizeof(*argv));                                           \
		argv[0] = (char *)first_;                                                          \
		for (size_t i_ = 1; i_ <= n_; i_++)                                                \
			argv[i_] = va_arg(ap, char *);                                             \
	} while (0)

LAR_EXPORT int execl(const char *path, const char *arg, ...)
{
	char **argv;
	va_list ap;
	int left;

	va_start(ap, arg);
	ARGV_COLLECT(argv, arg, ap);
	va_end(ap);
	left = exec_begin(LAR_CALL_execl, HOOK_FRAME);
	return exec_failed(left, REAL(execv)(path, argv));
}

LAR_EXPORT int execlp(const char *file, const char *arg, ...)
{
	char **argv;
	va_list ap;
	int left;

	va_start(ap, arg);
	ARGV_COLLECT(argv, arg, ap);
	va_end(ap);
	left = exec_begin(LAR_CALL_execlp, HOOK_FRAME);
	return exec_failed(left, REAL(execvp)(file, argv));
}

LAR_EXPORT int execle(const char *path, const char *arg, ...)
{
	char **argv;
	char *const *envp;
	va_list ap;
	int left;

	va_start(ap, arg);
	ARGV_COLLECT(argv, arg, ap);
	envp = va_arg(ap, char *const *);
	va_end(ap);
	left = exec_begin(LAR_CALL_execle, HOOK_FRAME);
	return exec_failed(left, REAL(execve)(path, argv, envp));
}

/* Forked children leave this way to be quick, with a heap that is their parent's: no scan there. */
static always_inline bool is_forked(void)
{
	return !lar || !lar->header || lar->header->parent_start_ns;
}

LAR_EXPORT void _exit(int code)
{
	life_exit(code, !is_forked(), HOOK_FRAME);
	life_child_leaves();
	REAL(_exit)(code);
	__builtin_unreachable();
}

LAR_EXPORT void _Exit(int code)
{
	life_exit(code, !is_forked(), HOOK_FRAME);
	life_child_leaves();
	REAL(_Exit)(code);
	__builtin_unreachable();
}

/* The process ends in it, in a way that nobody sees; its child returns. */
LAR_EXPORT int daemon(int nochdir, int noclose)
{
	int e = errno, result;

	if (life_own_process())
		life_end(LAR_END_EXIT, 0);
	errno = e;
	result = REAL(daemon)(nochdir, noclose);
	if (result) {
		e = errno;
		life_not_ended();
		errno = e;
	}
	return result;
}

LAR_EXPORT void quick_exit(int code)
{
	life_exit(code, true, HOOK_FRAME);
	REAL(quick_exit)(code);
	__builtin_unreachable();
}

/* A call that installs a filter unless the kernel refuses it. Without a program it only asks what
 * the kernel knows, and has no effect. */
static bool prctl_filters(int option, const unsigned long *a)
{
	return option == PR_SET_SECCOMP &&
	       (a[0] == SECCOMP_MODE_STRICT || (a[0] == SECCOMP_MODE_FILTER && a[1]));
}

static bool syscall_filters(long number, const long *a)
{
	return number == SYS_seccomp && ((a[0] == SECCOMP_SET_MODE_STRICT && !a[1] && !a[2]) ||
					 (a[0] == SECCOMP_SET_MODE_FILTER && a[2]));
}

/* The strict mode takes the clock (rdtsc), too. */
static bool prctl_blinds(int option, const unsigned long *a)
{
	return (option == PR_SET_SECCOMP && a[0] == SECCOMP_MODE_STRICT) ||
	       (option == PR_SET_TSC && a[0] == PR_TSC_SIGSEGV);
}

static void filter_answered(bool installed, uint64_t program)
{
	if (installed)
		life_filtered((const struct sock_fprog *)program);
	else
		life_unsandboxed();
}

/* See life_sandboxed(). Another of its uses is to name the thread. */
LAR_EXPORT int prctl(int option, ...)
{
	bool filter;
	unsigned long a[4];
	va_list ap;
	int result;

	va_start(ap, option);
	for (int i = 0; i < 4; i++)
		a[i] = va_arg(ap, unsigned long);
	va_end(ap);
	if (prctl_blinds(option, a))
		life_blind();
	filter = prctl_filters(option, a) && life_sandboxed(HOOK_FRAME);
	result = REAL(prctl)(option, a[0], a[1], a[2], a[3]);
	if (filter)
		filter_answered(!result, a[0] == SECCOMP_MODE_FILTER ? a[1] : 0);
	if (option == PR_SET_NAME && !result)
		thread_named(thread_number(), (const char *)a[0]);
	return result;
}

LAR_EXPORT long syscall(long number, ...)
{
	bool filter;
	long a[6], result;
	va_list ap;

	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	/* how the locks of Rust and what is atomic in C++ wait */
	if (number == SYS_futex)
		return sync_futex(a, HOOK_FRAME);
	if (number == SYS_mlockall) {
		hook_ticks();
		return memlock_all((int)a[0], REAL(mlockall));
	}
	if (syscall_filters(number, a) && a[0] == SECCOMP_SET_MODE_STRICT)
		life_blind();
	filter = syscall_filters(number, a) && life_sandboxed(HOOK_FRAME);
	result = REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	/* a descriptor is no failure; the number of a thread, which one is asked for without, is */
	if (filter)
		filter_answered(!result || (result > 0 && a[1] & SECCOMP_FILTER_FLAG_NEW_LISTENER),
				a[0] == SECCOMP_SET_MODE_FILTER ? (uint64_t)a[2] : 0);
	return result;
}

LAR_EXPORT int dlclose(void *handle)
{
	int result = REAL(dlclose)(handle);
	int e = errno;

	if (lar && atomic_load(&lar->phase) == PHASE_ON)
		module_check_unloaded();
	errno = e;
	return result;
}
