/* SPDX-License-Identifier: MIT */
/* Blocks made by hand, as FORMAT.md has them: of later versions, and of nobody's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tracebuild.h"

#define MAX_STREAMS 24
#define MAX_BYTES   65536

/* A block as its streams. */
struct draft {
	struct {
		unsigned number;
		size_t size;
		uint8_t bytes[MAX_BYTES];
	} stream[MAX_STREAMS];
	unsigned count;
};

/* Appends to a stream, which it may begin. */
static void put(struct draft *d, unsigned number, const uint8_t *bytes, size_t size)
{
	unsigned i = 0;

	while (i < d->count && d->stream[i].number != number)
		i++;
	assert_true(i < MAX_STREAMS);
	if (i == d->count) {
		d->stream[d->count++].number = number;
		d->stream[i].size = 0;
	}
	assert_true(d->stream[i].size + size <= MAX_BYTES);
	memcpy(d->stream[i].bytes + d->stream[i].size, bytes, size);
	d->stream[i].size += size;
}
#define PUT(d, number, ...)                                                                        \
	put(d, number, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* Replaces what a stream holds; without bytes it is empty. */
static void set(struct draft *d, unsigned number, const uint8_t *bytes, size_t size)
{
	for (unsigned i = 0; i < d->count; i++)
		if (d->stream[i].number == number)
			d->stream[i].size = 0;
	put(d, number, bytes, size);
}
#define SET(d, number, ...)                                                                        \
	set(d, number, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static uint8_t *put_varint(uint8_t *p, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		*p++ = (uint8_t)(v | 0x80);
	*p++ = (uint8_t)v;
	return p;
}

static size_t gather(const struct draft *d, uint8_t *out)
{
	uint8_t *p = put_varint(out, d->count);

	for (unsigned i = 0; i < d->count; i++)
		p = put_varint(put_varint(p, d->stream[i].number), d->stream[i].size);
	for (unsigned i = 0; i < d->count; i++) {
		memcpy(p, d->stream[i].bytes, d->stream[i].size);
		p += d->stream[i].size;
	}
	return (size_t)(p - out);
}

static uint64_t out[MAX_BYTES];
static uint32_t skipped;

/* Decodes into `out`; in memory of just the right size, for sanitizers. */
static int64_t decode(const struct draft *d, uint32_t events, unsigned shift)
{
	static uint8_t bytes[MAX_STREAMS * MAX_BYTES];
	size_t size = gather(d, bytes);
	uint8_t *exact = malloc(size);
	uint64_t *scratch = malloc(lar_decode_scratch(size) * 8);
	int64_t words;

	memcpy(exact, bytes, size);
	words = lar_decode(exact, size, events, shift, out, MAX_BYTES, scratch, &skipped);
	free(scratch);
	free(exact);
	return words;
}

#define FIELD(kind, f) (16 + 8 * (kind) + (f))
#define ALLOC	       LAR_EV_ALLOC
#define FREE	       LAR_EV_FREE

/* PATH, ALLOC with its node, FREE of what it got: 2 events, 2 + 4 + 3 words. */
static void draft_good(struct draft *d)
{
	d->count = 0;
	PUT(d, LAR_STREAM_SHAPES, 0x82, 0x80, 0x04, 0x83, 0x83, 0x80, 0x14, 2);
	PUT(d, LAR_STREAM_SEQUENCE, 0, 1, 1);
	PUT(d, LAR_STREAM_RAS, 0x20);
	PUT(d, LAR_STREAM_PARENT, 0);
	PUT(d, LAR_STREAM_FRAMES, 1);
	PUT(d, LAR_STREAM_RA_INDEX, 0);
	PUT(d, LAR_STREAM_ADDRESS, 8);
	PUT(d, LAR_STREAM_FORMS, 0, 0, 1);
	PUT(d, LAR_STREAM_STEP, 5);
	PUT(d, LAR_STREAM_FREED_STEP, 1);
	PUT(d, FIELD(ALLOC, 1), 0);
	PUT(d, FIELD(ALLOC, 2), 3);
	PUT(d, FIELD(FREE, 1), 2);
}

static void test_good(void **state)
{
	struct draft *d = calloc(1, sizeof(*d));
	const uint64_t expected[] = { lar_word0(LAR_EV_PATH, 0, 1, 0),
				      0x10,
				      lar_word0(ALLOC, 0, LAR_CALL_malloc, 1),
				      5 << 4,
				      0x10,
				      3,
				      lar_word0(FREE, 0, LAR_CALL_free, 0),
				      6 << 4,
				      0x10 };

	(void)state;
	draft_good(d);
	assert_int_equal(decode(d, 2, 4), 9);
	assert_memory_equal(out, expected, sizeof(expected));
	assert_int_equal(skipped, 0);
	free(d);
}

/* The good one with one stream changed is refused. */
static void test_out_of_range(void **state)
{
	struct draft *d = calloc(1, sizeof(*d));

	(void)state;
#define REFUSED(number, ...)                                                                       \
	do {                                                                                       \
		draft_good(d);                                                                     \
		SET(d, number, __VA_ARGS__);                                                       \
		assert_int_equal(decode(d, 2, 0), -1);                                             \
	} while (0)
	REFUSED(LAR_STREAM_SEQUENCE, 0, 1, 4);	  /* no form 2 yet */
	REFUSED(LAR_STREAM_SEQUENCE, 0, 1, 6);	  /* never a form 3 */
	REFUSED(LAR_STREAM_SEQUENCE, 0, 1);	  /* too few events */
	REFUSED(LAR_STREAM_SEQUENCE, 0, 1, 1, 4); /* too many */
	REFUSED(LAR_STREAM_SEQUENCE, 0, 1, 2);	  /* an ALLOC without a code */
	REFUSED(LAR_STREAM_SEQUENCE, 0, 1, 1, 0); /* a PATH with nothing in its streams */
	REFUSED(LAR_STREAM_PARENT, 1);		  /* node -1 */
	REFUSED(LAR_STREAM_PARENT, 0x81, 0x80, 0x80, 0x80, 0x10); /* 2^32 + 1 */
	REFUSED(LAR_STREAM_FRAMES, 2);				  /* without their addresses */
	REFUSED(LAR_STREAM_RA_INDEX, 1);			  /* of one */
	REFUSED(LAR_STREAM_RA_INDEX, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1);
	REFUSED(LAR_STREAM_FORMS, 0, 2, 1);			       /* node -1 */
	REFUSED(LAR_STREAM_FORMS, 0, 0x81, 0x80, 0x80, 0x80, 0x10, 1); /* 2^32 + 1: not the root */
	REFUSED(LAR_STREAM_FORMS, 2, 0, 1);			       /* no such shape */
	REFUSED(LAR_STREAM_FORMS, 1, 0, 0);   /* the FREE before the ALLOC */
	REFUSED(LAR_STREAM_FORMS, 0, 0);      /* not whole */
	REFUSED(FIELD(ALLOC, 1), 3);	      /* the last free, of none */
	REFUSED(FIELD(ALLOC, 1), 4);	      /* free 0, which comes later */
	REFUSED(FIELD(ALLOC, 1), 5);	      /* free -1 */
	REFUSED(FIELD(FREE, 1), 3);	      /* allocation -1 */
	REFUSED(FIELD(FREE, 1), 4);	      /* allocation 1 of one */
	REFUSED(LAR_STREAM_ADDRESS, 1, 2, 3); /* not whole */
	REFUSED(LAR_STREAM_SHAPES, 0x82, 0x80, 0x04, 0x83, 0x83, 0x80, 0x14);	 /* likewise */
	REFUSED(LAR_STREAM_SHAPES, 0x82, 0x80, 0x04, 0x83, 0x83, 0x80, 0x14, 8); /* fields */
	REFUSED(LAR_STREAM_SHAPES, 0x82, 0x80, 0x04, 0x83, 0x83, 0x80, 0x14, 0);
	free(d);
}

/* The count of events is that of the header, neither more nor less. */
static void test_count(void **state)
{
	struct draft *d = calloc(1, sizeof(*d));

	(void)state;
	draft_good(d);
	for (uint32_t events = 0; events < 10; events++)
		assert_int_equal(decode(d, events, 0), events == 2 ? 9 : -1);
	assert_int_equal(decode(d, UINT32_MAX, 0), -1);
	free(d);
}

/* A PATH has as many frames as a stack can have, and no more. */
static void test_deepest(void **state)
{
	static const uint8_t zeros[LAR_MAX_DEPTH + 1];
	struct draft *d = calloc(1, sizeof(*d));

	(void)state;
	draft_good(d);
	SET(d, LAR_STREAM_FRAMES, 0x80, 0x20); /* 4096 */
	set(d, LAR_STREAM_RA_INDEX, zeros, sizeof(zeros));
	assert_int_equal(decode(d, 2, 0), 9 + 4095);
	assert_int_equal(lar_word0_node(out[1 + 4096]), 4096);
	SET(d, LAR_STREAM_FRAMES, 0x81, 0x20);
	assert_int_equal(decode(d, 2, 0), -1);
	free(d);
}

/* PATHs of no frames, in a row, below each other's nodes, at the end: all as they are. */
static void test_paths(void **state)
{
	struct draft *d = calloc(1, sizeof(*d));

	(void)state;
	draft_good(d);
	SET(d, LAR_STREAM_SEQUENCE, 0, 0, 0, 1, 1, 0);
	SET(d, LAR_STREAM_PARENT, 0, 1, 1, 3);
	SET(d, LAR_STREAM_FRAMES, 2, 0, 2, 0);
	SET(d, LAR_STREAM_RA_INDEX, 0, 0, 0, 0);
	assert_int_equal(decode(d, 2, 0), 3 + 1 + 3 + 4 + 3 + 1);
	assert_true(out[0] == lar_word0(LAR_EV_PATH, 0, 2, 0));
	assert_true(out[3] == lar_word0(LAR_EV_PATH, 0, 0, 1));
	assert_true(out[4] == lar_word0(LAR_EV_PATH, 0, 2, 1));
	assert_int_equal(lar_word0_node(out[7]), 4);
	assert_true(out[14] == lar_word0(LAR_EV_PATH, 0, 0, 1));
	SET(d, LAR_STREAM_PARENT, 0, 1, 3, 3);
	assert_int_equal(decode(d, 2, 0), -1);
	free(d);
}

/*
 * A kind 31 that this version does not know, two fields and a stack, and a kind 200: left out, but
 * their times count, and the node is passed over. Where a known kind has another form it is the
 * same.
 */
static void test_unknown_kinds(void **state)
{
	struct draft *d = calloc(1, sizeof(*d));

	(void)state;
	draft_good(d);
	PUT(d, LAR_STREAM_SHAPES, 31, 0x82, 0xc8, 0x01, 1, LAR_EV_LOCKSUM, 2);
	SET(d, LAR_STREAM_SEQUENCE, 0, 1, 1, 1, 1, 1);
	/* kind 31 with node 1; 200; ALLOC with the root; LOCKSUM; FREE */
	SET(d, LAR_STREAM_FORMS, 2, 0, 3, 0, 1, 4, 1);
	SET(d, LAR_STREAM_STEP, 0x32, 0x45);
	PUT(d, FIELD(31, 1), 0xff); /* never looked at */
	assert_int_equal(decode(d, 5, 0), 9);
	assert_int_equal(skipped, 3);
	assert_true(out[2] == lar_word0(ALLOC, 0, LAR_CALL_malloc, 0));
	assert_int_equal(out[3], 2 + 3 + 5);
	assert_int_equal(out[7], 2 + 3 + 5 + 4 + 1);
	/* a node that is not there, though nobody would see it */
	SET(d, LAR_STREAM_FORMS, 2, 2, 3, 0, 1, 4, 1);
	assert_int_equal(decode(d, 5, 0), -1);
	free(d);
}

/* Four ALLOCs of one form: the first has its own size, the second that, the third another, the
 * fourth the third's. */
static void test_usual_size(void **state)
{
	static const uint64_t sizes[] = { 3, 3, 9, 9 };
	struct draft *d = calloc(1, sizeof(*d));

	(void)state;
	draft_good(d);
	SET(d, LAR_STREAM_SEQUENCE, 0, 1, 2, 3, 2, 1);
	SET(d, LAR_STREAM_STEP, 0x15, 0x11);
	SET(d, FIELD(ALLOC, 1), 0, 2, 2, 2);
	SET(d, FIELD(ALLOC, 2), 3, 9);
	assert_int_equal(decode(d, 5, 0), 2 + 4 * 4 + 3);
	for (unsigned i = 0; i < 4; i++) {
		const uint64_t *r = out + 2 + 4 * i;

		assert_true(r[0] == lar_word0(ALLOC, 0, LAR_CALL_malloc, 1));
		assert_int_equal(r[1], 5 + i);
		assert_int_equal(r[2], 0x10 + 32 * i);
		assert_int_equal(r[3], sizes[i]);
	}
	free(d);
}

/* Steps that do not fit into half a byte, one of them backwards; both streams take theirs from one.
 * Steps as blocks of version 2 have them. */
static void test_steps(void **state)
{
	struct draft *d = calloc(1, sizeof(*d));

	(void)state;
	draft_good(d);
	SET(d, LAR_STREAM_SEQUENCE, 0, 1, 1, 2, 4, 2);
	SET(d, FIELD(ALLOC, 1), 0, 2, 2);
	SET(d, FIELD(FREE, 1), 2, 2);
	SET(d, LAR_STREAM_STEP, 0xff, 0x0e);
	SET(d, LAR_STREAM_FREED_STEP, 0xf0);
	PUT(d, LAR_STREAM_LONG_STEP, 0xc8, 1, 1, 40); /* 100, -1, 20 */
	assert_int_equal(decode(d, 5, 0), 2 + 3 * 4 + 2 * 3);
	assert_int_equal(out[3], 100);
	assert_int_equal(out[7], 100); /* the first free: 0 */
	assert_int_equal(out[10], 99);
	assert_int_equal(out[14], 119);
	assert_int_equal(out[17], 119 + 14);
	SET(d, LAR_STREAM_LONG_STEP, 0xc8, 1, 1);
	assert_int_equal(decode(d, 5, 0), -1);
	SET(d, LAR_STREAM_LONG_STEP, 0xc8, 1, 1, 40);
	SET(d, LAR_STREAM_STEP, 0xff);
	assert_int_equal(decode(d, 5, 0), -1);

	SET(d, LAR_STREAM_STEP);
	SET(d, LAR_STREAM_FREED_STEP);
	PUT(d, LAR_STREAM_TIME, 0xc8, 1, 1, 28);
	PUT(d, LAR_STREAM_FREED, 0, 40);
	assert_int_equal(decode(d, 5, 0), 2 + 3 * 4 + 2 * 3);
	assert_int_equal(out[3], 100);
	assert_int_equal(out[7], 100);
	assert_int_equal(out[10], 99);
	assert_int_equal(out[14], 119);
	assert_int_equal(out[17], 119 + 14);
	SET(d, LAR_STREAM_TIME, 0xc8, 1, 1);
	assert_int_equal(decode(d, 5, 0), -1);
	free(d);
}

/* A directory that says too much. */
static void test_directory(void **state)
{
	static const uint8_t many[] = { 0x80, 0x80, 0x80, 0x80, 0x10 };
	static const uint8_t unknown[] = { 1, 0x90, 0x10, 0 };	 /* stream 2064 */
	static const uint8_t behind[] = { 1, 1, 0, 0 };		 /* a byte of no stream */
	static const uint8_t beyond[] = { 2, 0, 0, 1, 0xff, 1 }; /* 255 bytes of none */
	static const uint8_t nothing[] = { 0 };
	static uint64_t scratch[64 + 3 * LAR_FORMS];

	(void)state;
#define DECODE(bytes) lar_decode(bytes, sizeof(bytes), 0, 0, out, MAX_BYTES, scratch, &skipped)
	assert_int_equal(DECODE(many), -1);
	assert_int_equal(DECODE(unknown), -1);
	assert_int_equal(DECODE(behind), -1);
	assert_int_equal(DECODE(beyond), -1);
	assert_int_equal(DECODE(nothing), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),	  cmocka_unit_test(test_out_of_range),
		cmocka_unit_test(test_count),	  cmocka_unit_test(test_deepest),
		cmocka_unit_test(test_paths),	  cmocka_unit_test(test_unknown_kinds),
		cmocka_unit_test(test_directory), cmocka_unit_test(test_usual_size),
		cmocka_unit_test(test_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
