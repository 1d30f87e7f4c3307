/* SPDX-License-Identifier: MIT */
/* The table of live blocks; see live_table.h. */
#include "live_table.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define FIRST_SLOTS_LOG2 12
#define SMALL_SLOTS	 (UINT64_C(1) << 17) /* 4 MB */
#define HUGE_PAGE	 ((size_t)2 << 20)

static struct live_block *slot_take(struct live_table *t, uint64_t address)
{
	uint64_t s = live_slot(t, address);

	while (t->slots[s].address)
		s = (s + 1) & t->mask;
	t->slots[s].address = address;
	return &t->slots[s];
}

/* Zeroed slots; a large table in huge pages, as each look at it is at a random place. */
static struct live_block *slots_new(uint64_t slots)
{
	size_t bytes = slots * sizeof(struct live_block);
	struct live_block *p;

	if (bytes < HUGE_PAGE)
		return calloc(slots, sizeof(*p));
	p = aligned_alloc(HUGE_PAGE, bytes);
	if (!p)
		return NULL;
	madvise(p, bytes, MADV_HUGEPAGE); /* else it works all the same */
	memset(p, 0, bytes);
	return p;
}

int live_grow(struct live_table *t)
{
	struct live_block *old = t->slots;
	uint64_t old_slots = old ? t->mask + 1 : 0;
	uint64_t slots = old ? old_slots * 2 : 1ull << FIRST_SLOTS_LOG2;
	struct live_block *grown = slots_new(slots);

	if (!grown)
		return -ENOMEM;
	t->slots = grown;
	t->mask = slots - 1;
	/* probes stay short though neighbours cluster; mostly a single one where memory is no
	 * matter, as nobody can foresee how long each will be */
	t->limit = slots / (slots <= SMALL_SLOTS ? 16 : 8) * 5;
	t->shift = (unsigned)__builtin_clzll(slots) + 1;
	for (uint64_t i = 0; i < old_slots; i++)
		if (old[i].address)
			*slot_take(t, old[i].address) = old[i];
	free(old);
	return 0;
}

void live_close_gap(struct live_table *t, uint64_t hole)
{
	/* shift back each later block of the run that may not stay behind the hole */
	for (uint64_t s = (hole + 1) & t->mask; t->slots[s].address; s = (s + 1) & t->mask) {
		uint64_t home = live_slot(t, t->slots[s].address);

		if (((s - home) & t->mask) < ((s - hole) & t->mask))
			continue;
		t->slots[hole] = t->slots[s];
		hole = s;
	}
	t->slots[hole].address = 0;
}

void live_fini(struct live_table *t)
{
	free(t->slots);
	memset(t, 0, sizeof(*t));
}
