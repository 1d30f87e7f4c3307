/* SPDX-License-Identifier: MIT */
/*
 * Threads enter recording at their first event and get a staging slot: a free one, one of a thread
 * that has died, or a new one. See thread.h.
 */
#include "thread.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "cpu.h"
#include "fault.h"
#include "life.h"
#include "lockcell.h"
#include "pool.h"
#include "recorder.h"
#include "ring.h"
#include "seal.h"
#include "span.h"
#include "stdiocell.h"
#include "sys.h"
#include "tracefile.h"

/* Exported by the dynamic linker: the stack pointer at the program's entry. */
extern void *__libc_stack_end;

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define THREADS_FEW	2 /* that may use more memory for their stacks than others */
#define STACK_DEFAULT	(8ull << 20)
#define STACK_MOST	(1ull << 32)
#define SLOT_FIRST	(16u << 10)
#define SLOTS_ASKED	8 /* that a new thread asks about before it takes one never used */
#define NESTED_BIT	THREAD_NESTED
#define SHARED_OWNER	THREAD_SHARED
#define SHARED_PATIENCE 2000000 /* times to let others run */
#define SHARED_SELF	1000	/* after so many it is this thread that holds it */
#define OWN_FRAMES	4096	/* from a wrapper's frame to here is less */

static struct thread closed;
LAR_TLS struct thread *lar_self = &closed;

/* What the creator of the calling thread said; valid in the process that pid names. */
static LAR_TLS struct {
	uint32_t pid, number, creator;
	uint64_t stack_size;
} introduced;

/* A thread that found no slot uses a shared one and looks again after so many events. */
#define SLOTLESS_RETRY 4096
static LAR_TLS struct {
	uint32_t pid, tid, events_to_try;
} slotless;

uint32_t thread_number_new(void)
{
	return atomic_fetch_add(&lar->threads, 1) + 1;
}

uint32_t thread_number(void)
{
	if (!lar || atomic_load(&lar->phase) != PHASE_ON)
		return 0;
	if (introduced.pid != lar->pid) {
		introduced.pid = lar->pid;
		introduced.number = thread_number_new();
		introduced.creator = 0;
		introduced.stack_size = 0;
	}
	return introduced.number;
}

void thread_begin(uint32_t number, uint32_t creator, uint64_t stack_size)
{
	if (!lar || atomic_load(&lar->phase) != PHASE_ON)
		return;
	introduced.pid = lar->pid;
	introduced.number = number;
	introduced.creator = creator;
	introduced.stack_size = stack_size;
}

/* The initial thread's stack ends where the program was entered; another's at its own descriptor,
 * which libc puts above the stack in the same mapping. */
static void stack_bounds(struct stack *s, uint64_t frame, bool initial)
{
	uint64_t self = (uint64_t)__builtin_thread_pointer(), size = introduced.stack_size;
	struct rlimit limit;

	if (initial) {
		s->high = ((uint64_t)__libc_stack_end + 64) & ~15ull;
		size = STACK_MOST;
		if (!sys_call6(SYS_prlimit64, 0, RLIMIT_STACK, 0, (long)&limit, 0, 0) &&
		    limit.rlim_cur < size)
			size = limit.rlim_cur + 4096;
		if (frame < s->high && frame >= s->high - size) {
			s->low = s->high - size;
			return;
		}
	}
	s->high = self & ~15ull;
	s->low = s->high - (size ? size : STACK_DEFAULT);
}

