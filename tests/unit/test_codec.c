/* SPDX-License-Identifier: MIT */
/* The column codec: what is encoded is decoded, and nothing else is accepted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "randomrecords.h"
#include "roundtrip.h"

/* A block that has just been handed out is given back at once, now and then. */
static void add_pair(struct tb_records *r, size_t last)
{
	const uint64_t *w = r->words + last;

	if (last < r->count && lar_word0_kind(*w) == LAR_EV_ALLOC && random_word() & 1)
		TB_FREE(r, w[1] + random_word() % 20, w[2]);
}

/* Few addresses are referred to each time, more than the encoder can remember not always. */
static void test_all_kinds(void **state)
{
	struct tb_records *r = calloc(1, sizeof(*r));
	struct lar_encoder *enc = tb_encoder(TB_WORDS);

	(void)state;
	for (int round = 0; round < 200; round++) {
		tb_clear(r);
		while (r->count < (round % 40 ? 4000 : 140000)) {
			size_t last = r->count;

			add_random(r, round & 2 ? 30 : 30000);
			add_pair(r, last);
		}
		round_trip(enc, r, round & 1 ? 8 : 0);
	}
	tb_encoder_free(enc);
	free(r);
}

/* More distinct return addresses than the encoder's hash takes: doubles, but still right. */
static void test_many_frames(void **state)
{
	size_t max = 3 * LAR_ENC_RA_SLOTS;
	struct tb_records *r = calloc(1, sizeof(*r));
	struct lar_encoder *enc = tb_encoder(TB_WORDS);

	(void)state;
	TB_FREE(r, 1, 0);
	for (size_t i = 0; i < max; i++)
		tb_path(r, r->nodes, 1, U(0x400000 + i % (max / 2) * 16));
	round_trip(enc, r, 0);
	tb_encoder_free(enc);
	free(r);
}

/* More forms than a block can number, and nodes whose forms have the same place. */
static void test_many_forms(void **state)
{
	struct tb_records *r = calloc(1, sizeof(*r));
	struct lar_encoder *enc = tb_encoder(TB_WORDS);
	uint64_t nodes = LAR_FORMS + 1000, time = 0;

	(void)state;
	for (uint64_t i = 0; i < nodes; i++)
		tb_path(r, 0, 1, U(0x400000 + i * 16));
	for (int round = 0; round < 3; round++)
		for (uint64_t i = 1; i <= nodes; i++)
			tb_add(r, LAR_EV_ALLOC, 0, LAR_CALL_malloc, ++time, i * 32, i % 7, i);
	round_trip(enc, r, 0);
	tb_clear(r);
	for (uint64_t i = 0; i < LAR_ENC_NODES + 10; i++)
		tb_path(r, 0, 1, U(0x400000));
	for (uint64_t i = 1; i <= 10; i++) {
		tb_add(r, LAR_EV_ALLOC, 0, LAR_CALL_malloc, ++time, i * 32, i, i);
		tb_add(r, LAR_EV_ALLOC, 0, LAR_CALL_malloc, ++time, i * 64, i, LAR_ENC_NODES + i);
		tb_add(r, LAR_EV_ALLOC, 0, LAR_CALL_calloc, ++time, i * 96, i, i);
	}
	round_trip(enc, r, 0);
	tb_encoder_free(enc);
	free(r);
}

static size_t small_block(uint8_t *bytes, size_t room, struct tb_records *r)
{
	struct lar_encoder *enc = tb_encoder(TB_WORDS);
	uint32_t events;
	size_t size;

	tb_clear(r);
	TB_THREAD(r, 100, 7, 1, 0);
	tb_path(r, 0, 2, U(0xaaa), U(0xbbb));
	tb_add(r, LAR_EV_ALLOC, 0, LAR_CALL_malloc, U(200), U(0x1000), U(16), U(2));
	TB_FREE(r, 300, 0x1000);
	size = lar_encode(enc, r->words, r->count, 0, bytes, room, &events);
	assert_true(size > 0);
	tb_encoder_free(enc);
	return size;
}

static int64_t decode(const uint8_t *bytes, size_t size, uint32_t events, unsigned shift,
		      uint64_t *out, size_t room)
{
	uint64_t *scratch = malloc(lar_decode_scratch(size) * 8 + 8);
	uint32_t skipped;
	int64_t words = lar_decode(bytes, size, events, shift, out, room, scratch, &skipped);

	free(scratch);
	return words;
}

/* Every prefix of a block is refused: nothing is read behind the end. */
static void test_truncated(void **state)
{
	struct tb_records *r = calloc(1, sizeof(*r));
	uint8_t bytes[1024];
	uint64_t out[64];
	size_t size = small_block(bytes, sizeof(bytes), r);

	(void)state;
	for (size_t n = 0; n < size; n++) {
		uint8_t *cut = malloc(n + 1); /* exact, so that a sanitizer sees each overrun */

		memcpy(cut, bytes, n);
		assert_int_equal(decode(cut, n, r->events, 0, out, 64), -1);
		free(cut);
	}
	free(r);
}

static void test_room(void **state)
{
	struct tb_records *r = calloc(1, sizeof(*r));
	uint8_t bytes[1024];
	uint64_t out[64];
	size_t size = small_block(bytes, sizeof(bytes), r);

	(void)state;
	assert_int_equal(decode(bytes, size, r->events, 0, out, r->count), r->count);
	for (size_t room = 0; room < r->count; room++)
		assert_int_equal(decode(bytes, size, r->events, 0, out, room), -1);
	assert_int_equal(decode(bytes, size, r->events, 33, out, 64), -1);
	free(r);
}

