/* SPDX-License-Identifier: MIT */
/*
 * Which lock an address is. A lock that is destroyed, made anew or on the stack of a thread that
 * ends is another one when the address is used again: its life has another number. And which thread
 * took a lock last: one word for each lock that all threads look at, and that is written only when
 * another thread takes the lock. Any thread, its gate BUSY; without a lock.
 */
#ifndef LARIAT_LOCKLIFE_H
#define LARIAT_LOCKLIFE_H

#include <stdint.h>

#include "attr.h"
#include "recorder.h"
#include "thread.h"

/* The life of the lock at an address, for a thread's cell; makes one where there is none. Where
 * there is no room its number is 0, and whoever takes it is not known. */
struct held_life locklife_of(uint64_t addr, uint32_t thread);

/* The lock at an address is no more. */
void locklife_end(uint64_t addr);

static always_inline uint32_t locklife_number(const struct held_life *l)
{
	return (uint32_t)l->mine;
}

/* False when the address has become another lock. taking: what another thread took last is to be
 * written soon, and fetched while the lock is. */
static always_inline bool locklife_same(const struct held_life *l, bool taking)
{
	uint64_t life = atomic_load_explicit(l->at, memory_order_relaxed);

	if (likely(life == l->mine))
		return true;
	if (taking)
		__builtin_prefetch(l->at, 1);
	return (uint32_t)life == (uint32_t)l->mine;
}

/* The thread has taken the lock for itself: whether another one had it last. */
static always_inline bool locklife_take(const struct held_life *l)
{
	uint64_t life = atomic_load_explicit(l->at, memory_order_relaxed);

	if (likely(life == l->mine) || (uint32_t)life != (uint32_t)l->mine)
		return false;
	atomic_store_explicit(l->at, l->mine, memory_order_relaxed);
	return life >> 32 != 0;
}

#endif
