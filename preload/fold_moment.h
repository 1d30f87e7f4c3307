/* SPDX-License-Identifier: MIT */
/*
 * The last frees of one recorded time. Recorded times are in steps of some 100 ns: where one thread
 * frees what another has just allocated, both can have the same time, and the free may come first.
 * So the frees of one time are kept until it is over.
 */
#ifndef LARIAT_FOLD_MOMENT_H
#define LARIAT_FOLD_MOMENT_H

#include <stdbool.h>
#include <stdint.h>

#define FOLD_MOMENT 16

struct fold_moment {
	uint64_t ticks;
	uint32_t count;
	uint32_t thread[FOLD_MOMENT];
	uint64_t address[FOLD_MOMENT];
};

static inline void fold_moment_add(struct fold_moment *m, uint64_t ticks, uint64_t address,
				   uint32_t thread)
{
	if (m->ticks != ticks) {
		m->ticks = ticks;
		m->count = 0;
	}
	if (m->count == FOLD_MOMENT)
		return;
	m->address[m->count] = address;
	m->thread[m->count++] = thread;
}

/* Was it freed at that very time, by this thread (`own`) or by another? Each free answers once. */
static inline bool fold_moment_take(struct fold_moment *m, uint64_t ticks, uint64_t address,
				    uint32_t thread, bool own)
{
	if (m->ticks != ticks)
		return false;
	for (uint32_t i = 0; i < m->count; i++) {
		if (m->address[i] != address || (m->thread[i] == thread) != own)
			continue;
		m->count--;
		m->address[i] = m->address[m->count];
		m->thread[i] = m->thread[m->count];
		return true;
	}
	return false;
}

#endif
