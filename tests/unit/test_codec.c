/* SPDX-License-Identifier: MIT */
/* The column codec: what is encoded is decoded, and nothing else is accepted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tracebuild.h"

#define SHIFT 8

static struct lar_encoder *encoder(size_t words)
{
	struct lar_encoder *enc = calloc(1, sizeof(*enc));

	enc->region_size = lar_encode_region_size(words);
	enc->regions = malloc(enc->region_size * LAR_ENC_REGIONS);
	return enc;
}

static void encoder_free(struct lar_encoder *enc)
{
	free(enc->regions);
	free(enc);
}

/* Encodes and decodes; asserts that both agree but for the low bits of the time. */
static void round_trip(struct lar_encoder *enc, const struct tb_records *r, unsigned shift)
{
	size_t bound = lar_encode_bound(r->count), size;
	uint8_t *bytes = malloc(bound);
	uint64_t *out = malloc(r->count * 8 + 8), *scratch;
	uint32_t events, skipped = 7;
	int64_t words;

	size = lar_encode(enc, r->words, r->count, shift, bytes, bound, &events);
	assert_true(size > 0);
	assert_int_equal(events, r->events);
	scratch = malloc(size * 8);
	words = lar_decode(bytes, size, events, shift, out, r->count, scratch, size, &skipped);
	assert_int_equal(words, r->count);
	assert_int_equal(skipped, 0);
	for (size_t i = 0; i < r->count; i += lar_record_words(r->words[i])) {
		size_t n = lar_record_words(r->words[i]);

		assert_true(out[i] == r->words[i]);
		assert_true(out[i + 1] == r->words[i + 1] >> shift << shift);
		assert_memory_equal(out + i + 2, r->words + i + 2, (n - 2) * 8);
	}
	free(scratch);
	free(out);
	free(bytes);
}

static uint64_t random_state = 88172645463325252ull;
static uint64_t random_word(void) /* xorshift64, Marsaglia 2003 */
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* Values as they come: small, large, extreme, misaligned. */
static uint64_t random_value(void)
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

static void test_all_kinds(void **state)
{
	struct tb_records *r = calloc(1, sizeof(*r));
	struct lar_encoder *enc = encoder(TB_WORDS);

	(void)state;
	for (int round = 0; round < 200; round++) {
		uint64_t depth = 0;

		r->count = r->events = 0;
		while (r->count < 4000) {
			unsigned kind = (unsigned)(random_word() % LAR_EV_MAX);
			const struct lar_event_shape *s = &lar_event_shapes[kind];
			uint64_t *w = r->words + r->count, kept = 0, pushed = 0;

			if (!s->fields)
				continue;
			if (s->has_stack) {
				kept = depth ? random_word() % (depth + 1) : 0;
				pushed = random_word() % 5;
				depth = kept + pushed;
			}
			for (unsigned f = 0; f < s->fields; f++)
				w[1 + f] = random_value();
			for (uint64_t i = 0; i < pushed; i++)
				w[1 + s->fields + i] = random_value();
			w[0] = lar_word0(kind, (unsigned)random_word() & 3,
					 (unsigned)random_word() & 7, (unsigned)kept,
					 (unsigned)pushed);
			r->count += 1 + s->fields + pushed;
			r->events++;
		}
		round_trip(enc, r, round & 1 ? SHIFT : 0);
	}
	encoder_free(enc);
	free(r);
}

/* More distinct return addresses than the encoder's hash takes: doubles, but still right. */
static void test_many_addresses(void **state)
{
	size_t max = 3 * LAR_ENC_RA_SLOTS;
	struct tb_records *r = calloc(1, sizeof(*r));
	struct lar_encoder *enc = encoder(TB_WORDS);

	(void)state;
	for (size_t i = 0; i < max; i++)
		tb_add(r, LAR_EV_STACK, 0, 0, U(i), U(0), U(1), U(0x400000 + i % (max / 2) * 16));
	round_trip(enc, r, 0);
	encoder_free(enc);
	free(r);
}

