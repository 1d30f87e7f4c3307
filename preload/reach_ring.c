/* SPDX-License-Identifier: MIT */
/*
 * What checkpoint and blocks of the ring tell of the blocks in use, where no tables of them are
 * kept; see reach_live.h. The process goes on and writes to the ring: a block is believed where it
 * is whole and still the one that was found.
 */
#define ZSTD_STATIC_LINKING_ONLY
#include <string.h>
#include <zstd.h>

#include "format/checkpoint.h"
#include "reach_live.h"

static void checkpoint_row(void *arg, unsigned table, const uint64_t *c)
{
	struct live *l = arg;

	switch (table) {
	case LAR_TABLE_HEAP:
		l->checkpoint = true;
		if (c[13])
			l->r->unknown_blocks = true; /* too many to be listed */
		break;
	case LAR_TABLE_LIVE:
		live_add(l, LIVE_NO_SLOT, c[0], c[2], c[1], false);
		break;
	case LAR_TABLE_HEAP_OPEN:
		if (c[2])
			live_add(l, LIVE_NO_SLOT, c[0], c[1], 0, true);
		break;
	case LAR_TABLE_POSITIONS:
		if (c[0] < l->slots) {
			l->fill[c[0]] = (uint32_t)c[1];
			l->taken[c[0]] = (uint32_t)c[2];
		}
		break;
	default:
		break;
	}
}

static bool block_whole(const struct lar_block *b, uint64_t room)
{
	return b->magic == LAR_BLOCK_MAGIC && b->total_size >= sizeof(*b) &&
	       b->total_size <= room && !(b->total_size % LAR_BLOCK_ALIGN) &&
	       b->comp_size <= b->total_size - sizeof(*b) && b->check == lar_block_check(b);
}

static bool note_block(struct live *l, const struct lar_block *b, uint64_t at)
{
	if (l->blocks == l->ring_room) {
		size_t room = l->ring_room ? 2 * l->ring_room : 4096;
		struct ring_place *wide = reach_memory(l->r, room * sizeof(*wide));

		if (!wide)
			return false;
		if (l->blocks)
			memcpy(wide, l->ring, l->blocks * sizeof(*wide));
		reach_memory_free(l->ring, l->ring_room * sizeof(*wide));
		l->ring = wide;
		l->ring_room = room;
	}
	l->ring[l->blocks++] = (struct ring_place){ b->seq, at, b->slot, b->slot_seq };
	return true;
}

/* The n-th oldest. */
static const struct ring_place *ring_nth(const struct live *l, size_t n)
{
	return &l->ring[(l->oldest + n) % l->blocks];
}

/* As a reader of the file does it: whoever wrote may have been stopped anywhere. */
static bool find_blocks(struct live *l, const uint8_t *ring, uint64_t size)
{
	uint64_t at = 0, missing = 0;

	while (at + sizeof(struct lar_block) <= size) {
		const struct lar_block *b = (const struct lar_block *)(ring + at);

		if (!block_whole(b, size - at)) {
			at += LAR_BLOCK_ALIGN;
			continue;
		}
		if (!note_block(l, b, at))
			return false;
		at += b->total_size;
	}
	/* the places are in the order of seq, but for one turn */
	for (size_t i = 1; i < l->blocks; i++)
		if (l->ring[i].seq < l->ring[i - 1].seq)
			l->oldest = i;
	for (size_t i = 1; i < l->blocks; i++)
		missing += ring_nth(l, i)->seq - ring_nth(l, i - 1)->seq - 1;
	/* what a thread was just writing is still in its slot */
	return missing < l->r->s->threads;
}

static bool decode_memory(struct live *l)
{
	size_t dctx = ZSTD_estimateDCtxSize();
	uint8_t *p;

	l->fill_words = (l->r->s->slot_most - LAR_SLOT_HEADER_SIZE) / 8;
	l->encoded_size = lar_encode_bound(l->fill_words);
	p = reach_memory(l->r, 8 * l->fill_words + 8 * lar_net_scratch(l->encoded_size) + dctx +
				       l->encoded_size);
	if (!p)
		return false;
	l->words = (uint64_t *)p;
	l->scratch = l->words + l->fill_words;
	l->dctx = l->scratch + lar_net_scratch(l->encoded_size);
	l->encoded = (uint8_t *)l->dctx + dctx;
	l->dctx = ZSTD_initStaticDCtx(l->dctx, dctx);
	return l->dctx;
}

/* Does what a block holds count, and is it not known from elsewhere? */
static bool is_needed(const struct live *l, const struct ring_place *p)
{
	const struct snapshot *s = l->r->s;

	if (p->slot >= l->slots || p->slot >= s->slots || !s->slot[p->slot].used ||
	    (int32_t)(p->slot_seq - s->slot[p->slot].fill) >= 0)
		return false; /* the slot had it, or it was not yet */
	return (int32_t)(p->slot_seq - l->fill[p->slot]) >= 0; /* else the checkpoint has it */
}

static bool take_block(struct live *l, const struct ring_place *p, const struct lar_block *at)
{
	const struct lar_block b = *(const volatile struct lar_block *)at;
	uint32_t skipped, skip = p->slot_seq == l->fill[p->slot] ? l->taken[p->slot] : 0;
	int64_t words;
	size_t n;

	if (b.seq != p->seq || b.check != lar_block_check(&b))
		return false;
	if (!l->dctx && !decode_memory(l))
		return false;
	/* overwritten meanwhile, the frame's checksum is wrong */
	n = ZSTD_decompressDCtx(l->dctx, l->encoded, l->encoded_size, at + 1, b.comp_size);
	if (ZSTD_isError(n))
		return false;
	if (!skip) {
		l->slot = p->slot;
		if (lar_decode_net(l->encoded, n, b.events, b.time_shift, l->scratch, live_add_net,
				   l))
			return false;
		live_flush(l, p->slot);
		return true;
	}
	words = lar_decode(l->encoded, n, b.events, b.time_shift, l->words, l->fill_words,
			   l->scratch, &skipped);
	if (words < 0)
		return false;
	live_take_records(l, p->slot, l->words, (size_t)words, skip);
	return true;
}

static bool take_ring(struct live *l)
{
	const struct lar_section *s = live_section(l->r, LAR_SECTION_RING);
	const uint8_t *ring = l->r->s->base + s->offset;

	if (!find_blocks(l, ring, l->r->s->ring_used))
		return false;
	/* what was before the oldest one must be in a checkpoint */
	if (l->blocks && ring_nth(l, 0)->seq && !l->checkpoint)
		return false;
	for (size_t i = 0; i < l->blocks; i++) {
		const struct ring_place *p = ring_nth(l, i);

		if (is_needed(l, p) && !take_block(l, p, (const struct lar_block *)(ring + p->at)))
			return false;
	}
	return true;
}

bool live_take_trace(struct live *l)
{
	if (l->r->s->folded && !reach_checkpoint(l->r, checkpoint_row, l))
		return false;
	live_flush(l, LIVE_NO_SLOT);
	return take_ring(l);
}
