/* SPDX-License-Identifier: MIT */
/* Blocks that others decode for the reader, against those that it decodes itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include "../../analyzer/readahead.h"
#include "../../analyzer/sparetime.h"
#include "tracebuild.h"

#define BLOCKS 40
#define AHEAD  6 /* that lie ready at most */

struct ring {
	struct ringfile file;
	struct ringindex index;
	char path[64];
};

/* Only so many processors, if there are; returns how many there are. */
static int processors_use(int most)
{
	cpu_set_t have, want;
	int count = 0;

	assert_int_equal(sched_getaffinity(0, sizeof(have), &have), 0);
	CPU_ZERO(&want);
	for (int i = 0; i < CPU_SETSIZE && count < most; i++)
		if (CPU_ISSET(i, &have)) {
			CPU_SET(i, &want);
			count++;
		}
	assert_int_equal(sched_setaffinity(0, sizeof(want), &want), 0);
	return count;
}

/* Block n has n + 1 allocations, so that none is like another. */
static int setup(void **state)
{
	struct ring *ring = calloc(1, sizeof(*ring));
	const char *folder = getenv("TMPDIR");
	struct tb_records *r = calloc(1, sizeof(*r));
	struct trace_error error;
	struct tb tb;

	snprintf(ring->path, sizeof(ring->path), "%s/ahead.%d.lariat", folder ? folder : "/tmp",
		 (int)getpid());
	tb_init(&tb, 65536);
	for (unsigned n = 0; n < BLOCKS; n++) {
		tb_clear(r);
		TB_THREAD(r, 1000 * n + 1, 7, 1, 0);
		for (unsigned i = 0; i <= n; i++)
			tb_add(r, LAR_EV_ALLOC, 0, LAR_CALL_malloc, U(1000 * n + 2 + i),
			       U(4096 + 16 * (n * 64 + i)), U(16 + i), U(0));
		tb_block(&tb, r, 0, n, 0);
	}
	tb_write(&tb, ring->path);
	tb_fini(&tb);
	free(r);
	assert_int_equal(ringfile_open(&ring->file, ring->path, &error), 0);
	assert_int_equal(ringindex_init(&ring->index, &ring->file), 0);
	assert_int_equal(ring->index.count, BLOCKS);
	*state = ring;
	return 0;
}

static int teardown(void **state)
{
	struct ring *ring = *state;

	ringindex_fini(&ring->index);
	ringfile_close(&ring->file);
	unlink(ring->path);
	free(ring);
	return 0;
}

/* Takes a block: what is given must be what decoding gives. Was it begun by another? */
static bool take(const struct ring *ring, struct readahead *ahead, uint32_t block)
{
	struct raw_records mine = { 0 }, given = { 0 };
	uint32_t skipped = 0, skipped_mine = 0;
	struct unblock u;
	bool begun;
	int rc = -1;

	begun = readahead_take(ahead, block, &given, &skipped, &rc);
	if (!begun)
		return false;
	assert_int_equal(rc, 0);
	assert_int_equal(unblock_init(&u), 0);
	assert_int_equal(
		unblock_read(&u, &ring->file, &ring->index.blocks[block], &mine, &skipped_mine), 0);
	assert_int_equal(given.count, mine.count);
	assert_memory_equal(given.words, mine.words, mine.count * 8);
	assert_int_equal(skipped, skipped_mine);
	free(given.words);
	free(mine.words);
	unblock_fini(&u);
	return true;
}

/* A few lie ready, no more; in the order in which they are wanted. */
static void test_bound(void **state)
{
	const struct ring *ring = *state;
	int processors = processors_use(2);
	struct readahead *ahead = readahead_start(&ring->file, &ring->index, true, true, true);
	unsigned done = 0;

	if (processors < 2) {
		assert_null(ahead);
		return;
	}
	assert_non_null(ahead);
	while (readahead_help(ahead))
		done++;
	assert_int_equal(done, AHEAD);
	for (uint32_t n = 0; n < AHEAD; n++)
		assert_true(take(ring, ahead, n));
	/* one that nobody has begun is the reader's, and nobody else's then */
	assert_false(take(ring, ahead, AHEAD));
	assert_true(readahead_help(ahead));
	assert_true(take(ring, ahead, AHEAD + 1));
	for (uint32_t n = AHEAD + 2; n < BLOCKS; n++) {
		assert_true(readahead_help(ahead));
		assert_true(take(ring, ahead, n));
	}
	assert_false(readahead_help(ahead));
	readahead_stop(ahead);
}

