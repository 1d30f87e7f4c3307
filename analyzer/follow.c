/* SPDX-License-Identifier: MIT */
/* Positions in a trace that is still written; see follow.h. */
#include "follow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

uint64_t follow_taken_of(uint32_t seq, uint64_t events, uint32_t fill, uint64_t taken)
{
	int32_t later = (int32_t)(seq - fill);

	if (later > 0)
		return 0;
	return later < 0 || taken > events ? events : taken;
}

int follow_note(struct follow *f, uint32_t slot, uint32_t fill, uint64_t taken)
{
	uint32_t n = keymap_number(&f->map, slot);

	if (n == KEYMAP_NONE || array_reserve((void **)&f->slot, &f->size, n, sizeof(*f->slot)))
		return -ENOMEM;
	f->slot[n] = (struct follow_slot){ fill, taken };
	return 0;
}

int follow_begin(struct follow *f, const struct checkpoint *c)
{
	struct checkpoint_rows r;
	int rc = 0;

	if (f->begun)
		return 0;
	f->begun = true;
	checkpoint_rows(c, LAR_TABLE_POSITIONS, &r);
	while (!rc && checkpoint_next(&r))
		if (r.value[0] <= UINT32_MAX)
			rc = follow_note(f, (uint32_t)r.value[0], (uint32_t)r.value[1], r.value[2]);
	return rc;
}

void follow_fini(struct follow *f)
{
	keymap_fini(&f->map);
	free(f->slot);
	memset(f, 0, sizeof(*f));
}

static uint64_t taken_of(const struct follow *f, uint32_t slot, uint32_t seq, uint64_t events)
{
	uint32_t n = keymap_find(&f->map, slot);

	if (n == KEYMAP_NONE)
		return 0;
	return follow_taken_of(seq, events, f->slot[n].fill, f->slot[n].taken);
}

int follow_mark(const struct follow *f, struct ringindex *ring, struct staging *staging)
{
	uint64_t next = f->next_seq;

	for (size_t i = 0; i < staging->count; i++) {
		struct staging_slot *s = &staging->slots[i];

		s->folded = taken_of(f, s->index, s->seq, s->events);
	}
	if (!ring->count)
		return next ? -ESTALE : 0;
	for (size_t i = 0; i < ring->count; i++) {
		struct ring_block *b = &ring->blocks[i];

		b->folded = (uint32_t)taken_of(f, b->slot, b->slot_seq, b->events);
		if (b->seq < f->next_seq)
			continue;
		if (b->seq != next++)
			return -ESTALE;
	}
	return next < f->next_seq ? -ESTALE : 0;
}

void follow_reached(struct follow *f, const struct ringindex *ring, uint64_t ticks)
{
	uint64_t next = f->next_seq;

	if (ring->count)
		next = ring->blocks[ring->count - 1].seq + 1;
	for (size_t i = ring->count; i-- > 0;) {
		const struct ring_block *b = &ring->blocks[i];

		if (!b->lost && taken_of(f, b->slot, b->slot_seq, b->events) < b->events)
			next = b->seq;
	}
	f->next_seq = next;
	f->reached = ticks;
}
