/* SPDX-License-Identifier: MIT */
/* Lives of locks; see locklife.h. */
#include "locklife.h"

#define PROBES 8

/* Neighbours in memory are far apart: threads that use one do not meet at the other. */
static struct recorder_lock *place(uint64_t addr, uint32_t n)
{
	return &lar->lock[((addr * 0x9e3779b97f4a7c15ull >> 40) + n) % RECORDER_LOCKS];
}

static struct recorder_lock *find(uint64_t addr)
{
	for (uint32_t n = 0; n < PROBES; n++)
		if (atomic_load_explicit(&place(addr, n)->addr, memory_order_acquire) == addr)
			return place(addr, n);
	return NULL;
}

/*
 * Two threads that come first at the same time try the same places in the same order, so that one
 * of them finds what the other has put there. Only where a place before it falls free in between do
 * they make two; then all later ones use the first.
 */
static struct recorder_lock *make(uint64_t addr)
{
	for (uint32_t n = 0; n < PROBES; n++) {
		struct recorder_lock *l = place(addr, n);
		uint64_t was = 0;

		if (atomic_compare_exchange_strong(&l->addr, &was, addr) || was == addr)
			return l;
	}
	return NULL;
}

/* Whoever comes first gives the number. */
static uint32_t number(struct recorder_lock *l)
{
	uint64_t life = atomic_load(&l->life);

	if (!(uint32_t)life) {
		uint32_t fresh = atomic_fetch_add(&lar->lock_lives, 1) + 1;

		if (atomic_compare_exchange_strong(&l->life, &life, fresh))
			return fresh;
	}
	return (uint32_t)life;
}

struct held_life locklife_of(uint64_t addr, uint32_t thread)
{
	struct recorder_lock *l = find(addr);
	struct held_life none = { &lar->lock_none.life, 0 };
	uint32_t life = l || (l = make(addr)) ? number(l) : 0;

	if (!life)
		return none;
	return (struct held_life){ &l->life, life | (uint64_t)thread << 32 };
}

void locklife_end(uint64_t addr)
{
	struct recorder_lock *l = find(addr);

	if (!l)
		return;
	/* cells that have it see that it is another, whoever takes the place next */
	atomic_store(&l->life, 0);
	atomic_store_explicit(&l->addr, 0, memory_order_release);
}
