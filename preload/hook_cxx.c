/* SPDX-License-Identifier: MIT */
/*
 * C++ operator new and delete. libstdc++'s reach malloc and free, which are wrapped too; those of
 * jemalloc, tcmalloc and mimalloc do not. Either way each is recorded once: the outer wrapper names
 * itself for the allocation inside, and records it itself when there was none.
 *
 * Where it is libstdc++'s that would be called, and they would call the malloc and free that we
 * call, that is done at once.
 *
 * The symbols may come with a library that is opened later, out of sight of the global scope: then
 * they are looked for at the first call.
 */
#include <string.h>

#include "hook_heap.h"

/* How the plain operators are called: known from the first call on. */
enum way { WAY_UNKNOWN = 0, WAY_DIRECT, WAY_THROUGH };
static uint8_t way;

static lar_cold bool find_way(void)
{
	bool direct = real_operators_plain();

	__atomic_store_n(&way, direct ? WAY_DIRECT : WAY_THROUGH, __ATOMIC_RELEASE);
	return direct;
}

static always_inline enum way known_way(void)
{
	return __atomic_load_n(&way, __ATOMIC_ACQUIRE);
}

/* Is the call a part of another form of operator new, as the nothrow forms are made of the plain
 * one? Behind the malloc of that it is a new handler's, or that one has thrown. */
static always_inline bool is_part(void)
{
	return hook_cxx.new_call && !hook_cxx.new_site;
}

/* How an operator new allocates, learned at its first call. */
enum new_mode { NEW_UNKNOWN = 0, NEW_CALLS_MALLOC, NEW_IS_ALLOCATOR };

static lar_cold void *late(void **pointer, const char *symbol)
{
	int e = errno;

	if (!*pointer)
		*pointer = real_find_late(symbol);
	errno = e;
	return *pointer;
}

