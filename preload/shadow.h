/* SPDX-License-Identifier: MIT */
/*
 * What was done last with an address of the heap, as far as a small table remembers: enough to see
 * a wrong free before the real function does, which may not return. Of two addresses that share a
 * place the later one is remembered, so that what is found is true, and some is not found.
 *
 * Any thread and context: an entry is one word. A block passes from thread to thread only by way
 * of the program or its allocator, which order the stores. Inherited over fork, like the heap.
 */
#ifndef LARIAT_SHADOW_H
#define LARIAT_SHADOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attr.h"
#include "format/event.h"

#define SHADOW_LOG2	15
#define SHADOW_ADDRESS	(1ull << 47) /* what is above is in nobody's user space */
#define SHADOW_RETURNED 0xffffffffull

/* One more enum lar_block_state, LAR_BLOCK_MALLOC of a block that was sampled: where that is not
 * the state of one in use, its free need not be looked for among those that were. */
#define SHADOW_SAMPLED 6

/*
 * The low half is the return address of a free, or a block's size, without their high bits. Above:
 * 3 bits enum lar_block_state, bit 3 of the block's address, and from bit 36 on its bits from 19
 * on. Bits 4 to 18 of the address are the place, but that higher bits choose the cache line: arenas
 * of threads are aligned, and blocks at the same offset of several would share one.
 */
extern LAR_LOCAL uint64_t shadow_entry[1u << SHADOW_LOG2];

static always_inline uint64_t *shadow_place(uint64_t address)
{
	uint32_t line = (uint32_t)(address >> 19) * 0x9e3779b1u >> (32 - SHADOW_LOG2) & ~7u;

	return &shadow_entry[((uint32_t)(address >> 4) & ((1u << SHADOW_LOG2) - 1)) ^ line];
}

static always_inline uint64_t shadow_word(uint64_t address, enum lar_block_state state)
{
	return (address >> 19) << 36 | (address & 8) << 32 | (uint64_t)state << 32;
}

static always_inline bool shadow_is_of(uint64_t entry, uint64_t address)
{
	return !((entry ^ shadow_word(address, 0)) & ~(7ull << 32 | SHADOW_RETURNED));
}

static always_inline enum lar_block_state shadow_state(uint64_t entry)
{
	return (enum lar_block_state)(entry >> 32 & 7);
}

/* How a block is made, or has to be given back, by a call of the family HEAP: those of single
 * objects and arrays alternate in calls.def. */
static always_inline enum lar_block_state shadow_made_by(unsigned call)
{
	return call < LAR_CALL__Znwm ? LAR_BLOCK_MALLOC
	       : call & 1	     ? LAR_BLOCK_NEW_ARRAY
				     : LAR_BLOCK_NEW;
}
_Static_assert((LAR_CALL__Znwm & 1) == 0 && (LAR_CALL__Znam & 1) == 1 &&
		       (LAR_CALL__ZnwmSt11align_val_tRKSt9nothrow_t & 1) == 0 &&
		       (LAR_CALL__ZnamSt11align_val_tRKSt9nothrow_t & 1) == 1 &&
		       (LAR_CALL__ZdlPv & 1) == 0 && (LAR_CALL__ZdaPv & 1) == 1 &&
		       (LAR_CALL__ZdlPvSt11align_val_tRKSt9nothrow_t & 1) == 0 &&
		       (LAR_CALL__ZdaPvSt11align_val_tRKSt9nothrow_t & 1) == 1,
	       "numbers of operators");

/* Of a block that operator new made the size is kept, without its high bits: delete may name one.
 */
static always_inline void shadow_alloc(const void *p, enum lar_block_state state, size_t size)
{
	uint64_t address = (uint64_t)p, word = shadow_word(address, state);

	if (state != LAR_BLOCK_MALLOC)
		word |= (uint32_t)size;
	__atomic_store_n(shadow_place(address), word, __ATOMIC_RELAXED);
}

/* Before a block is given back. Returns what was known of the place, for shadow_right(). */
static always_inline uint64_t shadow_free(const void *p, enum lar_block_state state, uint64_t ra)
{
	uint64_t address = (uint64_t)p, *place = shadow_place(address);
	uint64_t was = __atomic_load_n(place, __ATOMIC_RELAXED);

	__atomic_store_n(place, shadow_word(address, state) | (ra & SHADOW_RETURNED),
			 __ATOMIC_RELAXED);
	return was;
}

/* Was the block in use, and made by what belongs to what gives it back? */
static always_inline bool shadow_right(uint64_t was, const void *p, enum lar_block_state made)
{
	/* of one that malloc made the low half is 0 */
	if (made == LAR_BLOCK_MALLOC)
		return was == (shadow_word((uint64_t)p, made) | ((uint64_t)p & 7));
	return !((was ^ shadow_word((uint64_t)p, made)) >> 32 | ((uint64_t)p & 7));
}

/* The block that malloc has made is one that was sampled. */
static inline void shadow_sample(const void *p)
{
	uint64_t *place = shadow_place((uint64_t)p),
		 word = shadow_word((uint64_t)p, LAR_BLOCK_MALLOC);

	if (__atomic_load_n(place, __ATOMIC_RELAXED) == word)
		__atomic_store_n(place, shadow_word((uint64_t)p, SHADOW_SAMPLED), __ATOMIC_RELAXED);
}

static inline bool shadow_is_sampled(uint64_t was, const void *p)
{
	return was == shadow_word((uint64_t)p, SHADOW_SAMPLED);
}

/* Is `size` what such a block was asked for with? */
static always_inline bool shadow_is_size(uint64_t was, size_t size)
{
	return (uint32_t)was == (uint32_t)size;
}

#endif
