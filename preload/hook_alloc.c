/* SPDX-License-Identifier: MIT */
/*
 * The malloc family. Allocations are recorded after the real call, frees before it, so that per
 * address the order of time stamps is the order of events, whichever threads took part.
 */
#include <stdint.h>

#include "hook_heap.h"

LAR_TLS struct hook_cxx hook_cxx;

void hook_record_new(unsigned call, const void *p, size_t size, uint64_t frame)
{
	record_alloc(call, p, size, sample_period, frame);
}

void hook_record_delete(unsigned call, const void *p, size_t size, uint64_t frame)
{
	record_free(call, p, size, false, sample_period, frame);
}

/* ---- sampling: most allocations and frees are only passed on ---- */

static lar_noinline void *sampled_alloc(unsigned call, void *p, size_t size, uint64_t frame)
{
	record_alloc(call, p, size, sample_period, frame);
	return p;
}

static lar_noinline void *sampled_malloc(size_t size)
{
	void *p = REAL(malloc)(size);

	/* of a thread that has no countdown yet nothing is left */
	if (unlikely(!p || (uint64_t)lar_self->sample_left < size || hook_cxx.new_call))
		return sampled_alloc(LAR_CALL_malloc, p, size, HOOK_FRAME);
	lar_self->sample_left -= (int64_t)size;
	shadow_alloc(p, LAR_BLOCK_MALLOC, size);
	return p;
}

/* A block that is recorded, perhaps, or a free that is wrong, perhaps. */
static lar_noinline void sampled_record_free(void *p, uint64_t was, uint64_t frame)
{
	record_freed(LAR_CALL_free, p, 0, was, false, true, frame);
	real.free(p);
}

static lar_noinline void sampled_free(void *p)
{
	uint64_t was;

	if (unlikely(!p)) {
		real.free(p);
		return;
	}
	if (unlikely(p == hook_cxx.delete_pending)) {
		hook_cxx.delete_pending = NULL;
		real.free(p);
		return;
	}
	was = shadow_free(p, LAR_BLOCK_FREED, HOOK_CALLER(HOOK_FRAME));
	if (unlikely(!shadow_right(was, p, LAR_BLOCK_MALLOC))) /* nor one that was sampled */
		sampled_record_free(p, was, HOOK_FRAME);
	else
		real.free(p);
}

/*
 * While the loader binds names, a function that chooses among others (IFUNC) may allocate; it has
 * not made the threads' own variables yet, so that nothing can be recorded. Until one is, no real
 * function of the heap is known.
 */
static lar_noinline lar_cold bool is_early(void)
{
	if (!lar_self)
		return true;
	if (!real.free)
		real_resolve();
	return false;
}

/* ... nor is malloc's where another one stands in front of ours (real_malloc_instead()). */
static lar_noinline lar_cold bool is_early_malloc(void)
{
	if (is_early())
		return true;
	real_resolve_near(&real.malloc);
	return false;
}

#define EARLY		   (unlikely(!real.malloc) && is_early())
#define EARLY_REAL(symbol) ((__typeof__(symbol) *)real_find_early(#symbol))

static lar_noinline void *recorded_malloc(size_t size)
{
	struct unwind_ahead ahead;
	void *p;

	if (unlikely(!real.malloc) && is_early_malloc())
		return EARLY_REAL(malloc)(size);
	ahead = unwind_look_ahead(&lar_self->stack, HOOK_FRAME);
	p = real.malloc(size);
	record_alloc_ahead(LAR_CALL_malloc, p, size, false, HOOK_FRAME, ahead);
	return p;
}

/* A jump to one of them: their frames are the wrapper's. */
LAR_EXPORT void *malloc(size_t size)
{
	return unlikely(sample_period) ? sampled_malloc(size) : recorded_malloc(size);
}

LAR_EXPORT void *calloc(size_t n, size_t size)
{
	struct unwind_ahead ahead;
	size_t total;
	void *p;

	if (EARLY)
		return EARLY_REAL(calloc)(n, size);
	ahead = unwind_look_ahead(&lar_self->stack, HOOK_FRAME);
	p = REAL(calloc)(n, size);
	if (__builtin_mul_overflow(n, size, &total))
		total = SIZE_MAX;
	record_alloc_ahead(LAR_CALL_calloc, p, total, sample_period, HOOK_FRAME, ahead);
	return p;
}

