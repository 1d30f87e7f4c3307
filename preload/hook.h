/* SPDX-License-Identifier: MIT */
/*
 * What the wrapper files share. A wrapper is short and like all others: real call, record, return;
 * errno on leaving is what the real call left.
 */
#ifndef LARIAT_HOOK_H
#define LARIAT_HOOK_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include "attr.h"
#include "format/event.h"
#include "real.h"
#include "recorder.h"
#include "span.h"
#include "thread.h"

/* The wrapper's own frame: its return address is the innermost of the recorded stack. */
#define HOOK_FRAME ((uint64_t)__builtin_frame_address(0))

/* Where that function returns to. */
#define HOOK_CALLER(frame) (*(const uint64_t *)((frame) + 8))

/* What is to be recorded (enum lar_record); all until the options are read. */
extern LAR_LOCAL uint32_t lar_wants;

static always_inline bool hook_wants(enum lar_record what)
{
	return lar_wants & what;
}

/* For a thread's first event; starts the recording in a fresh child. */
uint64_t hook_ticks_slow(void);

/* The time before a call, or 0 when there is no recording. */
static always_inline uint64_t hook_ticks(void)
{
	return likely(lar_self->gate != GATE_CLOSED) ? lar_ticks() : hook_ticks_slow();
}

/* The same, and 0 where that is not to be recorded. */
static always_inline uint64_t hook_ticks_of(enum lar_record what)
{
	return likely(hook_wants(what)) || lar_self->gate == GATE_CLOSED ? hook_ticks() : 0;
}

/* A call begins that may last: a reader of a process that hangs, or is killed in it, sees it. fd: a
 * descriptor, or the number of the thread that is waited for. */
static always_inline void hook_call_begin(struct thread *t, unsigned call, int fd, uint32_t target,
					  uint64_t now)
{
	struct lar_slot *slot = t->slot;

	slot->call_since = now;
	slot->call_fd = fd;
	slot->call_target = target;
	__atomic_store_n(&slot->call_now, call, __ATOMIC_RELEASE);
}

/* It is over, and its record comes now. */
static always_inline void hook_call_end(struct thread *t)
{
	__atomic_store_n(&t->slot->call_now, 0, __ATOMIC_RELAXED);
}

/* What operator new and delete say to the malloc and free inside them; see hook_cxx.c. Apart from
 * struct thread: a thread without a slot of its own has it too. */
struct hook_cxx {
	uint32_t new_call;	    /* call to record instead of malloc's, 0 = none */
	size_t new_size;	    /* what it was asked for */
	size_t new_more;	    /* what malloc may be asked for beside that, at most */
	uint64_t new_site;	    /* return address of the malloc inside, 0 = not seen yet */
	const void *new_result;	    /* what that malloc returned */
	const void *delete_pending; /* already recorded: free() of it is silent */
};
extern LAR_TLS struct hook_cxx hook_cxx;

/* A thread has a name now. */
void thread_named(uint32_t number, const char *name);

/* For hook_cxx.c: an allocation or a free by an operator. */
void hook_record_new(unsigned call, const void *p, size_t size, uint64_t frame);
void hook_record_delete(unsigned call, const void *p, size_t size, uint64_t frame);

#endif
