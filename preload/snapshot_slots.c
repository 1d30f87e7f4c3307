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

static uint64_t head_of(const struct lar_slot *slot)
{
	uint64_t head = (uint32_t)slot->state;

	return head <= lar->slot_size - LAR_SLOT_HEADER_SIZE ? head & ~7ull : 0;
}

/* Only slots that a thread of this process has written to: others may have no disk yet. */
static const struct lar_slot *slot_in_use(uint32_t index)
{
	const struct thread *t = lar->thread[index];

	return t && t->slot->magic == LAR_SLOT_MAGIC ? t->slot : NULL;
}

bool snapshot_copy_slots(struct snapshot *s)
{
	uint64_t size = lar->slot_count * sizeof(*s->slot), at = size;

	for (uint32_t i = 0; i < lar->slot_count; i++)
		if (slot_in_use(i))
			size += head_of(slot_in_use(i));
	s->slot = sys_mmap(NULL, size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (sys_failed((long)s->slot)) {
		s->slot = NULL;
		return false;
	}
	s->slots = lar->slot_count;
	s->slots_bytes = size;
	for (uint32_t i = 0; i < s->slots; i++) {
		const struct lar_slot *slot = slot_in_use(i);

		if (!slot)
			continue;
		s->slot[i].used = true;
		s->slot[i].fill = (uint32_t)(slot->state >> 32);
		s->slot[i].words = (uint32_t)(head_of(slot) / 8);
		s->slot[i].record = (const uint64_t *)((uint8_t *)s->slot + at);
		memcpy((uint8_t *)s->slot + at, (const uint8_t *)slot + LAR_SLOT_HEADER_SIZE,
		       head_of(slot));
		at += head_of(slot);
	}
	return true;
}

void snapshot_free_slots(struct snapshot *s)
{
	if (s->slot)
		sys_munmap(s->slot, s->slots_bytes);
	s->slot = NULL;
}