static lar_noinline void recorded_free(void *p)
{
	if (EARLY) {
		EARLY_REAL(free)(p);
		return;
	}
	record_free(LAR_CALL_free, p, 0, false, false, HOOK_FRAME);
	REAL(free)(p);
}

LAR_EXPORT void free(void *p)
{
	if (unlikely(sample_period))
		sampled_free(p);
	else
		recorded_free(p);
}

LAR_EXPORT void cfree(void *p)
{
	record_free(LAR_CALL_cfree, p, 0, false, sample_period, HOOK_FRAME);
	if (REAL(cfree))
		real.cfree(p);
	else
		REAL(free)(p);
}

/*
 * Sampling: what of a realloc is recorded. *old becomes NULL when the old block was not recorded,
 * *p and *size become 0, as for realloc(old, 0), when the new one is not: then the event is a free
 * only. False when there is nothing to record.
 */
static bool sampled_realloc(struct thread *t, const void **old, const void **p, size_t *size)
{
	if (!*p && *size)
		return true;
	if (!*old || !sample_leave(*old))
		*old = NULL;
	if (*p && (!sample_take(t, *size) || !sample_enter(*p))) {
		*p = NULL;
		*size = 0;
	}
	return *old || *p;
}

/* One event for the free and the allocation: with both times, since in between another thread may
 * have been given the old address. */
static always_inline void record_realloc(unsigned call, uint64_t before, const void *old,
					 const void *p, size_t size, uint64_t frame,
					 struct unwind_ahead ahead)
{
	struct thread *t;
	uint64_t *r;

	if (unlikely(!hook_wants(LAR_RECORD_HEAP)))
		return;
	t = span_open(frame);
	if (unlikely(!t))
		return;
	if (unlikely(sample_period) && !sampled_realloc(t, &old, &p, &size)) {
		span_close(t);
		return;
	}
	unwind_capture_ahead(&t->stack, frame, ahead);
	r = span_record_captured(t, LAR_EV_REALLOC, 0, call, 5);
	if (likely(r != NULL)) {
		uint64_t now = lar_ticks();

		r[0] = now;
		r[1] = before ? now - before : 0;
		r[2] = (uint64_t)old;
		r[3] = (uint64_t)p;
		r[4] = size;
		span_commit(t);
	}
	span_close(t);
}

/* libc's word (2.32 and later) on whether there has only ever been this thread. */
extern char __libc_single_threaded __attribute__((weak));

/*
 * The time before a realloc matters when another thread can be given the old block before we
 * record: then the reader has to know since when that was possible. 0 = no other thread.
 */
static always_inline uint64_t ticks_before_realloc(void)
{
	if (&__libc_single_threaded && __libc_single_threaded)
		return 0;
	return hook_ticks();
}

/* The old block is on its way out, unless the realloc fails. */
static always_inline uint64_t realloc_begin(unsigned call, const void *old, uint64_t frame)
{
	uint64_t was;

	if (!old || unlikely(!hook_wants(LAR_RECORD_HEAP)))
		return 0;
	was = shadow_free(old, LAR_BLOCK_REALLOCATED, HOOK_CALLER(frame));
	if (unlikely(!shadow_right(was, old, LAR_BLOCK_MALLOC)))
		misuse_look(call, old, was, frame);
	return was;
}

static always_inline void realloc_end(uint64_t was, const void *old, const void *p, size_t size)
{
	if (unlikely(p == old && shadow_is_sampled(was, p)))
		__atomic_store_n(shadow_place((uint64_t)p), was, __ATOMIC_RELAXED);
	else if (likely(p != NULL))
		shadow_alloc(p, LAR_BLOCK_MALLOC, size);
	else if (size && old)
		__atomic_store_n(shadow_place((uint64_t)old), was, __ATOMIC_RELAXED);
}

