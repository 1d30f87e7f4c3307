/* SPDX-License-Identifier: MIT */
/* What the readers of a block's columns share; only for decode.c and decode_net.c. */
#ifndef LARIAT_DECODE_IMPL_H
#define LARIAT_DECODE_IMPL_H

#include <string.h>

#include "codec.h"
#include "trace_format.h"

#define MAX_VARINT 10

static inline int64_t unzigzag(uint64_t v)
{
	return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

/* The input is hostile. */

struct cursor {
	const uint8_t *p, *end;
	const uint8_t *plain; /* before it any varint is followed by no end; NULL = nowhere */
};

/* What N and O fields refer to. */
struct addresses {
	uint64_t *allocated; /* by number: address, size class in the top byte */
	uint64_t *freed;     /* by number: address */
	uint32_t allocations, frees, room;
	uint32_t last_ref;
	uint64_t last_new, next_new, last_old;
	uint32_t reuse[LAR_SIZE_CLASSES];
};

struct shape {
	uint32_t low;
	uint8_t fields;
	bool has_stack;
	bool known;
	bool freed; /* FREE or FREE_SIZED */
};

/* See codec.h. What a record of it needs of its shape is here too. */
struct form {
	uint64_t w0;
	uint64_t size; /* the usual one: that of the last such record */
	uint8_t kind;  /* LAR_EV_MAX = not known */
	uint8_t words;
	bool freed;
};

struct decoder {
	struct cursor fixed[LAR_STREAM_FIELD];
	const uint8_t *step[2], *step_end[2]; /* one in a byte; second: of frees */
	struct cursor field[LAR_EV_MAX][8];
	struct shape shape[LAR_ENC_SHAPES];
	struct form *form; /* LAR_FORMS, the first is none */
	uint32_t shape_count, form_count;
	uint32_t nodes;
	uint64_t last_time; /* shifted */
	uint64_t last_addr;
	unsigned time_shift;
	struct addresses addr;
	uint64_t last[LAR_EV_MAX][LAR_EVENT_MAX_FIELDS];
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

	if (__builtin_expect(p >= c->plain, 0))
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

#define NO_REF UINT32_MAX

/*
 * An address that is handed out, of code v; `size` is that of the same record. *ref: the free that
 * it refers to, or NO_REF.
 */
static inline __attribute__((always_inline)) int
get_new(struct decoder *d, uint64_t v, uint64_t size, uint64_t *addr, uint32_t *ref)
{
	struct addresses *a = &d->addr;
	unsigned class = lar_size_class(size);
	uint32_t number;

	*ref = NO_REF;
	if (v >= LAR_REF_LAST) {
		number = v == LAR_REF_LAST
				 ? a->frees - 1
				 : a->reuse[class] + (uint32_t)unzigzag(v - LAR_REF_FREED);
		if (number >= a->frees)
			return -1;
		*addr = a->freed[number];
		*ref = number;
		a->reuse[class] = number + 1;
	} else if (v == LAR_REF_NULL) {
		*addr = 0;
		return 0;
	} else if (v == LAR_REF_NEXT) {
		*addr = a->next_new;
	} else {
		*addr = a->last_new;
		if (get_address(&d->fixed[LAR_STREAM_ADDRESS], addr))
			return -1;
	}
	if (a->allocations == a->room)
		return -1;
	a->last_new = *addr;
	a->next_new = *addr + lar_chunk_size(size, class);
	a->allocated[a->allocations++] = (*addr & ((1ull << LAR_REF_ADDRESS_BITS) - 1)) |
					 (uint64_t) class << LAR_REF_ADDRESS_BITS;
	return 0;
}

/* An address that is given back, of code v. *ref: the allocation that it refers to, or NO_REF. */
static inline __attribute__((always_inline)) int get_old(struct decoder *d, uint64_t v,
							 uint64_t *addr, uint32_t *ref)
{
	struct addresses *a = &d->addr;
	uint32_t number;

	*ref = NO_REF;
	if (v >= LAR_REF_ALLOCATED) {
		number = a->last_ref + (uint32_t)unzigzag(v - LAR_REF_ALLOCATED);
		if (number >= a->allocations)
			return -1;
		*addr = a->allocated[number] & ((1ull << LAR_REF_ADDRESS_BITS) - 1);
		a->last_ref = number + 1;
		*ref = number;
		a->reuse[a->allocated[number] >> LAR_REF_ADDRESS_BITS] = a->frees;
	} else if (v == LAR_REF_NULL) {
		*addr = 0;
		return 0;
	} else {
		if (get_address(&d->fixed[LAR_STREAM_ADDRESS], &a->last_old))
			return -1;
		*addr = a->last_old;
	}
	if (a->frees == a->room)
		return -1;
	a->freed[a->frees++] = *addr;
	return 0;
}

/* A time that is not a short step, or in a block of version 2. */
int lar_get_long_step(struct decoder *d, bool freed);

static inline __attribute__((always_inline)) int get_time(struct decoder *d, bool freed)
{
	const uint8_t *p = d->step[freed];

	if (__builtin_expect(p == d->step_end[freed] || *p == LAR_STEP_LONG, 0))
		return lar_get_long_step(d, freed);
	d->step[freed] = p + 1;
	d->last_time += *p;
	return 0;
}

/* A form that comes for the first time; NULL on bad input. */
struct form *lar_new_form(struct decoder *d);

/* The form that the sequence names so: 0 is none. */
static inline __attribute__((always_inline)) struct form *get_form(struct decoder *d,
								   uint64_t symbol)
{
	uint64_t i = symbol >> LAR_FORM_SHIFT;

	if (__builtin_expect(symbol == LAR_FORM_NEW, 0))
		return lar_new_form(d);
	return i < d->form_count ? &d->form[i] : NULL;
}

/* The size of a record that the sequence names so. */
static inline __attribute__((always_inline)) int get_size(struct cursor *c, uint64_t symbol,
							  struct form *form, uint64_t *size)
{
	if (symbol & LAR_FORM_SIZE && get_varint(c, &form->size))
		return -1;
	*size = form->size;
	return 0;
}
_Static_assert(LAR_FORM_NEW &LAR_FORM_SIZE, "a new form's record has its size");

/* Where each stream is, and the forms that records have: 0, or -1 when the bytes are no block. */
int lar_read_directory(struct decoder *d, const uint8_t *in, size_t size);
int lar_read_shapes(struct decoder *d);

/* Takes lar_step_scratch() of the block's size for its steps. */
void lar_read_steps(struct decoder *d, uint64_t *memory);

/* Takes 3 * LAR_FORMS words for forms. */
void lar_forms_init(struct decoder *d, uint64_t *memory);
_Static_assert(sizeof(struct form) == 3 * 8, "what a form takes");

#endif
