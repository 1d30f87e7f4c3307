/* SPDX-License-Identifier: MIT */
/* The heap model, fed with events made by hand, and against a plain model on random ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../analyzer/heap_model.h"

static struct heap_model m;

static struct event at(uint64_t time, unsigned kind, uint32_t thread, uint32_t stack)
{
	return (struct event){ .kind = (uint8_t)kind,
			       .thread = thread,
			       .stack = stack,
			       .ticks = time,
			       .time_ns = time,
			       .field = { time } };
}

static void alloc_on(uint32_t thread, uint64_t time, uint32_t stack, uint64_t address,
		     uint64_t size)
{
	struct event e = at(time, LAR_EV_ALLOC, thread, stack);

	e.call = LAR_CALL_malloc;
	e.field[1] = address;
	e.field[2] = size;
	assert_int_equal(heap_model_event(&m, &e), 0);
}

static void free_on(uint32_t thread, uint64_t time, uint64_t address)
{
	struct event e = at(time, LAR_EV_FREE, thread, 0);

	e.call = LAR_CALL_free;
	e.field[1] = address;
	assert_int_equal(heap_model_event(&m, &e), 0);
}

static void realloc_on(uint32_t thread, uint64_t time, uint64_t took, uint32_t stack, uint64_t old,
		       uint64_t address, uint64_t size)
{
	struct event e = at(time, LAR_EV_REALLOC, thread, stack);

	e.call = LAR_CALL_realloc;
	e.field[1] = took;
	e.field[2] = old;
	e.field[3] = address;
	e.field[4] = size;
	assert_int_equal(heap_model_event(&m, &e), 0);
}

static int setup(void **state)
{
	(void)state;
	heap_model_init(&m, NULL, 0);
	return 0;
}

/* The model has a way of its own for what is usual, and that has a timeline. */
static int setup_line(void **state)
{
	setup(state);
	return heap_model_start_line(&m, 0);
}

static int teardown(void **state)
{
	(void)state;
	heap_model_fini(&m);
	return 0;
}

static const struct heap_site *site_of(uint32_t stack)
{
	return &m.site[sites_number(&m.sites, stack, 1)];
}

static void counts_and_peak(void **state)
{
	const struct heap_site *s;

	(void)state;
	alloc_on(1, 10, 1, 0x1000, 100);
	alloc_on(1, 20, 2, 0x2000, 50);
	free_on(1, 30, 0x1000);
	alloc_on(1, 40, 2, 0x3000, 0);
	alloc_on(1, 50, 2, 0x1000, 90);
	heap_model_finish(&m);
	assert_int_equal(m.total.allocations, 4);
	assert_int_equal(m.total.allocated_bytes, 240);
	assert_int_equal(m.total.frees, 1);
	assert_int_equal(m.total.freed_bytes, 100);
	assert_int_equal(m.total.live_blocks, 3);
	assert_int_equal(m.total.live_bytes, 140);
	assert_int_equal(m.total.peak_bytes, 150);
	assert_int_equal(m.total.peak_at_ticks, 20);
	s = site_of(1);
	assert_int_equal(s->at_peak_bytes, 100);
	assert_int_equal(s->live_bytes, 0);
	assert_int_equal(s->lifetime.count, 1);
	assert_int_equal(s->lifetime.sum, 20);
	s = site_of(2);
	assert_int_equal(s->at_peak_bytes, 50);
	assert_int_equal(s->peak_bytes, 140);
	assert_int_equal(s->size_min, 0);
	assert_int_equal(s->size_max, 90);
}

