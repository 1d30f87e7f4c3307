/* SPDX-License-Identifier: MIT */
/* The writing half of the column codec of blocks; see codec.h and FORMAT.md. */
#include <string.h>

#include "codec.h"
#include "encode_put.h"
#include "encode_refs.h"

#define BEHIND 64 /* bytes of a region: more is written than a stream has */

/* Bytes that a stream of a block has at most, for each word of records: a PATH has one and more of
 * these, an event two and more, and one with an address three. Numbers of forms take two bytes, and
 * of nodes no more than four. */
static const uint8_t fixed_most[LAR_STREAM_FIELD] = {
	[LAR_STREAM_SHAPES] = 1,
	[LAR_STREAM_SEQUENCE] = 2,
	[LAR_STREAM_RAS] = MAX_VARINT,
	[LAR_STREAM_PARENT] = 4,
	[LAR_STREAM_FRAMES] = 3,
	[LAR_STREAM_RA_INDEX] = 4,
	[LAR_STREAM_ADDRESS] = 4,
	[LAR_STREAM_FORMS] = 4,
	[LAR_STREAM_STEP] = 1,
	[LAR_STREAM_FREED_STEP] = 1,
	[LAR_STREAM_LONG_STEP] = MAX_VARINT / 2,
};

static size_t region_size(unsigned stream, size_t words)
{
	size_t least = stream == LAR_STREAM_SHAPES ? LAR_ENC_SHAPES * 6 : 0;

	if (stream < LAR_STREAM_FIELD)
		return fixed_most[stream] * words + least + BEHIND;
	/* no kind's fields are in more records than fit */
	words /= 1u + lar_event_shapes[(stream - LAR_STREAM_FIELD) / 8].fields;
	return words * MAX_VARINT + BEHIND;
}

size_t lar_encode_regions_size(size_t words)
{
	size_t size = 0;

	for (unsigned s = 0; s < LAR_STREAM_FIELD; s++)
		size += region_size(s, words);
	for (unsigned kind = 0; kind < LAR_EV_MAX; kind++)
		for (unsigned f = 1; f < lar_event_shapes[kind].fields; f++)
			size += region_size(LAR_STREAM_FIELD + kind * 8 + f, words);
	return size;
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
	p = enc->next;
	/* whatever the block's size: other places would be other pages */
	enc->next += region_size(stream, enc->most_words);
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

	i = enc->kind_shape[low & 0xff];
	if (i < enc->shape_count && enc->shape[i] == low)
		return i;
	for (i = 0; i < enc->shape_count; i++)
		if (enc->shape[i] == low)
			return enc->kind_shape[low & 0xff] = i;
	if (i == LAR_ENC_SHAPES)
		return LAR_ENC_SHAPES;
	enc->shape[enc->shape_count++] = low;
	p = put_varint(p, low);
	*p++ = (uint8_t)(es->fields | (es->has_stack ? 0x80 : 0));
	enc->end[LAR_STREAM_SHAPES] = p;
	for (unsigned f = 1; f < es->fields; f++) {
		unsigned stream = LAR_STREAM_FIELD + (low & 0xff) * 8 + f;

		if (!enc->end[stream] && !stream_open(enc, stream))
			return LAR_ENC_SHAPES;
	}
	return i;
}

/*
 * A form for records with this word 0, and number 0 when there are too many forms; LAR_FORMS when
 * there are too many shapes. `first`: of those that form_find() looks at. `nodes`: that there are.
 */
static uint32_t form_new(struct lar_encoder *enc, uint16_t *first, uint64_t w0, uint32_t nodes)
{
	uint32_t shape = shape_index(enc, (uint32_t)w0), i = enc->form_count;
	uint8_t *p = enc->end[LAR_STREAM_FORMS];

	if (shape == LAR_ENC_SHAPES)
		return LAR_FORMS;
	p = put_varint(p, shape);
	if (lar_event_shapes[lar_word0_kind(w0)].has_stack)
		p = put_varint(p, nodes - lar_word0_node(w0));
	enc->end[LAR_STREAM_FORMS] = p;
	if (i == LAR_FORMS)
		return 0;
	enc->form_count++;
	enc->form[i] = (struct lar_enc_form){ w0, 0 };
	enc->form_next[i] = *first;
	*first = (uint16_t)i;
	return i;
}

