/* SPDX-License-Identifier: MIT */
/* build: -Ipreload */
/* link: analyzer/decode.o analyzer/encode.o preload/format/decode_net.o */
/* link: preload/format/encode_net.o */
/*
 * What a block changed about the blocks in use, as who has it encoded knows and as it is decoded:
 * the last event of each address, held against the records that the block was made of.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "randomrecords.h"
#include "roundtrip.h"

#define RECORDS	  5000
#define SHIFT	  8
#define ADDRESSES 40000

/* What is known of one address. */
struct last {
	uint64_t address, ticks, size;
	int32_t balance;
	bool freed;
};
struct lasts {
	struct last *last;
	size_t count;
};

static struct last *look_up(struct lasts *l, uint64_t address)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->last[i].address == address)
			return &l->last[i];
	assert_true(l->count < ADDRESSES);
	l->last[l->count] = (struct last){ .address = address };
	return &l->last[l->count++];
}

static void note(struct lasts *l, uint64_t address, uint64_t ticks, uint64_t size, int balance)
{
	struct last *x;

	if (!address || address >> LAR_REF_ADDRESS_BITS)
		return;
	x = look_up(l, address);
	x->ticks = ticks;
	x->freed = balance < 0;
	if (!x->freed)
		x->size = size;
	x->balance += balance;
}

static void take_record(struct lasts *l, const uint64_t *w)
{
	uint64_t now = field_behind(w[1], LAR_F_T, SHIFT), took;

	switch (lar_word0_kind(*w)) {
	case LAR_EV_ALLOC:
		note(l, w[2], now, w[3], 1);
		break;
	case LAR_EV_FREE:
	case LAR_EV_FREE_SIZED:
		note(l, w[2], now, 0, -1);
		break;
	case LAR_EV_REALLOC:
		took = field_behind(w[2], LAR_F_U, SHIFT);
		if (w[4] || !w[5])
			note(l, w[3], took < now ? now - took : 0, 0, -1);
		note(l, w[4], now, w[5], 1);
		break;
	default:
		break;
	}
}

static void take_net(void *arg, const struct lar_net *net)
{
	struct last *x = look_up(arg, net->address);

	x->ticks = net->ticks;
	x->freed = net->freed;
	if (!net->freed)
		x->size = net->size;
	x->balance += net->balance;
}

/* Mostly calls of the heap. Many blocks are given back at once. */
static void add_heap(struct tb_records *r, uint64_t addresses)
{
	static const uint8_t kind[] = { LAR_EV_ALLOC, LAR_EV_ALLOC,   LAR_EV_FREE,
					LAR_EV_FREE,  LAR_EV_REALLOC, LAR_EV_FREE_SIZED };
	unsigned k = kind[random_word() % sizeof(kind)];
	const struct lar_event_shape *s = &lar_event_shapes[k];
	uint64_t *w = r->words + r->count;
	static uint64_t just_made;

	if (just_made && !(random_word() & 1)) {
		TB_FREE(r, 1000000 + r->count * 100 + random_word() % 1000, just_made);
		just_made = 0;
		return;
	}

	*w++ = lar_word0(k, 0, 0, 0);
	for (unsigned f = 0; f < s->fields; f++) {
		if (s->field[f] == LAR_F_N || s->field[f] == LAR_F_O)
			*w++ = random_word() % 16 ? random_address(addresses) : 0;
		else if (s->field[f] == LAR_F_T)
			*w++ = 1000000 + r->count * 100 + random_word() % 1000;
		else
			*w++ = random_word() % 8 ? random_word() % 500 : 0;
	}
	just_made = k == LAR_EV_ALLOC ? r->words[r->count + 2] : 0;
	r->count += 1 + s->fields;
	r->events++;
}

static void expect(struct lasts *got, const struct lasts *want)
{
	for (size_t i = 0; i < want->count; i++) {
		const struct last *w = &want->last[i], *g = look_up(got, w->address);

		assert_int_equal((int8_t)g->balance, (int8_t)w->balance);
		assert_int_equal(g->freed, w->freed);
		assert_int_equal(g->ticks, w->ticks);
		if (!w->freed)
			assert_int_equal(g->size, w->size);
	}
	/* one whose only event was a realloc that failed is told of by neither */
	assert_int_equal(got->count, want->count);
}

/* In pieces of several sizes. */
static void take_encoded(struct lar_encoder *enc, const struct tb_records *r, struct lasts *known)
{
	struct lar_net_at at = { 0 };
	struct lar_net net[10];
	uint32_t room, n;

	lar_encode_net_begin(enc);
	do {
		room = 1 + (uint32_t)(random_word() % 10);
		n = lar_encode_net(enc, r->words, SHIFT, &at, net, room);
		assert_true(n <= room);
		for (uint32_t i = 0; i < n; i++)
			take_net(known, &net[i]);
	} while (n == room);
	assert_int_equal(lar_encode_net(enc, r->words, SHIFT, &at, net, 1), 0);
}

static void compare(struct lar_encoder *enc, const struct tb_records *r)
{
	struct lasts want = { calloc(ADDRESSES, sizeof(struct last)), 0 },
		     got = { calloc(ADDRESSES, sizeof(struct last)), 0 },
		     known = { calloc(ADDRESSES, sizeof(struct last)), 0 };
	size_t size;
	uint8_t *bytes = encode_all(enc, r, SHIFT, &size);
	uint64_t *scratch = malloc(lar_net_scratch(size) * 8);

	for (size_t i = 0; i < r->count; i += lar_record_words(r->words[i]))
		take_record(&want, r->words + i);
	assert_int_equal(lar_decode_net(bytes, size, r->events, SHIFT, scratch, take_net, &got), 0);
	expect(&got, &want);
	take_encoded(enc, r, &known);
	expect(&known, &want);
	assert_int_equal(lar_decode_net(bytes, size, r->events + 1, SHIFT, scratch, take_net, &got),
			 -1);
	free(scratch);
	free(bytes);
	free(want.last);
	free(got.last);
	free(known.last);
}

static void last_of_each(void **state)
{
	/* few: each comes again and again; many: more than the encoder remembers */
	static const uint64_t addresses[] = { 3, 50, 2000, 20000 };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct lar_encoder *enc = tb_encoder(RECORDS * 8);

		for (unsigned round = 0; round < 10; round++) {
			static struct tb_records r;

			memset(&r, 0, sizeof(r));

			for (unsigned n = 0; n < RECORDS; n++) {
				if (round % 2 && n % 4 == 0)
					add_random(&r, addresses[i]);
				else
					add_heap(&r, addresses[i]);
			}
			compare(enc, &r);
		}
		tb_encoder_free(enc);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(last_of_each) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