/* As valgrind counts: realloc(p, n) is a free and an allocation, whatever moved. */
static void realloc_cases(void **state)
{
	(void)state;
	realloc_on(1, 10, 1, 1, 0, 0x1000, 10); /* realloc(NULL, 10) */
	realloc_on(1, 20, 1, 1, 0x1000, 0x1000, 30);
	realloc_on(1, 30, 1, 2, 0x1000, 0x2000, 20);
	assert_int_equal(m.total.allocations, 3);
	assert_int_equal(m.total.frees, 2);
	assert_int_equal(m.total.allocated_bytes, 60);
	assert_int_equal(m.total.freed_bytes, 40);
	assert_int_equal(m.total.reallocations, 2);
	assert_int_equal(m.total.live_bytes, 20);
	assert_int_equal(m.total.peak_bytes, 30);

	realloc_on(1, 40, 1, 2, 0x2000, 0, 1000); /* failed: the old block stays */
	assert_int_equal(m.total.failed, 1);
	assert_int_equal(m.total.live_bytes, 20);
	assert_int_equal(m.total.allocations, 3);

	realloc_on(1, 50, 1, 2, 0x2000, 0, 0); /* realloc(p, 0) that returned NULL */
	assert_int_equal(m.total.frees, 3);
	assert_int_equal(m.total.live_blocks, 0);
	assert_int_equal(m.total.failed, 1);
	assert_int_equal(m.total.reallocations, 2);
}

/* The only thread of a process: how long its reallocs took is not recorded, and none is there that
 * could come in between. All times are steps, so that several events have the same. */
static void reallocs_in_no_time(void **state)
{
	(void)state;
	alloc_on(1, 10, 1, 0x1000, 10);
	realloc_on(1, 10, 0, 1, 0x1000, 0x1000, 20);
	realloc_on(1, 15, 0, 1, 0x1000, 0x2000, 30);
	alloc_on(1, 15, 1, 0x1000, 5);
	free_on(1, 15, 0x2000);
	assert_int_equal(m.total.allocations, 4);
	assert_int_equal(m.total.frees, 3);
	assert_int_equal(m.total.freed_bytes, 60);
	assert_int_equal(m.total.unpaired_frees, 0);
	assert_int_equal(m.total.implied_frees, 0);
	assert_int_equal(m.total.live_blocks, 1);
	assert_int_equal(m.total.live_bytes, 5);
	assert_int_equal(m.total.peak_bytes, 35);
	/* 0, 5 and 0 */
	assert_int_equal(site_of(1)->lifetime.count, 3);
	assert_int_equal(site_of(1)->lifetime.sum, 5);
}

static void failures_and_strangers(void **state)
{
	(void)state;
	alloc_on(1, 10, 1, 0, 1ull << 60);
	free_on(1, 20, 0x5000);
	realloc_on(1, 30, 1, 1, 0x6000, 0x7000, 8);
	assert_int_equal(m.total.failed, 1);
	assert_int_equal(m.total.unpaired_frees, 2);
	assert_int_equal(m.total.frees, 0);
	assert_int_equal(m.total.allocations, 1);
	assert_int_equal(m.total.live_bytes, 8);
}

/* Freed by the next heap call of the thread that allocated it; other threads do not matter. */
static void temporary(void **state)
{
	(void)state;
	alloc_on(1, 10, 1, 0x1000, 8);
	alloc_on(2, 11, 2, 0x2000, 8);
	free_on(1, 12, 0x1000); /* temporary */
	alloc_on(2, 13, 2, 0x3000, 8);
	free_on(2, 14, 0x2000); /* not its last */
	free_on(2, 15, 0x3000); /* a free came between */
	alloc_on(1, 20, 3, 0x4000, 8);
	free_on(2, 21, 0x4000); /* another thread's */
	alloc_on(1, 30, 4, 0x5000, 8);
	realloc_on(1, 31, 1, 5, 0x5000, 0x6000, 16); /* temporary */
	free_on(1, 32, 0x6000);			     /* temporary */
	assert_int_equal(m.total.temporary, 3);
	assert_int_equal(site_of(1)->temporary, 1);
	assert_int_equal(site_of(2)->temporary, 0);
	assert_int_equal(site_of(3)->temporary, 0);
	assert_int_equal(site_of(4)->temporary, 1);
	assert_int_equal(site_of(5)->temporary, 1);
}

/*
 * A realloc is stamped when it is done: its old block may be another thread's before that. The
 * new owner's block is not the one that the realloc freed.
 */
