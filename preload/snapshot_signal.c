/* SPDX-License-Identifier: MIT */
/*
 * Signals for snapshots: one that the user names asks for a scan, and one that the program does not
 * use stops threads where tracing is not allowed; see snapshot_stop.h.
 *
 * Handlers are put in place by the kernel's call, and only where the program has none: its own
 * later one takes their place.
 */
#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>

#include "apart.h"
#include "recorder.h"
#include "restart.h"
#include "snapshot_stop.h"
#include "sys.h"

#define SIGNAL_HIGHEST 63 /* real-time signals are looked at from here down */
#define SIGNAL_LOWEST  40
#define STOP_NS	       500000000ull
#define STOP_LIVE_NS   100000000ull /* in a program that goes on: a thread may have it blocked */
#define STEP_NS	       20000
#define WAIT_NS	       20000000
#define RESTORER       0x04000000ul

/* As the kernel has it. */
struct kernel_action {
	void (*handler)(int, siginfo_t *, void *);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

__asm__(".text\n"
	".globl lar_signal_return\n"
	".type lar_signal_return, @function\n"
	".hidden lar_signal_return\n"
	"lar_signal_return:\n\t"
	"mov $15, %eax\n\t" /* rt_sigreturn */
	"syscall\n"
	".size lar_signal_return, . - lar_signal_return\n");

static bool action_get(int signal, struct kernel_action *a)
{
	return !sys_call6(SYS_rt_sigaction, signal, 0, (long)a, 8, 0, 0);
}

/* True when the program leaves the signal alone and we have taken it. */
static bool action_take(int signal, void (*handler)(int, siginfo_t *, void *))
{
	struct kernel_action a, ours = { handler, SA_SIGINFO | SA_RESTART | SA_ONSTACK | RESTORER,
					 lar_signal_return, ~0ull };

	if (!action_get(signal, &a) || (a.handler && a.handler != handler))
		return false;
	return !sys_call6(SYS_rt_sigaction, signal, (long)&ours, 0, 8, 0, 0);
}

static void registers_of(const ucontext_t *u, uint64_t *to)
{
	static const int order[SNAPSHOT_REGISTERS - 1] = { REG_RAX, REG_RBX, REG_RCX, REG_RDX,
							   REG_RSI, REG_RDI, REG_RBP, REG_R8,
							   REG_R9,  REG_R10, REG_R11, REG_R12,
							   REG_R13, REG_R14, REG_R15 };

	for (int i = 0; i < SNAPSHOT_REGISTERS - 1; i++)
		to[i] = (uint64_t)u->uc_mcontext.gregs[order[i]];
}

#define SYSTEM_CALLS 512
#define CODE_MOST    32 /* bytes of code that are looked at */

/*
 * The number of the call whose instruction is in front of `behind`, -1 = not known: behind a
 * handler it is only in the code, "mov $number, %eax" or "xor %eax, %eax", with arguments loaded in
 * between.
 */
static long call_in_front(const uint8_t *behind)
{
	const uint8_t *at = behind - 2;

	/* all on one page: what is in front need not be there */
	if (((uint64_t)behind & 4095) < CODE_MOST || at[0] != 0x0f || at[1] != 0x05)
		return -1;
	while (--at > behind - CODE_MOST) {
		/* no prefix that would make it another register */
		bool plain = at[-1] != 0x41 && at[-1] != 0x44 && at[-1] != 0x45 && at[-1] != 0x49;
		uint32_t number;

		__builtin_memcpy(&number, at + 1, sizeof(number));
		if (plain && at[0] == 0xb8 && at + 5 <= behind - 2 && number < SYSTEM_CALLS)
			return number;
		if (plain && at[0] == 0x31 && at[1] == 0xc0)
			return 0;
	}
	return -1;
}

/* Whether a handler of the program's runs in this thread as soon as ours returns; `flags`: only one
 * that has none of these is asked for. */
static bool handler_waits(const ucontext_t *u, unsigned long flags)
{
	uint64_t pending = 0, mask;

	memcpy(&mask, &u->uc_sigmask, sizeof(mask));
	sys_call3(SYS_rt_sigpending, (long)&pending, sizeof(pending), 0);
	pending &= ~mask;
	for (int signal = 1; pending && signal <= 64; signal++) {
		struct kernel_action a;

		if (pending >> (signal - 1) & 1 && action_get(signal, &a) &&
		    (uint64_t)a.handler > (uint64_t)SIG_IGN && !(a.flags & flags))
			return true;
	}
	return false;
}

/* The kernel is about to do the call again. A handler that is to end it and waits would run before
 * that, and the call then wait on: it ends here instead. */
static void call_ends(greg_t *to)
{
	const uint8_t *at = (const uint8_t *)to[REG_RIP];

	/* a call leaves in rcx what is behind it */
	if (to[REG_RCX] != to[REG_RIP] + 2 || at[0] != 0x0f || at[1] != 0x05)
		return;
	to[REG_RAX] = -EINTR;
	to[REG_RIP] += 2;
}

/* The call that the signal has ended goes on behind the handler, where it is known which it is. */
static void call_goes_on(ucontext_t *u)
{
	greg_t *to = u->uc_mcontext.gregs;
	long call;

	if (to[REG_RAX] != -EINTR) {
		if (handler_waits(u, SA_RESTART))
			call_ends(to);
		return;
	}
	call = call_in_front((const uint8_t *)to[REG_RIP]);
	if (call < 0 || !restart_is_safe_handled(call, (uint64_t)to[REG_RSI]) ||
	    handler_waits(u, 0))
		return;
	/* for what is left of the time, where the kernel has said that */
	if (call == SYS_nanosleep && to[REG_RSI])
		to[REG_RDI] = to[REG_RSI];
	if (call == SYS_clock_nanosleep && !to[REG_RSI] && to[REG_R10])
		to[REG_RDX] = to[REG_R10];
	to[REG_RAX] = call;
	to[REG_RIP] -= 2;
}

int snapshot_ending_signal(uint64_t mask)
{
	static const uint8_t harmless[] = { SIGCHLD, SIGCONT, SIGURG, SIGWINCH,
					    SIGTSTP, SIGTTIN, SIGTTOU };
	uint64_t pending = 0;

	sys_call3(SYS_rt_sigpending, (long)&pending, sizeof(pending), 0);
	pending &= ~mask;
	for (size_t i = 0; i < sizeof(harmless); i++)
		pending &= ~(1ull << (harmless[i] - 1));
	for (int signal = 1; pending && signal <= 64; signal++) {
		bool asks = signal == SIGINT || signal == SIGTERM || signal == SIGHUP ||
			    signal == SIGQUIT;
		struct kernel_action a;

		if (pending >> (signal - 1) & 1 && action_get(signal, &a) &&
		    (!a.handler || (asks && (uint64_t)a.handler != (uint64_t)SIG_IGN)))
			return signal;
	}
	return 0;
}

/* ---- asking for a scan ---- */

static void asked_by_signal(int signal, siginfo_t *info, void *context)
{
	const ucontext_t *u = context;
	uint64_t registers[SNAPSHOT_REGISTERS - 1];

	(void)signal;
	(void)info;
	registers_of(u, registers);
	snapshot_now((uint64_t)u->uc_mcontext.gregs[REG_RSP], registers, SNAPSHOT_REGISTERS - 1);
	call_goes_on(context);
	atomic_fetch_add(&snapshot_stops, 1);
}

void snapshot_listen(void)
{
	int signal = lar->config.leak_scan;

	if (signal > 0 && action_take(signal, asked_by_signal))
		lar->header->scan_signal = (uint32_t)signal;
}

/* ---- stopping threads ---- */

static struct snapshot *_Atomic stopping; /* NULL: the handler returns at once */
static _Atomic uint32_t waiting;	  /* threads in the handler */
static _Atomic uint32_t released;

static void stop_here(int signal, siginfo_t *info, void *context)
{
	uint32_t tid = (uint32_t)sys_gettid(), round = atomic_load(&released);
	struct timespec t = { 0, WAIT_NS };
	const ucontext_t *u = context;
	struct snapshot *s;

	(void)signal;
	(void)info;
	atomic_fetch_add(&waiting, 1);
	s = atomic_load(&stopping);
	for (uint32_t i = 1; s && i < s->threads; i++) {
		struct snapshot_thread *me = &s->thread[i];

		if (me->tid != tid)
			continue;
		registers_of(u, me->registers);
		me->sp = (uint64_t)u->uc_mcontext.gregs[REG_RSP];
		me->fs = (uint64_t)__builtin_thread_pointer();
		__atomic_store_n(&me->stopped, true, __ATOMIC_RELEASE);
		while (atomic_load(&released) == round)
			sys_call6(SYS_futex, (long)&released, FUTEX_WAIT, round, (long)&t, 0, 0);
		break;
	}
	call_goes_on(context);
	atomic_fetch_add(&snapshot_stops, 1);
	atomic_fetch_sub(&waiting, 1);
}

static void stop_one(void *arg, uint32_t tid)
{
	struct snapshot *s = arg;
	struct snapshot_thread *t;

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
	s->threads++;
	if (sys_call3(SYS_tgkill, s->pid, tid, s->signal))
		t->gone = true;
}

static bool stopped_or_gone(const struct snapshot *s, struct snapshot_thread *t)
{
	if (!__atomic_load_n(&t->stopped, __ATOMIC_ACQUIRE) &&
	    sys_call3(SYS_tgkill, s->pid, t->tid, 0))
		t->gone = true;
	return t->gone || t->stopped;
}

/* A signal that nobody uses and that is not blocked here; 0 = none. */
static uint32_t signal_find(void)
{
	for (int signal = SIGNAL_HIGHEST; signal >= SIGNAL_LOWEST; signal--)
		if (action_take(signal, stop_here))
			return (uint32_t)signal;
	return 0;
}

int snapshot_stop_by_signal(struct snapshot *s)
{
	uint64_t until = sys_clock_ns(CLOCK_MONOTONIC) +
			 (s->flags & LAR_LEAKSCAN_AT_EXIT ? STOP_NS : STOP_LIVE_NS);
	struct timespec step = { 0, STEP_NS };
	uint32_t before = 0;

	s->threads = 1;
	s->refused = 0;
	s->signal = signal_find();
	if (!s->signal)
		return -EBUSY;
	s->flags |= LAR_LEAKSCAN_BY_SIGNAL;
	atomic_store(&stopping, s);
	while (before != s->threads && !s->refused) {
		before = s->threads;
		if (!snapshot_each(s->pid, stop_one, s))
			s->refused++;
		for (uint32_t i = 1; i < s->threads; i++)
			while (!stopped_or_gone(s, &s->thread[i]) && !s->refused) {
				sys_call3(SYS_nanosleep, (long)&step, 0, 0);
				if (sys_clock_ns(CLOCK_MONOTONIC) > until)
					s->refused++;
			}
	}
	if (!s->refused)
		return 0;
	snapshot_resume_by_signal(s);
	return -ETIMEDOUT;
}

/* The handler stays: a thread that had the signal blocked may still get it. */
void snapshot_resume_by_signal(struct snapshot *s)
{
	struct timespec step = { 0, STEP_NS };

	(void)s;
	atomic_store(&stopping, NULL);
	atomic_fetch_add(&released, 1);
	sys_call6(SYS_futex, (long)&released, FUTEX_WAKE, INT32_MAX, 0, 0, 0);
	/* what they look at is about to go */
	while (atomic_load(&waiting))
		sys_call3(SYS_nanosleep, (long)&step, 0, 0);
}
