/* SPDX-License-Identifier: MIT */
/*
 * What a wrapper does to record: open, fill one record, close. All inline: this is the hot path.
 *
 *	t = span_open(frame);			frame = __builtin_frame_address(0)
 *	if (t) {
 *		uint64_t *r = span_record_stack(t, LAR_EV_ALLOC, 0, call, frame);
 *		if (r) { r[0] = ...; span_commit(t); }
 *		span_close(t);
 *	}
 *
 * Between open and close nothing may call out: no libc function that could be wrapped, block, or be
 * a cancellation point. A signal handler that comes in between records elsewhere (thread->nested).
 */
#ifndef LARIAT_SPAN_H
#define LARIAT_SPAN_H

#include "fault.h"
#include "recorder.h"
#include "seal.h"
#include "thread.h"
#include "unwind.h"
#include "unwind_check.h"

#define span_barrier() __asm__ volatile("" ::: "memory")

static always_inline struct thread *span_open(uint64_t frame)
{
	struct thread *t = lar_self;

	return likely(gate_take(t, frame)) ? t : thread_slow(t, frame);
}

static always_inline void span_close(struct thread *t)
{
	span_barrier();
	t->gate = GATE_OPEN;
}

/* Where the fields of a record without a stack go, or NULL when there is no room (counted). */
static always_inline uint64_t *span_record(struct thread *t, unsigned kind, unsigned flags,
					   unsigned call, unsigned fields)
{
	uint64_t *r = t->head;

	if (unlikely(r + 1 + fields > t->limit)) {
		if (!seal_make_room(t, 1 + fields))
			return NULL;
		r = t->head;
	}
	r[0] = lar_word0(kind, flags, call, 0);
	FAULT_POINT(record_word);
	t->head = r + 1 + fields;
	return r + 1;
}

/* The same with the stack that has just been captured. */
static always_inline uint64_t *span_record_captured(struct thread *t, unsigned kind, unsigned flags,
						    unsigned call, unsigned fields)
{
	const struct stack *s = &t->stack;
	uint64_t *r = t->head;
	uint32_t leaf = s->leaf;

	if (unlikely(!s->known || r + 1 + fields > t->limit)) {
		if (!seal_make_nodes(t, 1 + fields))
			return NULL;
		r = t->head;
		leaf = s->leaf;
	}
#ifdef LAR_UNWIND_CHECK
	unwind_check_nodes(t);
#endif
	r[0] = lar_word0(kind, flags, call, leaf);
	FAULT_POINT(record_stack_word);
	t->head = r + 1 + fields;
	return r + 1;
}

/* The same with the caller's stack. */
static always_inline uint64_t *span_record_stack(struct thread *t, unsigned kind, unsigned flags,
						 unsigned call, unsigned fields, uint64_t frame)
{
	unwind_capture(&t->stack, frame);
	return span_record_captured(t, kind, flags, call, fields);
}

/* Makes the record valid for a reader; nothing of it is lost from here on. */
static always_inline void span_commit(struct thread *t)
{
	FAULT_POINT(record_fields);
	__atomic_store_n(&t->slot->state,
			 t->slot_seq | (uint64_t)((uint8_t *)t->head - (uint8_t *)t->buffer),
			 __ATOMIC_RELEASE);
	FAULT_POINT(record_commit);
}

#endif
