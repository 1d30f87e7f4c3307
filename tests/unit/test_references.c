/* SPDX-License-Identifier: MIT */
/* link: analyzer/decode.o */
/* Addresses by reference: which codes they get, and that they come back, whatever is forgotten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../preload/format/encode.c"
#include "roundtrip.h"

struct fixture {
	struct tb_records r;
	struct lar_encoder *enc;
	uint8_t *bytes; /* of the last block */
	size_t size;
	uint64_t time;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->enc = tb_encoder(TB_WORDS);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	tb_encoder_free(f->enc);
	free(f->bytes);
	free(f);
	return 0;
}

static void alloc(struct fixture *f, uint64_t address, uint64_t size)
{
	tb_add(&f->r, LAR_EV_ALLOC, 0, LAR_CALL_malloc, ++f->time, address, size, U(0));
}

static void release(struct fixture *f, uint64_t address)
{
	TB_FREE(&f->r, ++f->time, address);
}

static void reallocate(struct fixture *f, uint64_t old, uint64_t new, uint64_t size)
{
	tb_add(&f->r, LAR_EV_REALLOC, 0, LAR_CALL_realloc, ++f->time, U(1), old, new, size, U(0));
}

/* Ends a block: it must decode to what it was made of. */
static void seal(struct fixture *f)
{
	free(f->bytes);
	f->bytes = encode_all(f->enc, &f->r, 0, &f->size);
	round_trip(f->enc, &f->r, 0);
	tb_clear(&f->r);
}

static uint64_t varint(const uint8_t **p)
{
	uint64_t v = 0;

	for (unsigned shift = 0;; shift += 7) {
		v |= (uint64_t)(**p & 0x7f) << shift;
		if (*(*p)++ < 0x80)
			return v;
	}
}

/* A stream of the block, and its bytes in *size. */
static const uint8_t *stream_of(const struct fixture *f, unsigned number, size_t *size)
{
	const uint8_t *p = f->bytes, *found = NULL, *directory;
	uint64_t streams = varint(&p), before = 0;

	*size = 0;
	directory = p;
	for (uint64_t i = 0; i < streams; i++) {
		uint64_t n = varint(&p), bytes = varint(&p);

		if (n == number) {
			found = directory + before; /* behind the directory: below */
			*size = bytes;
		}
		before += bytes;
	}
	return found ? found + (p - directory) : NULL;
}

/* The codes of a field, one digit each where they have one. */
static void expect_codes(const struct fixture *f, unsigned kind, unsigned field,
			 const uint64_t *codes, size_t count)
{
	size_t size;
	const uint8_t *p = stream_of(f, LAR_STREAM_FIELD + kind * 8 + field, &size), *end;

	assert_non_null(p);
	end = p + size;
	for (size_t i = 0; i < count; i++) {
		assert_true(p < end);
		assert_int_equal(varint(&p), codes[i]);
	}
	assert_true(p == end);
}
#define CODES(f, kind, field, ...)                                                                 \
	expect_codes(f, LAR_EV_##kind, field, (const uint64_t[]){ __VA_ARGS__ },                   \
		     sizeof((const uint64_t[]){ __VA_ARGS__ }) / 8)

/* How many addresses of the block stand for themselves, each in `width` bytes. */
static void expect_explicit(const struct fixture *f, size_t count, size_t width)
{
	size_t size;

	stream_of(f, LAR_STREAM_ADDRESS, &size);
	assert_int_equal(size, count * width);
}

/* Last freed, first used: each free refers 2 back, then so does each allocation. */
static void test_lifo(void **state)
{
	struct fixture *f = *state;

	for (uint64_t i = 0; i < 4; i++)
		alloc(f, 0x100000 + 32 * i, 20);
	for (uint64_t i = 4; i-- > 0;)
		release(f, 0x100000 + 32 * i);
	for (uint64_t i = 0; i < 4; i++)
		alloc(f, 0x100000 + 32 * i, 20);
	seal(f);
	/* allocation 3 is 3 behind the first; each next one 2 before the one behind the last */
	CODES(f, FREE, 1, 2 + 6, 2 + 3, 2 + 3, 2 + 3);
	/* the last free is the one expected; each next one 2 before the one behind it */
	CODES(f, ALLOC, 1, 0, 2, 2, 2, 4 + 0, 4 + 3, 4 + 3, 4 + 3);
	expect_explicit(f, 1, 3);
}

