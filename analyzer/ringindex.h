/* SPDX-License-Identifier: MIT */
/*
 * The index of a trace's sealed blocks: which there are, where, in order of their number.
 *
 * Found by a scan of the whole ring, so that no hint of the header needs to be right. Memory
 * grows with blocks and has a bound. Functions return 0 or -Exxx.
 */
#ifndef LARIAT_RINGINDEX_H
#define LARIAT_RINGINDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ringfile.h"

/* A block whose header is whole. */
struct ring_block {
	uint64_t offset; /* in the file */
	uint64_t seq;
	uint64_t events_before;
	uint64_t first_ticks, last_ticks; /* truncated as the block's times are */
	uint32_t events;
	uint32_t total_size;
	uint32_t slot, slot_seq;
	uint32_t folded; /* events at its start that the checkpoint has */
	bool lost;	 /* could not be decoded; already counted */
};

struct ringindex {
	struct ring_block *blocks; /* by seq */
	uint32_t *by_slot;	   /* indices into blocks, by slot, then seq */
	size_t count, capacity;
	uint64_t gap_blocks; /* missing between the oldest and the newest */
	uint64_t gap_events;
	uint64_t refused; /* whole headers that contradict others or were too many */
};

/* Fills *index, which the caller owns in any case and frees with ringindex_fini(). */
int ringindex_init(struct ringindex *index, const struct ringfile *rf);
void ringindex_fini(struct ringindex *index);

/* Where the blocks of `slot` start in by_slot (or where they would). */
size_t ringindex_slot(const struct ringindex *index, uint32_t slot);

/* The block that sealed a slot's records number slot_seq, or NULL. */
struct ring_block *ringindex_find(const struct ringindex *index, uint32_t slot, uint32_t slot_seq);

/* Is this block header whole and possible, where it may take at most `room` bytes? */
bool ring_block_valid(const struct lar_block *b, uint64_t room);

#endif
