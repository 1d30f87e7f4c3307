/* SPDX-License-Identifier: MIT */
/* Makes snapshots for the leak scan; see snapshot.h. */
#include "snapshot.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "cfi.h"
#include "fold_impl.h"
#include "hook.h"
#include "reach.h"
#include "recorder.h"
#include "sight.h"
#include "snapshot_inplace.h"
#include "snapshot_stop.h"
#include "sys.h"
#include "tracefile.h"

#define TRACER_STACK	(64u << 10)
#define SCAN_STACK	(256u << 10)
#define SAVED_WORDS	7 /* the return address, rbp and five more */
#define LIBC_FRAMES	16
#define LIBC_FRAME_MOST (64u << 10)
#define RED_ZONE	128
#define THREADS_MORE	64u	/* that may come up before all are stopped */
#define STEP_NS		5000000 /* a signal is seen after that */

/* A scan of the running process: its process is to be waited for. In memory that a fork keeps. */
static struct {
	_Atomic uint32_t owner; /* pid of the process that is at it, 0 = none */
	uint32_t child;
} asked;

_Atomic uint32_t snapshot_stops;

static uint64_t now_ns(void)
{
	return sys_clock_ns(CLOCK_MONOTONIC);
}

/* ---- what the scan needs to know ---- */

static struct snapshot *snapshot_new(uint32_t threads, bool inplace)
{
	uint32_t room = inplace ? 1 : threads + threads / 4 + THREADS_MORE;
	uint64_t at = sizeof(struct snapshot) + room * sizeof(struct snapshot_thread);
	uint64_t head = (at + sizeof(struct snapshot_shared) + 4095) & ~4095ull;
	uint64_t stack = inplace ? SCAN_STACK : TRACER_STACK;
	struct snapshot *s = sys_map_own(head + stack, 0);
	void *shared = (uint8_t *)s + at;

	if (sys_failed((long)s))
		return NULL;
	if (!inplace)
		shared = sys_mmap(NULL, sizeof(*s->shared), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sys_failed((long)shared)) {
		sys_munmap(s, head + stack);
		return NULL;
	}
	s->inplace = inplace;
	s->shared = shared;
	s->size = head + stack;
	s->room = room;
	s->stack = (uint8_t *)s + head;
	s->stack_size = stack;
	return s;
}

static void snapshot_free(struct snapshot *s)
{
	if (!s->inplace)
		sys_munmap(s->shared, sizeof(*s->shared));
	sys_munmap(s, s->size);
}

static void module_of(const void *address, uint64_t *start, uint64_t *end)
{
	struct dl_find_object found;

	if (_dl_find_object((void *)(uintptr_t)address, &found))
		return;
	*start = (uint64_t)found.dlfo_map_start;
	*end = (uint64_t)found.dlfo_map_end;
}

static void describe_modules(struct snapshot *s)
{
	uint64_t address = (uint64_t)REAL(malloc);

	module_of((const void *)&lar, &s->self_start, &s->self_end);
	module_of((const void *)on_exit, &s->c_start, &s->c_end);
	s->libc_start = s->c_start;
	s->libc_end = s->c_end;
	if (address < s->libc_start || address >= s->libc_end) {
		s->flags |= LAR_LEAKSCAN_FOREIGN;
		s->libc_start = s->libc_end = 0;
	}
}

