/* SPDX-License-Identifier: MIT */
/* link: preload/inuse.o preload/pool.o preload/sys.o preload/format/encode.o */
/* link: preload/format/encode_net.o preload/format/decode.o */
/*
 * The tables of blocks in use, held against a history that is known: threads hand blocks to each
 * other, and their buffers are sealed in any order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../preload/inuse.h"
#include "../../preload/recorder.h"
#include "../../preload/thread.h"
#include "randomrecords.h"

#define THREADS	  5
#define ADDRESSES 3000
#define WORDS	  8192
#define SHIFT	  8
#define EVENTS	  60000
#define ROUNDS	  12

static struct recorder recorder;
static struct lar_header header;
struct recorder *lar = &recorder;

bool spin_lock(struct spin *s)
{
	assert_false(s->owner);
	s->owner = 1;
	return true;
}

void spin_unlock(struct spin *s)
{
	assert_true(s->owner);
	s->owner = 0;
}

static uint64_t now, ahead;

uint64_t lar_ticks_slow(void)
{
	return now + ahead;
}

static struct thread threads[THREADS];
static uint64_t buffer[THREADS][WORDS];
static bool live[ADDRESSES];
static uint64_t checked, doubtful;

static uint64_t random_below(uint64_t n)
{
	return (random_word() >> 11) % n;
}

static uint64_t address_of(unsigned i)
{
	return 0x7f0000001000ull + i * 4080ull;
}

/* In one step of the clock a reader cannot tell which allocation was last: those of an address have
 * all one size. */
static uint64_t size_of(unsigned i)
{
	return 16 + i % 1000;
}

static void seal(struct thread *t, struct lar_encoder *enc)
{
	static uint8_t out[1 << 20];
	size_t words = (size_t)(t->head - t->buffer);
	uint32_t events;

	if (!words)
		return;
	assert_true(lar_encode(enc, t->buffer, words, SHIFT, out, sizeof(out), &events));
	inuse_seal(t, enc);
	t->slot_seq += 1ull << 32;
	t->head = t->buffer;
}

static void put(struct thread *t, struct lar_encoder *enc, unsigned i)
{
	uint64_t *w;

	if (t->head - t->buffer + 6 > WORDS)
		seal(t, enc);
	w = t->head;
	if (live[i]) {
		w[0] = lar_word0(LAR_EV_FREE, 0, 0, 0);
		w[1] = now;
		w[2] = address_of(i);
	} else {
		w[0] = lar_word0(LAR_EV_ALLOC, 0, 0, 0);
		w[1] = now;
		w[2] = address_of(i);
		w[3] = size_of(i);
	}
	t->head += live[i] ? 3 : 4;
	live[i] = !live[i];
}

static void expect_history(void)
{
	struct inuse *u = inuse_close();
	struct addrtable table[INUSE_SHARDS];
	uint64_t count = 0, known = 0;

	assert_non_null(u);
	assert_true(inuse_whole(u));
	for (unsigned i = 0; i < INUSE_SHARDS; i++) {
		table[i] = *inuse_table(u, i);
		known += table[i].count;
	}
	for (unsigned i = 0; i < ADDRESSES; i++) {
		const struct inuse_block *b = inuse_find(table, address_of(i));

		count += b != NULL;
		checked++;
		if (b && inuse_is_doubtful(b)) {
			doubtful++;
			continue;
		}
		/* with one thread nothing is kept of what is over */
		assert_true(!b || live[i] || recorder.slots_used > 1);
		assert_int_equal(b && inuse_is_live(b), live[i]);
		if (live[i])
			assert_int_equal(b->size, size_of(i));
	}
	assert_int_equal(known, count);
	assert_int_equal(inuse_count(), known);
	for (unsigned i = 0; i < THREADS; i++) {
		assert_true(
			!threads[i].slot_seq ||
			inuse_has(u, threads[i].index, (uint32_t)(threads[i].slot_seq >> 32) - 1));
		assert_false(inuse_has(u, threads[i].index, (uint32_t)(threads[i].slot_seq >> 32)));
	}
	inuse_open(u);
}

