/* SPDX-License-Identifier: MIT */
/* Samples of threads at work; see cpu.h. */
#include "cpu.h"

#include <pthread.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/utsname.h>
#include <time.h>
#include <ucontext.h>

#include "cfi.h"
#include "note.h"
#include "ownstack.h"
#include "pool.h"
#include "recorder.h"
#include "span.h"
#include "sys.h"
#include "thread.h"
#include "unwind.h"

#define PERIOD_NS      10101010u /* 99 a second: not in step with clocks of 100 */
#define SIGNAL_HIGHEST 56 /* signals are looked at from here down: both ends are liked more */
#define SIGNAL_LOWEST  38
#define THREADS_MOST   8192
#define WAITING_MOST   64 /* signals with what they carry; the default limit lets 8,000 wait */
#define STACK_SIZE     (64u << 10)
#define SIGMASK_SIZE   160  /* of pthread_sigmask(), which sets all masks, up to its call */
#define FRAME_SIZE     4096 /* of a signal, where the kernel does not tell */
#define HANDLER_SIZE   1024 /* what ours takes until it is on its own stack, and more */
#define RESTORER       0x04000000ul
#define KERNEL_MAJOR   5 /* since this version no call is interrupted */
#define KERNEL_MINOR   9

/* The CPU clock of a thread of this process, as the kernel numbers it. */
#define THREAD_CLOCK(tid) ((long)(~(uint64_t)(tid) << 3 | 6))