static size_t small_block(uint8_t *bytes, size_t room, struct tb_records *r)
{
	struct lar_encoder *enc = encoder(TB_WORDS);
	uint32_t events;
	size_t size;

	r->count = r->events = 0;
	TB_THREAD(r, 100, 7, 1, 0);
	tb_add(r, LAR_EV_ALLOC, 0, LAR_CALL_malloc, U(200), U(0x1000), U(16), U(0), U(2), U(0xaaa),
	       U(0xbbb));
	TB_FREE(r, 300, 0x1000);
	size = lar_encode(enc, r->words, r->count, 0, bytes, room, &events);
	assert_true(size > 0);
	encoder_free(enc);
	return size;
}

/* Every prefix of a block is refused: nothing is read behind the end. */
static void test_truncated(void **state)
{
	struct tb_records *r = calloc(1, sizeof(*r));
	uint8_t bytes[1024];
	uint64_t out[64], scratch[256];
	uint32_t skipped;
	size_t size = small_block(bytes, sizeof(bytes), r);

	(void)state;
	for (size_t n = 0; n < size; n++) {
		uint8_t *cut = malloc(n + 1); /* exact, so that a sanitizer sees each overrun */

		memcpy(cut, bytes, n);
		assert_int_equal(lar_decode(cut, n, r->events, 0, out, 64, scratch, 256, &skipped),
				 -1);
		free(cut);
	}
	free(r);
}

static void test_room(void **state)
{
	struct tb_records *r = calloc(1, sizeof(*r));
	uint8_t bytes[1024];
	uint64_t out[64], scratch[256];
	uint32_t skipped, events;
	size_t size = small_block(bytes, sizeof(bytes), r);

	(void)state;
	for (size_t room = 0; room < r->count; room++)
		assert_int_equal(
			lar_decode(bytes, size, r->events, 0, out, room, scratch, 256, &skipped),
			-1);
	assert_int_equal(lar_decode(bytes, size, r->events, 0, out, r->count, scratch, 1, &skipped),
			 -1); /* two distinct return addresses */
	assert_int_equal(lar_decode(bytes, size, r->events + 1, 0, out, 64, scratch, 256, &skipped),
			 -1);
	assert_int_equal(lar_decode(bytes, size, r->events, 33, out, 64, scratch, 256, &skipped),
			 -1);
	/* not whole, and a stack that keeps more than there was */
	{
		struct lar_encoder *enc = encoder(r->count);

		assert_int_equal(
			lar_encode(enc, r->words, r->count - 1, 0, bytes, sizeof(bytes), &events),
			0);
		r->words[5] |= 1ull << 32;
		assert_int_equal(
			lar_encode(enc, r->words, r->count, 0, bytes, sizeof(bytes), &events), 0);
		encoder_free(enc);
	}
	free(r);
}

static size_t put(uint8_t *p, size_t at, uint8_t byte)
{
	p[at] = byte;
	return at + 1;
}

/*
 * A block by hand, with a kind 31 that this version does not know: two fields and a stack. Its
 * stack must stay known to the ALLOC behind it, which keeps both of its frames.
 */
