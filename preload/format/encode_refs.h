/* SPDX-License-Identifier: MIT */
/* The state of an encoder in a block, and how addresses refer to each other; only for encode.c. */
#ifndef LARIAT_ENCODE_REFS_H
#define LARIAT_ENCODE_REFS_H

#include <stdbool.h>
#include <stddef.h>

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

static inline uint64_t bucket_of(uint64_t addr)
{
	return lar_address_hash(addr) >> 54;
}
_Static_assert(LAR_ENC_BUCKETS == 1 << 10, "bits that bucket_of() takes");

static inline struct lar_enc_address *entry_of_net(uint32_t *net)
{
	return (struct lar_enc_address *)((uint8_t *)net - offsetof(struct lar_enc_address, net));
}

static __attribute__((noinline)) struct lar_enc_address *
address_enter(struct lar_encoder *enc, uint64_t bucket, uint64_t addr)
{
	struct lar_enc_address *b = enc->address[bucket], *e = NULL;

	enc->used[bucket / 64] |= 1ull << bucket % 64;
	for (unsigned i = 0; i < LAR_ENC_WAYS && !e; i++)
		if (!b[i].address)
			e = &b[i];
	if (!e) {
		e = &b[enc->victim++ % LAR_ENC_WAYS];
		enc->gone[enc->gone_count++] = e->net;
	}
	/* one that a reader could not keep beside a size class is never found again */
	*e = (struct lar_enc_address){ addr >> LAR_REF_ADDRESS_BITS ? 0 : addr, 0, 0 };
	return e;
}

/* The entry of addr; all zeros but for the address if the block has not seen it. Where it is cannot
 * be predicted: no branch but for the last of the ways, which few come to. */
static inline __attribute__((always_inline)) struct lar_enc_address *
address_entry(struct lar_encoder *enc, uint64_t addr)
{
	uint64_t bucket = bucket_of(addr);
	struct lar_enc_address *b = enc->address[bucket];
	uint64_t way = (uint64_t)(b[1].address == addr) + 2 * (uint64_t)(b[2].address == addr) +
		       3 * (uint64_t)(b[3].address == addr);

	if (__builtin_expect(b[way].address == addr, 1))
		return &b[way];
	return address_enter(enc, bucket, addr);
}
_Static_assert(LAR_ENC_WAYS == 4, "ways that address_entry() looks at");

/* The event at `place` is now the last of an entry. */
static inline __attribute__((always_inline)) void
entry_put(struct lar_enc_address *e, uint32_t number, unsigned mark, uint32_t place, int change)
{
	e->last = number << 8 | mark;
	e->net = place | (uint8_t)(e->net + (uint32_t)change);
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
	uint32_t number, reuse = enc->reuse[class], code;
	bool back;

	if (__builtin_expect(!addr, 0)) {
		h->others++;
		return LAR_REF_NULL;
	}
	e = address_entry(enc, addr);
	number = e->last >> 8;
	back = e->last & MARK_FREED;
	code = zigzag32(number - reuse) + LAR_REF_FREED;
	if (moved && number + 1 == h->frees)
		code = LAR_REF_LAST;
	if (!back)
		code = addr == h->next_new ? LAR_REF_NEXT : LAR_REF_NONE;
	enc->reuse[class] = back ? number + 1 : reuse;
	if (code == LAR_REF_NONE)
		h->address = put_address(h->address, addr, h->last_new);
	entry_put(e, h->allocations++, class, place, 1);
	h->last_new = addr;
	h->next_new = addr + lar_chunk_size(size, class);
	return code;
}

static inline __attribute__((always_inline)) uint32_t
code_old(struct lar_encoder *enc, struct hot *h, uint64_t addr, uint32_t place, bool moved)
{
	struct lar_enc_address *e;
	uint32_t number, code;

	if (__builtin_expect(!addr, 0)) {
		h->others++;
		return LAR_REF_NULL;
	}
	e = address_entry(enc, addr);
	number = e->last >> 8;
	if (e->last & (MARK_FREED - 1)) {
		code = zigzag32(number - h->last_ref) + LAR_REF_ALLOCATED;
		h->last_ref = number + 1;
		enc->reuse[e->last & (MARK_FREED - 1)] = h->frees;
	} else {
		code = LAR_REF_NONE;
		h->address = put_address(h->address, addr, h->last_old);
		h->last_old = addr;
	}
	if (moved) {
		h->undone = &e->net;
		h->was = e->net;
	}
	entry_put(e, h->frees++, MARK_FREED, place | LAR_NET_FREED, -1);
	return code;
}

/* As code_new() behind the code_old() of a realloc that has left the block where it is. */
static inline __attribute__((always_inline)) uint32_t
code_same(struct lar_encoder *enc, struct hot *h, uint64_t addr, uint64_t size, uint32_t place)
{
	unsigned class = lar_size_class(size);

	enc->reuse[class] = h->frees;
	entry_put(entry_of_net(h->undone), h->allocations++, class, place, 1);
	h->last_new = addr;
	h->next_new = addr + lar_chunk_size(size, class);
	return LAR_REF_LAST;
}

/* As code_new(), of a block that the event at `place` gives back at once: code_own() is of that. */
static inline __attribute__((always_inline)) uint32_t
code_pair(struct lar_encoder *enc, struct hot *h, uint64_t addr, uint64_t size, uint32_t place)
{
	unsigned class = lar_size_class(size);
	struct lar_enc_address *e = address_entry(enc, addr);
	uint32_t code = zigzag32((e->last >> 8) - enc->reuse[class]) + LAR_REF_FREED;

	if (!(e->last & MARK_FREED))
		code = addr == h->next_new ? LAR_REF_NEXT : LAR_REF_NONE;
	if (code == LAR_REF_NONE)
		h->address = put_address(h->address, addr, h->last_new);
	entry_put(e, h->frees, MARK_FREED, place | LAR_NET_FREED, 0);
	enc->reuse[class] = h->frees;
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

/* Where a record is, with room for a balance; see struct lar_enc_address. */
static inline uint32_t place_of(const uint64_t *records, const uint64_t *r)
{
	return (uint32_t)((const uint8_t *)r - (const uint8_t *)records) << 5; /* in words: << 8 */
}

#endif