/* What is not whole records is not encoded, nor what has no room. */
static void test_not_encoded(void **state)
{
	struct tb_records *r = calloc(1, sizeof(*r));
	uint8_t bytes[8192];
	struct lar_encoder *enc = tb_encoder(64);
	uint32_t events;
	size_t size = small_block(bytes, sizeof(bytes), r);

	(void)state;
	for (size_t n = 1; n < r->count; n++)
		if (n != 5 && n != 8 && n != 12) /* the ends of the records */
			assert_int_equal(
				lar_encode(enc, r->words, n, 0, bytes, sizeof(bytes), &events), 0);
	assert_int_equal(lar_encode(enc, r->words, r->count, 0, bytes, size - 1, &events), 0);
	assert_int_equal(lar_encode(enc, r->words, 65, 0, bytes, sizeof(bytes), &events), 0);
	r->words[5] |= 1ull << 32; /* below a node that is not there yet */
	assert_int_equal(lar_encode(enc, r->words, r->count, 0, bytes, sizeof(bytes), &events), 0);
	r->words[0] = lar_word0(31, 0, 0, 0); /* no such kind */
	assert_int_equal(lar_encode(enc, r->words, r->count, 0, bytes, sizeof(bytes), &events), 0);
	tb_encoder_free(enc);
	free(r);
}

/* The bytes of a block are a promise to other readers: this one was worked out by hand. */
static void test_known_bytes(void **state)
{
	struct tb_records *r = calloc(1, sizeof(*r));
	uint8_t bytes[1024];
	size_t size = small_block(bytes, sizeof(bytes), r);
	static const uint8_t expected[] = { 17, /* streams */
					    /* fixed streams and their bytes */
					    0, 10, 1, 4, 2, 4, 3, 1, 4, 1, 5, 2, 6, 2, 7, 4,
					    /* ALLOC: address, size */
					    33, 1, 34, 1,
					    /* FREE: address */
					    41, 1,
					    /* THREAD: tid, number, creator */
					    25, 1, 26, 1, 27, 1,
					    /* steps; those of frees; long ones */
					    10, 1, 11, 1, 12, 6,
					    /* shapes */
					    1, 4, 0x82, 0x80, 0x04, 0x80 | 3, 0x83, 0x80, 0x14, 2,
					    /* sequence: THREAD, PATH, ALLOC, FREE */
					    1, 0, 1, 1,
					    /* return addresses: 0xaaa * 2, 0x111 * 2 */
					    0xd4, 0x2a, 0xa2, 0x04,
					    /* parent; frames; indices */
					    0, 2, 0, 1,
					    /* 0x1000 / 8 * 4 */
					    0x80, 0x10,
					    /* forms: THREAD; ALLOC, the last node; FREE */
					    0, 1, 0, 2,
					    /* no reference; size */
					    0, 16,
					    /* allocation 0 */
					    2,
					    /* tid; number; creator */
					    7, 1, 0,
					    /* time 100; 100 later; 100 later: all are long */
					    0xff, 0x0f, 0xc8, 0x01, 0xc8, 0x01, 0xc8, 0x01 };

	(void)state;
	assert_int_equal(size, sizeof(expected));
	assert_memory_equal(bytes, expected, sizeof(expected));
	free(r);
}

/* Whether each parent and node is one that exists by then, as lar_decode() promises. */
static bool nodes_exist(const uint64_t *w, const uint64_t *end)
{
	uint64_t nodes = 0;

	for (; w < end; w += lar_record_words(*w)) {
		unsigned kind = lar_word0_kind(*w);

		if (lar_word0_node(*w) > nodes)
			return false;
		if (kind == LAR_EV_PATH)
			nodes += lar_word0_call(*w);
		else if (!lar_event_shapes[kind].has_stack && lar_word0_node(*w))
			return false;
	}
	return w == end;
}

/* Changed bytes give an error or whole records, never an overrun (run under sanitizers). */
static void test_mutated(void **state)
{
	struct tb_records *r = calloc(1, sizeof(*r));
	uint8_t *bytes = malloc(8192), *copy;
	uint64_t *out = malloc(400 * 8);
	struct lar_encoder *enc = tb_encoder(400);
	uint32_t events, refused = 0;
	size_t size;

	(void)state;
	while (r->count < 300)
		add_random(r, 8);
	size = lar_encode(enc, r->words, r->count, 0, bytes, 8192, &events);
	assert_true(size > 0);
	copy = malloc(size);
	for (int i = 0; i < 50000; i++) {
		int64_t words;

		memcpy(copy, bytes, size);
		for (unsigned k = 0; k <= (unsigned)(random_word() % 3); k++)
			copy[random_word() % size] = (uint8_t)random_word();
		words = decode(copy, size, events, 0, out, 400);
		refused += words < 0;
		if (words >= 0)
			assert_true(nodes_exist(out, out + words));
	}
	assert_true(refused > 5000 && refused < 45000);
	tb_encoder_free(enc);
	free(out);
	free(copy);
	free(bytes);
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_kinds),   cmocka_unit_test(test_many_frames),
		cmocka_unit_test(test_truncated),   cmocka_unit_test(test_room),
		cmocka_unit_test(test_not_encoded), cmocka_unit_test(test_known_bytes),
		cmocka_unit_test(test_mutated),	    cmocka_unit_test(test_many_forms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
