/* SPDX-License-Identifier: MIT */
/* The reading half of the column codec of blocks, and the table of kinds; see codec.h. */
#include "codec.h"
#include "decode_impl.h"

#include <string.h>

#include "trace_format.h"

const struct lar_event_shape lar_event_shapes[LAR_EV_MAX] = {
#define EVENT(name, number, stack, nfields, a, b, c, d, e, f, g)                                   \
	[number] = { nfields,                                                                      \
		     stack,                                                                        \
		     { LAR_F_##a, LAR_F_##b, LAR_F_##c, LAR_F_##d, LAR_F_##e, LAR_F_##f,           \
		       LAR_F_##g } },
#include "events.def"
#undef EVENT
};

int lar_read_directory(struct decoder *d, const uint8_t *in, size_t size)
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

int lar_read_shapes(struct decoder *d)
{
	struct cursor *c = &d->fixed[LAR_STREAM_SHAPES];

	d->shape_count = 1; /* 0 is PATH */
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

/* One field of any kind but N, whose size stands behind it. */
static inline int get_field(struct decoder *d, struct cursor *c, enum lar_field letter,
			    uint64_t *last, uint64_t *v)
{
	uint32_t ref;
	int rc;

	switch (letter) {
	case LAR_F_A:
		rc = get_address(c, &d->last_addr);
		*v = d->last_addr;
		return rc;
	case LAR_F_O:
		return get_old(d, c, v, &ref);
	case LAR_F_D:
		rc = get_varint(c, v);
		*v = *last += (uint64_t)unzigzag(*v);
		return rc;
	case LAR_F_Z:
		rc = get_varint(c, v);
		*v = (uint64_t)unzigzag(*v);
		return rc;
	case LAR_F_U:
		rc = get_varint(c, v);
		*v <<= d->time_shift;
		return rc;
	default:
		return get_varint(c, v);
	}
}

static int get_fields(struct decoder *d, unsigned kind, uint64_t *w)
{
	const struct lar_event_shape *es = &lar_event_shapes[kind];
	uint32_t ref;

	for (unsigned f = 1; f < es->fields; f++) {
		struct cursor *c = &d->field[kind][f];

		if (es->field[f] == LAR_F_N) {
			if (get_varint(c + 1, &w[f + 1]) || get_new(d, c, w[f + 1], &w[f], &ref))
				return -1;
			f++;
		} else if (get_field(d, c, es->field[f], &d->last[kind][f], &w[f])) {
			return -1;
		}
	}
	return 0;
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

static int64_t get_path(struct decoder *d, uint64_t *out, size_t room, const uint64_t *ras,
			uint64_t ra_count)
{
	uint64_t back, frames, index;

	if (get_varint(&d->fixed[LAR_STREAM_PARENT], &back) || back > d->nodes ||
	    get_varint(&d->fixed[LAR_STREAM_FRAMES], &frames) || frames > LAR_MAX_DEPTH ||
	    room < 1 + frames)
		return -1;
	out[0] = lar_word0(LAR_EV_PATH, 0, (unsigned)frames, d->nodes - (uint32_t)back);
	for (uint64_t i = 1; i <= frames; i++) {
		if (get_varint(&d->fixed[LAR_STREAM_RA_INDEX], &index) || index >= ra_count)
			return -1;
		out[i] = ras[index];
	}
	d->nodes += (uint32_t)frames;
	return (int64_t)(1 + frames);
}

static inline __attribute__((always_inline)) int get_node(struct decoder *d, uint64_t *w0)
{
	uint64_t node;

	if (get_varint(&d->fixed[LAR_STREAM_NODE], &node) || node > d->nodes)
		return -1;
	*w0 |= node << 32;
	return 0;
}

/* A record of a kind or form that only later versions know. */
static int64_t skip_unknown(struct decoder *d, uint64_t index, uint32_t *skipped)
{
	unsigned kind = d->shape[index].low & 0xff;
	uint64_t w0 = 0;

	if (get_time(d, kind < LAR_EV_MAX ? &d->field[kind][0] : &d->unknown_time[kind]) ||
	    (d->shape[index].has_stack && get_node(d, &w0)))
		return -1;
	++*skipped;
	return 0;
}

/* One event into out[0..room); returns its words, 0 when it is left out, -1 on bad input. */
static inline __attribute__((always_inline)) int64_t get_event(struct decoder *d, uint64_t index,
							       unsigned shift, uint64_t *out,
							       size_t room, uint32_t *skipped)
{
	unsigned kind, fields;
	uint32_t ref;

	if (index >= d->shape_count)
		return -1;
	if (!d->shape[index].known)
		return skip_unknown(d, index, skipped);
	out[0] = d->shape[index].low;
	kind = out[0] & 0xff;
	fields = d->shape[index].fields;
	if (room < 1 + fields || get_time(d, &d->field[kind][0]) ||
	    (d->shape[index].has_stack && get_node(d, &out[0])))
		return -1;
	out[1] = d->last_time << shift;
	if (kind == LAR_EV_FREE) {
		if (get_old(d, &d->field[LAR_EV_FREE][1], &out[2], &ref))
			return -1;
	} else if (kind == LAR_EV_ALLOC) {
		struct cursor *c = d->field[LAR_EV_ALLOC];

		if (get_varint(&c[2], &out[3]) || get_new(d, &c[1], out[3], &out[2], &ref))
			return -1;
	} else if (get_fields(d, kind, out + 1)) {
		return -1;
	}
	return 1 + fields;
}

int64_t lar_decode(const uint8_t *in, size_t size, uint32_t events, unsigned time_shift,
		   uint64_t *out, size_t out_words, uint64_t *scratch, uint32_t *skipped)
{
	struct cursor *sequence;
	struct decoder d;
	int64_t ra_count;
	size_t n = 0;

	if (time_shift > 32 || size > LAR_BLOCK_MAX_ENCODED)
		return -1;
	memset(&d, 0, sizeof(d));
	d.time_shift = time_shift;
	if (lar_read_directory(&d, in, size) || lar_read_shapes(&d))
		return -1;
	ra_count = read_ras(&d, scratch, size);
	if (ra_count < 0)
		return -1;
	d.addr.allocated = scratch + size;
	d.addr.freed = scratch + 2 * size;
	d.addr.room = (uint32_t)size;
	*skipped = 0;
	sequence = &d.fixed[LAR_STREAM_SEQUENCE];
	while (sequence->p < sequence->end) {
		uint64_t index;
		int64_t words;

		if (n == out_words || get_varint(sequence, &index))
			return -1;
		if (index) {
			words = get_event(&d, index, time_shift, out + n, out_words - n, skipped);
			if (!events--)
				return -1;
		} else {
			words = get_path(&d, out + n, out_words - n, scratch, (uint64_t)ra_count);
		}
		if (words < 0)
			return -1;
		n += (size_t)words;
	}
	return events ? -1 : (int64_t)n;
}
