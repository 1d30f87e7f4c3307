/* SPDX-License-Identifier: MIT */
/*
 * The ring of sealed blocks; see ring.h. One lock for all threads, held for the copy of a block:
 * a thread comes here once in thousands of events.
 */
#include "ring.h"

#include <string.h>

#include "fault.h"
#include "fold.h"
#include "inuse.h"
#include "ownstack.h"
#include "recorder.h"
#include "sys.h"
#include "tracefile.h"

/* Disk is taken in steps that grow with the trace: a short program's stays small. */
#define RING_STEP_LEAST (16u << 10)
#define RING_STEP_MOST	(4u << 20)
#define RING_PAGE	4096u
#define RING_RESIDENT	(1u << 20) /* pages behind the head are left in pieces of this */

#define STACK_SIZE	(64u << 10)
#define RESERVE_FROM	(256u << 10)
#define RESERVE_SHARE	16 /* of the ring's disk so much for each area of checkpoints */
#define FOLD_AHEAD	2  /* events folded for one that comes, from when the ring is half full */

static struct lar_block *block_at(uint64_t at)
{
	return (struct lar_block *)(lar->ring + at);
}

static bool folding_wanted(void)
{
	return lar->accounts_size;
}

/* All blocks that are in the ring are to be folded. */
static void folding_begin(const struct lar_header *h)
{
	uint64_t at = h->ring_tail;

	inuse_drop();
	fold_start();
	for (uint64_t seq = lar->ring_oldest_seq; seq < h->ring_blocks; seq++) {
		const struct lar_block *b = block_at(at);

		fold_note_block(at, b);
		at += b->total_size;
		if (at >= h->ring_limit || block_at(at)->magic != LAR_BLOCK_MAGIC)
			at = 0;
	}
}

/* The oldest block gives way: its events go into the figures first, or are lost. */
static void evict_one(struct lar_header *h)
{
	struct lar_block *b = block_at(h->ring_tail);

	if (!lar->fold && folding_wanted())
		folding_begin(h);
	FAULT_POINT(evict_begin);
	fold_make_way(b);
	FAULT_POINT(evict_folded);
	__atomic_store_n(&b->magic, 0, __ATOMIC_RELEASE);
	FAULT_POINT(evict_magic);
	lar->ring_oldest_seq++;
	h->ring_tail += b->total_size;
	FAULT_POINT(evict_tail);
	/* behind the last block before the wrap the next one is at the start */
	if (h->ring_tail >= h->ring_limit || block_at(h->ring_tail)->magic != LAR_BLOCK_MAGIC)
		h->ring_tail = 0;
}

static bool ring_empty(const struct lar_header *h)
{
	return lar->ring_oldest_seq == h->ring_blocks;
}

/* Removes blocks until [at, at + size) holds none. */
static void evict_range(struct lar_header *h, uint64_t at, uint64_t size)
{
	while (!ring_empty(h) && h->ring_tail >= at && h->ring_tail < at + size)
		evict_one(h);
	if (ring_empty(h))
		h->ring_tail = at;
}

/* Where a block of `total` bytes goes: at the head, or at the start again. -1 = nowhere. */
static int64_t place(struct lar_header *h, uint64_t total)
{
	uint64_t at = h->ring_head, step = RING_STEP_LEAST;

	while (step < at / 4 && step < RING_STEP_MOST)
		step *= 2;
	if (ring_empty(h) && !h->ring_blocks)
		h->ring_limit = lar->ring_size; /* there may be disk again */
	if (total > h->ring_limit)
		return -1;
	if (at + total <= h->ring_limit) {
		if (tracefile_extend(lar->ring, &lar->ring_ready, at + total, lar->ring_size,
				     step)) {
			/* should the disk be full one day, figures need some of it */
			if (lar->ring_ready >= RESERVE_FROM && folding_wanted())
				fold_reserve(lar->ring_ready / RESERVE_SHARE);
			return (int64_t)at;
		}
		/* no more disk: the ring is as large as what it has */
		h->ring_limit = lar->ring_ready & ~(uint64_t)(LAR_BLOCK_ALIGN - 1);
		if (total > h->ring_limit)
			return -1;
	}
	if (at < h->ring_limit) {
		evict_range(h, at, h->ring_limit - at);
		FAULT_POINT(pad_evicted);
		__atomic_store_n(&block_at(at)->magic, LAR_BLOCK_PAD_MAGIC, __ATOMIC_RELEASE);
		FAULT_POINT(pad_magic);
	}
	if (ring_empty(h))
		h->ring_tail = 0;
	return 0;
}

