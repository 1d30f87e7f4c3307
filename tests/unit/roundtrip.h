/* SPDX-License-Identifier: MIT */
/* For tests of the codec: records to bytes and back, held against each other. */
#ifndef LARIAT_ROUNDTRIP_H
#define LARIAT_ROUNDTRIP_H

#include <stdbool.h>

#include "tracebuild.h"

/* What a field is behind a block whose times lose `shift` bits. */
static inline uint64_t field_behind(uint64_t v, enum lar_field letter, unsigned shift)
{
	uint64_t unit = 1ull << shift, most = UINT64_MAX / unit * unit;

	if (letter == LAR_F_T)
		return v / unit * unit;
	if (letter != LAR_F_U || v % unit == 0)
		return v;
	return v > most ? most : v / unit * unit + unit;
}

/* Encodes r; returns the bytes, to be freed, and their number in *size. */
static inline uint8_t *encode_all(struct lar_encoder *enc, const struct tb_records *r,
				  unsigned shift, size_t *size)
{
	size_t bound = lar_encode_bound(r->count);
	uint8_t *bytes = malloc(bound);
	uint32_t events;

	*size = lar_encode(enc, r->words, r->count, shift, bytes, bound, &events);
	assert_true(*size > 0 && *size <= bound);
	assert_int_equal(events, r->events);
	/* the parts to compress, one behind another, are all of it */
	assert_in_range(enc->parts, 1, LAR_ENC_PARTS);
	assert_int_equal(enc->part[enc->parts - 1], *size);
	for (uint32_t i = 1; i < enc->parts; i++)
		assert_true(enc->part[i - 1] < enc->part[i]);
	return bytes;
}

/* Encodes and decodes; asserts that both agree but for the low bits of times. */
static inline void round_trip(struct lar_encoder *enc, const struct tb_records *r, unsigned shift)
{
	size_t size;
	uint8_t *bytes = encode_all(enc, r, shift, &size);
	uint64_t *out = malloc(r->count * 8 + 8), *scratch = malloc(lar_decode_scratch(size) * 8);
	uint32_t skipped = 7, at[4], met = 0;
	struct lar_places paths = { at, 0, 4 };

	assert_int_equal(lar_decode_places(bytes, size, r->events, shift, out, r->count, scratch,
					   &skipped, &paths),
			 r->count);
	assert_int_equal(skipped, 0);
	for (size_t i = 0; i < r->count;) {
		unsigned kind = lar_word0_kind(r->words[i]);
		size_t words = lar_record_words(r->words[i]);

		assert_true(out[i] == r->words[i]);
		if (kind == LAR_EV_PATH && met < paths.room)
			assert_int_equal(at[met++], i);
		for (size_t f = 1; f < words; f++) {
			uint64_t want = r->words[i + f];

			if (kind != LAR_EV_PATH)
				want = field_behind(want, lar_event_shapes[kind].field[f - 1],
						    shift);
			assert_true(out[i + f] == want);
		}
		i += words;
	}
	assert_int_equal(paths.count, met);
	free(scratch);
	free(out);
	free(bytes);
}

#endif