static void realloc_seen_late(void **state)
{
	(void)state;
	alloc_on(1, 10, 1, 0x1000, 100);
	alloc_on(2, 50, 2, 0x1000, 70);
	assert_int_equal(m.total.implied_frees, 1);
	realloc_on(1, 60, 30, 3, 0x1000, 0x2000, 200);
	assert_int_equal(m.total.implied_frees, 0);
	assert_int_equal(m.total.unpaired_frees, 0);
	assert_int_equal(m.total.allocations, 3);
	assert_int_equal(m.total.frees, 1);
	assert_int_equal(m.total.freed_bytes, 100);
	assert_int_equal(m.total.live_bytes, 270);
	assert_int_equal(site_of(2)->live_blocks, 1);
	free_on(2, 70, 0x1000);
	assert_int_equal(site_of(2)->live_blocks, 0);
	assert_int_equal(m.total.frees, 2);
}

/* Two threads were held up in reallocs of one address, one after the other; they end in turn. */
static void reallocs_seen_late(void **state)
{
	(void)state;
	alloc_on(1, 10, 1, 0x1000, 100);
	alloc_on(2, 30, 2, 0x1000, 70); /* thread 1's realloc, begun at 20, has freed it */
	alloc_on(3, 50, 3, 0x1000, 30); /* thread 2's realloc, begun at 40, has freed it */
	assert_int_equal(m.total.implied_frees, 2);
	realloc_on(1, 60, 40, 1, 0x1000, 0x2000, 200);
	realloc_on(2, 70, 30, 2, 0x1000, 0x3000, 140);
	assert_int_equal(m.total.implied_frees, 0);
	assert_int_equal(m.total.unpaired_frees, 0);
	assert_int_equal(m.total.frees, 2);
	assert_int_equal(m.total.live_bytes, 370);
	assert_int_equal(site_of(3)->live_blocks, 1);
}

/* Thread 1 was held up for long, while others' reallocs came and went by the hundred. */
static void realloc_seen_very_late(void **state)
{
	(void)state;
	alloc_on(1, 10, 1, 0x1000, 100);
	alloc_on(2, 20, 2, 0x1000, 70);
	for (uint64_t now = 100; now < 100000; now += 100) {
		alloc_on(2, now, 2, 0x2000, 70);
		alloc_on(3, now + 20, 3, 0x2000, 30);
		realloc_on(2, now + 30, 15, 2, 0x2000, 0x3000, 140);
		free_on(3, now + 40, 0x2000);
		free_on(2, now + 50, 0x3000);
	}
	realloc_on(1, 100000, 99985, 1, 0x1000, 0x4000, 200);
	assert_int_equal(m.total.implied_frees, 0);
	assert_int_equal(m.total.unpaired_frees, 0);
	assert_int_equal(m.total.live_bytes, 270);
}

/* Times are in steps: another thread's free may stand before the allocation that it frees. */
static void free_of_the_same_time(void **state)
{
	(void)state;
	alloc_on(1, 10, 1, 0x2000, 1);
	free_on(2, 20, 0x1000);
	alloc_on(1, 20, 1, 0x1000, 100);
	assert_int_equal(m.total.unpaired_frees, 0);
	assert_int_equal(m.total.frees, 1);
	assert_int_equal(m.total.freed_bytes, 100);
	assert_int_equal(m.total.live_bytes, 1);
	realloc_on(2, 30, 5, 1, 0x1000, 0x3000, 7);
	alloc_on(1, 30, 1, 0x1000, 50);
	assert_int_equal(m.total.unpaired_frees, 0);
	assert_int_equal(m.total.live_bytes, 8);
	realloc_on(1, 35, 3, 2, 0x3000, 0x3000, 5); /* in place ... */
	assert_int_equal(m.total.live_bytes, 6);
	free_on(2, 37, 0x3000); /* ... and once more, with a free at its time */
	realloc_on(1, 37, 1, 2, 0x3000, 0x3000, 4);
	assert_int_equal(m.total.unpaired_frees, 0);
	assert_int_equal(m.total.frees, 5);
	assert_int_equal(m.total.live_bytes, 1);
	realloc_on(2, 38, 1, 2, 0x2000, 0x3000, 8);
	assert_int_equal(m.total.implied_frees, 0);
	free_on(2, 40, 0x4000); /* but not of a later time, nor of the same thread */
	alloc_on(1, 41, 1, 0x4000, 9);
	free_on(1, 50, 0x5000);
	alloc_on(1, 50, 1, 0x5000, 9);
	assert_int_equal(m.total.unpaired_frees, 2);
	assert_int_equal(m.total.live_bytes, 26);
}

