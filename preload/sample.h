/* SPDX-License-Identifier: MIT */
/*
 * Sampling of allocations: each requested byte is a sample point with probability 1 / --sample,
 * independently (a Poisson process over bytes), and an allocation is recorded when it holds one. An
 * allocation of n bytes is therefore recorded with probability 1 - exp(-n / period), by which the
 * reader divides. Frees of blocks that were not recorded are recognised by one look: of malloc's
 * into the table that finds wrong frees (shadow.h), of others into a filter.
 *
 * The filter counts recorded live blocks by hash; the set behind it holds their addresses. Any
 * thread; no lock, no system call but for the set's memory at the first sample.
 */
#ifndef LARIAT_SAMPLE_H
#define LARIAT_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attr.h"
#include "thread.h"

#define SAMPLE_FILTER (1u << 16)

/* Mean distance of sample points in bytes; 0 = every allocation is recorded. */
extern LAR_LOCAL uint64_t sample_period;

extern LAR_LOCAL uint8_t sample_filter[SAMPLE_FILTER];

static always_inline uint32_t sample_hash(const void *p)
{
	return (uint32_t)(((uint64_t)p * 0x9e3779b97f4a7c15ull) >> 48);
}

/* The countdown is over: draws the next distance. False when a thread's first was yet to draw, and
 * lies behind this allocation of `size` bytes. */
bool sample_next(struct thread *t, size_t size);

/* Whether the thread's allocation of `size` bytes is to be recorded. */
static always_inline bool sample_take(struct thread *t, size_t size)
{
	t->sample_left -= (int64_t)size;
	if (likely(t->sample_left >= 0))
		return false;
	return sample_next(t, size);
}

/* An allocation was recorded. False when the set is full: the block must not be recorded. */
bool sample_enter(const void *p);

/* Forgets the block; true when it was recorded. */
bool sample_leave_set(const void *p);

/* False for most blocks that were not recorded. */
static always_inline bool sample_may_know(const void *p)
{
	return unlikely(__atomic_load_n(&sample_filter[sample_hash(p)], __ATOMIC_RELAXED) != 0);
}

/* sample_leave_set(), at once false for those. */
static always_inline bool sample_leave(const void *p)
{
	return sample_may_know(p) && sample_leave_set(p);
}

#endif