/* What was decoded and never taken is freed: the sanitizers and valgrind see to it. */
static void test_not_taken(void **state)
{
	const struct ring *ring = *state;
	struct readahead *ahead = readahead_start(&ring->file, &ring->index, true, true, true);

	if (ahead)
		assert_true(readahead_help(ahead));
	readahead_stop(ahead);
}

struct helper {
	struct sparetime *spare;
	unsigned pieces;
	bool stop;
};

static void *help(void *arg)
{
	struct helper *h = arg;

	while (!__atomic_load_n(&h->stop, __ATOMIC_ACQUIRE))
		if (sparetime_use(h->spare))
			h->pieces++;
		else
			sched_yield();
	return NULL;
}

/* The reader helps, too, while it waits for a block. Whoever decodes them, each comes once. */
static void test_together(void **state)
{
	const struct ring *ring = *state;

	for (int round = 0; round < 50; round++) {
		struct readahead *ahead =
			readahead_start(&ring->file, &ring->index, true, true, true);
		struct helper helper = { 0 };
		struct sparetime spare;
		unsigned begun = 0;
		pthread_t id;

		if (!ahead)
			return;
		sparetime_init(&spare);
		helper.spare = &spare;
		assert_int_equal(pthread_create(&id, NULL, help, &helper), 0);
		sparetime_offer(&spare, readahead_help, ahead);
		for (uint32_t n = 0; n < BLOCKS; n++) {
			if (round & 1)
				sparetime_use(&spare);
			begun += take(ring, ahead, n);
		}
		sparetime_withdraw(&spare);
		readahead_stop(ahead);
		__atomic_store_n(&helper.stop, true, __ATOMIC_RELEASE);
		pthread_join(id, NULL);
		if (round & 1)
			assert_true(begun > 0);
		assert_true(helper.pieces <= BLOCKS && begun <= BLOCKS);
		sparetime_fini(&spare);
	}
}

/* Without anybody who helps, a thread does it. */
static void test_thread(void **state)
{
	const struct ring *ring = *state;
	struct readahead *ahead = readahead_start(&ring->file, &ring->index, true, true, false);
	struct timespec step = { 0, 1000000 };
	bool begun = false;

	if (!ahead)
		return;
	/* in time it has a block ready that is not the next one */
	for (uint32_t n = 1; n < BLOCKS && !begun; n++) {
		nanosleep(&step, NULL);
		begun = take(ring, ahead, n);
	}
	assert_true(begun);
	readahead_stop(ahead);
}

struct slow {
	bool began, ended;
};

static bool slow_piece(void *arg)
{
	struct slow *s = arg;
	struct timespec t = { 0, 30000000 };

	__atomic_store_n(&s->began, true, __ATOMIC_RELEASE);
	nanosleep(&t, NULL);
	__atomic_store_n(&s->ended, true, __ATOMIC_RELEASE);
	return true;
}

/* Behind a withdrawal nobody is at it. */
static void test_withdraw(void **state)
{
	struct helper helper = { 0 };
	struct sparetime spare;
	struct slow slow = { 0 };
	pthread_t id;

	(void)state;
	assert_false(sparetime_use(NULL));
	sparetime_init(&spare);
	assert_false(sparetime_use(&spare));
	helper.spare = &spare;
	assert_int_equal(pthread_create(&id, NULL, help, &helper), 0);
	sparetime_offer(&spare, slow_piece, &slow);
	while (!__atomic_load_n(&slow.began, __ATOMIC_ACQUIRE))
		sched_yield();
	sparetime_withdraw(&spare);
	assert_true(__atomic_load_n(&slow.ended, __ATOMIC_ACQUIRE));
	assert_false(sparetime_use(&spare));
	__atomic_store_n(&helper.stop, true, __ATOMIC_RELEASE);
	pthread_join(id, NULL);
	assert_true(helper.pieces > 0);
	sparetime_fini(&spare);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bound, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(test_together, setup, teardown),
		cmocka_unit_test_setup_teardown(test_thread, setup, teardown),
		cmocka_unit_test(test_withdraw),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
