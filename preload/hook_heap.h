/* SPDX-License-Identifier: MIT */
/* How an allocation and a free are recorded, inline; for the wrappers of the heap's functions. */
#ifndef LARIAT_HOOK_HEAP_H
#define LARIAT_HOOK_HEAP_H

#include "hook.h"
#include "misuse.h"
#include "sample.h"
#include "shadow.h"

/* `ahead`: the stack of `frame`, where it was looked up before the real call. */
static always_inline void record_alloc_named(unsigned call, const void *p, size_t size,
					     bool sampling, uint64_t frame,
					     struct unwind_ahead ahead)
{
	bool sampled = sampling && p; /* one that failed is always of interest */
	struct thread *t = lar_self;
	bool closed = t->gate == GATE_CLOSED; /* the thread has no countdown of its own yet */
	uint64_t *r;

	if (unlikely(!hook_wants(LAR_RECORD_HEAP)))
		return;
	if (likely(p != NULL))
		shadow_alloc(p, shadow_made_by(call), size);
	if (unlikely(sampled) && !closed && !sample_take(t, size))
		return;
	t = span_open(frame);
	if (unlikely(!t))
		return;
	if (unlikely(sampled && ((closed && !sample_take(t, size)) || !sample_enter(p)))) {
		/* passed over, or the set of sampled blocks is full */
		span_close(t);
		return;
	}
	unwind_capture_ahead(&t->stack, frame, ahead);
	r = span_record_captured(t, LAR_EV_ALLOC, 0, call, 3);
	if (likely(r != NULL)) {
		r[0] = lar_ticks();
		r[1] = (uint64_t)p;
		r[2] = size;
		span_commit(t);
	}
	span_close(t);
}

/* The same of a malloc, which an operator new may be made of. */
static always_inline void record_alloc_ahead(unsigned call, const void *p, size_t size,
					     bool sampling, uint64_t frame,
					     struct unwind_ahead ahead)
{
	if (unlikely(hook_cxx.new_call)) {
		/* operator new asked: it is its allocation, also when it tries again after a new
		 * handler, whose own allocations come from elsewhere */
		uint64_t site = *(const uint64_t *)(frame + 8);

		if (!hook_cxx.new_site || hook_cxx.new_site == site) {
			call = hook_cxx.new_call;
			if (size - hook_cxx.new_size <= hook_cxx.new_more)
				size = hook_cxx.new_size;
			hook_cxx.new_site = site;
			hook_cxx.new_result = p;
		}
	}
	record_alloc_named(call, p, size, sampling, frame, ahead);
}

static always_inline void record_alloc(unsigned call, const void *p, size_t size, bool sampling,
				       uint64_t frame)
{
	record_alloc_ahead(call, p, size, sampling, frame, UNWIND_NOT_AHEAD);
}

/*
 * was: what was known of the place of the block, which is on its way out. `size`: as the program
 * named it, 0 = it did not; `sized`: then that is what operator new was asked for.
 */
static always_inline void record_freed(unsigned call, const void *p, size_t size, uint64_t was,
				       bool sized, bool sampling, uint64_t frame)
{
	struct thread *t;
	uint64_t *r;

	if (unlikely(!shadow_right(was, p, shadow_made_by(call))))
		misuse_look(call, p, was, frame);
	else if (likely(shadow_is_size(was, size)))
		size = 0; /* it says nothing new */
	else if (sized && unlikely(size != 0))
		misuse_look_size(call, p, was, size, frame);
	if (unlikely(sampling) && !sample_leave(p))
		return;
	t = span_open(frame);
	if (unlikely(!t))
		return;
	r = span_record(t, size ? LAR_EV_FREE_SIZED : LAR_EV_FREE, 0, call, size ? 3 : 2);
	if (likely(r != NULL)) {
		r[0] = lar_ticks();
		r[1] = (uint64_t)p;
		if (size)
			r[2] = size;
		span_commit(t);
	}
	span_close(t);
}

static always_inline void record_free(unsigned call, const void *p, size_t size, bool sized,
				      bool sampling, uint64_t frame)
{
	if (unlikely(!p || !hook_wants(LAR_RECORD_HEAP)))
		return;
	if (unlikely(p == hook_cxx.delete_pending)) { /* operator delete has recorded it */
		hook_cxx.delete_pending = NULL;
		return;
	}
	record_freed(call, p, size, shadow_free(p, LAR_BLOCK_FREED, HOOK_CALLER(frame)), sized,
		     sampling, frame);
}

#endif
