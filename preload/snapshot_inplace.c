/* SPDX-License-Identifier: MIT */
/* The leak scan without a copy of the process; see snapshot_inplace.h. */
#include "snapshot_inplace.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <ucontext.h>

#include "reach.h"
#include "recorder.h"
#include "sys.h"

/* With more, what the scan takes for its tables would be much of what the recorder may take. */
#define BLOCKS_MOST (1u << 15)
#define SLOTS_MOST  32u
#define PAGES_MOST  (64u << 8) /* of 4 KiB */
#define LIMIT_LEAST 1000000000ull

#define RESTORER    0x04000000 /* SA_RESTORER: not in libc's headers */

struct action {
	void (*handler)(int, siginfo_t *, void *);
	uint64_t flags;
	void (*restorer)(void);
	uint64_t mask;
};

static const int signals[] = { SIGSEGV, SIGBUS };
#define SIGNALS (sizeof(signals) / sizeof(*signals))

static uint64_t way_back;  /* the stack pointer of snapshot_on_stack() */
static bool sent[SIGNALS]; /* those that the program is to get from somebody else */

/*
 * fn(arg) on the stack that ends at `stack`, with *kept = where the caller's registers are; its
 * result. snapshot_way_back: where it goes on, with that stack pointer, when fn is given up.
 */
long snapshot_on_stack(void *stack, long (*fn)(const struct snapshot *), const struct snapshot *arg,
		       uint64_t *kept);
void snapshot_way_back(void);

__asm__(".text\n"
	".globl snapshot_on_stack\n"
	".type snapshot_on_stack, @function\n"
	".hidden snapshot_on_stack\n"
	"snapshot_on_stack:\n\t"
	"push %rbp\n\tpush %rbx\n\tpush %r12\n\tpush %r13\n\tpush %r14\n\tpush %r15\n\t"
	"mov %rsp, (%rcx)\n\t"
	"mov %rcx, %rbx\n\t"
	"mov %rdi, %rsp\n\t"
	"mov %rdx, %rdi\n\t"
	"call *%rsi\n\t"
	"mov (%rbx), %rsp\n"
	".globl snapshot_way_back\n"
	".type snapshot_way_back, @function\n"
	".hidden snapshot_way_back\n"
	"snapshot_way_back:\n\t"
	"pop %r15\n\tpop %r14\n\tpop %r13\n\tpop %r12\n\tpop %rbx\n\tpop %rbp\n\t"
	"ret\n"
	".size snapshot_on_stack, . - snapshot_on_stack\n");

/* Where the processor keeps return addresses apart, a function cannot be left half-way. */
static bool shadow_stack(void)
{
	uint64_t at = 0;

	__asm__ volatile("rdsspq %0" : "+r"(at));
	return at != 0;
}

/* Pages of the process's own; many when that cannot be told. */
static uint64_t own_pages(void)
{
	char text[128];
	uint64_t field[3] = { 0 };
	unsigned n = 0;
	ssize_t got;
	int fd = sys_openat(AT_FDCWD, "/proc/self/statm", O_RDONLY | O_CLOEXEC, 0);

	if (fd < 0)
		return UINT64_MAX;
	got = sys_read(fd, text, sizeof(text));
	sys_close(fd);
	for (ssize_t i = 0; i < got && n < 3; i++) {
		if (text[i] >= '0' && text[i] <= '9')
			field[n] = field[n] * 10 + (uint64_t)(text[i] - '0');
		else
			n++;
	}
	/* all, resident, and of these what files and shared memory are */
	return n == 3 && field[1] >= field[2] ? field[1] - field[2] : UINT64_MAX;
}

/* What it has had at most, file pages included, is known at once. */
static bool is_small(void)
{
	struct rusage usage;

	if (!sys_call3(SYS_getrusage, RUSAGE_SELF, (long)&usage, 0) &&
	    (uint64_t)usage.ru_maxrss / 4 <= PAGES_MOST)
		return true;
	return own_pages() <= PAGES_MOST;
}

bool snapshot_may_stay(void)
{
	return !lar->fold && !lar->ring_oldest_seq && inuse_count() < BLOCKS_MOST &&
	       atomic_load(&lar->slots_used) < SLOTS_MOST &&
	       lar->config.leak_scan_limit_ns >= LIMIT_LEAST && !shadow_stack() && is_small();
}

static void faulted(int signal, siginfo_t *info, void *context)
{
	greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;

	if (info->si_code <= 0) { /* sent by somebody */
		for (unsigned i = 0; i < SIGNALS; i++)
			sent[i] |= signals[i] == signal;
		return;
	}
	g[REG_RAX] = false;
	g[REG_RSP] = (greg_t)way_back;
	g[REG_RIP] = (greg_t)snapshot_way_back;
}

bool snapshot_inplace(struct snapshot *s)
{
	struct action ours = { faulted, SA_SIGINFO | RESTORER, lar_signal_return, ~0ull };
	struct action theirs[SIGNALS];
	uint64_t open = 0, mask;
	bool done;

	for (unsigned i = 0; i < SIGNALS; i++) {
		open |= 1ull << (signals[i] - 1);
		if (sys_call6(SYS_rt_sigaction, signals[i], (long)&ours, (long)&theirs[i], 8, 0, 0))
			return false;
	}
	sys_call6(SYS_rt_sigprocmask, SIG_UNBLOCK, (long)&open, (long)&mask, 8, 0, 0);
	done = snapshot_on_stack(s->stack + s->stack_size, reach_scan, s, &way_back);
	sys_call6(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask, 0, 8, 0, 0);
	for (unsigned i = 0; i < SIGNALS; i++) {
		sys_call6(SYS_rt_sigaction, signals[i], (long)&theirs[i], 0, 8, 0, 0);
		if (sent[i]) /* it is blocked, and comes when we are done */
			sys_call3(SYS_tgkill, sys_getpid(), sys_gettid(), signals[i]);
	}
	reach_tidy();
	return done;
}
