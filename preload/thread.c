/* SPDX-License-Identifier: MIT */
/*
 * Threads enter recording at their first event and get a staging slot: a free one, one of a thread
 * that has died, or a new one. See thread.h.
 */
#include "thread.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "life.h"
#include "pool.h"
#include "recorder.h"
#include "seal.h"
#include "span.h"
#include "sys.h"
#include "tracefile.h"

/* Exported by the dynamic linker: the stack pointer at the program's entry. */
extern void *__libc_stack_end;

#define STACK_DEFAULT (8ull << 20)
#define STACK_MOST    (1ull << 32)
#define SLOT_FIRST    (32u << 10)

static struct thread closed;
LAR_TLS struct thread *lar_self = &closed;

/* What the creator of the calling thread said; valid in the process that pid names. */
static LAR_TLS struct {
	uint32_t pid, number, creator;
	uint64_t stack_size;
} introduced;

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
	struct lar_slot *slot = (struct lar_slot *)(lar->staging + (uint64_t)index * lar->slot_size);

	return __atomic_compare_exchange_n(&slot->owner_tid, &old, tid, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

static bool tid_dead(uint32_t tid)
{
	return sys_call3(SYS_tgkill, (long)lar->pid, tid, 0) == -ESRCH;
}

/* A slot for `tid`, or -1. Nested slots have the owner's tid with the top bit set. */
static int32_t slot_find(uint32_t tid)
{
	struct lar_section *section = tracefile_section(LAR_SECTION_STAGING);
	uint64_t used = __atomic_load_n(&section->used, __ATOMIC_ACQUIRE), ready;
	int32_t found = -1;

	for (uint64_t i = 0; i < used; i++) {
		struct lar_slot *slot = (struct lar_slot *)(lar->staging + i * lar->slot_size);
		uint32_t owner = __atomic_load_n(&slot->owner_tid, __ATOMIC_ACQUIRE);

		if ((!owner || owner == tid || tid_dead(owner & ~(1u << 31))) &&
		    slot_take((uint32_t)i, owner, tid))
			return (int32_t)i;
	}
	if (!spin_lock(&lar->slot_lock))
		return -1;
	used = section->used;
	if (used < lar->slot_count) {
		struct lar_slot *slot =
			(struct lar_slot *)(lar->staging + used * lar->slot_size);

		ready = 0;
		if (tracefile_extend((uint8_t *)slot, &ready, SLOT_FIRST < lar->slot_size ?
				     SLOT_FIRST : lar->slot_size, lar->slot_size, 4096)) {
			slot->index = (uint32_t)used;
			slot->buffer_size = lar->slot_size - LAR_SLOT_HEADER_SIZE;
			slot->owner_tid = tid;
			slot->magic = LAR_SLOT_MAGIC;
			__atomic_store_n(&section->used, used + 1, __ATOMIC_RELEASE);
			found = (int32_t)used;
		}
	}
	spin_unlock(&lar->slot_lock);
	return found;
}

/* The struct that goes with a slot, made at its first use and kept for its later owners. */
static struct thread *struct_of_slot(uint32_t index)
{
	struct thread *t = lar->thread[index];
	uint32_t capacity = lar->config.depth;
	size_t frames = capacity * sizeof(struct frame);

	if (t)
		return t;
	t = pool_map(sizeof(*t) + 2 * frames);
	if (!t)
		return NULL;
	t->map_size = sizeof(*t) + 2 * frames;
	t->stack.frame = (struct frame *)(t + 1);
	t->stack.fresh = t->stack.frame + capacity;
	t->stack.capacity = capacity;
	t->index = index;
	t->slot = (struct lar_slot *)(lar->staging + (uint64_t)index * lar->slot_size);
	t->buffer = (uint64_t *)((uint8_t *)t->slot + LAR_SLOT_HEADER_SIZE);
	t->head = t->buffer;
	t->ready = SLOT_FIRST < lar->slot_size ? SLOT_FIRST : lar->slot_size;
	t->limit = (uint64_t *)((uint8_t *)t->slot + t->ready);
	lar->thread[index] = t;
	return t;
}

/* With signals blocked. nested_in: the struct whose recording a signal handler interrupted. */
static struct thread *enter(uint64_t frame, struct thread *nested_in)
{
	uint32_t tid = (uint32_t)sys_gettid(), owner = nested_in ? tid | 1u << 31 : tid;
	uint32_t number = thread_number();
	int32_t index = slot_find(owner);
	struct thread *t;

	if (index < 0 || !(t = struct_of_slot((uint32_t)index))) {
		lar_lost_add(LAR_LOST_NO_SLOT, 1);
		return NULL;
	}
	t->tid = tid;
	t->number = number;
	t->creator = introduced.creator;
	t->slot->thread_no = number;
	t->new_call = 0;
	t->new_result = t->delete_pending = NULL;
	t->nested = NULL;
	t->stack.count = t->stack.usable = t->stack.sent = t->stack.base_count = 0;
	stack_bounds(&t->stack, frame, tid == lar->pid);
	if (t->head == t->buffer) {
		seal_begin_buffer(t);
	} else if (t->head + 5 <= t->limit || seal_make_room(t, 5)) {
		/* the slot goes on where its last owner stopped */
		uint64_t *r = t->head;

		r[0] = lar_word0(LAR_EV_THREAD, 0, 0, 0, 0);
		r[1] = lar_ticks();
		r[2] = tid;
		r[3] = number;
		r[4] = t->creator;
		t->head = r + 5;
		span_commit(t);
	}
	t->gate = GATE_OPEN;
	return t;
}

static struct thread *enter_blocked(uint64_t frame, struct thread *nested_in)
{
	struct thread *t;
	uint64_t mask;

	sys_block_signals(&mask);
	t = enter(frame, nested_in);
	if (t && !nested_in)
		lar_self = t;
	else if (t)
		nested_in->nested = t;
	sys_restore_signals(&mask);
	return t;
}

/* A wrapper runs while this thread is inside the recorder: in a signal handler. */
static struct thread *slow_nested(struct thread *t, uint64_t frame)
{
	const struct stack *s = &t->stack;

	/* the interrupted recording was left for good, by longjmp: its frame is below ours on the
	 * same stack */
	if (frame > t->busy_frame && frame < s->high && t->busy_frame >= s->low) {
		t->stack.usable = t->stack.count = t->stack.sent = 0;
		t->stack.base_count = 0;
		if (t->slot->state > t->slot_seq)
			t->head = (uint64_t *)((uint8_t *)t->buffer + (uint32_t)t->slot->state);
		return t;
	}
	if (t->nested && t->nested->gate == GATE_OPEN)
		return t->nested;
	if (t->nested) {
		lar_lost_add(LAR_LOST_NESTED, 1);
		return NULL;
	}
	return enter_blocked(frame, t);
}

struct thread *thread_slow(struct thread *t, uint64_t frame)
{
	if (t->gate == GATE_BUSY)
		return slow_nested(t, frame);
	if (!lar || atomic_load(&lar->phase) != PHASE_ON) {
		if (!life_start())
			return NULL;
	}
	return enter_blocked(frame, NULL);
}

void thread_end(void)
{
	struct thread *t = lar_self;

	if (t->gate != GATE_OPEN)
		return;
	t->gate = GATE_CLOSED;
	lar_self = &closed;
	if (t->nested) {
		t->nested->gate = GATE_CLOSED;
		__atomic_store_n(&t->nested->slot->owner_tid, 0, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&t->slot->owner_tid, 0, __ATOMIC_RELEASE);
}