/* As the kernel has it. */
struct kernel_action {
	void (*handler)(int, siginfo_t *, void *);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

struct cpu_timer {
	_Atomic uint32_t tid; /* 0 = free */
	int32_t id;
};

/* Wiped in a forked child, which has none of these timers. */
struct cpu_state {
	struct spin lock;
	bool on;
	siginfo_t waiting[WAITING_MOST]; /* signals of the program's, while ours is changed */
	struct cpu_timer timer[THREADS_MOST];
};
static struct cpu_state *state;

int cpu_signal;
static unsigned long on_signal_stack = SA_ONSTACK; /* or 0 */
static char cookie; /* its address is what our timers' signals carry */

static LAR_TLS struct {
	uint32_t pid; /* 0 or another process: not begun */
	uint32_t place;
	bool over;
	uint8_t *stack;
	uint32_t tid;
	uint64_t in_recorder; /* samples that are to be counted by the next one */
	uint64_t first_ns;    /* CPU time of the first */
	uint64_t counted;     /* periods that samples came for */
} own;

static uint64_t self_start, self_end; /* the recorder's own module */

/* ---- a sample ---- */

static uint64_t cpu_now(void)
{
	return thread_cpu_ns(own.tid, CLOCK_THREAD_CPUTIME_ID);
}

static void put(struct thread *t, unsigned flags, uint64_t cpu_ns, uint64_t n)
{
	uint64_t *r = span_record(t, LAR_EV_CPU, flags, 0, 3);

	if (!r)
		return;
	r[0] = lar_ticks();
	r[1] = cpu_ns;
	r[2] = n;
	span_commit(t);
}

/* Periods that are over, as far as no sample came for them: the kernel's tick has not come either,
 * or signals are blocked. */
static uint64_t overdue(uint64_t cpu_ns)
{
	uint64_t periods = cpu_ns < own.first_ns ? 0 : 1 + (cpu_ns - own.first_ns) / PERIOD_NS;
	uint64_t n = periods > own.counted ? periods - own.counted : 0;

	own.counted += n;
	return n;
}

/* Samples that found the thread in the recorder. */
static void put_recorder(struct thread *t)
{
	uint64_t n = own.in_recorder;

	own.in_recorder = 0;
	if (n)
		put(t, LAR_CPU_RECORDER, cpu_now(), n);
}

/* Behind a system call's instruction: the thread was in the kernel, or is just back. */
static bool in_system_call(uint64_t pc)
{
	uint8_t code[8];

	if ((pc & 4095) < 2 || !sys_readable((const void *)((pc - 2) & ~7ull)) ||
	    !sys_readable((const void *)((pc - 1) & ~7ull)))
		return false;
	memcpy(code, (const void *)(pc - 2), 2);
	return code[0] == 0x0f && code[1] == 0x05;
}

/* Behind the system call that has just let it through: how long it was pending does not tell where
 * the thread was. */
static bool was_blocked(uint64_t pc)
{
	return pc - (uint64_t)pthread_sigmask < SIGMASK_SIZE;
}

static void put_sample(struct thread *t, const ucontext_t *u, uint32_t missed)
{
	uint64_t pc = (uint64_t)u->uc_mcontext.gregs[REG_RIP];
	uint64_t *r;

	put_recorder(t);
	unwind_capture_context(&t->stack, u);
	if (!seal_make_nodes(t, 4))
		return;
	r = t->head;
	r[0] = lar_word0(LAR_EV_CPU,
			 (in_system_call(pc) ? LAR_CPU_KERNEL : 0u) |
				 (missed && was_blocked(pc) ? LAR_CPU_BLOCKED : 0u),
			 0, t->stack.leaf);
	t->head = r + 4;
	r[1] = lar_ticks();
	r[2] = cpu_now();
	r[3] = missed;
	span_commit(t);
}

/* Whether the recording that was interrupted still goes on, as far as can be told: a handler may
 * have left it by longjmp. */
static bool in_recorder(const struct thread *t, const ucontext_t *u)
{
	uint64_t pc = (uint64_t)u->uc_mcontext.gregs[REG_RIP];
	uint64_t sp = (uint64_t)u->uc_mcontext.gregs[REG_RSP];

	if (pc >= self_start && pc < self_end)
		return true;
	return t->gate == GATE_BUSY && (u->uc_stack.ss_flags & SS_ONSTACK || sp <= t->busy_frame ||
					sp >= t->stack.high || t->busy_frame < t->stack.low);
}

struct interrupted {
	const ucontext_t *context;
	uint32_t missed;
};

static void sample(void *interrupted)
{
	const struct interrupted *i = interrupted;
	uint64_t sp = (uint64_t)i->context->uc_mcontext.gregs[REG_RSP];
	struct thread *t = lar_self;

	if (t->gate == GATE_CLOSED || atomic_load(&lar->phase) != PHASE_ON) {
		lar_lost_add(LAR_LOST_CPU, 1);
		return;
	}
	if (in_recorder(t, i->context)) {
		own.in_recorder += 1 + i->missed;
		return;
	}
	t = span_open(sp);
	if (!t)
		return;
	put_sample(t, i->context, i->missed);
	span_close(t);
}

/* Somebody sent the signal: for a process that has no handler this is the end. */
static void as_without_us(int signal, siginfo_t *info)
{
	struct kernel_action none = { 0 };

	sys_call6(SYS_rt_sigaction, signal, (long)&none, 0, 8, 0, 0);
	sys_call6(SYS_rt_tgsigqueueinfo, sys_getpid(), sys_gettid(), signal, (long)info, 0, 0);
}

static void on_signal(int signal, siginfo_t *info, void *context)
{
	struct interrupted i = { context, 0 };

	if (info->si_code != SI_TIMER || info->si_ptr != &cookie) {
		as_without_us(signal, info);
		return;
	}
	if (!lar || sys_forbidden || !own.stack || own.over || own.pid != lar->pid)
		return;
	i.missed = info->si_overrun > 0 ? (uint32_t)info->si_overrun : 0;
	own.counted += 1 + i.missed;
	ownstack_call(own.stack + STACK_SIZE, sample, &i);
}

/* ---- timers ---- */

static uint64_t part_of_period(void)
{
	return 1 + (lar_tsc() * 0x9e3779b97f4a7c15ull >> 32) * PERIOD_NS / (1ull << 32);
}

/* The first sample comes after a part of the period that nothing determines: short threads have
 * their share of samples. */
static bool timer_begin(uint32_t tid, int signal, uint64_t first, int32_t *id)
{
	struct itimerspec when = { { 0, PERIOD_NS }, { 0, (long)first } };
	struct sigevent event;

	memset(&event, 0, sizeof(event));
	event.sigev_notify = SIGEV_THREAD_ID;
	event.sigev_signo = signal;
	event.sigev_value.sival_ptr = &cookie;
	event._sigev_un._tid = (int)tid;
	if (sys_call3(SYS_timer_create, THREAD_CLOCK(tid), (long)&event, (long)id))
		return false;
	if (!sys_call6(SYS_timer_settime, *id, 0, (long)&when, 0, 0, 0))
		return true;
	sys_call3(SYS_timer_delete, *id, 0, 0);
	return false;
}

/* A place in the table, its tid entered last: who goes through the table then finds the timer. */
static bool timer_enter(uint32_t tid, uint64_t first, uint32_t *place)
{
	for (uint32_t n = 0; n < THREADS_MOST; n++) {
		struct cpu_timer *t = &state->timer[(tid + n) % THREADS_MOST];

		if (atomic_load(&t->tid))
			continue;
		if (!timer_begin(tid, cpu_signal, first, &t->id))
			return false;
		atomic_store(&t->tid, tid);
		*place = (tid + n) % THREADS_MOST;
		return true;
	}
	return false;
}

static bool cpu_on(void)
{
	return state && state->on && !sys_forbidden;
}

void cpu_thread_begin(void)
{
	stack_t alternate = { .ss_flags = SS_DISABLE };
	bool begun = false;
	uint64_t mask;

	if (!cpu_on() || own.pid == lar->pid)
		return;
	if (!own.stack)
		own.stack = pool_map(STACK_SIZE);
	if (!sys_call3(SYS_sigaltstack, 0, (long)&alternate, 0))
		cpu_signal_stack(&alternate);
	own.pid = lar->pid;
	own.tid = (uint32_t)sys_gettid();
	own.over = false;
	own.in_recorder = own.counted = 0;
	sys_block_signals(&mask);
	if (own.stack && spin_lock(&state->lock)) {
		own.first_ns = part_of_period();
		begun = state->on && timer_enter(own.tid, own.first_ns, &own.place);
		own.first_ns += cpu_now();
		spin_unlock(&state->lock);
	}
	own.over = !begun;
	sys_restore_signals(&mask);
	if (!begun)
		note_once(NOTE_CPU,
			  "a thread's CPU time cannot be sampled: no timer, or no memory");
}

void cpu_thread_enter(uint64_t frame)
{
	struct thread *t;

	if (!cpu_on())
		return;
	t = span_open(frame);
	if (!t)
		return;
	/* what it has had before does not count */
	if (own.pid == lar->pid && !own.over)
		put(t, LAR_CPU_CLOCK, cpu_now(), 0);
	span_close(t);
}

void cpu_thread_clock(uint64_t frame)
{
	struct thread *t;
	uint64_t cpu_ns;

	if (!cpu_on() || own.pid != lar->pid || own.over)
		return;
	t = span_open(frame);
	if (!t)
		return;
	put_recorder(t);
	cpu_ns = cpu_now();
	put(t, LAR_CPU_CLOCK, cpu_ns, overdue(cpu_ns));
	span_close(t);
}

void cpu_thread_end(uint64_t frame)
{
	struct cpu_timer *t;
	uint64_t mask;

	if (!cpu_on() || own.pid != lar->pid || own.over)
		return;
	cpu_thread_clock(frame);
	sys_block_signals(&mask);
	own.over = true;
	t = &state->timer[own.place];
	if (spin_lock(&state->lock)) {
		if (atomic_load(&t->tid) == (uint32_t)sys_gettid()) {
			sys_call3(SYS_timer_delete, t->id, 0, 0);
			atomic_store(&t->tid, 0);
		}
		spin_unlock(&state->lock);
	}
	pool_unmap(own.stack, STACK_SIZE);
	own.stack = NULL;
	sys_restore_signals(&mask);
}

/* ---- the signal ---- */

static bool action_get(int signal, struct kernel_action *a)
{
	return !sys_call6(SYS_rt_sigaction, signal, 0, (long)a, 8, 0, 0);
}

static void action_set(int signal, void (*handler)(int, siginfo_t *, void *))
{
	struct kernel_action a = { handler, SA_SIGINFO | SA_RESTART | on_signal_stack | RESTORER,
				   lar_signal_return, ~0ull };

	sys_call6(SYS_rt_sigaction, signal, (long)&a, 0, 8, 0, 0);
}

void cpu_signal_stack(const stack_t *stack)
{
	uint64_t frame = getauxval(AT_MINSIGSTKSZ);

	if (stack->ss_flags & SS_DISABLE || !on_signal_stack ||
	    stack->ss_size >= (frame ? frame : FRAME_SIZE) + HANDLER_SIZE)
		return;
	on_signal_stack = 0;
	action_set(cpu_signal, on_signal);
}

/* A signal that the program leaves alone, `highest` or below; 0 = none. */
static int signal_find(int highest)
{
	struct kernel_action a;

	for (int s = highest; s >= SIGNAL_LOWEST; s--)
		if (action_get(s, &a) && (!a.handler || a.handler == on_signal))
			return s;
	return 0;
}

static bool kernel_fits(void)
{
	uint32_t version[2] = { 0, 0 };
	struct utsname u;
	const char *p = u.release;

	memset(&u, 0, sizeof(u));
	if (sys_call3(SYS_uname, (long)&u, 0, 0))
		return false;
	for (int i = 0; i < 2; i++, p += *p == '.')
		for (; *p >= '0' && *p <= '9'; p++)
			version[i] = version[i] * 10 + (uint32_t)(*p - '0');
	return version[0] > KERNEL_MAJOR ||
	       (version[0] == KERNEL_MAJOR && version[1] >= KERNEL_MINOR);
}

void cpu_start(void)
{
	struct cfi_object self;

	if (!kernel_fits()) {
		note_once(NOTE_CPU, "CPU time is not sampled: that needs Linux 5.9 or later");
		cpu_leave();
		return;
	}
	if (!state)
		state = pool_map(sizeof(*state));
	if (!cpu_signal)
		cpu_signal = signal_find(SIGNAL_HIGHEST);
	if (!state || !cpu_signal) {
		note_once(NOTE_CPU, "CPU time is not sampled: no signal is free, or no memory");
		return;
	}
	if (cfi_find_object((uint64_t)&cpu_signal, &self)) {
		self_start = self.start;
		self_end = self.end;
	}
	action_set(cpu_signal, on_signal);
	state->on = true;
	lar->header->cpu_period_ns = PERIOD_NS;
}

static void delete_timers(void)
{
	for (uint32_t i = 0; i < THREADS_MOST; i++)
		if (atomic_load(&state->timer[i].tid))
			sys_call3(SYS_timer_delete, state->timer[i].id, 0, 0);
}

void cpu_stop(void)
{
	uint64_t mask;

	if (!cpu_on())
		return;
	sys_block_signals(&mask);
	if (spin_lock(&state->lock)) {
		state->on = false;
		delete_timers();
		spin_unlock(&state->lock);
	}
	sys_restore_signals(&mask);
}

void cpu_leave(void)
{
	struct kernel_action none = { 0 };

	if (!cpu_signal)
		return;
	sys_call6(SYS_rt_sigaction, cpu_signal, (long)&none, 0, 8, 0, 0);
	cpu_signal = 0;
}

/* Takes what waits to be delivered to this thread or the process and is none of ours. */
static unsigned take_waiting(int signal)
{
	const struct timespec now = { 0, 0 };
	uint64_t set = 1ull << (signal - 1);
	unsigned n = 0;

	while (n < WAITING_MOST) {
		siginfo_t *info = &state->waiting[n];

		if (sys_call6(SYS_rt_sigtimedwait, (long)&set, (long)info, (long)&now, 8, 0, 0) <=
		    0)
			break;
		n += info->si_code != SI_TIMER || info->si_ptr != &cookie;
	}
	return n;
}

/* To the thread where raise() or pthread_kill() sent it, which is this one, else to the process. */
static void put_back(int signal, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const siginfo_t *info = &state->waiting[i];

		if (info->si_code == SI_TKILL)
			sys_call6(SYS_rt_tgsigqueueinfo, sys_getpid(), sys_gettid(), signal,
				  (long)info, 0, 0);
		else
			sys_call3(SYS_rt_sigqueueinfo, sys_getpid(), signal, (long)info);
	}
}

