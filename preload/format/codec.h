/* SPDX-License-Identifier: MIT */
/*
 * Turns a run of raw records (event.h) into the compact columns of a block and back. The bytes
 * made here are what zstd compresses; FORMAT.md describes them.
 *
 * Addresses are most of what is new in an event, and allocators are regular: they hand out again
 * what was given back. So an address is written as a reference to the allocation or the free of the
 * same block that had it last, and only as itself where there is none.
 *
 * No allocation, no global state: any thread may encode or decode with buffers of its own.
 */
#ifndef LARIAT_CODEC_H
#define LARIAT_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event.h"

/* Streams of a block. Field f (from 1, 0 is the time) of kind k is stream LAR_STREAM_FIELD + k * 8
 * + f. */
enum lar_stream {
	LAR_STREAM_SHAPES = 0,	    /* distinct (word 0 low half, fields, has_stack) */
	LAR_STREAM_SEQUENCE = 1,    /* per record: its form, below; 0 = PATH */
	LAR_STREAM_RAS = 2,	    /* distinct return addresses, in order of first use */
	LAR_STREAM_PARENT = 3,	    /* per PATH: nodes so far less the parent */
	LAR_STREAM_FRAMES = 4,	    /* per PATH: frames */
	LAR_STREAM_RA_INDEX = 5,    /* per frame of a PATH: index into the return addresses */
	LAR_STREAM_ADDRESS = 6,	    /* N and O fields without a reference */
	LAR_STREAM_FORMS = 7,	    /* per record of a new form: its shape and node */
	LAR_STREAM_TIME = 8,	    /* times, but of frees, as version 2 had them */
	LAR_STREAM_FREED = 9,	    /* times of FREE and FREE_SIZED, likewise */
	LAR_STREAM_STEP = 10,	    /* times, but of frees: two in a byte */
	LAR_STREAM_FREED_STEP = 11, /* times of FREE and FREE_SIZED: two in a byte */
	LAR_STREAM_LONG_STEP = 12,  /* what does not fit there */
	LAR_STREAM_FIELD = 16,
	LAR_STREAMS = LAR_STREAM_FIELD + 256 * 8
};

/* How N and O fields start. */
enum {
	LAR_REF_NONE = 0, /* the address is in LAR_STREAM_ADDRESS */
	LAR_REF_NULL = 1,
	LAR_REF_NEXT = 2,     /* N: behind the last allocated one */
	LAR_REF_LAST = 3,     /* N: what was given back last */
	LAR_REF_FREED = 4,    /* N: this and more: zigzag reference to a free */
	LAR_REF_ALLOCATED = 2 /* O: this and more: zigzag reference to an allocation */
};

/*
 * A form is what many records have in common: word 0 and, for some kinds, a usual size. How the
 * sequence names one: 0 and 1 are no number.
 */
enum {
	LAR_FORM_PATH = 0,
	LAR_FORM_NEW = 1,  /* the next one of LAR_STREAM_FORMS; the size is not the usual */
	LAR_FORM_SIZE = 1, /* bit of the others: likewise */
	LAR_FORM_SHIFT = 1
};

/*
 * A step is the time since the event before, in half a byte: most are short, and two that follow
 * each other say more about one another than a Huffman code can make of single ones. This one says
 * that it is in LAR_STREAM_LONG_STEP.
 */
#define LAR_STEP_LONG	     15

#define LAR_FORMS	     4096 /* of a block; number 0 is none */
#define LAR_IO_ASKED	     4	  /* the field of IO that is its size */
#define LAR_SIZE_CLASSES     128
#define LAR_REF_ADDRESS_BITS 56 /* no reference is made to higher addresses */

/*
 * Allocators keep blocks that were given back apart by size. Up to LAR_SIZE_FINE bytes, a class has
 * those whose chunks take as many units of 16 bytes as its number says.
 */
#define LAR_SIZE_FINE 1032
static inline unsigned lar_size_class(uint64_t size)
{
	unsigned units;

	if (__builtin_expect(size > LAR_SIZE_FINE, 0))
		return 64 + 63 - (unsigned)__builtin_clzll(size);
	units = (unsigned)(size + 23) >> 4;
	return units < 2 ? 2 : units;
}

/* A length of time (U) as blocks keep it: never shorter than it was. */
static inline uint64_t lar_round_up(uint64_t ticks, unsigned time_shift)
{
	uint64_t low = (1ull << time_shift) - 1;

	return ticks > UINT64_MAX - low ? ~low : (ticks + low) & ~low;
}