static void test_unknown_kind(void **state)
{
	uint8_t b[128];
	uint64_t out[64], scratch[64];
	uint32_t skipped;
	size_t n = 0;

	(void)state;
	static const uint8_t directory[] = {
		11,	       /* streams: */
		0,    6,       /* shapes */
		1,    2,       /* sequence */
		2,    4,       /* return addresses */
		3,    2,       /* popped */
		4,    2,       /* pushed */
		5,    3,       /* indices */
		0x80, 0x02, 1, /* 256 = 8 + 31 * 8 + 0: time of kind 31 */
		0x81, 0x02, 1, /* its second field */
		24,   1,       /* 8 + 2 * 8: time of ALLOC */
		25,   1,       /* address */
		26,   1,       /* size */
	};
	static const uint8_t shapes[] = { 31, 0x80 | 2, 0x82, 0x80, 0x04, 0x80 | 3 };

	memcpy(b, directory, sizeof(directory));
	n = sizeof(directory);
	/* varint 31 = kind 31; varint 0x10002 = ALLOC, call malloc */
	memcpy(b + n, shapes, sizeof(shapes));
	n += sizeof(shapes);
	n = put(b, n, 0); /* sequence: kind 31, ALLOC */
	n = put(b, n, 1);
	n = put(b, n, 0xa0); /* 0x10 zigzag 0x20: as two bytes */
	n = put(b, n, 0x00);
	n = put(b, n, 0x20); /* +0x10 */
	n = put(b, n, 0x20); /* +0x10 */
	n = put(b, n, 0);    /* popped */
	n = put(b, n, 0);
	n = put(b, n, 2); /* pushed */
	n = put(b, n, 1);
	n = put(b, n, 0); /* indices */
	n = put(b, n, 1);
	n = put(b, n, 2);
	n = put(b, n, 10); /* time 5 */
	n = put(b, n, 99); /* never looked at */
	n = put(b, n, 2);  /* time 6 */
	n = put(b, n, 8);  /* address 16 */
	n = put(b, n, 3);  /* size 3 */
	assert_int_equal(lar_decode(b, n, 2, 0, out, 64, scratch, 64, &skipped), 4 + 5);
	assert_int_equal(skipped, 1);
	assert_true(out[0] == lar_word0(LAR_EV_STACK, 0, 0, 0, 2));
	assert_int_equal(out[1], 5);
	assert_int_equal(out[2], 0x10);
	assert_int_equal(out[3], 0x20);
	assert_true(out[4] == lar_word0(LAR_EV_ALLOC, 0, LAR_CALL_malloc, 2, 1));
	assert_int_equal(out[5], 6);
	assert_int_equal(out[6], 16);
	assert_int_equal(out[7], 3);
	assert_int_equal(out[8], 0x30);
}

/* The bytes of a block are a promise to other readers: this one was worked out by hand. */
static void test_known_bytes(void **state)
{
	struct tb_records *r = calloc(1, sizeof(*r));
	uint8_t bytes[1024];
	size_t size = small_block(bytes, sizeof(bytes), r);
	static const uint8_t expected[] = {
		16, /* streams */
		0,    10,   1,	  3,	2,    4,	3,    1,    4,	  1,
		5,    2,					 /* fixed streams and their bytes */
		16,   2,    17,	  1,	18,   1,	19,   1, /* THREAD: time, tid, number,
								    creator */
		24,   2,    25,	  2,	26,   1,		 /* ALLOC: time, address, size */
		32,   2,    33,	  1,	34,   1,		 /* FREE: time, address, size */
		1,    4,    0x82, 0x80, 0x04, 0x80 | 3, 0x83, 0x80, 0x14, 3, /* shapes */
		0,    1,    2,						     /* sequence */
		0xd4, 0x2a, 0xa2, 0x04,	    /* 0xaaa * 2, 0x111 * 2 */
		0,    2,    0,	  1,	    /* popped; pushed; indices */
		0xc8, 0x01, 7,	  1,	0,  /* time 100; tid; number; creator */
		0xc8, 0x01, 0x80, 0x10, 16, /* +100; 0x1000 / 8 * 4; size */
		0xc8, 0x01, 0,	  0,	    /* +100; the same address; no size */
	};

	(void)state;
	assert_int_equal(size, sizeof(expected));
	assert_memory_equal(bytes, expected, sizeof(expected));
	free(r);
}

/* Flipped bits give an error or some records, never an overrun (run under sanitizers). */
static void test_mutated(void **state)
{
	struct tb_records *r = calloc(1, sizeof(*r));
	uint8_t bytes[1024];
	uint64_t out[64], scratch[256];
	uint32_t skipped, refused = 0;
	size_t size = small_block(bytes, sizeof(bytes), r);
	uint8_t *copy = malloc(size);

	(void)state;
	for (int i = 0; i < 20000; i++) {
		memcpy(copy, bytes, size);
		for (unsigned k = 0; k <= (unsigned)(random_word() % 3); k++)
			copy[random_word() % size] = (uint8_t)random_word();
		refused += lar_decode(copy, size, r->events, 0, out, r->count, scratch, 256,
				      &skipped) < 0;
	}
	assert_true(refused > 5000 && refused < 20000);
	free(copy);
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_kinds),    cmocka_unit_test(test_many_addresses),
		cmocka_unit_test(test_truncated),    cmocka_unit_test(test_room),
		cmocka_unit_test(test_unknown_kind), cmocka_unit_test(test_known_bytes),
		cmocka_unit_test(test_mutated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