/*
 * What is still pending of the old signal goes with it: that is what ignoring does. What the
 * program has sent itself is kept for it, but for what waits in other threads. With all signals
 * blocked.
 */
static void change_signal(int to)
{
	struct kernel_action ignore = { 0 };
	int from = cpu_signal;
	unsigned waiting;

	delete_timers();
	waiting = take_waiting(from);
	ignore.handler = (void (*)(int, siginfo_t *, void *))(uintptr_t)SIG_IGN;
	sys_call6(SYS_rt_sigaction, from, (long)&ignore, 0, 8, 0, 0);
	cpu_leave();
	put_back(from, waiting);
	cpu_signal = to;
	state->on = to != 0;
	if (!to)
		return;
	action_set(to, on_signal);
	for (uint32_t i = 0; i < THREADS_MOST; i++) {
		struct cpu_timer *t = &state->timer[i];

		if (atomic_load(&t->tid) &&
		    !timer_begin(atomic_load(&t->tid), to, part_of_period(), &t->id))
			atomic_store(&t->tid, 0);
	}
}

void cpu_give_way(void)
{
	uint64_t mask;

	/* a child of vfork has its own actions but not its own memory */
	if (!lar || !cpu_on() || lar->pid != (uint32_t)sys_getpid())
		return;
	sys_block_signals(&mask);
	if (spin_lock(&state->lock)) {
		change_signal(signal_find(cpu_signal - 1));
		spin_unlock(&state->lock);
	}
	sys_restore_signals(&mask);
}