/*
 * How far behind an allocation the next one is, where memory is handed out for the first time.
 * `class`: of its size.
 */
static inline uint64_t lar_chunk_size(uint64_t size, unsigned class)
{
	return __builtin_expect(size > LAR_SIZE_FINE, 0) ? (size + 23) & ~15ull
							 : (uint64_t) class << 4;
}

#define LAR_ENC_RA_SLOTS 16384 /* hash of the distinct return addresses of a block */
#define LAR_ENC_RA_WORDS 8     /* words of records for each, or more */
#define LAR_ENC_SHAPES	 1024  /* distinct shapes a block can have */
#define LAR_ENC_REGIONS	 96    /* streams a block can use at once */
#define LAR_ENC_NODES	 8192  /* a power of two */
#define LAR_ENC_PARTS	 4
#define LAR_ENC_WAYS	 4
#define LAR_ENC_BUCKETS	 1024 /* of addresses that the block has seen */
#define LAR_NET_FREED	 (1u << 31)
#define LAR_NET_PLACE	 0x7fffffu /* of a word that is shifted by 8 */

struct lar_enc_form {
	uint64_t w0;
	uint64_t size; /* the usual one: that of the last such record */
};

/* What was last seen at an address, side by side in a line of the cache; zeros: nothing. */
struct lar_enc_address {
	uint64_t address;
	uint32_t last; /* number of the allocation or free << 8 | size class; bit 7: given back */
	/* the place of its last record in words << 8, its lar_net.balance in 8 bits, and
	 * LAR_NET_FREED; 0: none */
	uint32_t net;
};

/*
 * Working memory of the encoder: this struct, zeroed once before its first use, and memory for its
 * streams at `regions`, of which a block touches what it needs.
 */
struct lar_encoder {
	uint8_t *regions;
	size_t most_words; /* of a block: `regions` has lar_encode_regions_size() of so many */
	uint8_t *next;	   /* region, for a stream that begins */
	/* The nets (below) of entries of `address` that made room for others; behind
	 * lar_encode_net_begin() those of all. */
	uint32_t *gone, gone_count;
	uint32_t generation;
	uint32_t ra_count;
	uint32_t shape_count;
	uint32_t region_count;
	uint32_t victim;
	uint32_t parts, part[LAR_ENC_PARTS]; /* of the last block: where each ends */
	struct lar_enc_address address[LAR_ENC_BUCKETS][LAR_ENC_WAYS] __attribute__((aligned(64)));
	uint64_t used[LAR_ENC_BUCKETS / 64]; /* buckets with entries, a bit each */
	uint32_t reuse[LAR_SIZE_CLASSES];    /* number of the free that the class will use next */
	uint64_t last_addr;		     /* of A fields */
	uint64_t last[LAR_EV_MAX][LAR_EVENT_MAX_FIELDS]; /* D fields */
	uint32_t shape[LAR_ENC_SHAPES];
	uint32_t kind_shape[LAR_EV_MAX]; /* the last one that was looked for, by kind */
	uint32_t form_count;
	struct lar_enc_form form[LAR_FORMS];
	/* the forms of a node, by its number modulo LAR_ENC_NODES: a first and a next one each */
	uint16_t node_form[LAR_ENC_NODES], form_next[LAR_FORMS];
	uint16_t used_stream[LAR_ENC_REGIONS];
	uint8_t *start[LAR_STREAM_FIELD + LAR_EV_MAX * 8];
	uint8_t *end[LAR_STREAM_FIELD + LAR_EV_MAX * 8];
	unsigned ra_bits; /* of the slots' number, of which a small block uses fewer */
	struct {
		uint64_t ra;
		uint32_t generation;
		uint32_t index;
	} ra_slot[LAR_ENC_RA_SLOTS];
};

/* log2 of how many slots a block of `words` words uses. */
static inline unsigned lar_encode_ra_bits(size_t words)
{
	unsigned bits = 10;

	while (1u << bits < LAR_ENC_RA_SLOTS && 1u << bits < words / LAR_ENC_RA_WORDS)
		bits++;
	return bits;
}

/* How much of an encoder such a block may touch. */
static inline size_t lar_encoder_used(size_t words)
{
	return offsetof(struct lar_encoder, ra_slot) +
	       (sizeof(((struct lar_encoder *)NULL)->ra_slot[0]) << lar_encode_ra_bits(words));
}