/* What was not recorded may have been a block; and a forked child has its parent's. */
static bool blocks_unknown(void)
{
	static const enum lar_lost reasons[] = { LAR_LOST_NO_SLOT, LAR_LOST_NESTED,
						 LAR_LOST_RING_BUSY, LAR_LOST_EARLY, LAR_LOST_OFF };
	uint64_t lost = 0;

	for (unsigned i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		lost += lar->header->lost[reasons[i]];
	/* at the end it has been looked for already */
	return lost || lar->header->parent_start_ns ||
	       (lar->header->end ? lar->bypassed : sight_bypassed(false));
}

/* The first free place is taken, and keeps its function when it is left: behind one that has none,
 * there never was a thread. */
static void describe_arguments(struct snapshot *s)
{
	for (uint32_t i = 0; i < RECORDER_STARTS && s->arguments < SNAPSHOT_ARGUMENTS; i++) {
		if (atomic_load(&lar->start[i].taken))
			s->argument[s->arguments++] = (uint64_t)lar->start[i].argument;
		else if (!lar->start[i].function)
			break;
	}
}

/* Where the threads' own stacks are; those that have recorded nothing yet are not known. */
static void describe_stacks(struct snapshot *s)
{
	uint32_t slots = atomic_load(&lar->slots_used);

	for (uint32_t i = 0; i < s->threads; i++) {
		struct snapshot_thread *t = &s->thread[i];

		for (uint32_t k = 0; k < slots && !t->high; k++) {
			const struct thread *known = lar->thread[k];

			if (known && known->tid == t->tid && known->gate != GATE_CLOSED) {
				t->low = known->stack.low;
				t->high = known->stack.high;
			}
		}
	}
}

/* The number of the process's next scan: the trace is looked into only if there was one. */
static uint64_t next_seq(void)
{
	static _Atomic uint32_t begun; /* pid */

	return atomic_exchange(&begun, lar->pid) == lar->pid ? reach_last_seq(lar->base) + 1 : 1;
}

static void describe(struct snapshot *s, uint64_t sp, const uint64_t *registers, unsigned count)
{
	struct snapshot_thread *me = &s->thread[0];

	s->base = lar->base;
	s->map_size = lar->map_size;
	s->slot_most = lar->slot_most;
	s->slot_count = lar->slot_count;
	s->pid = (uint32_t)sys_getpid();
	s->tid = (uint32_t)sys_gettid();
	describe_modules(s);
	if (blocks_unknown())
		s->flags |= LAR_LEAKSCAN_UNKNOWN_BLOCKS;
	s->own_tls = (uint64_t)&hook_cxx - (uint64_t)__builtin_thread_pointer();
	s->own_tls_size = sizeof(hook_cxx);
	s->seq = next_seq();
	s->threads = 1;
	me->tid = s->tid;
	me->stopped = true;
	me->sp = sp;
	me->fs = (uint64_t)__builtin_thread_pointer();
	for (unsigned i = 0; i < count; i++)
		me->registers[i] = registers[i];
}

/* The words in which a function keeps the registers of its caller. */
static void keep_registers(struct snapshot *s, uint64_t cfa)
{
	for (unsigned i = 1; i <= SAVED_WORDS && s->arguments < SNAPSHOT_ARGUMENTS; i++)
		s->argument[s->arguments++] = *(const uint64_t *)(cfa - 8 * i);
}

/*
 * Where the stack of the program itself begins: outside of ours and libc's frames, which have words
 * in them that calls before have left there. After main() has returned that is its caller.
 */
static void leave_libc(struct snapshot *s, uint64_t frame)
{
	uint64_t rbp = ((const uint64_t *)frame)[0], pc = ((const uint64_t *)frame)[1];
	uint64_t cfa = frame + 16;

	for (unsigned i = 0; i < LIBC_FRAMES; i++) {
		struct cfi_object object;
		uint64_t rule, next;

		keep_registers(s, cfa);
		if ((pc < s->c_start || pc >= s->c_end) &&
		    (pc < s->self_start || pc >= s->self_end)) {
			s->thread[0].sp = cfa + RED_ZONE; /* nothing is below the stack here */
			return;
		}
		if (!cfi_find_object(pc, &object))
			return;
		rule = cfi_rule(&object, pc, true);
		if (RULE_KIND(rule) != RULE_RSP && RULE_KIND(rule) != RULE_RBP)
			return;
		next = (RULE_KIND(rule) == RULE_RSP ? cfa : rbp) + (uint64_t)RULE_CFA_OFFSET(rule);
		if (next <= cfa || next - cfa > LIBC_FRAME_MOST)
			return;
		if (rule & RULE_RBP_SAVED)
			rbp = *(const uint64_t *)((rule & RULE_RBP_AT_RBP ? rbp : next) +
						  (uint64_t)RULE_RBP_OFFSET(rule));
		cfa = next;
		pc = *(const uint64_t *)(cfa - 8);
	}
}

/* ---- taking it ---- */

static void say(const struct snapshot *s, enum lar_leakscan_status status, uint64_t detail)
{
	struct lar_leakscan result = { .seq = s->seq,
				       .ticks = s->ticks,
				       .status = status,
				       .detail = detail,
				       .flags = s->flags,
				       .threads = s->threads,
				       .stopped = s->threads - s->refused,
				       .pause_ns = atomic_load(&s->shared->pause_ns) };

	result.duration_ns = now_ns() - s->begin_ns;
	reach_write_status(lar->base, &result);
}

/* Where there is not even memory to begin with. */
static void say_no_memory(void)
{
	struct lar_leakscan result = { .seq = reach_last_seq(lar->base) + 1,
				       .ticks = lar_ticks(),
				       .status = LAR_LEAKSCAN_MEMORY,
				       .flags = LAR_LEAKSCAN_AT_EXIT };

	reach_write_status(lar->base, &result);
}

/* Why the threads were not stopped. */
static void say_not_stopped(const struct snapshot *s, uint32_t threads)
{
	if (s->debugger)
		say(s, LAR_LEAKSCAN_DEBUGGED, s->debugger);
	else if (!snapshot_count()) /* there may be one alone */
		say(s, LAR_LEAKSCAN_PROC, ENOENT);
	else
		say(s, LAR_LEAKSCAN_THREADS, s->refused ? s->refused : threads - 1);
}

/* A fork that the program's handlers do not see. The child's end sends no signal. */
static long fork_quietly(void)
{
	return sys_call6(SYS_clone, 0, 0, 0, 0, 0, 0);
}

/* Whether other threads may be running. */
static uint32_t threads_now(void)
{
	uint32_t n = snapshot_count();

	return n ? n : 2;
}

static void describe_moment(struct snapshot *s, const struct inuse *u)
{
	s->tables = u && inuse_whole(u);
	for (unsigned i = 0; s->tables && i < INUSE_SHARDS; i++)
		s->table[i] = *inuse_table(u, i);
	describe_stacks(s);
	describe_arguments(s);
	s->ring_used = lar->ring_oldest_seq || lar->fold ? lar->header->ring_limit
							 : lar->header->ring_head;
	s->ticks = lar_ticks();
	s->folded = lar->fold != NULL;
}

/* A copy of the process that has the tables of blocks in use, where that can be. */
static long copy(struct snapshot *s, const struct inuse *u)
{
	long pid;

	describe_moment(s, u);
	s->tables = s->tables && inuse_keep_on_fork(u, true);
	pid = snapshot_copy_slots(s, u) ? fork_quietly() : -ENOMEM;
	if (pid && u)
		inuse_keep_on_fork(u, false);
	return pid;
}

static void open_again(struct inuse **closed)
{
	if (*closed)
		inuse_open(*closed);
	*closed = NULL;
}

/* Stops the other threads. One that a signal stops is in no seal, which blocks it: the tables of
 * blocks in use are whole then without being closed, and who waits for them must be let go on. */
static int stop_others(struct snapshot *s, struct inuse **closed)
{
	int result = snapshot_stop(s);

	s->debugger = result && result != -ETIMEDOUT ? snapshot_debugger() : 0;
	if (s->debugger)
		return result;
	/* one that could be asked and did not come, in a vfork() perhaps, comes for no signal
	 * either */
	if (!result || result == -ETIMEDOUT)
		return result;
	open_again(closed);
	return snapshot_stop_by_signal(s);
}

/*
 * Whether a process made here is in another PID or time namespace than this one, after unshare() or
 * setns(): the first one there is its init. When that ends nobody can be made there any more, and
 * it is for the program to say who that is.
 */
static bool children_apart(void)
{
	static const char *const pairs[][2] = {
		{ "/proc/thread-self/ns/pid_for_children", "/proc/thread-self/ns/pid" },
		{ "/proc/thread-self/ns/time_for_children", "/proc/thread-self/ns/time" },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		char theirs[40], own[40];
		ssize_t a = sys_readlink(pairs[i][0], theirs, sizeof(theirs));
		ssize_t b = sys_readlink(pairs[i][1], own, sizeof(own));

		struct stat link;

		if (b <= 0 || (a == b && !memcmp(theirs, own, (size_t)b)))
			continue;
		/* one that leads nowhere is of a namespace in which there is nobody yet; an older
		 * kernel has none */
		if (a > 0 || !sys_call6(SYS_newfstatat, AT_FDCWD, (long)pairs[i][0], (long)&link,
					AT_SYMLINK_NOFOLLOW, 0, 0))
			return true;
	}
	return false;
}

/* The snapshot's process, or 0 when there is none: said in the trace. */
static uint32_t take(struct snapshot *s, uint32_t threads)
{
	struct inuse *u, *closed;
	long pid;

	if (children_apart()) {
		say(s, LAR_LEAKSCAN_APART, 0);
		return 0;
	}
	u = closed = inuse_close();
	if (threads > 1 && stop_others(s, &closed)) {
		open_again(&closed);
		atomic_store(&s->shared->pause_ns, now_ns() - s->begin_ns);
		say_not_stopped(s, threads);
		return 0;
	}
	pid = copy(s, u);
	if (!pid)
		reach_run(s);
	if (threads > 1)
		snapshot_resume(s);
	open_again(&closed);
	atomic_store(&s->shared->pause_ns, now_ns() - s->begin_ns);
	snapshot_free_slots(s);
	if (pid > 0)
		return (uint32_t)pid;
	say(s, LAR_LEAKSCAN_FORK, (uint64_t)-pid);
	return 0;
}

/* The same without a copy: it is the program that waits. False: with one after all. */
static bool take_inplace(struct snapshot *s)
{
	struct inuse *u = inuse_close();
	bool done;

	describe_moment(s, u);
	done = snapshot_copy_slots(s, u) && snapshot_inplace(s);
	open_again(&u);
	snapshot_free_slots(s);
	return done || reach_last_seq(lar->base) >= s->seq;
}

/* Why there can be no scan, whatever the moment. */
static enum lar_leakscan_status hindrance(void)
{
	if (!(lar->config.record & LAR_RECORD_HEAP))
		return LAR_LEAKSCAN_OFF;
	if (lar->config.sample_bytes)
		return LAR_LEAKSCAN_SAMPLED;
	if (sys_forbidden)
		return LAR_LEAKSCAN_FILTERED;
	/* the ring has given up events, and their figures are not complete */
	if (lar->ring_oldest_seq && (!lar->fold || lar->fold->failed))
		return LAR_LEAKSCAN_TRACE;
	return LAR_LEAKSCAN_DONE;
}

/*
 * Waits for a scan: 0 when it ended by itself, the wait status when it did not end well. When it
 * took too long (-ETIMEDOUT), or a signal waits that is to end the process (less its number), it
 * was ended.
 */
static int wait_for(const struct snapshot *s, uint32_t pid, uint64_t limit_ns, uint64_t mask)
{
	struct timespec step = { 0, STEP_NS };
	int status = 0, why = 0;
	long got;

	for (;;) {
		sys_call6(SYS_futex, (long)&s->shared->over, FUTEX_WAIT, 0, (long)&step, 0, 0);
		/* it has nothing more to do but to end */
		got = sys_call6(SYS_wait4, pid, (long)&status,
				atomic_load(&s->shared->over) ? __WALL : __WALL | WNOHANG, 0, 0, 0);
		if (got && got != -EINTR)
			return got < 0 ? 0 : status;
		why = now_ns() - s->begin_ns > limit_ns ? ETIMEDOUT : snapshot_ending_signal(mask);
		if (!why)
			continue;
		sys_call3(SYS_kill, pid, SIGKILL, 0);
		sys_call6(SYS_wait4, pid, 0, __WALL, 0, 0, 0);
		return -why;
	}
}

static void scan_and_wait(struct snapshot *s, uint32_t threads, uint64_t mask)
{
	uint64_t limit = lar->config.leak_scan_limit_ns;
	uint32_t pid = take(s, threads);
	int status;

	if (!pid)
		return;
	status = wait_for(s, pid, limit, mask);
	if (reach_last_seq(lar->base) >= s->seq)
		return;
	if (status == -ETIMEDOUT)
		say(s, LAR_LEAKSCAN_TIME, limit / 1000000);
	else if (status < 0)
		say(s, LAR_LEAKSCAN_SIGNAL, (uint64_t)-status);
	else
		say(s, LAR_LEAKSCAN_CRASH, (uint64_t)status);
}

/* The registers that a function keeps for its caller. */
#define CALLEE_SAVED(to)                                                                           \
	__asm__ volatile("mov %%rbx, 0(%0)\n\tmov %%rbp, 8(%0)\n\tmov %%r12, 16(%0)\n\t"           \
			 "mov %%r13, 24(%0)\n\tmov %%r14, 32(%0)\n\tmov %%r15, 40(%0)"             \
			 :                                                                         \
			 : "r"(to)                                                                 \
			 : "memory")

static bool scan_possible(void)
{
	/* not in a vfork child, which has its parent's memory */
	return lar && atomic_load(&lar->phase) == PHASE_ON && lar->pid == (uint32_t)sys_getpid() &&
	       tracefile_section(LAR_SECTION_LEAKS);
}

/* inplace: in the process's own memory, if it has but one thread. */
static struct snapshot *begin(uint32_t flags, uint64_t sp, const uint64_t *registers,
			      unsigned count, bool inplace, uint32_t *threads)
{
	uint64_t start = now_ns();
	struct snapshot *s;

	*threads = inplace && snapshot_alone() ? 1 : threads_now();
	s = snapshot_new(*threads, inplace && *threads == 1);
	if (!s)
		return NULL;
	s->begin_ns = start;
	s->flags = flags;
	s->ticks = lar_ticks();
	describe(s, sp, registers, count);
	return s;
}

/* The scan that was begun while the program ran, if it is over; `end`: it is now. */
static bool asked_over(bool end)
{
	uint32_t me = lar->pid, owner = atomic_load(&asked.owner);

	if (owner && owner != me) { /* of the process that we were forked from */
		atomic_store(&asked.owner, 0);
		return true;
	}
	if (!owner)
		return true;
	if (!asked.child) /* just being begun, by another thread */
		return false;
	if (!sys_call6(SYS_wait4, asked.child, 0, __WALL | WNOHANG, 0, 0, 0)) {
		if (!end)
			return false;
		sys_call3(SYS_kill, asked.child, SIGKILL, 0);
		sys_call6(SYS_wait4, asked.child, 0, __WALL, 0, 0, 0);
	}
	asked.child = 0;
	atomic_store(&asked.owner, 0);
	return true;
}

void snapshot_now(uint64_t sp, const uint64_t *registers, unsigned count)
{
	enum lar_leakscan_status status;
	uint32_t threads, none = 0;
	uint64_t mask, kept[6];
	struct snapshot *s;

	if (!registers) {
		CALLEE_SAVED(kept);
		registers = kept;
		count = 6;
	}
	if (!scan_possible() || lar->config.leak_scan == CONFIG_LEAK_SCAN_OFF)
		return;
	sys_block_signals(&mask);
	lar->header->scan_taken = lar->header->scan_request;
	status = hindrance();
	if (asked_over(false) && atomic_compare_exchange_strong(&asked.owner, &none, lar->pid)) {
		s = begin(0, sp, registers, count, false, &threads);
		if (s && status == LAR_LEAKSCAN_DONE)
			asked.child = take(s, threads);
		else if (s)
			say(s, status, 0);
		if (s)
			snapshot_free(s);
		if (!asked.child)
			atomic_store(&asked.owner, 0);
	}
	sys_restore_signals(&mask);
}

bool snapshot_asked(void)
{
	static _Atomic uint32_t seen, seen_by;
	uint32_t request = __atomic_load_n(&lar->header->scan_request, __ATOMIC_RELAXED);

	if (likely((!request ||
		    (request == atomic_load(&seen) && atomic_load(&seen_by) == lar->pid)) &&
		   !atomic_load(&asked.owner)))
		return false;
	if (lar->pid != (uint32_t)sys_getpid()) /* a vfork child: not its parent's scans */
		return false;
	asked_over(false); /* its process does not stay longer than it must */
	if (atomic_exchange(&seen_by, lar->pid) != lar->pid)
		atomic_store(&seen, 0); /* a forked child: its trace has its own word */
	return atomic_exchange(&seen, request) != request && request != lar->header->scan_taken;
}

/* False: once more, in a copy. */
static bool try_at_exit(enum lar_leakscan_status status, bool inplace, uint64_t frame,
			const uint64_t *registers, uint64_t mask)
{
	uint32_t threads;
	struct snapshot *s = begin(LAR_LEAKSCAN_AT_EXIT, frame, registers, 6, inplace, &threads);
	bool done = true;

	if (!s && !inplace)
		say_no_memory();
	if (!s)
		return !inplace;
	leave_libc(s, frame);
	if (status != LAR_LEAKSCAN_DONE)
		say(s, status, 0);
	else if (s->inplace)
		done = take_inplace(s);
	else
		scan_and_wait(s, threads, mask);
	snapshot_free(s);
	return done;
}

void snapshot_at_exit(uint64_t frame)
{
	enum lar_leakscan_status status;
	uint64_t registers[6], mask;

	CALLEE_SAVED(registers);
	if (!scan_possible() || lar->config.leak_scan == CONFIG_LEAK_SCAN_OFF)
		return;
	status = hindrance();
	if (status == LAR_LEAKSCAN_OFF)
		return;
	sys_block_signals(&mask);
	asked_over(true);
	if (status == LAR_LEAKSCAN_DONE && lar->config.leak_scan == CONFIG_LEAK_SCAN_MAIN &&
	    lar->header->parent_start_ns)
		status = LAR_LEAKSCAN_FORKED;
	if (!snapshot_may_stay() || !try_at_exit(status, true, frame, registers, mask))
		try_at_exit(status, false, frame, registers, mask);
	sys_restore_signals(&mask);
}
