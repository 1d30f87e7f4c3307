/* SPDX-License-Identifier: MIT */
/* Records of all kinds with random contents, the same ones every time. */
#ifndef LARIAT_RANDOMRECORDS_H
#define LARIAT_RANDOMRECORDS_H

#include "tracebuild.h"

static uint64_t random_state = 88172645463325252ull;
static inline uint64_t random_word(void) /* xorshift64, Marsaglia 2003 */
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* Values as they come: small, large, extreme, misaligned. */
static inline uint64_t random_value(void)
{
	static const uint64_t extreme[] = { 0, 1, UINT64_MAX, INT64_MAX, 1ull << 63, 127, 128 };
	uint64_t r = random_word();

	switch (r & 7) {
	case 0:
		return extreme[(r >> 8) % 7];
	case 1:
		return random_word();
	case 2:
		return 0x7f0000000000ull + (random_word() & 0xffff) * 8;
	default:
		return random_word() & 0xfff;
	}
}

/* One of `many` addresses, or any: so that what was there comes again. */
static inline uint64_t random_address(uint64_t many)
{
	uint64_t r = random_word();

	return r & 15 ? 0x555500000010ull + (r >> 8) % many * 16 : random_value();
}

static inline void add_random(struct tb_records *r, uint64_t addresses)
{
	unsigned kind = (unsigned)(random_word() % LAR_EV_MAX);
	const struct lar_event_shape *s = &lar_event_shapes[kind];
	uint64_t *w = r->words + r->count;

	if (kind == LAR_EV_PATH) {
		unsigned frames = (unsigned)random_word() % 5;

		*w++ = lar_word0(kind, 0, frames, (uint32_t)(random_word() % (r->nodes + 1)));
		for (unsigned i = 0; i < frames; i++)
			*w++ = random_value();
		r->nodes += frames;
	} else if (s->fields) {
		*w++ = lar_word0(kind, (unsigned)random_word() & 3, (unsigned)random_word() & 7,
				 s->has_stack ? (uint32_t)(random_word() % (r->nodes + 1)) : 0);
		for (unsigned f = 0; f < s->fields; f++)
			*w++ = s->field[f] == LAR_F_N || s->field[f] == LAR_F_O
				       ? random_address(addresses)
				       : random_value();
		r->events++;
	}
	r->count = (size_t)(w - r->words);
}

#endif
