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
	struct cursor c = { in, in + size, NULL };
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
		s = (struct cursor){ data, data + len,
				     len >= MAX_VARINT ? data + len - MAX_VARINT + 1 : NULL };
		data += len;
		if (id < LAR_STREAM_FIELD)
			d->fixed[id] = s;
		else if ((id - LAR_STREAM_FIELD) / 8 < LAR_EV_MAX)
			d->field[(id - LAR_STREAM_FIELD) / 8][id % 8] = s;
	}
	return data == in + size ? 0 : -1;
}

int lar_read_shapes(struct decoder *d)
{
	struct cursor *c = &d->fixed[LAR_STREAM_SHAPES];

	while (c->p < c->end) {
		struct shape *s = &d->shape[d->shape_count];
		uint64_t low;
		uint8_t form;
		unsigned kind;

		if (d->shape_count == LAR_ENC_SHAPES || get_varint(c, &low) || low > UINT32_MAX ||
		    c->p >= c->end)
			return -1;
		form = *c->p++;
		kind = low & 0xff;
		s->low = (uint32_t)low;
		s->fields = form & 0x7f;
		s->has_stack = form >> 7;
		if (s->fields < 1 || s->fields > LAR_EVENT_MAX_FIELDS)
			return -1;
		s->known = kind < LAR_EV_MAX && lar_event_shapes[kind].fields == s->fields &&
			   lar_event_shapes[kind].has_stack == s->has_stack;
		s->freed = kind == LAR_EV_FREE || kind == LAR_EV_FREE_SIZED;
		d->shape_count++;
	}
	return 0;
}

/* From the halves of four bytes to eight bytes, the low one of each first. */
static uint64_t unpack_word(uint32_t packed)
{
	uint64_t v = packed;

	v = (v | v << 16) & 0xffff0000ffff;
	v = (v | v << 8) & 0xff00ff00ff00ff;
	return (v | v << 4) & 0x0f0f0f0f0f0f0f0f;
}

static void read_steps(struct decoder *d, bool freed, uint64_t **memory)
{
	const struct cursor *c = &d->fixed[freed ? LAR_STREAM_FREED_STEP : LAR_STREAM_STEP];
	size_t size = (size_t)(c->end - c->p), at = 0;
	uint64_t *to = *memory;
	uint32_t packed = 0;

	d->step[freed] = (const uint8_t *)to;
	d->step_end[freed] = d->step[freed] + 2 * size;
	for (; size - at >= 4; at += 4) {
		memcpy(&packed, c->p + at, 4);
		*to++ = unpack_word(packed);
	}
	packed = 0;
	for (unsigned shift = 0; at < size; at++, shift += 8)
		packed |= (uint32_t)c->p[at] << shift;
	*to++ = unpack_word(packed);
	*memory = to;
}

void lar_read_steps(struct decoder *d, uint64_t *memory)
{
	read_steps(d, false, &memory);
	read_steps(d, true, &memory);
}

int lar_get_long_step(struct decoder *d, bool freed)
{
	uint64_t v;

	if (d->step[freed] < d->step_end[freed]) {
		d->step[freed]++;
		if (get_varint(&d->fixed[LAR_STREAM_LONG_STEP], &v))
			return -1;
	} else if (get_varint(&d->fixed[freed ? LAR_STREAM_FREED : LAR_STREAM_TIME], &v)) {
		return -1;
	}
	d->last_time += (uint64_t)unzigzag(v);
	return 0;
}

void lar_forms_init(struct decoder *d, uint64_t *memory)
{
	d->form = (struct form *)memory;
	d->form_count = 1;
	memset(d->form, 0, sizeof(*d->form));
}

struct form *lar_new_form(struct decoder *d)
{
	struct cursor *c = &d->fixed[LAR_STREAM_FORMS];
	struct form *form = d->form;
	const struct shape *s;
	uint64_t shape, back = d->nodes;

	if (get_varint(c, &shape) || shape >= d->shape_count ||
	    (d->shape[shape].has_stack && get_varint(c, &back)) || back > d->nodes)
		return NULL;
	if (d->form_count < LAR_FORMS) {
		form += d->form_count++;
		memset(form, 0, sizeof(*form));
	}
	s = &d->shape[shape];
	form->w0 = s->low | (d->nodes - back) << 32;
	form->kind = s->known ? s->low & 0xff : LAR_EV_MAX;
	form->words = 1 + s->fields;
	form->freed = s->freed;
	return form;
}

/* One field of any kind that no other depends on. */
static inline int get_field(struct decoder *d, struct cursor *c, enum lar_field letter,
			    uint64_t *last, uint64_t *v)
{
	int rc;

	switch (letter) {
	case LAR_F_A:
		rc = get_address(c, &d->last_addr);
		*v = d->last_addr;
		return rc;
	case LAR_F_D:
		rc = get_varint(c, v);
		*v = *last += (uint64_t)unzigzag(*v);
		return rc;
	case LAR_F_Z:
		rc = get_varint(c, v);
		*v = (uint64_t)unzigzag(*v);
		return rc;
	default:
		return get_varint(c, v);
	}
}

