/* SPDX-License-Identifier: MIT */
/*
 * What the threads' buffers hold at the moment of a snapshot; see snapshot.h. The trace is shared
 * with the process that goes on writing to it, so that a scan cannot read there what was.
 */
#include <string.h>
#include <sys/mman.h>

#include "recorder.h"
#include "snapshot.h"
#include "sys.h"
#include "thread.h"
#include "tracefile.h"

static uint64_t head_of(const struct lar_slot *slot, uint32_t index)
{
	uint64_t head = (uint32_t)slot->state, size = lar_slot_size(&lar->slot_sizes, index);

	return head <= size - LAR_SLOT_HEADER_SIZE ? head & ~7ull : 0;
}

/* Only slots that a thread of this process has written to: others may have no disk yet. */
static const struct lar_slot *slot_in_use(uint32_t index)
{
	const struct thread *t = lar->thread[index];

	return t && t->slot->magic == LAR_SLOT_MAGIC ? t->slot : NULL;
}

bool snapshot_copy_slots(struct snapshot *s, const struct inuse *u)
{
	uint32_t slots = (uint32_t)tracefile_section(LAR_SECTION_STAGING)->used;
	uint64_t size = slots * sizeof(*s->slot), at = size;

	for (uint32_t i = 0; i < slots; i++)
		if (slot_in_use(i) && !s->inplace)
			size += head_of(slot_in_use(i), i);
	size = size ? size : 1;
	s->slot = sys_map_own(size, 0);
	if (sys_failed((long)s->slot)) {
		s->slot = NULL;
		return false;
	}
	s->slots = slots;
	s->slots_bytes = size;
	for (uint32_t i = 0; i < s->slots; i++) {
		const struct lar_slot *slot = slot_in_use(i);

		if (!slot)
			continue;
		s->slot[i].used = true;
		s->slot[i].fill = (uint32_t)(slot->state >> 32);
		s->slot[i].sealed = s->tables && inuse_has(u, i, s->slot[i].fill);
		s->slot[i].words = (uint32_t)(head_of(slot, i) / 8);
		s->slot[i].record =
			(const uint64_t *)((const uint8_t *)slot + LAR_SLOT_HEADER_SIZE);
		if (s->inplace)
			continue;
		memcpy((uint8_t *)s->slot + at, s->slot[i].record, head_of(slot, i));
		s->slot[i].record = (const uint64_t *)((uint8_t *)s->slot + at);
		at += head_of(slot, i);
	}
	return true;
}

void snapshot_free_slots(struct snapshot *s)
{
	if (s->slot)
		sys_munmap(s->slot, s->slots_bytes);
	s->slot = NULL;
}
