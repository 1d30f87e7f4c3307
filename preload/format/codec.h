/* SPDX-License-Identifier: MIT */
/*
 * Turns a run of raw records (event.h) into the compact columns of a block and back. The bytes
 * made here are what zstd compresses; FORMAT.md describes them.
 *
 * No allocation, no global state: any thread may encode or decode with buffers of its own.
 */
#ifndef LARIAT_CODEC_H
#define LARIAT_CODEC_H

#include <stddef.h>
#include <stdint.h>

#include "event.h"

/* Streams of a block. Field f (from 0) of kind k is stream LAR_STREAM_FIELD + k * 8 + f. */
enum lar_stream {
	LAR_STREAM_SHAPES = 0,	 /* distinct (word 0 low half, fields, has_stack) */
	LAR_STREAM_SEQUENCE = 1, /* per record: its shape's index */
	LAR_STREAM_RAS = 2,	 /* distinct return addresses, in order of first use */
	LAR_STREAM_POPPED = 3,	 /* per record with a stack: frames dropped from the previous one */
	LAR_STREAM_PUSHED = 4,	 /* ... and added */
	LAR_STREAM_RA_INDEX = 5, /* per added frame: index into the return addresses */
	LAR_STREAM_FIELD = 8,
	LAR_STREAMS = LAR_STREAM_FIELD + 256 * 8
};

#define LAR_ENC_RA_SLOTS 16384 /* hash of the distinct return addresses of a block */
#define LAR_ENC_SHAPES	 1024  /* distinct shapes a block can have */
#define LAR_ENC_REGIONS	 80    /* streams a block can use at once */

/*
 * Working memory of the encoder: this struct, zeroed once before its first use, and LAR_ENC_REGIONS
 * regions of region_size bytes at `regions`, of which a block touches what it needs.
 */
struct lar_encoder {
	uint8_t *regions;
	size_t region_size; /* at least lar_encode_region_size(words) */
	uint32_t generation;
	uint32_t ra_count;
	uint32_t shape_count;
	uint32_t region_count;
	struct {
		uint64_t ra;
		uint32_t generation;
		uint32_t index;
	} ra_slot[LAR_ENC_RA_SLOTS];
	uint32_t shape[LAR_ENC_SHAPES];
	uint16_t used_stream[LAR_ENC_REGIONS];
	uint8_t *start[LAR_STREAM_FIELD + LAR_EV_MAX * 8];
	uint8_t *end[LAR_STREAM_FIELD + LAR_EV_MAX * 8];
};

/* Bytes that one stream of `words` words of records can need. */
size_t lar_encode_region_size(size_t words);

/* Most bytes that `words` words of records can encode to. */
size_t lar_encode_bound(size_t words);

/*
 * Encodes `words` words of whole raw records. Times lose their low time_shift bits.
 * Returns the number of bytes written to `out`, or 0 when the records are not whole, the buffers
 * are too small or the block has more shapes than fit (the caller keeps the records raw).
 * *events gets the number of records.
 */
size_t lar_encode(struct lar_encoder *enc, const uint64_t *records, size_t words,
		  unsigned time_shift, uint8_t *out, size_t out_size, uint32_t *events);

/*
 * Decodes a block of `events` records into raw form; `out` has room for `out_words`, `scratch` for
 * `scratch_words` (`size` of them are always enough). Safe on any input. A record of a kind
 * unknown to this version is counted in *skipped and left out, or becomes a STACK record when it
 * changes the stack that later records build on.
 * Returns the number of words, or -1 when the bytes are not a block or a buffer is too small.
 */
int64_t lar_decode(const uint8_t *in, size_t size, uint32_t events, unsigned time_shift,
		   uint64_t *out, size_t out_words, uint64_t *scratch, size_t scratch_words,
		   uint32_t *skipped);

#endif