/* First freed, first used. */
static void test_fifo(void **state)
{
	struct fixture *f = *state;

	for (uint64_t i = 0; i < 4; i++)
		alloc(f, 0x100000 + 32 * i, 20);
	for (uint64_t i = 0; i < 4; i++)
		release(f, 0x100000 + 32 * i);
	for (uint64_t i = 0; i < 4; i++)
		alloc(f, 0x100000 + 32 * i, 20);
	seal(f);
	CODES(f, FREE, 1, 2, 2, 2, 2);
	/* the last free was expected, not the first of four: 3 before it */
	CODES(f, ALLOC, 1, 0, 2, 2, 2, 4 + 5, 4, 4, 4);
}

/* One block used again and again costs a byte each time. */
static void test_again(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 4; i++) {
		alloc(f, 0x100000, 20);
		release(f, 0x100000);
	}
	seal(f);
	CODES(f, ALLOC, 1, 0, 4, 4, 4);
	CODES(f, FREE, 1, 2, 2, 2, 2);
}

static uint64_t chunk_of(uint64_t size)
{
	return lar_chunk_size(size, lar_size_class(size));
}

/* Classes of sizes have lists of their own; a reference into another one is a reference, too. */
static void test_classes(void **state)
{
	struct fixture *f = *state;

	alloc(f, 0x100000, 24);
	alloc(f, 0x200000, 25); /* the next class */
	release(f, 0x100000);
	release(f, 0x200000);
	alloc(f, 0x100000, 9);	/* as 24 */
	alloc(f, 0x200000, 40); /* as 25 */
	release(f, 0x100000);
	alloc(f, 0x100000, 1 << 20); /* free 2, where nothing says more than 0 */
	seal(f);
	CODES(f, ALLOC, 1, 0, 0, 4, 4, 4 + 4);
	assert_int_equal(lar_size_class(0), 2); /* no chunk is smaller than 32 bytes */
	assert_int_equal(lar_size_class(24), 2);
	assert_int_equal(lar_size_class(25), 3);
	assert_int_equal(lar_size_class(1032), 65);
	assert_int_equal(lar_size_class(1033), 74);
	assert_int_equal(lar_size_class(2047), 74);
	assert_int_equal(lar_size_class(2048), 75);
	assert_int_equal(lar_size_class(UINT64_MAX), 127);
	assert_int_equal(chunk_of(0), 32);
	assert_int_equal(chunk_of(24), 32);
	assert_int_equal(chunk_of(25), 48);
	assert_int_equal(chunk_of(1032), 1040);
	assert_int_equal(chunk_of(1033), 1056);
}

/* What the block has not seen stands for itself, once. */
static void test_foreign(void **state)
{
	struct fixture *f = *state;

	alloc(f, 0x100000, 20);
	release(f, 0x900010);
	release(f, 0x900010); /* twice: wrong, but it was so */
	release(f, 0x900018); /* the same word of 16 */
	alloc(f, 0x900018, 20);
	alloc(f, 0x900010, 20);
	release(f, 0x900010);
	alloc(f, 0x900010, 20);
	alloc(f, 0x900010, 20); /* twice, too */
	release(f, 0x900010);
	seal(f);
	/* of three frees the last, then the one before it; of allocations the one after next */
	CODES(f, FREE, 1, 0, 0, 0, 2 + 4, 2 + 2);
	CODES(f, ALLOC, 1, 0, 4 + 4, 4 + 3, 4, 0);
}

static void test_null(void **state)
{
	struct fixture *f = *state;

	alloc(f, 0x100000, 20);
	release(f, 0);
	alloc(f, 0, UINT64_MAX);
	alloc(f, 0x100020, 20); /* still the next one */
	release(f, 0);
	release(f, 0x100020); /* still allocation 1 */
	reallocate(f, 0, 0, 7);
	alloc(f, 0x100020, 20); /* still free 0 */
	seal(f);
	CODES(f, ALLOC, 1, 0, 1, 2, 4);
	CODES(f, FREE, 1, 1, 1, 2 + 2);
	CODES(f, REALLOC, 2, 1);
	CODES(f, REALLOC, 3, 1);
}