static void begin(unsigned slots)
{
	inuse_drop();
	memset(&recorder, 0, sizeof(recorder));
	memset(live, 0, sizeof(live));
	recorder.header = &header;
	recorder.slots_used = slots;
	recorder.time_shift = SHIFT;
	recorder.config.record = LAR_RECORD_HEAP;
	recorder.config.leak_scan = CONFIG_LEAK_SCAN_EXIT;
	for (unsigned i = 0; i < THREADS; i++)
		threads[i] =
			(struct thread){ .buffer = buffer[i], .head = buffer[i], .index = i * 7 };
}

/* `step`: of the clock between two events, at most; most are in one step of what blocks keep. */
static void history(struct lar_encoder *enc, unsigned slots, unsigned addresses, unsigned step)
{
	for (unsigned n = 0; n < EVENTS; n++) {
		struct thread *t = &threads[random_below(slots)];

		now += random_below(step);
		put(t, enc, (unsigned)random_below(addresses));
		if (!random_below(2000))
			seal(&threads[random_below(slots)], enc);
	}
	for (unsigned i = 0; i < THREADS; i++)
		seal(&threads[(i * 3 + 1) % THREADS], enc);
}

static void one_thread(void **state)
{
	struct lar_encoder *enc = tb_encoder(WORDS);

	(void)state;
	checked = doubtful = 0;
	for (unsigned round = 0; round < ROUNDS; round++) {
		begin(1);
		history(enc, 1, round % 2 ? ADDRESSES : 40, 1200);
		expect_history();
	}
	assert_int_equal(doubtful, 0);
	tb_encoder_free(enc);
}

/* Threads that hand blocks to and fro at random. ahead: nothing that is over is kept for long. */
static void histories(void **state)
{
	static const unsigned addresses[] = { 2, 40, ADDRESSES };
	struct lar_encoder *enc = tb_encoder(WORDS);

	(void)state;
	for (unsigned kept = 0; kept < 2; kept++) {
		checked = doubtful = 0;
		ahead = kept ? 0 : 1ull << 33;
		for (unsigned round = 0; round < ROUNDS; round++) {
			begin(THREADS);
			history(enc, THREADS, addresses[round % 3], 1200);
			expect_history();
			history(enc, THREADS, addresses[round % 3], round % 2 ? 60 : 4000);
			expect_history();
		}
		/* what is late is known as such, and is rare where some is kept */
		assert_true(kept ? doubtful < checked / 5000 : doubtful < checked / 50);
	}
	tb_encoder_free(enc);
}

/* Given back, the tables say that they know nothing, and come not again. */
static void dropped(void **state)
{
	struct lar_encoder *enc = tb_encoder(WORDS);
	struct inuse *u;

	(void)state;
	begin(THREADS);
	history(enc, THREADS, 40, 1200);
	inuse_drop();
	u = inuse_close();
	assert_false(inuse_whole(u));
	inuse_open(u);
	history(enc, THREADS, 40, 1200);
	u = inuse_close();
	assert_false(inuse_whole(u));
	inuse_open(u);
	header.ring_blocks = 1;
	assert_true(inuse_count() == UINT64_MAX);
	header.ring_blocks = 0;
	tb_encoder_free(enc);
}

/* Who has heap recording or the scan off, or samples, pays for no table. */
static void not_wanted(void **state)
{
	struct lar_encoder *enc = tb_encoder(WORDS);

	(void)state;
	begin(THREADS);
	recorder.config.record = LAR_RECORD_IO;
	history(enc, THREADS, 40, 1200);
	assert_null(inuse_close());
	begin(THREADS);
	recorder.config.leak_scan = CONFIG_LEAK_SCAN_OFF;
	history(enc, THREADS, 40, 1200);
	assert_null(inuse_close());
	begin(THREADS);
	recorder.config.sample_bytes = 512;
	history(enc, THREADS, 40, 1200);
	assert_null(inuse_close());
	tb_encoder_free(enc);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(one_thread),
					    cmocka_unit_test(histories), cmocka_unit_test(dropped),
					    cmocka_unit_test(not_wanted) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
