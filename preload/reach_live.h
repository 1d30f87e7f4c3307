/* SPDX-License-Identifier: MIT */
/* The blocks in use as they are put together for a leak scan; see reach_live.c. */
#ifndef LARIAT_REACH_LIVE_H
#define LARIAT_REACH_LIVE_H

#include "format/codec.h"
#include "format/trace_format.h"
#include "inuse.h"
#include "reach.h"

#define LIVE_NO_SLOT INUSE_SLOT /* from the checkpoint */
#define LIVE_BATCH   64

/* A block as it was found: it may be overwritten by the time that it is read. */
struct ring_place {
	uint64_t seq, at;
	uint32_t slot, slot_seq;
};

struct live {
	struct reach *r;
	struct inuse_block *table;
	uint64_t mask, count;
	uint64_t first;	 /* places of the first table */
	unsigned shift;	 /* bits that times in blocks lack */
	uint32_t *fill;	 /* by slot: the checkpoint has all fills below */
	uint32_t *taken; /* ... and so many events of this one */
	uint32_t slots;
	struct ring_place *ring;
	size_t blocks, ring_room, oldest;
	uint64_t *words, *scratch;
	uint8_t *encoded;
	size_t encoded_size, fill_words;
	void *dctx;
	struct lar_net batch[LIVE_BATCH];
	uint32_t slot; /* whose block is being read */
	unsigned batched;
	bool checkpoint; /* there is one */
	bool bad;
	bool tables;   /* what was sealed is taken from tables, not from the ring */
	bool doubtful; /* ... and the ring knows better */
};

/* What happened at an address, by a slot or LIVE_NO_SLOT; takes effect in batches. */
void live_add(struct live *l, uint32_t slot, uint64_t address, uint64_t ticks, uint64_t size,
	      bool is_free);
/* The same for lar_decode_net(), of the slot l->slot. */
void live_add_net(void *l, const struct lar_net *net);
void live_flush(struct live *l, uint32_t slot);
/* The records of a fill but the first `skip` events of it. */
void live_take_records(struct live *l, uint32_t slot, const uint64_t *w, size_t words,
		       uint32_t skip);

/* NULL if the trace has none. */
const struct lar_section *live_section(const struct reach *r, enum lar_section_type type);

/* All that checkpoint and ring have. False: it cannot be told. */
bool live_take_trace(struct live *l);

#endif