/* In place, to and fro, growing through the classes; malloc and free by another name. */
static void test_reallocs(void **state)
{
	struct fixture *f = *state;
	uint64_t at = 0x100000;

	reallocate(f, 0, at, 10);
	reallocate(f, at, at, 20);
	reallocate(f, at, 0x200000, 500);
	reallocate(f, 0x200000, at, 20);
	reallocate(f, at, 0, 0);
	seal(f);
	CODES(f, REALLOC, 2, 1, 2, 2, 2, 2);
	/* what it freed itself; what is new; free 1, the last one of that class */
	CODES(f, REALLOC, 3, 0, 3, 0, 4, 1);
	for (uint64_t size = 1; size < 1ull << 40; size += size / 2 + 1) {
		uint64_t to = at + size;

		reallocate(f, at, to, size);
		at = to;
	}
	reallocate(f, at, UINT64_MAX, UINT64_MAX);
	reallocate(f, UINT64_MAX, 8, 0);
	seal(f);
}

/* No room for more bits beside the class: such addresses are never referred to. */
static void test_high(void **state)
{
	static const uint64_t high[] = { 1ull << 56, 0xff00000000000010, UINT64_MAX, 1ull << 63 };
	struct fixture *f = *state;

	for (int i = 0; i < 4; i++) {
		alloc(f, high[i], 1 << 20);
		release(f, high[i]);
		reallocate(f, high[i], high[i], 24);
	}
	seal(f);
	CODES(f, ALLOC, 1, 0, 0, 0, 0);
	CODES(f, FREE, 1, 0, 0, 0, 0);
	CODES(f, REALLOC, 2, 0, 0, 0, 0);
	CODES(f, REALLOC, 3, 0, 0, 0, 0);
	alloc(f, (1ull << 56) - 16, 24); /* the highest of the others */
	release(f, (1ull << 56) - 16);
	alloc(f, (1ull << 56) + 16, 24); /* what comes next to it is too high */
	release(f, (1ull << 56) + 16);
	seal(f);
	CODES(f, ALLOC, 1, 0, 2);
	CODES(f, FREE, 1, 2, 0);
}

/* A bucket holds four; what it has forgotten stands for itself. */
static void test_full_bucket(void **state)
{
	struct fixture *f = *state;
	uint64_t address[7], n = 0;

	for (uint64_t a = 0x100000; n < 7; a += 4096)
		if (bucket_of(a) == bucket_of(0x100000))
			address[n++] = a;
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 7; i++)
			alloc(f, address[i], 24);
		for (int i = 7; i-- > 0;)
			release(f, address[i]);
	}
	for (int i = 0; i < 7; i++)
		release(f, address[i]);
	seal(f);
	/* the frees know 6 to 3; 2, 1 and 0 push 3, 4 and 5 out, and so on: of the second round 0
	 * to 2 are frees 6 to 4, where the one behind 3 was expected */
	CODES(f, ALLOC, 1, 0, 0, 0, 0, 0, 0, 0, 4 + 6, 4 + 3, 4 + 3, 0, 0, 0, 0);
}

/* What an earlier block has seen is not known, also when the generations begin anew. */
static void test_generations(void **state)
{
	struct fixture *f = *state;

	f->enc->generation = UINT32_MAX - 3;
	for (int i = 0; i < 6; i++) {
		if (i & 1)
			alloc(f, 0x100000, 24);
		release(f, 0x100000);
		seal(f); /* encodes twice */
		CODES(f, FREE, 1, i & 1 ? 2 : 0);
	}
	assert_int_equal(f->enc->generation, 9);
}

/* Lengths of time are rounded up, and never over the end. */
static void test_round_up(void **state)
{
	static const uint64_t ticks[][2] = {
		{ 0, 0 },
		{ 1, 256 },
		{ 255, 256 },
		{ 256, 256 },
		{ 257, 512 },
		{ UINT64_MAX - 256, UINT64_MAX - 255 },
		{ UINT64_MAX - 255, UINT64_MAX - 255 },
		{ UINT64_MAX - 254, UINT64_MAX - 255 },
		{ UINT64_MAX, UINT64_MAX - 255 },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(ticks) / sizeof(*ticks); i++) {
		assert_true(lar_round_up(ticks[i][0], 8) == ticks[i][1]);
		assert_true(lar_round_up(ticks[i][0], 0) == ticks[i][0]);
		tb_add(&f->r, LAR_EV_REALLOC, 0, 0, U(1), ticks[i][0], U(0), U(0), U(0), U(0));
	}
	round_trip(f->enc, &f->r, 8);
	round_trip(f->enc, &f->r, 0);
	round_trip(f->enc, &f->r, 32);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_lifo),	TEST(test_fifo),     TEST(test_again),
		TEST(test_classes),	TEST(test_foreign),  TEST(test_null),
		TEST(test_reallocs),	TEST(test_high),     TEST(test_full_bucket),
		TEST(test_generations), TEST(test_round_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
