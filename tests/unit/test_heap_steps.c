/* SPDX-License-Identifier: MIT */
/*
 * Two threads that take and free blocks of few addresses in turn, as closely as processors do,
 * recorded in steps of the clock: whatever order the events of one step are read in, each free
 * finds its block. The expected figures are those of the program that made the events.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../analyzer/heap_model.h"

#define THREADS	  2
#define ADDRESSES 12
#define EVENTS	  20000
#define STEP	  256

static struct heap_model m;
static uint64_t random_state;

static struct place {
	bool live;
	uint64_t since, size; /* live: others can have it from then; free: it can be given out */
} place[ADDRESSES];

static struct made {
	uint64_t ticks, took, old, address, size;
	unsigned kind;
} made[THREADS][EVENTS];
static uint32_t count[THREADS];
static uint64_t free_at[THREADS]; /* when the thread has done its last call */
static uint64_t allocations, frees, freed_bytes;

static uint64_t any(uint64_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state >> 20) % n;
}

static uint64_t address_of(uint32_t i)
{
	return 0x1000 + i * 64;
}

static void take(uint32_t thread, struct place *p, uint64_t until)
{
	p->live = true;
	p->since = until + 50 + any(50); /* it takes that long until another processor sees it */
	free_at[thread] = until + 40;
	p->size = 1 + any(100);
	allocations++;
}

static void give(struct place *p, uint64_t when)
{
	p->live = false;
	p->since = when + 50 + any(50);
	frees++;
	freed_bytes += p->size;
}

static void call(uint32_t thread, uint64_t now)
{
	uint32_t i = (uint32_t)any(ADDRESSES), to = any(2) ? i : (uint32_t)any(ADDRESSES);
	struct place *p = &place[i];
	struct made *e = &made[thread][count[thread]];
	uint64_t end = now + 60 + any(100);

	if (p->since > now)
		return;
	memset(e, 0, sizeof(*e));
	e->address = address_of(i);
	if (!p->live) {
		take(thread, p, end);
		*e = (struct made){ end, 0, 0, address_of(i), p->size, LAR_EV_ALLOC };
	} else if (any(4)) {
		give(p, now + 20 + any(60));
		free_at[thread] = end + 40;
		*e = (struct made){ now, 0, 0, address_of(i), 0, LAR_EV_FREE };
	} else {
		if (to != i && (place[to].live || place[to].since > now))
			return;
		end += any(10) ? 0 : any(3000); /* now and then it is held up */
		give(p, now + 20 + any(40));
		take(thread, &place[to], end);
		*e = (struct made){
			end,	       end - now, address_of(i), address_of(to), place[to].size,
			LAR_EV_REALLOC
		};
	}
	count[thread]++;
}

static bool before(const struct made *a, const struct made *b)
{
	if (a->ticks / STEP != b->ticks / STEP)
		return a->ticks < b->ticks;
	return a->kind == LAR_EV_FREE && b->kind != LAR_EV_FREE;
}

static void feed(uint32_t thread, const struct made *r)
{
	uint64_t ticks = r->ticks / STEP * STEP;
	struct event e = { .kind = (uint8_t)r->kind,
			   .thread = thread + 1,
			   .stack = 1,
			   .ticks = ticks,
			   .time_ns = ticks,
			   .field = { ticks, r->address, r->size } };

	if (r->kind == LAR_EV_REALLOC) {
		e.field[1] = (r->took + STEP - 1) / STEP * STEP;
		e.field[2] = r->old;
		e.field[3] = r->address;
		e.field[4] = r->size;
	}
	assert_int_equal(heap_model_event(&m, &e), 0);
}

/* By time; of one time frees come first, then lower threads; each thread's are in their order. */
static void feed_all(void)
{
	uint32_t at[THREADS] = { 0 };

	for (;;) {
		uint32_t first = THREADS;

		for (uint32_t t = 0; t < THREADS; t++)
			if (at[t] < count[t] &&
			    (first == THREADS || before(&made[t][at[t]], &made[first][at[first]])))
				first = t;
		if (first == THREADS)
			return;
		feed(first, &made[first][at[first]++]);
	}
}

static void in_one_step(void **state)
{
	(void)state;
	/* Where more events of one address are in a step than processors can have, some are still
	 * taken for a free that was not recorded and one that frees nothing. */
	for (unsigned seed = 1; seed <= 40; seed++) {
		uint64_t now = STEP;

		random_state = seed * 0x9e3779b97f4a7c15ull;
		memset(place, 0, sizeof(place));
		memset(count, 0, sizeof(count));
		memset(free_at, 0, sizeof(free_at));
		allocations = frees = freed_bytes = 0;
		heap_model_init(&m, NULL, 0);
		for (bool full = false; !full; now += 1 + any(30)) {
			uint32_t t = (uint32_t)any(THREADS);

			if (free_at[t] <= now)
				call(t, now);
			full = count[t] == EVENTS;
		}
		feed_all();
		assert_int_equal(m.total.allocations, allocations);
		assert_int_equal(m.total.frees, frees);
		assert_int_equal(m.total.freed_bytes, freed_bytes);
		assert_int_equal(m.total.unpaired_frees, 0);
		assert_int_equal(m.total.implied_frees, 0);
		heap_model_fini(&m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(in_one_step) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