/* The realloc's old block was temporary, though another thread had its address when it was
 * recorded. */
static void temporary_seen_late(void **state)
{
	(void)state;
	alloc_on(1, 10, 1, 0x1000, 5);
	alloc_on(2, 30, 2, 0x1000, 7);
	realloc_on(1, 40, 20, 3, 0x1000, 0x2000, 9);
	assert_int_equal(m.total.temporary, 1);
	assert_int_equal(site_of(1)->temporary, 1);
	free_on(2, 50, 0x1000);
	assert_int_equal(m.total.temporary, 2);
	assert_int_equal(m.total.implied_frees, 0);
	assert_int_equal(m.total.live_bytes, 9);
}

static void free_never_seen(void **state)
{
	(void)state;
	alloc_on(1, 10, 1, 0x1000, 100);
	alloc_on(1, 50, 2, 0x1000, 70);
	assert_int_equal(m.total.implied_frees, 1);
	assert_int_equal(m.total.frees, 0);
	assert_int_equal(m.total.freed_bytes, 0);
	assert_int_equal(m.total.live_blocks, 1);
	assert_int_equal(m.total.live_bytes, 70);
	assert_int_equal(site_of(1)->live_blocks, 0);
}

/* --since: blocks from before are in no figure but the frees. */
static void window(void **state)
{
	(void)state;
	heap_model_fini(&m);
	heap_model_init(&m, NULL, 100);
	alloc_on(1, 10, 1, 0x1000, 100);
	alloc_on(1, 20, 1, 0x2000, 100);
	free_on(1, 30, 0x2000);
	alloc_on(1, 100, 2, 0x3000, 10);
	free_on(1, 110, 0x1000);
	assert_int_equal(m.total.allocations, 1);
	assert_int_equal(m.total.frees, 1);
	assert_int_equal(m.total.unpaired_frees, 0);
	assert_int_equal(m.total.live_bytes, 10);
	assert_int_equal(m.total.peak_bytes, 10);
	assert_int_equal(m.sites.count, 1);
}

static void mappings(void **state)
{
	struct event e = at(5, LAR_EV_MAP, 1, 1);

	(void)state;
	e.call = LAR_CALL_mmap;
	e.field[2] = 0x10000;
	e.field[3] = 8192;
	assert_int_equal(heap_model_event(&m, &e), 0);
	e.call = LAR_CALL_munmap;
	e.field[3] = 0;
	e.field[4] = 0x10000;
	e.field[5] = 4096;
	assert_int_equal(heap_model_event(&m, &e), 0);
	e.field[6] = (uint64_t)-22;
	assert_int_equal(heap_model_event(&m, &e), 0);
	assert_int_equal(m.mapped.maps, 1);
	assert_int_equal(m.mapped.mapped_bytes, 8192);
	assert_int_equal(m.mapped.unmaps, 1);
	assert_int_equal(m.mapped.unmapped_bytes, 4096);
	assert_int_equal(m.mapped.failed, 1);
	assert_int_equal(m.total.allocations, 0);
}

static uint32_t pairs_of_stacks(void *arg, uint32_t stack)
{
	(void)arg;
	return stack / 2;
}

static void folding(void **state)
{
	struct site_rule rule = { .group = pairs_of_stacks };

	(void)state;
	heap_model_fini(&m);
	heap_model_init(&m, &rule, 0);
	alloc_on(1, 10, 0, 0x1000, 1);
	alloc_on(1, 20, 1, 0x2000, 10);
	alloc_on(1, 30, 2, 0x3000, 100);
	assert_int_equal(m.sites.count, 2);
	assert_int_equal(m.site[0].peak_bytes, 11);
	assert_int_equal(m.site[1].peak_bytes, 100);
}

/* ---- against a model that is too plain to be wrong ---- */