/* The number of the form of a record, 0 when there is none. No other is like form 0. */
static inline __attribute__((always_inline)) uint32_t form_find(const struct lar_encoder *enc,
								uint32_t i, uint64_t w0)
{
	while (__builtin_expect(enc->form[i].w0 != w0, 0)) {
		if (!i)
			return 0;
		i = enc->form_next[i];
	}
	return i;
}

static inline uint32_t ra_place(const struct lar_encoder *enc, uint64_t ra)
{
	return (uint32_t)((ra * 0x9e3779b97f4a7c15ull) >> (64 - enc->ra_bits));
}

/* Writes the index of a return address at p; returns what is behind it. */
static inline uint8_t *put_ra(struct lar_encoder *enc, uint8_t *p, uint64_t ra, uint64_t *last_ra)
{
	uint32_t h = ra_place(enc, ra), slots = 1u << enc->ra_bits;

	for (;; h = (h + 1) & (slots - 1)) {
		if (enc->ra_slot[h].generation != enc->generation)
			break;
		if (enc->ra_slot[h].ra == ra)
			return put_short(p, enc->ra_slot[h].index);
	}
	/* a new one: its index is the count so far; a nearly full hash stops taking them in */
	p = put_short(p, enc->ra_count);
	if (enc->ra_count < slots / 4 * 3) {
		enc->ra_slot[h].ra = ra;
		enc->ra_slot[h].generation = enc->generation;
		enc->ra_slot[h].index = enc->ra_count;
	}
	enc->ra_count++;
	enc->end[LAR_STREAM_RAS] =
		put_long_varint(enc->end[LAR_STREAM_RAS], zigzag((int64_t)(ra - *last_ra)));
	*last_ra = ra;
	return p;
}

/* Only what was entered: most buckets are of no event of a block. */
static void addresses_forget(struct lar_encoder *enc)
{
	for (uint32_t i = 0; i < LAR_ENC_BUCKETS / 64; i++)
		for (uint64_t left = enc->used[i]; left; left &= left - 1)
			memset(enc->address[i * 64 + (uint32_t)__builtin_ctzll(left)], 0,
			       sizeof(enc->address[0]));
	memset(enc->used, 0, sizeof(enc->used));
}

static void encoder_reset(struct lar_encoder *enc)
{
	enc->next = enc->regions;
	for (uint32_t i = 0; i < enc->region_count; i++)
		enc->end[enc->used_stream[i]] = NULL;
	enc->region_count = enc->ra_count = 0;
	enc->shape_count = 0;
	enc->gone_count = 0;
	enc->form_count = 1;
	enc->form[0] = (struct lar_enc_form){ .w0 = UINT64_MAX };
	enc->node_form[0] = 0;
	memset(enc->reuse, 0, sizeof(enc->reuse));
	memset(enc->last, 0, sizeof(enc->last));
	enc->last_addr = 0;
	addresses_forget(enc);
	if (!++enc->generation) {
		memset(enc->ra_slot, 0, sizeof(enc->ra_slot));
		enc->generation = 1;
	}
	for (unsigned s = 0; s <= LAR_STREAM_LONG_STEP; s++)
		if (s != LAR_STREAM_TIME && s != LAR_STREAM_FREED)
			stream_open(enc, s);
	stream_open(enc, LAR_STREAM_FIELD + LAR_EV_ALLOC * 8 + 1);
	stream_open(enc, LAR_STREAM_FIELD + LAR_EV_ALLOC * 8 + 2);
	stream_open(enc, LAR_STREAM_FIELD + LAR_EV_FREE * 8 + 1);
}

#define PART_LEAST 256 /* bytes of times that are worth a part of their own */

/* The part that a stream goes to: times of frees differ from others, and long ones from short. */
static unsigned part_of(unsigned stream)
{
	return stream == LAR_STREAM_STEP	 ? 1
	       : stream == LAR_STREAM_FREED_STEP ? 2
	       : stream == LAR_STREAM_LONG_STEP	 ? 3
						 : 0;
}

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