#define REAL_CXX(symbol)                                                                           \
	((__typeof__(symbol) *)(likely(real.symbol != NULL)                                        \
					? (void *)real.symbol                                      \
					: late((void **)&real.symbol, #symbol)))

/* One form may be made of another (new[] of new): the outermost is what the program called. A
 * throw skips new_leave(), so that nothing is left behind where no malloc would take it up. */
/* An operator new inside another: one that the outer is made of (nothrow forms call the plain one)
 * leaves the outer's name; one in a new handler must not disturb it. */
struct new_outer {
	uint32_t call;
	size_t size, more;
	uint64_t site;
	bool part;
};

static always_inline struct new_outer new_enter(unsigned call, size_t size, size_t more,
						uint8_t mode)
{
	struct new_outer outer = { 0, 0, 0, 0, false };

	if (likely(mode != NEW_IS_ALLOCATOR)) {
		outer.call = hook_cxx.new_call;
		outer.size = hook_cxx.new_size;
		outer.more = hook_cxx.new_more;
		outer.site = hook_cxx.new_site;
		outer.part = hook_cxx.new_call && !hook_cxx.new_site;
		if (!outer.part) {
			hook_cxx.new_call = call;
			hook_cxx.new_size = size;
			hook_cxx.new_more = more;
			hook_cxx.new_site = 0;
		}
	}
	return outer;
}

static always_inline void new_leave(unsigned call, uint8_t *mode, const struct new_outer *outer,
				    const void *p, size_t size, uint64_t frame)
{
	bool nested = false;

	if (outer->part)
		return;
	if (likely(*mode != NEW_IS_ALLOCATOR)) {
		nested = hook_cxx.new_site && hook_cxx.new_result == p;
		hook_cxx.new_call = outer->call;
		hook_cxx.new_size = outer->size;
		hook_cxx.new_more = outer->more;
		hook_cxx.new_site = outer->site;
	}
	if (unlikely(*mode == NEW_UNKNOWN && p))
		*mode = nested ? NEW_CALLS_MALLOC : NEW_IS_ALLOCATOR;
	if (*mode == NEW_IS_ALLOCATOR)
		hook_record_new(call, p, size, frame);
}

#define NEW_THROUGH(storage, name, symbol, parameters, arguments, more)                            \
	storage void *name parameters                                                              \
	{                                                                                          \
		static uint8_t mode;                                                               \
		struct new_outer outer = new_enter(LAR_CALL_##symbol, size, more, mode);           \
		void *p = REAL_CXX(symbol) arguments;                                              \
                                                                                                   \
		new_leave(LAR_CALL_##symbol, &mode, &outer, p, size, HOOK_FRAME);                  \
		return p;                                                                          \
	}

/* more: that is asked of malloc, for a size of 0 or of which the alignment is not a part. */
#define NEW(symbol, parameters, arguments, more)                                                   \
	NEW_THROUGH(LAR_EXPORT, symbol, symbol, parameters, arguments, more)

/* Tries again and again, as libstdc++ does; each try is an allocation that failed, or not. */
#define NEW_AGAIN(symbol)                                                                          \
	static lar_noinline lar_cold void *again_##symbol(size_t size)                             \
	{                                                                                          \
		void *p = NULL;                                                                    \
                                                                                                   \
		do {                                                                               \
			void (*handler)(void);                                                     \
                                                                                                   \
			record_alloc_named(LAR_CALL_##symbol, NULL, size, sample_period,           \
					   HOOK_FRAME, UNWIND_NOT_AHEAD);                          \
			handler = real_no_memory.get_new_handler();                                \
			if (!handler)                                                              \
				real_no_memory.throw_bad_alloc();                                  \
			handler();                                                                 \
			p = REAL(malloc)(size + !size);                                            \
		} while (!p);                                                                      \
		record_alloc_named(LAR_CALL_##symbol, p, size, sample_period, HOOK_FRAME,          \
				   UNWIND_NOT_AHEAD);                                              \
		return p;                                                                          \
	}

/*
 * As malloc(): a jump, whose frame is the wrapper's. What does not go directly goes through the
 * real one; the first call finds out.
 */
#define NEW_PLAIN(symbol)                                                                          \
	NEW_THROUGH(static lar_noinline, through_##symbol, symbol, (size_t size), (size), 1)       \
	NEW_AGAIN(symbol)                                                                          \
                                                                                                   \
	static lar_noinline void *direct_##symbol(size_t size)                                     \
	{                                                                                          \
		struct unwind_ahead ahead = unwind_look_ahead(&lar_self->stack, HOOK_FRAME);       \
		void *p;                                                                           \
                                                                                                   \
		p = REAL(malloc)(size + !size);                                                    \
		if (unlikely(!p))                                                                  \
			return again_##symbol(size);                                               \
		record_alloc_named(LAR_CALL_##symbol, p, size, sample_period, HOOK_FRAME, ahead);  \
		return p;                                                                          \
	}                                                                                          \
                                                                                                   \
	static lar_noinline void *other_##symbol(size_t size)                                      \
	{                                                                                          \
		bool direct = known_way() == WAY_UNKNOWN ? find_way() : known_way() == WAY_DIRECT; \
                                                                                                   \
		return direct && !is_part() ? direct_##symbol(size) : through_##symbol(size);      \
	}                                                                                          \
                                                                                                   \
	LAR_EXPORT void *symbol(size_t size)                                                       \
	{                                                                                          \
		return likely(known_way() == WAY_DIRECT && !hook_cxx.new_call)                     \
			       ? direct_##symbol(size)                                             \
			       : other_##symbol(size);                                             \
	}

/* Recorded before the real call, as free is; a free() of the same address inside stays silent. */
static always_inline void delete_enter(unsigned call, const void *p, size_t size, uint64_t frame)
{
	if (!p)
		return;
	hook_record_delete(call, p, size, frame);
	hook_cxx.delete_pending = p;
}

static always_inline void delete_leave(void)
{
	hook_cxx.delete_pending = NULL;
}

#define DELETE_THROUGH(storage, name, symbol, parameters, arguments, named_size)                   \
	storage void name parameters                                                               \
	{                                                                                          \
		delete_enter(LAR_CALL_##symbol, p, named_size, HOOK_FRAME);                        \
		REAL_CXX(symbol) arguments;                                                        \
		delete_leave();                                                                    \
	}

#define DELETE(symbol, parameters, arguments, named_size)                                          \
	DELETE_THROUGH(LAR_EXPORT, symbol, symbol, parameters, arguments, named_size)

#define DELETE_PLAIN(symbol, parameters, arguments, named_size)                                    \
	DELETE_THROUGH(static lar_noinline, through_##symbol, symbol, parameters, arguments,       \
		       named_size)                                                                 \
                                                                                                   \
	static lar_noinline void direct_##symbol parameters                                        \
	{                                                                                          \
		record_free(LAR_CALL_##symbol, p, named_size, true, sample_period, HOOK_FRAME);    \
		REAL(free)(p);                                                                     \
	}                                                                                          \
                                                                                                   \
	LAR_EXPORT void symbol parameters                                                          \
	{                                                                                          \
		if (likely(known_way() == WAY_DIRECT && !hook_cxx.delete_pending))                 \
			direct_##symbol arguments;                                                 \
		else                                                                               \
			through_##symbol arguments;                                                \
	}

NEW_PLAIN(_Znwm)
NEW_PLAIN(_Znam)
NEW(_ZnwmRKSt9nothrow_t, (size_t size, const struct nothrow *tag), (size, tag), 1)
NEW(_ZnamRKSt9nothrow_t, (size_t size, const struct nothrow *tag), (size, tag), 1)
NEW(_ZnwmSt11align_val_t, (size_t size, size_t align), (size, align), align)
NEW(_ZnamSt11align_val_t, (size_t size, size_t align), (size, align), align)
NEW(_ZnwmSt11align_val_tRKSt9nothrow_t, (size_t size, size_t align, const struct nothrow *tag),
    (size, align, tag), align)
NEW(_ZnamSt11align_val_tRKSt9nothrow_t, (size_t size, size_t align, const struct nothrow *tag),
    (size, align, tag), align)
DELETE_PLAIN(_ZdlPv, (void *p), (p), 0)
DELETE_PLAIN(_ZdaPv, (void *p), (p), 0)
DELETE_PLAIN(_ZdlPvm, (void *p, size_t size), (p, size), size)
DELETE_PLAIN(_ZdaPvm, (void *p, size_t size), (p, size), size)
DELETE(_ZdlPvRKSt9nothrow_t, (void *p, const struct nothrow *tag), (p, tag), 0)
DELETE(_ZdaPvRKSt9nothrow_t, (void *p, const struct nothrow *tag), (p, tag), 0)
DELETE(_ZdlPvSt11align_val_t, (void *p, size_t align), (p, align), 0)
DELETE(_ZdaPvSt11align_val_t, (void *p, size_t align), (p, align), 0)
DELETE(_ZdlPvmSt11align_val_t, (void *p, size_t size, size_t align), (p, size, align), size)
DELETE(_ZdaPvmSt11align_val_t, (void *p, size_t size, size_t align), (p, size, align), size)
DELETE(_ZdlPvSt11align_val_tRKSt9nothrow_t, (void *p, size_t align, const struct nothrow *tag),
       (p, align, tag), 0)
DELETE(_ZdaPvSt11align_val_tRKSt9nothrow_t, (void *p, size_t align, const struct nothrow *tag),
       (p, align, tag), 0)
