/* SPDX-License-Identifier: MIT */
/* The state of an encoder in a block, and how addresses refer to each other; only for encode.c. */
#ifndef LARIAT_ENCODE_REFS_H
#define LARIAT_ENCODE_REFS_H

#include <stdbool.h>

#include "addrhash.h"
#include "codec.h"
#include "encode_put.h"

/*
 * What changes from record to record, and the ends of the streams that nearly every record writes
 * to. It lives in a local variable of which no pointer gets away, in registers where possible: a
 * store through a stream's end could change anything else for all the compiler knows.
 */
struct hot {
	uint8_t *sequence, *address, *step, *free_step, *long_step;
	uint8_t *alloc_new, *alloc_size, *free_old;
	uint64_t last_time; /* shifted */
	uint64_t last_new, next_new, last_old;
	uint32_t allocations, frees; /* N and O fields so far that are not null */
	uint32_t last_ref;	     /* of an O field */
	uint32_t generation;	     /* as in marks */
	uint32_t others;	     /* events less those fields */
	struct symbol free_form;     /* of the last FREE that has one, as the sequence names it */
	uint64_t free_w0;	     /* ... and its word 0 */
	uint32_t *undone, was;	     /* a net that the O field of a realloc has changed */
};

#define HOT_STREAMS(X)                                                                             \
	X(sequence, LAR_STREAM_SEQUENCE)                                                           \
	X(address, LAR_STREAM_ADDRESS)                                                             \
	X(step, LAR_STREAM_STEP)                                                                   \
	X(free_step, LAR_STREAM_FREED_STEP)                                                        \
	X(long_step, LAR_STREAM_LONG_STEP)                                                         \
	X(alloc_new, LAR_STREAM_FIELD + LAR_EV_ALLOC * 8 + 1)                                      \
	X(alloc_size, LAR_STREAM_FIELD + LAR_EV_ALLOC * 8 + 2)                                     \
	X(free_old, LAR_STREAM_FIELD + LAR_EV_FREE * 8 + 1)

#define MARK_FREED 0x80u

static inline struct lar_enc_address *bucket_of(struct lar_encoder *enc, uint64_t addr)
{
	return enc->address[lar_address_hash(addr) >> 53];
}
_Static_assert(LAR_ENC_BUCKETS == 1 << 11, "bits that bucket_of() takes");

static inline uint32_t *net_of(struct lar_encoder *enc, const struct lar_enc_address *e)
{
	return &enc->net[e - enc->address[0]];
}

/* The entry that a place of the table of net changes belongs to: one index runs through all of its
 * buckets, which net_of() counts as well. */
static inline struct lar_enc_address *address_of(struct lar_encoder *enc, const uint32_t *net)
{
	struct lar_enc_address *all = (struct lar_enc_address *)enc->address;

	return all + (net - enc->net);
}

static struct lar_enc_address *address_enter(struct lar_encoder *enc, struct lar_enc_address *b,
					     uint64_t addr, uint32_t generation)
{
	struct lar_enc_address *e = NULL;

	for (unsigned i = 0; i < LAR_ENC_WAYS && !e; i++)
		if ((b[i].mark ^ generation) >> 8)
			e = &b[i];
	if (!e) {
		e = &b[enc->victim++ % LAR_ENC_WAYS];
		enc->gone[enc->gone_count++] = *net_of(enc, e);
		*net_of(enc, e) = 0;
	}
	/* one that a reader could not keep beside a size class is never found again */
	e->address = addr >> LAR_REF_ADDRESS_BITS ? 0 : addr;
	e->mark = 0;
	return e;
}

/* The entry of addr; of another generation than the block's if the block has not seen it. No loop:
 * where it would end cannot be predicted. */
static inline __attribute__((always_inline)) struct lar_enc_address *
address_entry(struct lar_encoder *enc, uint64_t addr, uint32_t generation)
{
	struct lar_enc_address *b = bucket_of(enc, addr);
	uint64_t way = b[1].address == addr;

	way = b[2].address == addr ? 2 : way;
	way = b[3].address == addr ? 3 : way;
	if (__builtin_expect(b[way].address == addr, 1))
		return &b[way];
	return address_enter(enc, b, addr, generation);
}
_Static_assert(LAR_ENC_WAYS == 4, "ways that address_entry() looks at");

enum { STATE_BORN, STATE_DIED };

/* What an entry says: handed out in this block, given back in it, or more than these. */
static inline uint32_t state_of(const struct hot *h, const struct lar_enc_address *e)
{
	return (e->mark ^ h->generation) >> 7;
}
_Static_assert(STATE_BORN == 0 && STATE_DIED == 1 && MARK_FREED == 1 << 7, "what it returns");

/* The event at `place` is now the last of an entry. Returns the net that it had. */
static inline __attribute__((always_inline)) uint32_t net_put(uint32_t *net, uint32_t place,
							      int change)
{
	uint32_t was = *net;

	*net = place | (uint8_t)(was + (uint32_t)change);
	return was;
}