static bool slot_take(uint32_t index, uint32_t old, uint32_t tid)
{
	return __atomic_compare_exchange_n(&recorder_slot(index)->owner_tid, &old, tid, false,
					   __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

static bool tid_dead(uint32_t tid)
{
	return sys_call3(SYS_tgkill, (long)lar->pid, tid, 0) == -ESRCH;
}

static uint64_t slot_first_bytes(uint32_t index)
{
	uint64_t size = lar_slot_size(&lar->slot_sizes, index);

	return SLOT_FIRST < size ? SLOT_FIRST : size;
}

/* The last slots are shared by the threads that find no other. */
static uint32_t slots_shared(void)
{
	return lar->slot_count / 16 ? lar->slot_count / 16 : 1;
}

/* Puts a never used slot into service. */
static bool slot_begin(uint32_t index, uint32_t owner)
{
	struct lar_slot *slot = recorder_slot(index);
	uint64_t ready = 0, size = lar_slot_size(&lar->slot_sizes, index);

	if (!tracefile_extend((uint8_t *)slot, &ready, slot_first_bytes(index), size, 4096))
		return false;
	FAULT_POINT(slot_disk);
	slot->index = index;
	slot->buffer_size = (uint32_t)size - LAR_SLOT_HEADER_SIZE;
	slot->owner_tid = owner;
	FAULT_POINT(slot_header);
	__atomic_store_n(&slot->magic, LAR_SLOT_MAGIC, __ATOMIC_RELEASE);
	FAULT_POINT(slot_magic);
	return true;
}

/* One of those in use that is free by now, or -1. ask: whether threads that have not given theirs
 * back are gone, `ask` of them: each takes a system call. */
static int32_t slot_free(uint32_t tid, uint32_t used, uint32_t ask)
{
	uint32_t from = ask ? atomic_fetch_add(&lar->slot_hand, ask) : 0;

	for (uint32_t i = 0; i < used; i++) {
		uint32_t owner = __atomic_load_n(&recorder_slot(i)->owner_tid, __ATOMIC_ACQUIRE);

		if ((!owner || owner == tid) && slot_take(i, owner, tid))
			return (int32_t)i;
	}
	for (uint32_t i = 0; i < ask && i < used; i++) {
		uint32_t at = (from + i) % used;
		uint32_t owner = __atomic_load_n(&recorder_slot(at)->owner_tid, __ATOMIC_ACQUIRE);

		if (tid_dead(owner & ~NESTED_BIT) && slot_take(at, owner, tid))
			return (int32_t)at;
	}
	return -1;
}

/* A slot for `tid`, or -1. Nested slots have the owner's tid with the top bit set. */
static int32_t slot_find(uint32_t tid)
{
	struct lar_section *section = tracefile_section(LAR_SECTION_STAGING);
	uint32_t used = atomic_load(&lar->slots_used);
	bool full = used + slots_shared() >= lar->slot_count;
	int32_t found = slot_free(tid, used, full ? used : SLOTS_ASKED);

	if (found >= 0 || full)
		return found;
	if (!spin_lock(&lar->slot_lock))
		return -1;
	used = atomic_load(&lar->slots_used);
	if (used + slots_shared() < lar->slot_count && slot_begin(used, tid)) {
		atomic_store(&lar->slots_used, used + 1);
		if (section->used < used + 1)
			__atomic_store_n(&section->used, used + 1, __ATOMIC_RELEASE);
		FAULT_POINT(slot_used);
		found = (int32_t)used;
	}
	spin_unlock(&lar->slot_lock);
	return found;
}

/*
 * The first thread's memories of walks are hashed into all over by nearly every program: one system
 * call then costs less than a fault for each page that is read, and another when it is written.
 */
static void populate(const void *from, const void *to)
{
	uint64_t start = (uint64_t)from & ~4095ull;

	sys_madvise((void *)start, ((uint64_t)to - start + 4095) & ~4095ull, MADV_POPULATE_WRITE);
}

/* The struct that goes with a slot, made at its first use and kept for its later owners. */
static struct thread *struct_of_slot(uint32_t index)
{
	static const uint64_t nought;
	struct thread *t = lar->thread[index];
	uint32_t capacity = lar->config.depth;
	size_t frames = (capacity + 1) * sizeof(struct frame);
	size_t watches = (WATCH_GUARDS + 2 * capacity) * sizeof(struct watch);
	size_t memos = MEMO_COUNT * sizeof(struct memo) + 63,
	       rules = RULES_KNOWN * sizeof(struct known_rule);
	uint32_t nodes = index < THREADS_FEW ? NODES_MOST : NODES_FEW;
	size_t places = STACK_PLACES * sizeof(uint16_t);
	size_t size =
		sizeof(*t) + 2 * frames + watches + memos + rules + places + nodes_bytes(nodes);

	if (t)
		return t;
	t = pool_map(size);
	if (!t)
		return NULL;
	t->map_size = size;
	/* a frame above all others ends the search for one further out */
	t->stack.frame = (struct frame *)(t + 1) + 1;
	t->stack.frame[-1].slot = UINT64_MAX;
	t->stack.fresh = t->stack.frame + capacity;
	t->stack.watch = (struct watch *)(t->stack.fresh + capacity) + WATCH_GUARDS;
	for (int i = 1; i <= WATCH_GUARDS; i++)
		t->stack.watch[-i] = (struct watch){ &nought, nought };
	t->stack.memo = (struct memo *)(((uint64_t)(t->stack.watch + 2 * capacity) + 63) & ~63ull);
	t->stack.rule = (struct known_rule *)(t->stack.memo + MEMO_COUNT);
	t->stack.place = (uint16_t *)(t->stack.rule + RULES_KNOWN);
	nodes_init(&t->stack.nodes, t->stack.place + STACK_PLACES, nodes);
	if (!index)
		populate(t->stack.memo, t->stack.place + STACK_PLACES);
	t->stack.era = 1;
	t->stack.capacity = capacity;
	t->index = index;
	t->slot = recorder_slot(index);
	t->buffer = (uint64_t *)((uint8_t *)t->slot + LAR_SLOT_HEADER_SIZE);
	t->head = t->buffer;
	t->ready = t->open = slot_first_bytes(index);
	thread_set_limit(t);
	__atomic_store_n(&lar->thread[index], t, __ATOMIC_RELEASE);
	return t;
}

/* From here on the slot's records are of another thread: its stacks start afresh. */
static void owner_record(struct thread *t)
{
	uint64_t *r;

	t->slot->thread_no = t->number;
	FAULT_POINT(owner_number);
	stack_forget(&t->stack);
	if (t->head == t->buffer) {
		seal_begin(t);
		return;
	}
	/* room for a stackless record is made without looking at the stack */
	if (t->head + 5 > t->limit && !seal_make_room(t, 5))
		return;
	/* sealed just now: the record is there; one of who had the slot before is not it */
	if (t->head == t->buffer + 5 && t->buffer[2] == t->tid && t->buffer[3] == t->number)
		return;
	r = t->head;
	r[0] = lar_word0(LAR_EV_THREAD, 0, 0, 0);
	r[1] = lar_ticks();
	r[2] = t->tid;
	r[3] = t->number;
	FAULT_POINT(owner_fields);
	r[4] = t->creator;
	t->head = r + 5;
	span_commit(t);
}

/* With signals blocked. nested_in: the struct whose recording a signal handler interrupted. */
static struct thread *enter(uint64_t frame, struct thread *nested_in)
{
	uint32_t tid = (uint32_t)sys_gettid(), owner = nested_in ? tid | NESTED_BIT : tid;
	uint32_t number = thread_number();
	/* under a filter that may be unknown: nobody could tell whose the slot is */
	int32_t index = (int32_t)tid > 0 ? slot_find(owner) : -1;
	struct thread *t;

	lockcell_not_alone();
	if (index < 0 || !(t = struct_of_slot((uint32_t)index)))
		return NULL;
	FAULT_POINT(enter_slot);
	if (t->head > t->buffer)
		stdiocell_flush(t, NULL);
	t->slot->call_now = 0;
	t->slot->cpu_ns = 0;
	lockcell_leave(t);
	FAULT_POINT(enter_flushed);
	t->tid = tid;
	t->number = number;
	t->creator = introduced.creator;
	t->nested = NULL;
	stack_bounds(&t->stack, frame, tid == lar->pid);
	owner_record(t);
	lar->slot_of_tid[tid % RECORDER_TIDS] = (uint16_t)index;
	t->busy_frame = frame;
	t->gate = GATE_BUSY;
	if (!nested_in)
		cpu_thread_begin();
	return t;
}

static struct thread *enter_blocked(uint64_t frame, struct thread *nested_in)
{
	struct thread *t;
	uint64_t mask;

	sys_block_signals(&mask);
	t = nested_in && nested_in->nested ? NULL : enter(frame, nested_in);
	if (t && !nested_in)
		lar_self = t;
	else if (t)
		nested_in->nested = t;
	sys_restore_signals(&mask);
	return t;
}

/* The shared slot for a thread, put into service when needed. With signals blocked. */
static struct thread *shared_struct(uint32_t tid)
{
	struct lar_section *section = tracefile_section(LAR_SECTION_STAGING);
	uint32_t index = lar->slot_count - 1 - tid % slots_shared();
	struct thread *t = __atomic_load_n(&lar->thread[index], __ATOMIC_ACQUIRE);

	if (t)
		return t;
	if (!spin_lock(&lar->slot_lock))
		return NULL;
	if (recorder_slot(index)->magic != LAR_SLOT_MAGIC && !slot_begin(index, SHARED_OWNER)) {
		t = NULL;
	} else {
		__atomic_store_n(&section->used, lar->slot_count, __ATOMIC_RELEASE);
		t = lar->thread[index];
		if (!t && (t = struct_of_slot(index)))
			t->gate = GATE_OPEN;
	}
	spin_unlock(&lar->slot_lock);
	return t;
}

/*
 * More threads than slots: this event goes to a slot that several threads share. Its gate is the
 * lock, from here to span_close(); the thread stays without a slot of its own. Waiting for it has a
 * bound, and a signal handler that interrupts the holder does not wait at all.
 */
static struct thread *shared_open(uint64_t frame)
{
	uint32_t tid = slotless.tid, number = thread_number();
	struct thread *t;
	uint64_t mask;

	sys_block_signals(&mask);
	t = shared_struct(tid);
	for (unsigned i = 0; t; i++) {
		uint32_t open = GATE_OPEN;

		if (__atomic_compare_exchange_n(&t->gate, &open, GATE_BUSY, false, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			break;
		/* a holder that has just come may not have said yet who it is */
		if ((t->tid == tid && i > SHARED_SELF) || i > SHARED_PATIENCE ||
		    (open == GATE_CLOSED && atomic_load(&lar->phase) != PHASE_ON))
			t = NULL;
		else
			sys_yield();
	}
	if (t) {
		t->busy_frame = frame;
		t->stack.usable = 0;
		if (t->number != number) {
			t->tid = tid;
			t->number = number;
			t->creator = introduced.creator;
			stack_bounds(&t->stack, frame, tid == lar->pid);
			owner_record(t);
		}
	}
	sys_restore_signals(&mask);
	if (!t)
		lar_lost_add(LAR_LOST_NO_SLOT, 1);
	return t;
}

bool thread_stack_shared;

/* What was not committed is void, and so are the nodes in it. */
static void take_back(struct thread *t)
{
	uint32_t nodes = 0;

	t->head = (uint64_t *)((uint8_t *)t->buffer + (uint32_t)t->slot->state);
	for (const uint64_t *r = t->buffer; r < t->head; r += lar_record_step(*r))
		if (lar_word0_kind(*r) == LAR_EV_PATH)
			nodes += lar_word0_call(*r);
	stack_forget(&t->stack);
	stack_void_numbers(&t->stack);
	/* the tree and what is known of rules may have been about to change */
	nodes_forget(&t->stack.nodes);
	memset(t->stack.rule, 0, RULES_KNOWN * sizeof(*t->stack.rule));
	t->stack.nodes.number = nodes;
	stdiocell_take_back(t);
}

/* As far as can be told: where the program filters its calls, nobody is asked. */
static bool on_signal_stack(void)
{
	stack_t now;

	return sys_call3(SYS_sigaltstack, 0, (long)&now, 0) || now.ss_flags & SS_ONSTACK;
}

/*
 * Was the recording left for good, by longjmp()? So it was where our own frames have taken the
 * place of its wrapper's, or are further out on the same stack. Any other is taken for alive: the
 * handler that interrupted it may be on a stack of its own, wherever that lies, or have switched to
 * another context that comes back.
 */
static bool is_left(const struct thread *t, uint64_t frame)
{
	uint64_t here = (uint64_t)__builtin_frame_address(0);

	if (t->gate != GATE_BUSY || t->busy_frame > frame)
		return false;
	if (t->busy_frame >= here && frame - here < OWN_FRAMES)
		return true;
	return frame < t->stack.high && t->busy_frame >= t->stack.low && !thread_stack_shared &&
	       !on_signal_stack();
}

static struct thread *taken_back(struct thread *t, uint64_t frame)
{
	take_back(t);
	t->busy_frame = frame;
	return t;
}

/* A wrapper runs while this thread is inside the recorder: in a signal handler. */
static struct thread *slow_nested(struct thread *t, uint64_t frame)
{
	struct thread *nested = t->nested;

	if (is_left(t, frame))
		return taken_back(t, frame);
	if (nested && gate_take(nested, frame))
		return nested;
	if (nested && is_left(nested, frame))
		return taken_back(nested, frame);
	if (!nested) {
		nested = enter_blocked(frame, t);
		if (nested)
			return nested;
	}
	lar_lost_add(LAR_LOST_NESTED, 1);
	return NULL;
}

struct thread *thread_slow(struct thread *t, uint64_t frame)
{
	struct thread *own;

	if (t->gate == GATE_BUSY)
		return slow_nested(t, frame);
	if (!lar || atomic_load(&lar->phase) != PHASE_ON) {
		if (!life_start())
			return NULL;
	}
	if (slotless.pid == lar->pid && --slotless.events_to_try)
		return shared_open(frame);
	own = enter_blocked(frame, NULL);
	if (own)
		return own;
	/* looking for a slot asks the system about every thread: not at each event */
	slotless.pid = lar->pid;
	slotless.tid = (uint32_t)sys_gettid();
	slotless.events_to_try = SLOTLESS_RETRY;
	return shared_open(frame);
}

void thread_end(void)
{
	struct thread *t = lar_self;

	if (!gate_take(t, (uint64_t)__builtin_frame_address(0)))
		return;
	t->slot->call_now = 0;
	stdiocell_flush(t, NULL);
	lockcell_leave(t);
	FAULT_POINT(thread_flushed);
	t->gate = GATE_CLOSED;
	lar_self = &closed;
	if (t->nested) {
		t->nested->gate = GATE_CLOSED;
		__atomic_store_n(&t->nested->slot->owner_tid, 0, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&t->slot->owner_tid, 0, __ATOMIC_RELEASE);
	FAULT_POINT(thread_ended);
}

void thread_prepare(uint64_t frame)
{
	struct thread *t = lar_self->gate == GATE_BUSY ? NULL : span_open(frame);

	if (!t)
		return;
	while (seal_grow(t))
		;
	/* the name of the program's own file takes a system call */
	unwind_capture(&t->stack, frame);
	span_close(t);
}

/* CLOCK_THREAD_CPUTIME_ID of any thread of the process. */
static clockid_t cpu_clock(uint32_t tid)
{
	return (clockid_t)(~tid << 3 | 6);
}

uint64_t thread_cpu_ns(uint32_t tid, clockid_t clock)
{
	uint64_t ns = sys_clock_ns(clock), before = tid == lar->pid ? lar->cpu_before_ns : 0;

	return ns > before ? ns - before : 1;
}

/* How long it was on a processor; only threads that end say so themselves. */
static void note_cpu(struct lar_slot *slot, uint32_t owner)
{
	if (owner && owner < THREAD_SHARED)
		slot->cpu_ns = thread_cpu_ns(owner, cpu_clock(owner));
}

void thread_seal_all(void)
{
	uint32_t used = lar ? atomic_load(&lar->slots_used) : 0, me = (uint32_t)sys_gettid();
	uint64_t mask;

	sys_block_signals(&mask);
	for (uint32_t i = 0; i < used; i++) {
		uint32_t owner = __atomic_load_n(&recorder_slot(i)->owner_tid, __ATOMIC_ACQUIRE);
		struct thread *t = lar->thread[i];

		note_cpu(recorder_slot(i), owner);
		if (owner == me) {
			if (t && t == lar_self &&
			    gate_take(t, (uint64_t)__builtin_frame_address(0))) {
				seal_finish(t);
				FAULT_POINT(end_own_slot);
				t->gate = GATE_OPEN;
			}
		} else if ((!owner || tid_dead(owner & ~NESTED_BIT)) && slot_take(i, owner, me)) {
			FAULT_POINT(end_slot_taken);
			if (t)
				seal_finish(t);
			FAULT_POINT(end_slot);
			__atomic_store_n(&recorder_slot(i)->owner_tid, 0, __ATOMIC_RELEASE);
		}
	}
	if (used)
		ring_trim();
	sys_restore_signals(&mask);
}