static always_inline void *realloc_whole(void *old, size_t size, uint64_t frame)
{
	struct unwind_ahead ahead;
	uint64_t before, was;
	void *p;

	if (EARLY)
		return EARLY_REAL(realloc)(old, size);
	ahead = unwind_look_ahead(&lar_self->stack, frame);
	was = realloc_begin(LAR_CALL_realloc, old, frame);
	before = ticks_before_realloc();
	p = REAL(realloc)(old, size);
	realloc_end(was, old, p, size);
	record_realloc(LAR_CALL_realloc, before, old, p, size, frame, ahead);
	return p;
}

static lar_noinline void *recorded_realloc(void *old, size_t size)
{
	return realloc_whole(old, size, HOOK_FRAME);
}

/* Nearly always neither the old block was sampled nor the new one is to be. */
static lar_noinline void *passed_realloc(void *old, size_t size)
{
	uint64_t was;
	void *p;

	if (unlikely(!old || !size || (uint64_t)lar_self->sample_left < size || !real.realloc))
		return realloc_whole(old, size, HOOK_FRAME);
	was = shadow_free(old, LAR_BLOCK_REALLOCATED, HOOK_CALLER(HOOK_FRAME));
	if (unlikely(!shadow_right(was, old, LAR_BLOCK_MALLOC))) {
		__atomic_store_n(shadow_place((uint64_t)old), was, __ATOMIC_RELAXED);
		return realloc_whole(old, size, HOOK_FRAME);
	}
	p = real.realloc(old, size);
	realloc_end(was, old, p, size);
	if (unlikely(!p)) {
		record_realloc(LAR_CALL_realloc, 0, old, p, size, HOOK_FRAME, UNWIND_NOT_AHEAD);
		return p;
	}
	lar_self->sample_left -= (int64_t)size;
	return p;
}

LAR_EXPORT void *realloc(void *old, size_t size)
{
	return unlikely(sample_period) ? passed_realloc(old, size) : recorded_realloc(old, size);
}

LAR_EXPORT void *reallocarray(void *old, size_t n, size_t size)
{
	struct unwind_ahead ahead = unwind_look_ahead(&lar_self->stack, HOOK_FRAME);
	__typeof__(reallocarray) *whole = REAL(reallocarray);
	uint64_t before, was;
	size_t total;
	void *p;

	/* it calls what the program knows by the name of realloc, whose block it is */
	if (unlikely(real_malloc_in_front()))
		return whole(old, n, size);
	/* glibc's reallocarray is realloc with a check, and reaches our realloc through it */
	if (__builtin_mul_overflow(n, size, &total)) {
		before = ticks_before_realloc();
		p = whole(old, n, size);
		record_realloc(LAR_CALL_reallocarray, before, old, p, SIZE_MAX, HOOK_FRAME, ahead);
		return p;
	}
	was = realloc_begin(LAR_CALL_reallocarray, old, HOOK_FRAME);
	before = ticks_before_realloc();
	p = REAL(realloc)(old, total);
	realloc_end(was, old, p, total);
	record_realloc(LAR_CALL_reallocarray, before, old, p, total, HOOK_FRAME, ahead);
	return p;
}

LAR_EXPORT void *memalign(size_t align, size_t size)
{
	void *p = REAL(memalign)(align, size);

	record_alloc(LAR_CALL_memalign, p, size, sample_period, HOOK_FRAME);
	return p;
}

LAR_EXPORT void *aligned_alloc(size_t align, size_t size)
{
	void *p = REAL(aligned_alloc)(align, size);

	record_alloc(LAR_CALL_aligned_alloc, p, size, sample_period, HOOK_FRAME);
	return p;
}

LAR_EXPORT int posix_memalign(void **to, size_t align, size_t size)
{
	int result = REAL(posix_memalign)(to, align, size);

	record_alloc(LAR_CALL_posix_memalign, result ? NULL : *to, size, sample_period, HOOK_FRAME);
	return result;
}

LAR_EXPORT void *valloc(size_t size)
{
	void *p = REAL(valloc)(size);

	record_alloc(LAR_CALL_valloc, p, size, sample_period, HOOK_FRAME);
	return p;
}

LAR_EXPORT void *pvalloc(size_t size)
{
	void *p = REAL(pvalloc)(size);

	record_alloc(LAR_CALL_pvalloc, p, size, sample_period, HOOK_FRAME);
	return p;
}