/*
 * The code of an N field: a block is handed out that was given back, or the next fresh one, or any.
 * Which of these cannot be predicted: no branch but for the address itself.
 */
static inline __attribute__((always_inline)) uint32_t code_new(struct lar_encoder *enc,
							       struct hot *h, uint64_t addr,
							       uint64_t size, uint32_t place,
							       bool moved)
{
	unsigned class = lar_size_class(size);
	struct lar_enc_address *e;
	uint32_t number, reuse = enc->reuse[class], code, state;
	bool back;

	if (__builtin_expect(!addr, 0)) {
		h->others++;
		return LAR_REF_NULL;
	}
	e = address_entry(enc, addr, h->generation);
	number = e->number;
	state = state_of(h, e);
	back = state == STATE_DIED;
	code = zigzag32(number - reuse) + LAR_REF_FREED;
	if (moved && number + 1 == h->frees)
		code = LAR_REF_LAST;
	if (!back)
		code = addr == h->next_new ? LAR_REF_NEXT : LAR_REF_NONE;
	enc->reuse[class] = back ? number + 1 : reuse;
	if (code == LAR_REF_NONE)
		h->address = put_address(h->address, addr, h->last_new);
	net_put(net_of(enc, e), place, 1);
	e->number = h->allocations++;
	e->mark = h->generation | class;
	h->last_new = addr;
	h->next_new = addr + lar_chunk_size(size, class);
	return code;
}

static inline __attribute__((always_inline)) uint32_t
code_old(struct lar_encoder *enc, struct hot *h, uint64_t addr, uint32_t place, bool moved)
{
	struct lar_enc_address *e;
	uint32_t number, code, state, was, *net;

	if (__builtin_expect(!addr, 0)) {
		h->others++;
		return LAR_REF_NULL;
	}
	e = address_entry(enc, addr, h->generation);
	number = e->number;
	state = state_of(h, e);
	if (state == STATE_BORN) {
		code = zigzag32(number - h->last_ref) + LAR_REF_ALLOCATED;
		h->last_ref = number + 1;
		enc->reuse[e->mark & (MARK_FREED - 1)] = h->frees;
	} else {
		code = LAR_REF_NONE;
		h->address = put_address(h->address, addr, h->last_old);
		h->last_old = addr;
	}
	net = net_of(enc, e);
	was = net_put(net, place | LAR_NET_FREED, -1);
	if (moved) {
		h->undone = net;
		h->was = was;
	}
	e->number = h->frees++;
	e->mark = h->generation | MARK_FREED;
	return code;
}

/* As code_new() behind the code_old() of a realloc that has left the block where it is. */
static inline __attribute__((always_inline)) uint32_t
code_same(struct lar_encoder *enc, struct hot *h, uint64_t addr, uint64_t size, uint32_t place)
{
	unsigned class = lar_size_class(size);
	struct lar_enc_address *e = address_of(enc, h->undone);

	enc->reuse[class] = h->frees;
	net_put(h->undone, place, 1);
	e->number = h->allocations++;
	e->mark = h->generation | class;
	h->last_new = addr;
	h->next_new = addr + lar_chunk_size(size, class);
	return LAR_REF_LAST;
}

/* As code_new(), of a block that the event at `place` gives back at once: code_own() is of that. */
static inline __attribute__((always_inline)) uint32_t
code_pair(struct lar_encoder *enc, struct hot *h, uint64_t addr, uint64_t size, uint32_t place)
{
	unsigned class = lar_size_class(size);
	struct lar_enc_address *e = address_entry(enc, addr, h->generation);
	uint32_t code = zigzag32(e->number - enc->reuse[class]) + LAR_REF_FREED;

	if (state_of(h, e) != STATE_DIED)
		code = addr == h->next_new ? LAR_REF_NEXT : LAR_REF_NONE;
	if (code == LAR_REF_NONE)
		h->address = put_address(h->address, addr, h->last_new);
	net_put(net_of(enc, e), place | LAR_NET_FREED, 0);
	enc->reuse[class] = h->frees;
	e->number = h->frees;
	e->mark = h->generation | MARK_FREED;
	h->last_new = addr;
	h->next_new = addr + lar_chunk_size(size, class);
	return code;
}

static inline uint32_t code_own(struct hot *h)
{
	uint32_t number = h->allocations++;
	uint32_t code = zigzag32(number - h->last_ref) + LAR_REF_ALLOCATED;

	h->last_ref = number + 1;
	h->frees++;
	return code;
}

/* The last O field was that of a realloc that failed: the block is still there. */
static inline void code_undo(struct hot *h, uint64_t addr)
{
	if (addr)
		*h->undone = h->was;
}

/* Where a record is, with room for a balance; see lar_encoder.net. */
static inline uint32_t place_of(const uint64_t *records, const uint64_t *r)
{
	return (uint32_t)((const uint8_t *)r - (const uint8_t *)records) << 5; /* in words: << 8 */
}

#endif
