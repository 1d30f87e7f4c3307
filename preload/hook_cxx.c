/* SPDX-License-Identifier: MIT */
/*
 * C++ operator new and delete. libstdc++'s reach malloc and free, which are wrapped too; those of
 * jemalloc, tcmalloc and mimalloc do not. Either way each is recorded once: the outer wrapper names
 * itself for the allocation inside, and records it itself when there was none.
 *
 * The symbols may come with a library that is opened later, out of sight of the global scope: then
 * they are looked for at the first call.
 */
#include <string.h>

#include "hook.h"

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
	uint64_t site;
	bool part;
};

static always_inline struct new_outer new_enter(unsigned call, uint8_t mode)
{
	struct new_outer outer = { 0, 0, false };

	if (likely(mode != NEW_IS_ALLOCATOR)) {
		outer.call = hook_cxx.new_call;
		outer.site = hook_cxx.new_site;
		outer.part = hook_cxx.new_call && !hook_cxx.new_site;
		if (!outer.part) {
			hook_cxx.new_call = call;
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
		hook_cxx.new_site = outer->site;
	}
	if (unlikely(*mode == NEW_UNKNOWN && p))
		*mode = nested ? NEW_CALLS_MALLOC : NEW_IS_ALLOCATOR;
	if (*mode == NEW_IS_ALLOCATOR)
		hook_record_new(call, p, size, frame);
}

#define NEW(symbol, parameters, arguments)                                                         \
	LAR_EXPORT void *symbol parameters                                                         \
	{                                                                                          \
		static uint8_t mode;                                                               \
		struct new_outer outer = new_enter(LAR_CALL_##symbol, mode);                       \
		void *p = REAL_CXX(symbol) arguments;                                              \
                                                                                                   \
		new_leave(LAR_CALL_##symbol, &mode, &outer, p, size, HOOK_FRAME);                  \
		return p;                                                                          \
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

#define DELETE(symbol, parameters, arguments, named_size)                                          \
	LAR_EXPORT void symbol parameters                                                          \
	{                                                                                          \
		delete_enter(LAR_CALL_##symbol, p, named_size, HOOK_FRAME);                        \
		REAL_CXX(symbol) arguments;                                                        \
		delete_leave();                                                                    \
	}

NEW(_Znwm, (size_t size), (size))
NEW(_Znam, (size_t size), (size))
NEW(_ZnwmRKSt9nothrow_t, (size_t size, const struct nothrow *tag), (size, tag))
NEW(_ZnamRKSt9nothrow_t, (size_t size, const struct nothrow *tag), (size, tag))
NEW(_ZnwmSt11align_val_t, (size_t size, size_t align), (size, align))
NEW(_ZnamSt11align_val_t, (size_t size, size_t align), (size, align))
NEW(_ZnwmSt11align_val_tRKSt9nothrow_t, (size_t size, size_t align, const struct nothrow *tag),
    (size, align, tag))
NEW(_ZnamSt11align_val_tRKSt9nothrow_t, (size_t size, size_t align, const struct nothrow *tag),
    (size, align, tag))
DELETE(_ZdlPv, (void *p), (p), 0)
DELETE(_ZdaPv, (void *p), (p), 0)
DELETE(_ZdlPvm, (void *p, size_t size), (p, size), size)
DELETE(_ZdaPvm, (void *p, size_t size), (p, size), size)
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
