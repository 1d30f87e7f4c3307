/* SPDX-License-Identifier: MIT */
/*
 * The blocks in use, as far as buffers were sealed: what a seal knows of a buffer anyway, so that a
 * leak scan need not read the whole ring. Kept until the ring is half full; from then on figures
 * are made of its blocks (fold.h), which takes memory of its own, and a scan reads those and the
 * ring.
 *
 * The events of one slot are in order, those of different slots have their times. So that no order
 * among slots needs to be made, there is for each address what happened there last, also when that
 * was a free whose allocation has not come yet. Where times of two slots are the same, the number
 * of allocations and frees tells: per address they alternate.
 */
#ifndef LARIAT_INUSE_H
#define LARIAT_INUSE_H

#include <stdbool.h>
#include <stdint.h>

#include "addrtable.h"
#include "format/codec.h"

#define INUSE_SHARDS	   16
#define INUSE_ADDRESS_BITS 48
#define INUSE_ADDRESS	   ((1ull << INUSE_ADDRESS_BITS) - 1)
#define INUSE_SLOT	   0xfffull
#define INUSE_LIVE	   (1ull << 60)
#define INUSE_TIE	   (1ull << 61) /* its last two events have the same time */

/* What happened last at an address. */
struct inuse_block {
	uint64_t key;  /* address, slot above it, flags; 0 = free place */
	uint64_t time; /* ticks << 8 | (allocations - frees) modulo 256 */
	uint64_t size;
};

static inline bool inuse_address_fits(uint64_t address)
{
	return address && address <= INUSE_ADDRESS;
}

/* One more event of a slot at the address of x; `fresh`: nothing was known of it. Times lose their
 * low `shift` bits. */
static inline void inuse_apply(struct inuse_block *x, bool fresh, uint32_t slot,
			       const struct lar_net *e, unsigned shift)
{
	uint64_t ticks = e->ticks >> shift, before = x->time >> 8;
	uint64_t net = (x->time + (uint32_t)e->balance) & 255;
	bool tie = x->key & INUSE_TIE && ticks == before;

	if (!fresh && (x->key >> INUSE_ADDRESS_BITS & INUSE_SLOT) != slot) {
		if (ticks < before) {
			x->time = before << 8 | net;
			return;
		}
		tie = ticks == before;
	}
	x->key = e->address | (uint64_t)slot << INUSE_ADDRESS_BITS | (e->freed ? 0 : INUSE_LIVE) |
		 (tie ? INUSE_TIE : 0);
	x->time = ticks << 8 | net;
	if (!e->freed)
		x->size = e->size;
}

static inline bool inuse_is_live(const struct inuse_block *x)
{
	if (x->key & INUSE_TIE)
		return (x->time & 255) - 1 < 127;
	return x->key & INUSE_LIVE;
}

/*
 * What is over, as many frees as allocations, is forgotten in the end. A late buffer, of a thread
 * that had the same address in between, may then look like the last word on it; but its allocations
 * are not more than its frees. So it looks too where a free is of what was never recorded: the ring
 * knows.
 */
static inline bool inuse_is_doubtful(const struct inuse_block *x)
{
	return x->key & INUSE_LIVE && !(x->key & INUSE_TIE) && (x->time & 255) - 1 >= 127;
}

struct inuse;
struct thread;

/* What a sealed buffer of t has changed; enc has just encoded it. With signals blocked. */
void inuse_seal(struct thread *t, struct lar_encoder *enc);

/* For good: the memory is given back. */
void inuse_drop(void);

/* No more seals are entered: what comes after the last scan is not to cost more than it must. A
 * scan that comes nevertheless reads the ring. */
void inuse_stop(void);

/* For a moment at which a buffer's events are in the tables all or not at all. NULL when there are
 * no tables; else to be opened again. */
struct inuse *inuse_close(void);
void inuse_open(struct inuse *u);

/* Between the two: whether all that was sealed is known, the tables by shard, and whether they have
 * this fill of a slot. */
bool inuse_whole(const struct inuse *u);
const struct addrtable *inuse_table(const struct inuse *u, unsigned shard);
bool inuse_has(const struct inuse *u, uint32_t slot, uint32_t fill);

/* Whether a fork made now takes the tables along; else in a child they read as zeros. False when
 * that cannot be. */
bool inuse_keep_on_fork(const struct inuse *u, bool keep);

/* Addresses that are known, about; UINT64_MAX when events were sealed without tables. */
uint64_t inuse_count(void);

/* The entry of an address in its shard, or NULL. */
const struct inuse_block *inuse_find(const struct addrtable *shards, uint64_t address);

#endif