/* Of eight bytes below 16, two go into one: the first into its low half. */
static uint32_t pack_word(uint64_t v)
{
	v = (v | v >> 4) & 0xff00ff00ff00ff;
	v = (v | v >> 8) & 0xffff0000ffff;
	return (uint32_t)(v | v >> 16);
}

/* Steps take a byte each so far. A region has room behind its stream. */
static void steps_pack(struct lar_encoder *enc, unsigned stream)
{
	const uint8_t *from = enc->start[stream], *end = enc->end[stream];
	uint8_t *to = enc->start[stream];

	put_word(enc->end[stream], 0);
	enc->end[stream] = to + (end - from + 1) / 2;
	for (; from < end; from += 8, to += 4) {
		uint64_t v;
		uint32_t packed;

		__builtin_memcpy(&v, from, 8);
		packed = pack_word(v);
		__builtin_memcpy(to, &packed, 4);
	}
}

/* The directory (stream, bytes)..., then the streams, part by part. */
static size_t streams_gather(struct lar_encoder *enc, uint8_t *out, size_t out_size)
{
	size_t total = MAX_VARINT;
	uint8_t *p = out;

	steps_pack(enc, LAR_STREAM_STEP);
	steps_pack(enc, LAR_STREAM_FREED_STEP);
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
 * The next number of a stream, if its record has one of its own, which cannot be predicted: no
 * branch on it where two bytes are enough. May write these anyway.
 */
static inline __attribute__((always_inline)) uint8_t *put_own(uint8_t *p, uint64_t v, bool own)
{
	if (__builtin_expect(v >> 14 != 0, 0))
		return own ? put_varint(p, v) : p;
	return p + ((put_symbol(p, (uint32_t)v) - p) & -(int64_t)own);
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

/* The same as put_fields() does for them, without asking the table. */
static inline bool put_io(struct lar_encoder *enc, struct lar_enc_form *form, bool is_new,
			  const uint64_t *w)
{
	uint8_t **end = &enc->end[LAR_STREAM_FIELD + LAR_EV_IO * 8];
	uint64_t *last = enc->last[LAR_EV_IO];
	uint64_t target = w[2] - last[2], offset = w[5] - last[5];
	bool own = w[4] != form->size || is_new;

	last[2] = w[2];
	last[5] = w[5];
	form->size = w[4];
	end[1] = put_varint(end[1], w[1]);
	end[2] = put_long_varint(end[2], zigzag((int64_t)target));
	end[3] = put_varint(end[3], zigzag((int64_t)w[3]));
	end[4] = put_own(end[4], w[4], own);
	end[5] = put_varint(end[5], zigzag((int64_t)offset));
	return own;
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
	for (uint32_t i = 1; i <= frames; i++) {
		__builtin_prefetch(&enc->ra_slot[ra_place(enc, r[i])]);
		enc->node_form[(paths->nodes + i) % LAR_ENC_NODES] = 0;
	}
	end[LAR_STREAM_PARENT] =
		put_short(end[LAR_STREAM_PARENT], paths->nodes - lar_word0_node(*r));
	end[LAR_STREAM_FRAMES] = put_varint(end[LAR_STREAM_FRAMES], frames);
	for (uint32_t i = 1; i <= frames; i++)
		end[LAR_STREAM_RA_INDEX] =
			put_ra(enc, end[LAR_STREAM_RA_INDEX], r[i], &paths->last_ra);
	paths->nodes += frames;
}

static inline __attribute__((always_inline)) void put_time(struct hot *h, bool freed, uint64_t time)
{
	uint64_t step = time - h->last_time;

	if (__builtin_expect(step >= LAR_STEP_LONG, 0)) {
		h->long_step = put_varint(h->long_step, zigzag((int64_t)step));
		step = LAR_STEP_LONG;
	}
	if (freed)
		*h->free_step++ = (uint8_t)step;
	else
		*h->step++ = (uint8_t)step;
	h->last_time = time;
}

/* The fields behind the time, by kind. They return whether the size is not the usual one. */

static inline __attribute__((always_inline)) void put_free(struct lar_encoder *enc, struct hot *h,
							   const uint64_t *w, uint32_t place)
{
	h->free_old = put_short(h->free_old, code_old(enc, h, w[1], place, false));
}

static inline __attribute__((always_inline)) bool put_alloc(struct lar_encoder *enc, struct hot *h,
							    struct lar_enc_form *form, bool is_new,
							    const uint64_t *w, uint32_t place)
{
	bool own = w[2] != form->size || is_new;

	form->size = w[2];
	h->alloc_new = put_short(h->alloc_new, code_new(enc, h, w[1], w[2], place, false));
	h->alloc_size = put_own(h->alloc_size, w[2], own);
	return own;
}

static inline __attribute__((always_inline)) bool
put_free_sized(struct lar_encoder *enc, struct hot *h, struct lar_enc_form *form, bool is_new,
	       const uint64_t *w, uint32_t place)
{
	uint8_t **end = &enc->end[LAR_STREAM_FIELD + LAR_EV_FREE_SIZED * 8];
	bool own = w[2] != form->size || is_new;

	form->size = w[2];
	end[1] = put_varint(end[1], code_old(enc, h, w[1], place, false));
	end[2] = put_own(end[2], w[2], own);
	return own;
}

/* Whether the entry of an address can be found again. */
static inline bool is_kept(uint64_t addr)
{
	return addr - 1 < (1ull << LAR_REF_ADDRESS_BITS) - 1;
}

static inline __attribute__((always_inline)) bool
put_realloc(struct lar_encoder *enc, struct hot *h, struct lar_enc_form *form, bool is_new,
	    const uint64_t *w, uint32_t place, unsigned time_shift)
{
	uint8_t **end = &enc->end[LAR_STREAM_FIELD + LAR_EV_REALLOC * 8];
	bool own = w[4] != form->size || is_new;

	form->size = w[4];
	end[1] = put_varint(end[1], lar_round_up(w[1], time_shift) >> time_shift);
	end[2] = put_varint(end[2], code_old(enc, h, w[2], place, true));
	if (w[2] == w[3] && is_kept(w[2])) {
		*end[3]++ = (uint8_t)code_same(enc, h, w[2], w[4], place);
	} else {
		if (__builtin_expect(!w[3] && w[4], 0))
			code_undo(h, w[2]);
		end[3] = put_varint(end[3], code_new(enc, h, w[3], w[4], place, true));
	}
	end[4] = put_own(end[4], w[4], own);
	h->others--; /* two addresses, one event */
	return own;
}

/*
 * An allocation of a known form whose block the next record gives back, by the form that frees
 * have: the same as one after the other, but that the address is looked up once, and what the first
 * leaves for the second is not written.
 */
static inline __attribute__((always_inline)) void put_pair(struct lar_encoder *enc, struct hot *h,
							   uint32_t i, const uint64_t *r,
							   uint32_t place, unsigned time_shift)
{
	struct lar_enc_form *form = &enc->form[i];
	bool own = r[3] != form->size;

	form->size = r[3];
	put_time(h, false, r[1] >> time_shift);
	h->alloc_new = put_varint(h->alloc_new, code_pair(enc, h, r[2], r[3], place));
	h->alloc_size = put_own(h->alloc_size, r[3], own);
	h->sequence = put_symbol(h->sequence, i << LAR_FORM_SHIFT | own);
	put_time(h, true, r[5] >> time_shift);
	h->free_old = put_varint(h->free_old, code_own(h));
	h->sequence = put_again(h->sequence, h->free_form);
}

/* An event of form i, which is_new or not; returns the words of its record. */
static inline __attribute__((always_inline)) uint32_t put_event(struct lar_encoder *enc,
								struct hot *h, uint32_t i,
								bool is_new, const uint64_t *r,
								uint32_t place, unsigned time_shift)
{
	struct lar_enc_form *form = &enc->form[i];
	unsigned kind = lar_word0_kind(*r);
	bool own = false;

	put_time(h, kind == LAR_EV_FREE || kind == LAR_EV_FREE_SIZED, r[1] >> time_shift);
	if (kind == LAR_EV_ALLOC) {
		own = put_alloc(enc, h, form, is_new, r + 1, place);
	} else if (kind == LAR_EV_FREE) {
		put_free(enc, h, r + 1, place);
	} else if (kind == LAR_EV_FREE_SIZED) {
		own = put_free_sized(enc, h, form, is_new, r + 1, place);
	} else if (kind == LAR_EV_REALLOC) {
		own = put_realloc(enc, h, form, is_new, r + 1, place, time_shift);
	} else if (kind == LAR_EV_IO) {
		own = put_io(enc, form, is_new, r + 1);
		h->others++;
	} else {
		put_fields(enc, kind, r + 1);
		h->others++;
	}
	if (is_new)
		*h->sequence++ = LAR_FORM_NEW;
	else
		h->sequence = put_symbol(h->sequence, i << LAR_FORM_SHIFT | own);
	return 1 + lar_event_shapes[kind].fields;
}

#define TAKE(name, stream) h.name = enc->end[stream];
#define GIVE(name, stream) enc->end[stream] = h.name;

/* Returns the number of events, 0 when the records are not whole. */
static size_t encode_records(struct lar_encoder *enc, const uint64_t *r, const uint64_t *stop,
			     unsigned time_shift)
{
	const uint64_t *near = stop - LAR_EVENT_MAX_FIELDS; /* in front of it, records are whole */
	const uint64_t *records = r;
	struct paths paths = { 0, 0 };
	struct hot h = { .free_w0 = UINT64_MAX };

	HOT_STREAMS(TAKE)
	while (__builtin_expect(r < near, 1) || (r < stop && lar_record_words(*r) <= stop - r)) {
		uint64_t w0 = r[0];
		unsigned kind = lar_word0_kind(w0);
		uint16_t *first;
		uint32_t i;

		if (w0 == h.free_w0) {
			put_time(&h, true, r[1] >> time_shift);
			put_free(enc, &h, r + 1, place_of(records, r));
			h.sequence = put_again(h.sequence, h.free_form);
			r += 3;
			continue;
		}
		if (kind == LAR_EV_PATH) {
			if (lar_record_words(w0) > stop - r || lar_word0_node(w0) > paths.nodes)
				return 0;
			*h.sequence++ = LAR_FORM_PATH;
			put_path(enc, &paths, r);
			r += lar_record_words(w0);
			continue;
		}
		i = form_find(enc, enc->node_form[lar_word0_node(w0) % LAR_ENC_NODES], w0);
		if (kind == LAR_EV_ALLOC && __builtin_expect(i && r < near, 1)) {
			bool own;

			/* as if what comes next were a free: seldom that address by chance */
			if (r[6] == r[2] && r[4] == h.free_w0 && is_kept(r[2])) {
				put_pair(enc, &h, i, r, place_of(records, r + 4), time_shift);
				r += 7;
				continue;
			}
			put_time(&h, false, r[1] >> time_shift);
			own = put_alloc(enc, &h, &enc->form[i], false, r + 1, place_of(records, r));
			h.sequence = put_symbol(h.sequence, i << LAR_FORM_SHIFT | own);
			r += 4;
			continue;
		}
		if (__builtin_expect(i, 1) && __builtin_expect(kind != LAR_EV_FREE, 1)) {
			r += put_event(enc, &h, i, false, r, place_of(records, r), time_shift);
			continue;
		}
		if (i) {
			h.free_w0 = w0;
			h.free_form = symbol_of(i << LAR_FORM_SHIFT);
			continue;
		}
		if (!lar_record_words(w0) || lar_word0_node(w0) > paths.nodes)
			return 0;
		first = &enc->node_form[lar_word0_node(w0) % LAR_ENC_NODES];
		i = form_new(enc, first, w0, paths.nodes);
		if (i == LAR_FORMS)
			return 0;
		r += put_event(enc, &h, i, true, r, place_of(records, r), time_shift);
	}
	HOT_STREAMS(GIVE)
	return r == stop ? h.others + h.allocations + h.frees : 0;
}

size_t lar_encode(struct lar_encoder *enc, const uint64_t *records, size_t words,
		  unsigned time_shift, uint8_t *out, size_t out_size, uint32_t *events)
{
	if (words > LAR_NET_PLACE || words > enc->most_words)
		return 0;
	encoder_reset(enc);
	enc->ra_bits = lar_encode_ra_bits(words);
	*events = (uint32_t)encode_records(enc, records, records + words, time_shift);
	return *events || !words ? streams_gather(enc, out, out_size) : 0;
}
