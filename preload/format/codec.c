/* SPDX-License-Identifier: MIT */
/* The column codec of blocks; see codec.h and FORMAT.md. */
#include "codec.h"

#include <string.h>

#include "trace_format.h"

#define FIELDS_(n, ...) n
const struct lar_event_shape lar_event_shapes[LAR_EV_MAX] = {
#define EVENT(name, number, stack, nfields, a, b, c, d, e, f, g)                                   \
	[number] = { nfields,                                                                      \
		     stack,                                                                        \
		     { LAR_F_##a, LAR_F_##b, LAR_F_##c, LAR_F_##d, LAR_F_##e, LAR_F_##f,           \
		       LAR_F_##g } },
#include "events.def"
#undef EVENT
};

#define MAX_VARINT 10

static inline uint8_t *put_varint(uint8_t *p, uint64_t v)
{
	while (v >= 0x80) {
		*p++ = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	*p++ = (uint8_t)v;
	return p;
}

static inline uint64_t zigzag(int64_t v)
{
	return (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
}
static inline int64_t unzigzag(uint64_t v)
{
	return (int64_t)(v >> 1 ^ (0 - (v & 1)));
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
	memcpy(p, &addr, 8);
	return p + 8;
}

size_t lar_encode_region_size(size_t words)
{
	return words * MAX_VARINT + 64;
}

size_t lar_encode_bound(size_t words)
{
	/* every word ends as at most one varint; shapes, stack columns and the directory on top */
	return words * MAX_VARINT + words * 2 + LAR_ENC_SHAPES * 8 + LAR_ENC_REGIONS * 12 + 64;
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

/* The shape's index; 1024 when there are too many. */
static uint32_t shape_index(struct lar_encoder *enc, uint32_t low)
{
	const struct lar_event_shape *es = &lar_event_shapes[low & 0xff];
	uint8_t *p = enc->end[LAR_STREAM_SHAPES];
	uint32_t i;

	for (i = 0; i < enc->shape_count; i++)
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

/* Writes the index of a return address at p; returns what is behind it. */
static inline uint8_t *put_ra(struct lar_encoder *enc, uint8_t *p, uint64_t ra, uint64_t *last_ra)
{
	uint32_t h = (uint32_t)((ra * 0x9e3779b97f4a7c15ull) >> 50);

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
	enc->region_count = enc->shape_count = enc->ra_count = 0;
	if (++enc->generation == 0) {
		memset(enc->ra_slot, 0, sizeof(enc->ra_slot));
		enc->generation = 1;
	}
	for (unsigned s = 0; s <= LAR_STREAM_RA_INDEX; s++)
		stream_open(enc, s);
}

/* The directory (stream, bytes)..., then the streams. */
static size_t streams_gather(struct lar_encoder *enc, uint8_t *out, size_t out_size)
{
	size_t total = MAX_VARINT;
	uint8_t *p = out;

	for (uint32_t i = 0; i < enc->region_count; i++) {
		unsigned s = enc->used_stream[i];

		total += (size_t)(enc->end[s] - enc->start[s]) + 2 * MAX_VARINT;
	}
	if (total > out_size)
		return 0;
	p = put_varint(p, enc->region_count);
	for (uint32_t i = 0; i < enc->region_count; i++) {
		unsigned s = enc->used_stream[i];

		p = put_varint(p, s);
		p = put_varint(p, (uint64_t)(enc->end[s] - enc->start[s]));
	}
	for (uint32_t i = 0; i < enc->region_count; i++) {
		unsigned s = enc->used_stream[i];
		size_t n = (size_t)(enc->end[s] - enc->start[s]);

		memcpy(p, enc->start[s], n);
		p += n;
	}
	return (size_t)(p - out);
}

struct field_state {
	uint64_t last_time; /* shifted */
	uint64_t last_addr;
	uint64_t last[LAR_EV_MAX][LAR_EVENT_MAX_FIELDS];
};

/* The fields behind the time, as the table of kinds says. */
static inline void put_fields(struct lar_encoder *enc, struct field_state *st, unsigned kind,
			      const uint64_t *w)
{
	const struct lar_event_shape *es = &lar_event_shapes[kind];
	uint8_t **end = &enc->end[LAR_STREAM_FIELD + kind * 8];

	for (unsigned f = 1; f < es->fields; f++) {
		uint8_t *p = end[f];

		switch (es->field[f]) {
		case LAR_F_A:
			p = put_address(p, w[f], st->last_addr);
			st->last_addr = w[f];
			break;
		case LAR_F_D:
			p = put_varint(p, zigzag((int64_t)(w[f] - st->last[kind][f])));
			st->last[kind][f] = w[f];
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

/*
 * Ends of the streams that every event or nearly every one writes to. They live in registers: a
 * store through one of them could change enc->end for all the compiler knows.
 */
struct hot {
	uint8_t *sequence, *popped, *pushed, *ra_index;
	uint8_t *alloc[3], *freed[3]; /* fields of ALLOC and FREE */
};

_Static_assert(LAR_EV_ALLOC == 2 && LAR_EV_FREE == 3, "written by put_alloc(), put_free()");

#define HOT_STREAMS(X)                                                                             \
	X(sequence, LAR_STREAM_SEQUENCE)                                                           \
	X(popped, LAR_STREAM_POPPED)                                                               \
	X(pushed, LAR_STREAM_PUSHED)                                                               \
	X(ra_index, LAR_STREAM_RA_INDEX)                                                           \
	X(alloc[0], LAR_STREAM_FIELD + LAR_EV_ALLOC * 8)                                           \
	X(alloc[1], LAR_STREAM_FIELD + LAR_EV_ALLOC * 8 + 1)                                       \
	X(alloc[2], LAR_STREAM_FIELD + LAR_EV_ALLOC * 8 + 2)                                       \
	X(freed[0], LAR_STREAM_FIELD + LAR_EV_FREE * 8)                                            \
	X(freed[1], LAR_STREAM_FIELD + LAR_EV_FREE * 8 + 1)                                        \
	X(freed[2], LAR_STREAM_FIELD + LAR_EV_FREE * 8 + 2)

#define SHAPE_HINTS 256

size_t lar_encode(struct lar_encoder *enc, const uint64_t *records, size_t words,
		  unsigned time_shift, uint8_t *out, size_t out_size, uint32_t *events)
{
	const uint64_t *r = records, *stop = records + words;
	uint16_t hint[SHAPE_HINTS] = { 0 };
	struct field_state st;
	uint64_t last_ra = 0, last_time = 0, last_addr = 0;
	uint32_t depth = 0, count = 0;
	struct hot hot;

	if (enc->region_size < lar_encode_region_size(words))
		return 0;
	memset(&st, 0, sizeof(st));
	encoder_reset(enc);
#define TAKE(name, stream) hot.name = enc->end[stream];
#define GIVE(name, stream) enc->end[stream] = hot.name;
	HOT_STREAMS(TAKE)
	while (r < stop) {
		uint64_t w0 = r[0], time = r[1] >> time_shift;
		uint32_t low = (uint32_t)w0;
		unsigned kind = lar_word0_kind(w0);
		uint16_t *known = &hint[(low ^ low >> 11) % SHAPE_HINTS];
		uint32_t shape = *known;
		uint64_t delta = zigzag((int64_t)(time - last_time));

		if (shape >= enc->shape_count || enc->shape[shape] != low) {
			uint32_t n = lar_record_words(w0);

			if (!n || n > (size_t)(stop - r))
				return 0;
			HOT_STREAMS(GIVE)
			shape = shape_index(enc, low);
			if (shape == LAR_ENC_SHAPES)
				return 0;
			HOT_STREAMS(TAKE)
			*known = (uint16_t)shape;
		}
		last_time = time;
		count++;
		hot.sequence = put_varint(hot.sequence, shape);
		if (kind == LAR_EV_FREE) {
			if (stop - r < 4)
				return 0;
			hot.freed[0] = put_varint(hot.freed[0], delta);
			hot.freed[1] = put_address(hot.freed[1], r[2], last_addr);
			hot.freed[2] = put_varint(hot.freed[2], r[3]);
			last_addr = r[2];
			r += 4;
			continue;
		}
		if (kind == LAR_EV_ALLOC) {
			if (stop - r < 4)
				return 0;
			hot.alloc[0] = put_varint(hot.alloc[0], delta);
			hot.alloc[1] = put_address(hot.alloc[1], r[2], last_addr);
			hot.alloc[2] = put_varint(hot.alloc[2], r[3]);
			last_addr = r[2];
			r += 4;
		} else {
			uint8_t **end = &enc->end[LAR_STREAM_FIELD + kind * 8];
			unsigned fields = lar_event_shapes[kind].fields;

			if (1 + fields > (size_t)(stop - r))
				return 0;
			*end = put_varint(*end, delta);
			st.last_addr = last_addr;
			put_fields(enc, &st, kind, r + 1);
			last_addr = st.last_addr;
			r += 1 + fields;
			if (!lar_event_shapes[kind].has_stack)
				continue;
		}
		{
			uint32_t kept = lar_word0_kept(w0), pushed = lar_word0_pushed(w0);

			if (kept > depth || pushed > (size_t)(stop - r))
				return 0;
			hot.popped = put_varint(hot.popped, depth - kept);
			hot.pushed = put_varint(hot.pushed, pushed);
			for (uint32_t i = 0; i < pushed; i++)
				hot.ra_index = put_ra(enc, hot.ra_index, r[i], &last_ra);
			r += pushed;
			depth = kept + pushed;
		}
	}
	HOT_STREAMS(GIVE)
	*events = count;
	return streams_gather(enc, out, out_size);
}

/* ---- decoding: the input is hostile ---- */

struct cursor {
	const uint8_t *p, *end;
};

struct decoder {
	struct cursor fixed[LAR_STREAM_FIELD];
	struct cursor field[LAR_EV_MAX][8];
	struct cursor unknown_time[256]; /* first field of kinds >= LAR_EV_MAX */
	struct {
		uint32_t low;
		uint8_t fields;
		uint8_t has_stack;
		uint8_t known;
	} shape[LAR_ENC_SHAPES];
	uint32_t shape_count;
	uint32_t depth;
	struct field_state st;
};

/* Near the end of a stream each byte is checked. */
static int get_varint_checked(struct cursor *c, uint64_t *v)
{
	uint64_t r = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t b;

		if (c->p >= c->end)
			return -1;
		b = *c->p++;
		r |= (uint64_t)(b & 0x7f) << shift;
		if (b < 0x80) {
			*v = r;
			return 0;
		}
	}
	return -1;
}

/* Most are short: one byte, two, then all others. */
static inline __attribute__((always_inline)) int get_varint(struct cursor *c, uint64_t *v)
{
	const uint8_t *p = c->p;
	uint64_t r;

	if (__builtin_expect(c->end - p < MAX_VARINT, 0))
		return get_varint_checked(c, v);
	r = p[0];
	if (r < 0x80) {
		c->p = p + 1;
		*v = r;
		return 0;
	}
	r = (r & 0x7f) | (uint64_t)(p[1] & 0x7f) << 7;
	if (p[1] < 0x80) {
		c->p = p + 2;
		*v = r;
		return 0;
	}
	r |= (uint64_t)(p[2] & 0x7f) << 14;
	if (p[2] < 0x80) {
		c->p = p + 3;
		*v = r;
		return 0;
	}
	return get_varint_checked(c, v);
}

static inline __attribute__((always_inline)) int get_address(struct cursor *c, uint64_t *last)
{
	uint64_t v;

	if (c->p < c->end && *c->p == 1) {
		if (c->end - c->p < 9)
			return -1;
		memcpy(last, c->p + 1, 8);
		c->p += 9;
		return 0;
	}
	if (get_varint(c, &v))
		return -1;
	*last += v & 2 ? 0 - ((v >> 2) << 3) : (v >> 2) << 3;
	return 0;
}

static int read_directory(struct decoder *d, const uint8_t *in, size_t size)
{
	struct cursor c = { in, in + size };
	struct cursor dir;
	const uint8_t *data;
	uint64_t n, id, len;

	if (get_varint(&c, &n) || n > LAR_STREAMS)
		return -1;
	dir = c;
	for (uint64_t i = 0; i < 2 * n; i++)
		if (get_varint(&c, &id))
			return -1;
	data = c.p;
	for (uint64_t i = 0; i < n; i++) {
		struct cursor s;

		if (get_varint(&dir, &id) || get_varint(&dir, &len))
			return -1;
		if (id >= LAR_STREAMS || len > (uint64_t)(in + size - data))
			return -1;
		s = (struct cursor){ data, data + len };
		data += len;
		if (id < LAR_STREAM_FIELD)
			d->fixed[id] = s;
		else if ((id - LAR_STREAM_FIELD) / 8 < LAR_EV_MAX)
			d->field[(id - LAR_STREAM_FIELD) / 8][id % 8] = s;
		else if (id % 8 == 0)
			d->unknown_time[(id - LAR_STREAM_FIELD) / 8] = s;
	}
	return data == in + size ? 0 : -1;
}

static int read_shapes(struct decoder *d)
{
	struct cursor *c = &d->fixed[LAR_STREAM_SHAPES];

	while (c->p < c->end) {
		uint64_t low;
		uint8_t form;
		unsigned kind, fields;

		if (d->shape_count == LAR_ENC_SHAPES || get_varint(c, &low) || low > UINT32_MAX ||
		    c->p >= c->end)
			return -1;
		form = *c->p++;
		kind = low & 0xff;
		fields = form & 0x7f;
		if (fields < 1 || fields > LAR_EVENT_MAX_FIELDS)
			return -1;
		d->shape[d->shape_count].low = (uint32_t)low;
		d->shape[d->shape_count].fields = (uint8_t)fields;
		d->shape[d->shape_count].has_stack = form >> 7;
		d->shape[d->shape_count].known = kind < LAR_EV_MAX &&
						 lar_event_shapes[kind].fields == fields &&
						 lar_event_shapes[kind].has_stack == form >> 7;
		d->shape_count++;
	}
	return 0;
}

static inline __attribute__((always_inline)) int get_fields(struct decoder *d, unsigned kind,
							    uint64_t *w, unsigned shift)
{
	const struct lar_event_shape *es = &lar_event_shapes[kind];
	struct field_state *st = &d->st;
	uint64_t v;

	if (get_varint(&d->field[kind][0], &v))
		return -1;
	st->last_time += (uint64_t)unzigzag(v);
	w[0] = st->last_time << shift;
#pragma GCC unroll 8
	for (unsigned f = 1; f < es->fields; f++) {
		struct cursor *c = &d->field[kind][f];

		if (es->field[f] == LAR_F_A) {
			if (get_address(c, &st->last_addr))
				return -1;
			w[f] = st->last_addr;
			continue;
		}
		if (get_varint(c, &v))
			return -1;
		if (es->field[f] == LAR_F_D)
			v = st->last[kind][f] += (uint64_t)unzigzag(v);
		else if (es->field[f] == LAR_F_Z)
			v = (uint64_t)unzigzag(v);
		w[f] = v;
	}
	return 0;
}

/* The same, with code of their own for the kinds that are nearly all of most traces. */
static inline int get_fields_of(struct decoder *d, unsigned kind, uint64_t *w, unsigned shift)
{
	switch (kind) {
	case LAR_EV_ALLOC:
		return get_fields(d, LAR_EV_ALLOC, w, shift);
	case LAR_EV_FREE:
		return get_fields(d, LAR_EV_FREE, w, shift);
	default:
		return get_fields(d, kind, w, shift);
	}
}

/* Decodes the table of distinct return addresses; returns how many. */
static int64_t read_ras(struct decoder *d, uint64_t *ras, size_t room)
{
	struct cursor *c = &d->fixed[LAR_STREAM_RAS];
	uint64_t v, last = 0;
	size_t n = 0;

	while (c->p < c->end) {
		if (n == room || get_varint(c, &v))
			return -1;
		last += (uint64_t)unzigzag(v);
		ras[n++] = last;
	}
	return (int64_t)n;
}

static int get_stack(struct decoder *d, uint64_t *w0, uint64_t *ra_out, size_t room,
		     const uint64_t *ras, uint64_t ra_count)
{
	uint64_t popped, pushed, index;

	if (get_varint(&d->fixed[LAR_STREAM_POPPED], &popped) ||
	    get_varint(&d->fixed[LAR_STREAM_PUSHED], &pushed))
		return -1;
	if (popped > d->depth || pushed > room || d->depth - popped + pushed > LAR_MAX_DEPTH)
		return -1;
	for (uint64_t i = 0; i < pushed; i++) {
		if (get_varint(&d->fixed[LAR_STREAM_RA_INDEX], &index) || index >= ra_count)
			return -1;
		ra_out[i] = ras[index];
	}
	*w0 |= (d->depth - popped) << 32 | pushed << 48;
	d->depth = (uint32_t)(d->depth - popped + pushed);
	return (int)pushed;
}

static int skip_unknown(struct decoder *d, unsigned kind)
{
	struct cursor *c = kind < LAR_EV_MAX ? &d->field[kind][0] : &d->unknown_time[kind];
	uint64_t v;

	if (get_varint(c, &v))
		return -1;
	d->st.last_time += (uint64_t)unzigzag(v);
	return 0;
}

/* One record into out[0..room); returns its words, 0 when it is left out, -1 on bad input. */
static inline int64_t get_record(struct decoder *d, unsigned shift, uint64_t *out, size_t room,
				 const uint64_t *ras, uint64_t ra_count, uint32_t *skipped)
{
	uint64_t index, w0;
	unsigned kind, fields;
	int pushed = 0;

	if (get_varint(&d->fixed[LAR_STREAM_SEQUENCE], &index) || index >= d->shape_count)
		return -1;
	w0 = d->shape[index].low;
	kind = w0 & 0xff;
	fields = d->shape[index].known ? d->shape[index].fields : 1;
	if (room < 1 + fields)
		return -1;
	if (d->shape[index].known) {
		if (get_fields_of(d, kind, out + 1, shift))
			return -1;
	} else {
		if (skip_unknown(d, kind))
			return -1;
		++*skipped;
		w0 = LAR_EV_STACK;
		out[1] = d->st.last_time << shift;
	}
	if (d->shape[index].has_stack) {
		pushed = get_stack(d, &w0, out + 1 + fields, room - 1 - fields, ras, ra_count);
		if (pushed < 0)
			return -1;
	} else if (!d->shape[index].known) {
		return 0;
	}
	out[0] = w0;
	return (int64_t)(1 + fields) + pushed;
}

int64_t lar_decode(const uint8_t *in, size_t size, uint32_t events, unsigned time_shift,
		   uint64_t *out, size_t out_words, uint64_t *scratch, size_t scratch_words,
		   uint32_t *skipped)
{
	struct decoder d;
	int64_t ra_count;
	size_t n = 0;

	if (time_shift > 32)
		return -1;
	memset(&d, 0, sizeof(d));
	if (read_directory(&d, in, size) || read_shapes(&d))
		return -1;
	ra_count = read_ras(&d, scratch, scratch_words);
	if (ra_count < 0)
		return -1;
	*skipped = 0;
	for (uint32_t i = 0; i < events; i++) {
		int64_t words = get_record(&d, time_shift, out + n, out_words - n, scratch,
					   (uint64_t)ra_count, skipped);

		if (words < 0)
			return -1;
		n += (size_t)words;
	}
	return (int64_t)n;
}