/* Bytes of enc->gone: no allocation or free takes less than 3 words. */
static inline size_t lar_encode_gone_size(size_t words)
{
	return (words / 3 + LAR_ENC_BUCKETS * LAR_ENC_WAYS + 2) * sizeof(uint32_t);
}

/* Bytes that the streams of `words` words of records can need, each for itself. */
size_t lar_encode_regions_size(size_t words);

/* Most bytes that `words` words of records can encode to. */
size_t lar_encode_bound(size_t words);

/*
 * Encodes `words` words of whole raw records. Times lose their low time_shift bits.
 * Returns the number of bytes written to `out`, or 0 when the records are not whole, the buffers
 * are too small or the block has more shapes than fit (the caller keeps the records raw).
 * *events gets the number of records that are events, PATH records left out.
 *
 * enc->part[0..enc->parts) tells where what has been written may be cut before it is compressed,
 * the end included. In the first part there are repetitions to be found; the others are times,
 * which are noise: looking for matches in them costs more than in all the rest, and what is found
 * makes them larger.
 */
size_t lar_encode(struct lar_encoder *enc, const uint64_t *records, size_t words,
		  unsigned time_shift, uint8_t *out, size_t out_size, uint32_t *events);

/* Words of scratch memory for the steps that `size` bytes may hold. */
static inline size_t lar_step_scratch(size_t size)
{
	return size / 4 + 4;
}

/* Words of scratch memory that decoding `size` bytes can need. */
static inline size_t lar_decode_scratch(size_t size)
{
	return 3 * size + 3 * LAR_FORMS + lar_step_scratch(size);
}

/*
 * Decodes a block of `events` events into raw form; `out` has room for `out_words`, `scratch` has
 * lar_decode_scratch(size) words. Safe on any input: each PATH's parent and each record's node is
 * one that exists by then. A record of a kind unknown to this version is counted in *skipped and
 * left out.
 * Returns the number of words, or -1 when the bytes are not a block or `out` is too small.
 *
 * lar_decode_places() also tells where in `out` PATH records are, of the first `room` of them.
 */
struct lar_places {
	uint32_t *at;
	uint32_t count, room;
};
int64_t lar_decode_places(const uint8_t *in, size_t size, uint32_t events, unsigned time_shift,
			  uint64_t *out, size_t out_words, uint64_t *scratch, uint32_t *skipped,
			  struct lar_places *paths);
int64_t lar_decode(const uint8_t *in, size_t size, uint32_t events, unsigned time_shift,
		   uint64_t *out, size_t out_words, uint64_t *scratch, uint32_t *skipped);

/*
 * The last that a block's thread did at an address: an allocation of `size` bytes, or a free.
 * `balance`: its allocations less its frees there, those in front of this one that were left out
 * with it.
 */
struct lar_net {
	uint64_t address, ticks, size;
	int32_t balance;
	bool freed;
};
typedef void lar_net_fn(void *arg, const struct lar_net *net);

/* How far lar_encode_net() has come in a block; zeroed at first. */
struct lar_net_at {
	uint32_t next;
};

/*
 * The same as lar_decode_net() tells, below, of the block that enc has just encoded, but for the
 * balance, of which there are 8 bits, and the size of what is freed, which means nothing. Those of
 * one address are in order; all that are the last of theirs are in the order of lar_address_hash().
 * `records`: what it was made of, and a word. Fills `net`, which has `room`, and returns how many
 * there are: fewer than that at the end. lar_encode_net_begin() comes first, once for a block.
 */
void lar_encode_net_begin(struct lar_encoder *enc);
uint32_t lar_encode_net(const struct lar_encoder *enc, const uint64_t *records, unsigned time_shift,
			struct lar_net_at *at, struct lar_net *net, uint32_t room);

/* Words of scratch memory that lar_decode_net() can need for `size` bytes. */
static inline size_t lar_net_scratch(size_t size)
{
	return 7 * size + 3 * LAR_FORMS + lar_step_scratch(size);
}

/*
 * What a block of `events` events changed about the blocks in use, in the order of its events:
 * `take` gets the last event of each address below 2^LAR_REF_ADDRESS_BITS, and of some addresses
 * earlier ones too. A realloc that failed is none. Stacks are not read. As safe as lar_decode();
 * `scratch` has lar_net_scratch(size) words. Returns 0, or -1 when the bytes are not a block;
 * `take` was not called then.
 */
int lar_decode_net(const uint8_t *in, size_t size, uint32_t events, unsigned time_shift,
		   uint64_t *scratch, lar_net_fn *take, void *arg);

#endif