/* What is written is not needed soon: it is no longer to count as memory of the process. */
static void leave_written(uint64_t at)
{
	if (at < lar->ring_left) { /* at the start again */
		tracefile_leave(lar->ring + lar->ring_left,
				lar->header->ring_limit - lar->ring_left);
		lar->ring_left = 0;
	}
	if (at - lar->ring_left < RING_RESIDENT)
		return;
	tracefile_leave(lar->ring + lar->ring_left, at - lar->ring_left);
	lar->ring_left = at & ~(uint64_t)(RING_PAGE - 1);
}

static bool append(struct lar_block *block, const void *payload)
{
	struct lar_header *h = lar->header;
	uint64_t total = (sizeof(*block) + block->comp_size + LAR_BLOCK_ALIGN - 1) &
			 ~(uint64_t)(LAR_BLOCK_ALIGN - 1);
	int64_t at = place(h, total);
	struct lar_block *to;

	if (at < 0)
		return false;
	evict_range(h, (uint64_t)at, total);
	block->magic = 0;
	block->total_size = (uint32_t)total;
	block->seq = h->ring_blocks;
	block->events_before = h->ring_events;
	block->check = lar_block_check(block);
	to = block_at((uint64_t)at);
	FAULT_POINT(block_place);
	*to = *block;
	FAULT_POINT(block_header);
	memcpy(to + 1, payload, block->comp_size);
	FAULT_POINT(block_payload);
	h->ring_head = (uint64_t)at + total;
	FAULT_POINT(block_head);
	/* what stands behind the newest block is not a block, or an old one still whole */
	h->ring_blocks++;
	FAULT_POINT(block_count);
	h->ring_events += block->events;
	FAULT_POINT(block_events);
	__atomic_store_n(&to->magic, LAR_BLOCK_MAGIC, __ATOMIC_RELEASE);
	FAULT_POINT(block_magic);
	leave_written((uint64_t)at);
	if (lar->fold) {
		fold_note_block((uint64_t)at, to);
		fold_some(FOLD_AHEAD * block->events);
	} else if (h->ring_head > h->ring_limit / 2 && folding_wanted()) {
		folding_begin(h);
	}
	return true;
}

struct appending {
	struct lar_block *block;
	const void *payload;
	bool done;
};

static void append_apart(void *appending)
{
	struct appending *a = appending;

	a->done = append(a->block, a->payload);
}

/* Folding takes more of a stack than a small thread of the program's may have. Not in valgrind,
 * which says that stacks are switched. */
static bool needs_stack(const struct lar_header *h, const struct lar_block *block)
{
	return (lar->fold || h->ring_head + block->comp_size > h->ring_limit / 4) && !sys_emulated;
}

bool ring_append(struct lar_block *block, const void *payload)
{
	static uint8_t stack[STACK_SIZE] __attribute__((aligned(16))); /* with the lock held */
	struct appending a = { block, payload, false };

	if (!spin_lock(&lar->ring_lock))
		return false;
	if (needs_stack(lar->header, block))
		ownstack_call(stack + STACK_SIZE, append_apart, &a);
	else
		append_apart(&a);
	spin_unlock(&lar->ring_lock);
	return a.done;
}

bool ring_without_disk(void)
{
	return !__atomic_load_n(&lar->header->ring_blocks, __ATOMIC_RELAXED) &&
	       lar->header->ring_limit < lar->ring_size;
}

void ring_trim(void)
{
	uint64_t used;

	if (!spin_lock(&lar->ring_lock))
		return;
	FAULT_POINT(trim_begin);
	if (!lar->fold)
		fold_release();
	used = (lar->header->ring_head + RING_PAGE - 1) & ~(uint64_t)(RING_PAGE - 1);
	if (lar->ring_oldest_seq == 0 && used < lar->ring_ready) {
		tracefile_release(lar->ring + used, lar->ring_ready - used);
		FAULT_POINT(trim_released);
		lar->ring_ready = used;
	}
	spin_unlock(&lar->ring_lock);
}
