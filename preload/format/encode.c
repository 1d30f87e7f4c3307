/* SPDX-License-Identifier: MIT */
/* The writing half of the column codec of blocks; see codec.h and FORMAT.md. */
#include <string.h>

#include "codec.h"

#define MAX_VARINT 10

/* The builtin, since the recorder is compiled without memcpy as one. */
static inline void put_word(uint8_t *p, uint64_t v)
{
	__builtin_memcpy(p, &v, 8);
}

static inline uint8_t *put_varint(uint8_t *p, uint64_t v)
{
	while (v >= 0x80) {
		*p++ = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	*p++ = (uint8_t)v;
	return p;
}

/*
 * The same for numbers that are seldom short: up to 56 bits with neither a loop nor a branch on
 * their length. Always writes 8 bytes, as many as a region has left behind the longest stream.
 */
static inline uint8_t *put_long_varint(uint8_t *p, uint64_t v)
{
	unsigned bytes = (70 - (unsigned)__builtin_clzll(v | 1)) / 7;

	if (__builtin_expect(v >> 56, 0))
		return put_varint(p, v);
	/* groups of 28, then 14, then 7 bits move to where their bytes are */
	v = (v & 0xfffffff) | (v & 0xfffffff0000000) << 4;
	v = (v & 0x3fff00003fff) | (v & 0xfffc0000fffc000) << 2;
	v = (v & 0x7f007f007f007f) | (v & 0x3f803f803f803f80) << 1;
	v |= 0x8080808080808080 & ((1ull << (8 * bytes - 8)) - 1);
	put_word(p, v);
	return p + bytes;
}

static inline uint64_t zigzag(int64_t v)
{
	return (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
}

/*
 * Addresses change by multiples of 8 nearly always: 0 bit, sign, distance / 8. Else the byte 1
 * and the address in 8 bytes.
 */
static inline uint8_t *put_address(uint8_t *p, uint64_t addr, uint64_t last)
{
	uint64_t delta = addr - last;
	uint64_t negative = delta >> 63;
	uint64_t distance = negative ? 0 - delta : delta;

	if ((distance & 7) == 0 && distance < 1ull << 62)
		return put_varint(p, (distance >> 3) << 2 | negative << 1);
	*p++ = 1;
	put_word(p, addr);
	return p + 8;
}

size_t lar_encode_region_size(size_t words)
{
	return words * MAX_VARINT + 64;
}

size_t lar_encode_bound(size_t words)
{
	/* every word ends as at most one varint and an explicit address; shapes, stack columns and
	 * the directory on top */
	return words * MAX_VARINT + words * 4 + LAR_ENC_SHAPES * 8 + LAR_ENC_REGIONS * 12 + 64;
}

static uint8_t *stream_open(struct lar_encoder *enc, unsigned stream)
{
	uint8_t *p;

	if (enc->region_count >= LAR_ENC_REGIONS)
		return NULL;
	p = enc->regions + enc->region_count * enc->region_size;
	enc->used_stream[enc->region_count++] = (uint16_t)stream;
	enc->start[stream] = enc->end[stream] = p;
	return p;
}

/* The shape's index; LAR_ENC_SHAPES when there are too many. */
static uint32_t shape_index(struct lar_encoder *enc, uint32_t low)
{
	const struct lar_event_shape *es = &lar_event_shapes[low & 0xff];
	uint8_t *p = enc->end[LAR_STREAM_SHAPES];
	uint32_t i;

	for (i = 1; i < enc->shape_count; i++)
		if (enc->shape[i] == low)
			return i;
	if (i == LAR_ENC_SHAPES)
		return LAR_ENC_SHAPES;
	enc->shape[enc->shape_count++] = low;
	p = put_varint(p, low);
	*p++ = (uint8_t)(es->fields | (es->has_stack ? 0x80 : 0));
	enc->end[LAR_STREAM_SHAPES] = p;
	for (unsigned f = 0; f < es->fields; f++) {
		unsigned stream = LAR_STREAM_FIELD + (low & 0xff) * 8 + f;

		if (!enc->end[stream] && !stream_open(enc, stream))
			return LAR_ENC_SHAPES;
	}
	return i;
}

static inline uint32_t ra_place(uint64_t ra)
{
	return (uint32_t)((ra * 0x9e3779b97f4a7c15ull) >> 50);
}

/* Writes the index of a return address at p; returns what is behind it. */
static inline uint8_t *put_ra(struct lar_encoder *enc, uint8_t *p, uint64_t ra, uint64_t *last_ra)
{
	uint32_t h = ra_place(ra);

	for (;; h = (h + 1) & (LAR_ENC_RA_SLOTS - 1)) {
		if (enc->ra_slot[h].generation != enc->generation)
			break;
		if (enc->ra_slot[h].ra == ra)
			return put_varint(p, enc->ra_slot[h].index);
	}
	/* a new one: its index is the count so far; a nearly full hash stops taking them in */
	p = put_varint(p, enc->ra_count);
	if (enc->ra_count < LAR_ENC_RA_SLOTS * 3 / 4) {
		enc->ra_slot[h].ra = ra;
		enc->ra_slot[h].generation = enc->generation;
		enc->ra_slot[h].index = enc->ra_count;
	}
	enc->ra_count++;
	enc->end[LAR_STREAM_RAS] =
		put_varint(enc->end[LAR_STREAM_RAS], zigzag((int64_t)(ra - *last_ra)));
	*last_ra = ra;
	return p;
}

static void encoder_reset(struct lar_encoder *enc)
{
	for (uint32_t i = 0; i < enc->region_count; i++)
		enc->end[enc->used_stream[i]] = NULL;
	enc->region_count = enc->ra_count = 0;
	enc->shape_count = 1; /* 0 is PATH */
	enc->shape[0] = LAR_EV_PATH;
	memset(enc->reuse, 0, sizeof(enc->reuse));
	memset(enc->last, 0, sizeof(enc->last));
	enc->last_addr = 0;
	if (++enc->generation == 1u << 24) {
		memset(enc->ra_slot, 0, sizeof(enc->ra_slot));
		memset(enc->address, 0, sizeof(enc->address));
		enc->generation = 1;
	}
	for (unsigned s = 0; s < LAR_STREAM_FIELD; s++)
		stream_open(enc, s);
}

#define PART_LEAST 256 /* bytes of times that are worth a part of their own */

/* The part that a stream goes to. The times of frees differ from those of other events. */
static unsigned part_of(unsigned stream)
{
	unsigned kind = (stream - LAR_STREAM_FIELD) / 8;

	if (stream < LAR_STREAM_FIELD || stream % 8)
		return 0;
	return kind == LAR_EV_FREE || kind == LAR_EV_FREE_SIZED ? 2 : 1;
}
_Static_assert(LAR_STREAM_FIELD % 8 == 0, "what part_of() takes for the first field");

static size_t stream_size(const struct lar_encoder *enc, unsigned stream)
{
	return (size_t)(enc->end[stream] - enc->start[stream]);
}

static uint8_t *part_put(struct lar_encoder *enc, unsigned part, uint8_t *p)
{
	for (uint32_t i = 0; i < enc->region_count; i++) {
		unsigned s = enc->used_stream[i];

		if (part_of(s) != part)
			continue;
		memcpy(p, enc->start[s], stream_size(enc, s));
		p += stream_size(enc, s);
	}
	return p;
}

/* The directory (stream, bytes)..., then the streams, part by part. */
static size_t streams_gather(struct lar_encoder *enc, uint8_t *out, size_t out_size)
{
	size_t total = MAX_VARINT;
	uint8_t *p = out;

	for (uint32_t i = 0; i < enc->region_count; i++)
		total += stream_size(enc, enc->used_stream[i]) + 2 * MAX_VARINT;
	if (total > out_size)
		return 0;
	p = put_varint(p, enc->region_count);
	for (unsigned part = 0; part < LAR_ENC_PARTS; part++)
		for (uint32_t i = 0; i < enc->region_count; i++) {
			unsigned s = enc->used_stream[i];

			if (part_of(s) != part)
				continue;
			p = put_varint(p, s);
			p = put_varint(p, stream_size(enc, s));
		}
	enc->parts = 0;
	for (unsigned part = 0; part < LAR_ENC_PARTS; part++) {
		uint8_t *end = part_put(enc, part, p);

		/* a small one goes with the part in front of it */
		if (!part || end - p >= PART_LEAST)
			enc->parts++;
		enc->part[enc->parts - 1] = (uint32_t)(end - out);
		p = end;
	}
	return (size_t)(p - out);
}

/*
 * What changes from record to record, and the ends of the streams that nearly every record writes
 * to. It lives in a local variable of which no pointer gets away, in registers where possible: a
 * store through a stream's end could change anything else for all the compiler knows.
 */
struct hot {
	uint8_t *sequence, *node, *address;
	uint8_t *alloc_time, *alloc_new, *alloc_size, *free_time, *free_old;
	uint64_t last_time; /* shifted */
	uint64_t last_new, next_new, last_old;
	uint32_t allocations, frees; /* N and O fields so far that are not null */
	uint32_t last_ref;	     /* of an O field */
	uint32_t generation;	     /* as in marks */
};

#define HOT_STREAMS(X)                                                                             \
	X(sequence, LAR_STREAM_SEQUENCE)                                                           \
	X(node, LAR_STREAM_NODE)                                                                   \
	X(address, LAR_STREAM_ADDRESS)                                                             \
	X(alloc_time, LAR_STREAM_FIELD + LAR_EV_ALLOC * 8)                                         \
	X(alloc_new, LAR_STREAM_FIELD + LAR_EV_ALLOC * 8 + 1)                                      \
	X(alloc_size, LAR_STREAM_FIELD + LAR_EV_ALLOC * 8 + 2)                                     \
	X(free_time, LAR_STREAM_FIELD + LAR_EV_FREE * 8)                                           \
	X(free_old, LAR_STREAM_FIELD + LAR_EV_FREE * 8 + 1)

#define MARK_FREED 0x80u

static inline struct lar_enc_address *bucket_of(struct lar_encoder *enc, uint64_t addr)
{
	return enc->address[((addr >> 4) * 0x9e3779b97f4a7c15ull) >> 53];
}
_Static_assert(LAR_ENC_BUCKETS == 1 << 11, "bits that bucket_of() takes");

static struct lar_enc_address *address_enter(struct lar_encoder *enc, struct lar_enc_address *b,
					     uint64_t addr, uint32_t generation)
{
	struct lar_enc_address *e = NULL;

	for (unsigned i = 0; i < LAR_ENC_WAYS && !e; i++)
		if ((b[i].mark ^ generation) >> 8)
			e = &b[i];
	if (!e)
		e = &b[enc->victim++ % LAR_ENC_WAYS];
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

/* A block is handed out: one that was given back, the next fresh one, or any. */
static inline __attribute__((always_inline)) uint8_t *
put_new(struct lar_encoder *enc, struct hot *h, uint8_t *p, uint64_t addr, uint64_t size)
{
	unsigned class = lar_size_class(size);
	struct lar_enc_address *e;
	uint32_t number;

	if (!addr) {
		*p++ = LAR_REF_NULL;
		return p;
	}
	e = address_entry(enc, addr, h->generation);
	number = e->number;
	if ((e->mark ^ h->generation) >> 7 == 1) { /* given back in this block */
		p = put_varint(p, zigzag((int32_t)(number - enc->reuse[class])) + LAR_REF_FREED);
		enc->reuse[class] = number + 1;
	} else if (addr == h->next_new) {
		*p++ = LAR_REF_NEXT;
	} else {
		*p++ = LAR_REF_NONE;
		h->address = put_address(h->address, addr, h->last_new);
	}
	e->number = h->allocations++;
	e->mark = h->generation | class;
	h->last_new = addr;
	h->next_new = addr + lar_chunk_size(size);
	return p;
}

static inline __attribute__((always_inline)) uint8_t *
put_old(struct lar_encoder *enc, struct hot *h, uint8_t *p, uint64_t addr)
{
	struct lar_enc_address *e;
	uint32_t number;

	if (!addr) {
		*p++ = LAR_REF_NULL;
		return p;
	}
	e = address_entry(enc, addr, h->generation);
	number = e->number;
	if ((e->mark ^ h->generation) >> 7 == 0) { /* handed out in this block */
		p = put_varint(p, zigzag((int32_t)(number - h->last_ref)) + LAR_REF_ALLOCATED);
		h->last_ref = number + 1;
		enc->reuse[e->mark & (MARK_FREED - 1)] = h->frees;
	} else {
		*p++ = LAR_REF_NONE;
		h->address = put_address(h->address, addr, h->last_old);
		h->last_old = addr;
	}
	e->number = h->frees++;
	e->mark = h->generation | MARK_FREED;
	return p;
}

/* The fields behind the time of kinds without an N or O field, as the table of kinds says. */
static void put_fields(struct lar_encoder *enc, unsigned kind, const uint64_t *w)
{
	const struct lar_event_shape *es = &lar_event_shapes[kind];
	uint8_t **end = &enc->end[LAR_STREAM_FIELD + kind * 8];

	for (unsigned f = 1; f < es->fields; f++) {
		uint8_t *p = end[f];

		switch (es->field[f]) {
		case LAR_F_A:
			p = put_address(p, w[f], enc->last_addr);
			enc->last_addr = w[f];
			break;
		case LAR_F_D:
			p = put_varint(p, zigzag((int64_t)(w[f] - enc->last[kind][f])));
			enc->last[kind][f] = w[f];
			break;
		case LAR_F_Z:
			p = put_varint(p, zigzag((int64_t)w[f]));
			break;
		default:
			p = put_varint(p, w[f]);
			break;
		}
		end[f] = p;
	}
}

/* Kinds with N and O fields that are rarer than ALLOC and FREE. */
static inline void put_realloc(struct lar_encoder *enc, struct hot *h, const uint64_t *w,
			       unsigned time_shift)
{
	uint8_t **end = &enc->end[LAR_STREAM_FIELD + LAR_EV_REALLOC * 8];

	end[1] = put_varint(end[1], lar_round_up(w[1], time_shift) >> time_shift);
	end[2] = put_old(enc, h, end[2], w[2]);
	end[3] = put_new(enc, h, end[3], w[3], w[4]);
	end[4] = put_varint(end[4], w[4]);
}

static inline void put_free_sized(struct lar_encoder *enc, struct hot *h, const uint64_t *w)
{
	uint8_t **end = &enc->end[LAR_STREAM_FIELD + LAR_EV_FREE_SIZED * 8];

	end[1] = put_old(enc, h, end[1], w[1]);
	end[2] = put_varint(end[2], w[2]);
}

/* The same as put_fields() does for them, without asking the table. */
static inline void put_io(struct lar_encoder *enc, const uint64_t *w)
{
	uint8_t **end = &enc->end[LAR_STREAM_FIELD + LAR_EV_IO * 8];
	uint64_t *last = enc->last[LAR_EV_IO];
	uint64_t target = w[2] - last[2], offset = w[5] - last[5];

	last[2] = w[2];
	last[5] = w[5];
	end[1] = put_varint(end[1], w[1]);
	end[2] = put_long_varint(end[2], zigzag((int64_t)target));
	end[3] = put_varint(end[3], zigzag((int64_t)w[3]));
	end[4] = put_varint(end[4], w[4]);
	end[5] = put_varint(end[5], zigzag((int64_t)offset));
}

struct paths {
	uint64_t last_ra;
	uint32_t nodes;
};

static void put_path(struct lar_encoder *enc, struct paths *paths, const uint64_t *r)
{
	uint8_t **end = enc->end;
	uint32_t frames = lar_word0_call(*r);

	/* the program has driven the table out of the caches: all places are asked for at once */
	for (uint32_t i = 1; i <= frames; i++)
		__builtin_prefetch(&enc->ra_slot[ra_place(r[i])]);
	end[LAR_STREAM_PARENT] =
		put_varint(end[LAR_STREAM_PARENT], paths->nodes - lar_word0_node(*r));
	end[LAR_STREAM_FRAMES] = put_varint(end[LAR_STREAM_FRAMES], frames);
	for (uint32_t i = 1; i <= frames; i++)
		end[LAR_STREAM_RA_INDEX] =
			put_ra(enc, end[LAR_STREAM_RA_INDEX], r[i], &paths->last_ra);
	paths->nodes += frames;
}

#define SHAPE_HINTS	   256

#define TAKE(name, stream) h.name = enc->end[stream];
#define GIVE(name, stream) enc->end[stream] = h.name;

/* Returns the number of events, 0 when the records are not whole. */
static size_t encode_records(struct lar_encoder *enc, const uint64_t *r, const uint64_t *stop,
			     unsigned time_shift)
{
	uint16_t hint[SHAPE_HINTS] = { 0 };
	struct paths paths = { 0, 0 };
	struct hot h = { 0 };
	size_t count = 0;

	h.generation = enc->generation << 8;
	HOT_STREAMS(TAKE)
	while (r < stop) {
		uint64_t w0 = r[0], delta;
		uint32_t low = (uint32_t)w0, shape, words;
		unsigned kind = lar_word0_kind(w0);
		uint16_t *known = &hint[(low ^ low >> 11) % SHAPE_HINTS];

		shape = *known;
		if (enc->shape[shape] != low || kind == LAR_EV_PATH) {
			words = lar_record_words(w0);
			if (!words || words > stop - r)
				return 0;
			if (kind == LAR_EV_PATH) {
				if (lar_word0_node(w0) > paths.nodes)
					return 0;
				*h.sequence++ = 0;
				put_path(enc, &paths, r);
				r += words;
				continue;
			}
			HOT_STREAMS(GIVE)
			shape = shape_index(enc, low);
			if (shape == LAR_ENC_SHAPES)
				return 0;
			HOT_STREAMS(TAKE)
			*known = (uint16_t)shape;
		}
		if (stop - r < 1 + LAR_EVENT_MAX_FIELDS && lar_record_words(w0) > stop - r)
			return 0;
		h.sequence = put_varint(h.sequence, shape);
		delta = zigzag((int64_t)((r[1] >> time_shift) - h.last_time));
		h.last_time = r[1] >> time_shift;
		count++;
		if (kind == LAR_EV_FREE) {
			h.free_time = put_varint(h.free_time, delta);
			h.free_old = put_old(enc, &h, h.free_old, r[2]);
			r += 3;
			continue;
		}
		if (kind == LAR_EV_ALLOC) {
			h.node = put_varint(h.node, lar_word0_node(w0));
			h.alloc_time = put_varint(h.alloc_time, delta);
			h.alloc_new = put_new(enc, &h, h.alloc_new, r[2], r[3]);
			h.alloc_size = put_varint(h.alloc_size, r[3]);
			r += 4;
			continue;
		}
		enc->end[LAR_STREAM_FIELD + kind * 8] =
			put_varint(enc->end[LAR_STREAM_FIELD + kind * 8], delta);
		if (lar_event_shapes[kind].has_stack)
			h.node = put_varint(h.node, lar_word0_node(w0));
		if (kind == LAR_EV_REALLOC)
			put_realloc(enc, &h, r + 1, time_shift);
		else if (kind == LAR_EV_FREE_SIZED)
			put_free_sized(enc, &h, r + 1);
		else if (kind == LAR_EV_IO)
			put_io(enc, r + 1);
		else
			put_fields(enc, kind, r + 1);
		r += 1 + lar_event_shapes[kind].fields;
	}
	HOT_STREAMS(GIVE)
	return count;
}

size_t lar_encode(struct lar_encoder *enc, const uint64_t *records, size_t words,
		  unsigned time_shift, uint8_t *out, size_t out_size, uint32_t *events)
{
	if (enc->region_size < lar_encode_region_size(words))
		return 0;
	encoder_reset(enc);
	*events = (uint32_t)encode_records(enc, records, records + words, time_shift);
	return *events || !words ? streams_gather(enc, out, out_size) : 0;
}