#define ADDRESSES 700
#define STACKS	  37

static struct {
	uint64_t size, born;
	uint32_t stack;
	bool live;
} plain[ADDRESSES];

static uint64_t random_state = 0x9e3779b97f4a7c15ull;

static uint64_t random_below(uint64_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state >> 20) % n;
}

static struct {
	uint64_t live[STACKS], at_peak[STACKS], peak_of[STACKS], freed[STACKS];
	uint64_t total, peak, peak_at, blocks, resized;
} all;

static uint64_t address_of(uint64_t i)
{
	return 0x100000 + i * 16;
}

static void plain_free(uint64_t i)
{
	plain[i].live = false;
	all.total -= plain[i].size;
	all.live[plain[i].stack] -= plain[i].size;
	all.freed[plain[i].stack]++;
	all.blocks--;
}

static void plain_alloc(uint64_t i, uint64_t now)
{
	uint32_t stack = (uint32_t)random_below(STACKS);

	plain[i].live = true;
	plain[i].size = random_below(5000);
	plain[i].stack = stack;
	all.total += plain[i].size;
	all.blocks++;
	all.live[stack] += plain[i].size;
	if (all.live[stack] > all.peak_of[stack])
		all.peak_of[stack] = all.live[stack];
	if (all.total > all.peak) {
		all.peak = all.total;
		all.peak_at = now;
		memcpy(all.at_peak, all.live, sizeof(all.live));
	}
}

/* Where it is, or to a place that is free. */
static void plain_resize(uint64_t i, uint64_t now)
{
	uint64_t to = random_below(ADDRESSES);

	if (plain[to].live)
		to = i;
	plain_free(i);
	plain_alloc(to, now);
	all.resized++;
	realloc_on(1, now, random_below(2), plain[to].stack, address_of(i), address_of(to),
		   plain[to].size);
}

static void random_events(void **state)
{
	(void)state;
	memset(plain, 0, sizeof(plain));
	memset(&all, 0, sizeof(all));
	for (uint64_t now = 1; now < 60000; now++) {
		uint64_t i = random_below(ADDRESSES);

		if (!plain[i].live) {
			plain_alloc(i, now);
			alloc_on(1, now, plain[i].stack, address_of(i), plain[i].size);
		} else if (random_below(3) == 0) {
			plain_resize(i, now);
		} else {
			plain_free(i);
			free_on(1, now, address_of(i));
		}
	}
	heap_model_finish(&m);
	assert_int_equal(m.total.live_bytes, all.total);
	assert_int_equal(m.total.live_blocks, all.blocks);
	assert_int_equal(m.live.count, all.blocks);
	assert_int_equal(m.total.peak_bytes, all.peak);
	assert_int_equal(m.total.peak_at_ticks, all.peak_at);
	assert_int_equal(m.total.unpaired_frees, 0);
	assert_int_equal(m.total.implied_frees, 0);
	assert_int_equal(m.total.reallocations, all.resized);
	for (uint32_t s = 0; s < STACKS; s++) {
		assert_int_equal(site_of(s)->live_bytes, all.live[s]);
		assert_int_equal(site_of(s)->at_peak_bytes, all.at_peak[s]);
		assert_int_equal(site_of(s)->peak_bytes, all.peak_of[s]);
		assert_int_equal(site_of(s)->frees, all.freed[s]);
		assert_int_equal(site_of(s)->lifetime.count, all.freed[s]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f)                                                                                    \
	cmocka_unit_test_setup_teardown(f, setup, teardown),                                       \
		cmocka_unit_test_setup_teardown(f, setup_line, teardown)
		TEST(counts_and_peak),
		TEST(realloc_cases),
		TEST(reallocs_in_no_time),
		TEST(failures_and_strangers),
		TEST(temporary),
		TEST(realloc_seen_late),
		TEST(reallocs_seen_late),
		TEST(realloc_seen_very_late),
		TEST(free_of_the_same_time),
		TEST(temporary_seen_late),
		TEST(free_never_seen),
		TEST(window),
		TEST(mappings),
		TEST(folding),
		TEST(random_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
