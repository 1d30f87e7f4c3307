/* SPDX-License-Identifier: MIT */
/*
 * The frees of one recorded time. Recorded times are in steps of some 100 ns. Where one thread
 * frees what another has just allocated, both can have the same time, and the free may come first.
 * So the frees of one time are kept until it is over, the first few of them. Zeroed memory has
 * none. One thread at a time.
 */
#ifndef LARIAT_HEAP_MOMENT_H
#define LARIAT_HEAP_MOMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "trace.h"

#define HEAP_MOMENT 16

struct heap_moment {
	uint64_t ticks;
	uint32_t count;
	struct {
		uint64_t address;
		uint32_t thread;
	} free[HEAP_MOMENT];
};

static inline void moment_add(struct heap_moment *m, uint64_t ticks, uint64_t address,
			      uint32_t thread)
{
	/* without a branch: whether two frees have one time cannot be foreseen */
	uint32_t i = m->count & (0 - (uint32_t)(m->ticks == ticks));

	m->ticks = ticks;
	if (i == HEAP_MOMENT)
		return;
	m->count = i + 1;
	m->free[i].address = address;
	m->free[i].thread = thread;
}

/* Was the block of event e freed at its very time, by its own thread or by another one? Each free
 * answers once. */
static inline bool moment_take(struct heap_moment *m, uint64_t address, const struct event *e,
			       bool own)
{
	if (m->ticks != e->ticks)
		return false;
	for (uint32_t i = 0; i < m->count; i++) {
		if (m->free[i].address != address || (m->free[i].thread == e->thread) != own)
			continue;
		m->free[i] = m->free[--m->count];
		return true;
	}
	return false;
}

#endif