static int get_fields(struct decoder *d, unsigned kind, uint64_t symbol, struct form *form,
		      uint64_t *w)
{
	const struct lar_event_shape *es = &lar_event_shapes[kind];
	struct cursor *c = d->field[kind];

	for (unsigned f = 1; f < es->fields; f++) {
		if (kind == LAR_EV_IO && f == LAR_IO_ASKED) {
			if (get_size(&c[f], symbol, form, &w[f]))
				return -1;
		} else if (get_field(d, &c[f], es->field[f], &d->last[kind][f], &w[f])) {
			return -1;
		}
	}
	return 0;
}

static int get_realloc(struct decoder *d, uint64_t symbol, struct form *form, uint64_t *w)
{
	struct cursor *c = d->field[LAR_EV_REALLOC];
	uint64_t took, old, new;
	uint32_t ref;

	if (get_varint(&c[1], &took) || get_varint(&c[2], &old) || get_old(d, old, &w[2], &ref) ||
	    get_varint(&c[3], &new) || get_size(&c[4], symbol, form, &w[4]))
		return -1;
	w[1] = took << d->time_shift;
	return get_new(d, new, w[4], &w[3], &ref);
}

static inline __attribute__((always_inline)) int get_free_sized(struct decoder *d, uint64_t symbol,
								struct form *form, uint64_t *w)
{
	struct cursor *c = d->field[LAR_EV_FREE_SIZED];
	uint64_t code;
	uint32_t ref;

	if (get_varint(&c[1], &code) || get_old(d, code, &w[1], &ref))
		return -1;
	return get_size(&c[2], symbol, form, &w[2]);
}

static inline __attribute__((always_inline)) int get_alloc(struct decoder *d, uint64_t symbol,
							   struct form *form, uint64_t *w)
{
	struct cursor *c = d->field[LAR_EV_ALLOC];
	uint64_t code;
	uint32_t ref;

	if (get_varint(&c[1], &code) || get_size(&c[2], symbol, form, &w[2]))
		return -1;
	return get_new(d, code, w[2], &w[1], &ref);
}

static inline __attribute__((always_inline)) int get_free(struct decoder *d, uint64_t *w)
{
	uint64_t code;
	uint32_t ref;

	if (get_varint(&d->field[LAR_EV_FREE][1], &code))
		return -1;
	return get_old(d, code, &w[1], &ref);
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

static __attribute__((noinline)) int64_t get_path(struct decoder *d, uint64_t *out, size_t room,
						  const uint64_t *ras, uint64_t ra_count)
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

/* One event into out[0..room); returns its words, 0 when it is left out, -1 on bad input. */
static inline __attribute__((always_inline)) int64_t get_event(struct decoder *d, uint64_t symbol,
							       unsigned shift, uint64_t *out,
							       size_t room, uint32_t *skipped)
{
	struct form *form = get_form(d, symbol);
	unsigned kind;
	int rc;

	if (!form || get_time(d, form->freed))
		return -1;
	kind = form->kind;
	if (__builtin_expect(kind == LAR_EV_MAX, 0)) {
		++*skipped;
		return 0;
	}
	if (room < form->words)
		return -1;
	out[0] = form->w0;
	out[1] = d->last_time << shift;
	if (kind == LAR_EV_FREE)
		rc = get_free(d, out + 1);
	else if (kind == LAR_EV_ALLOC)
		rc = get_alloc(d, symbol, form, out + 1);
	else if (kind == LAR_EV_FREE_SIZED)
		rc = get_free_sized(d, symbol, form, out + 1);
	else if (kind == LAR_EV_REALLOC)
		rc = get_realloc(d, symbol, form, out + 1);
	else
		rc = get_fields(d, kind, symbol, form, out + 1);
	return rc ? -1 : form->words;
}

static inline void note_place(struct lar_places *p, size_t at)
{
	if (p && p->count < p->room)
		p->at[p->count++] = (uint32_t)at;
}

int64_t lar_decode(const uint8_t *in, size_t size, uint32_t events, unsigned time_shift,
		   uint64_t *out, size_t out_words, uint64_t *scratch, uint32_t *skipped)
{
	return lar_decode_places(in, size, events, time_shift, out, out_words, scratch, skipped,
				 NULL);
}

int64_t lar_decode_places(const uint8_t *in, size_t size, uint32_t events, unsigned time_shift,
			  uint64_t *out, size_t out_words, uint64_t *scratch, uint32_t *skipped,
			  struct lar_places *paths)
{
	struct cursor *sequence;
	uint32_t found = 0;
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
	lar_forms_init(&d, scratch + 3 * size);
	lar_read_steps(&d, scratch + 3 * size + 3 * LAR_FORMS);
	*skipped = 0;
	sequence = &d.fixed[LAR_STREAM_SEQUENCE];
	while (sequence->p < sequence->end) {
		uint64_t index;
		int64_t words;

		if (n == out_words || get_varint(sequence, &index))
			return -1;
		if (__builtin_expect(index != LAR_FORM_PATH, 1)) {
			words = get_event(&d, index, time_shift, out + n, out_words - n, skipped);
			found++;
		} else {
			note_place(paths, n);
			words = get_path(&d, out + n, out_words - n, scratch, (uint64_t)ra_count);
		}
		if (words < 0)
			return -1;
		n += (size_t)words;
	}
	return found == events ? (int64_t)n : -1;
}
