/* SPDX-License-Identifier: MIT */
/* link: preload/fold_*.o preload/pool.o preload/sys.o analyzer/[!m]*.o analyzer/m[eio]*.o */
/*
 * The heap: what the recorder has folded of the first events, and the analyzer counted of the rest,
 * is what the analyzer counts of all of them. For programs with all that is hard to follow: blocks
 * given to other threads at the very time that they are freed, reallocs that others overtake, frees
 * that nobody saw.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../analyzer/heap_load.h"
#include "foldtest.h"

#define EVENTS	  40000u
#define THREADS	  6u
#define ADDRESSES 600u
#define STEP	  4u /* of times */

static struct ft_event event[EVENTS + 8];
static uint32_t events;
static uint64_t now;
static bool in_use[ADDRESSES];

static uint32_t any(uint32_t below)
{
	return (uint32_t)rand() % below;
}

static struct ft_event *add(unsigned kind, unsigned call, uint64_t ticks)
{
	struct ft_event *e = &event[events++];

	*e = (struct ft_event){
		.kind = kind, .call = call, .thread = 1 + any(THREADS), .ticks = ticks
	};
	e->field[0] = ticks;
	return e;
}

static uint64_t address_of(uint32_t i)
{
	return 0x7f0000001000 + i * 48;
}

static void add_alloc(uint32_t i, uint32_t thread)
{
	struct ft_event *e = add(LAR_EV_ALLOC, LAR_CALL_malloc, now);

	e->node = 1 + any(50);
	e->thread = thread;
	e->field[1] = address_of(i);
	e->field[2] = any(8) ? any(500) : any(100000);
	in_use[i] = true;
}

static void add_free(uint32_t i, uint32_t thread)
{
	struct ft_event *e = add(any(4) ? LAR_EV_FREE : LAR_EV_FREE_SIZED, LAR_CALL_free, now);

	e->thread = thread;
	e->field[1] = address_of(i);
	in_use[i] = false;
}

static void add_realloc(uint32_t old, uint32_t new, uint64_t took, uint32_t thread)
{
	struct ft_event *e = add(LAR_EV_REALLOC, LAR_CALL_realloc, now);

	e->node = 1 + any(50);
	e->thread = thread;
	e->field[1] = took;
	e->field[2] = address_of(old);
	e->field[3] = address_of(new);
	e->field[4] = any(1000);
	in_use[old] = false;
	in_use[new] = true;
}

static void add_failed(void)
{
	struct ft_event *e = add(LAR_EV_ALLOC, LAR_CALL_malloc, now);

	e->node = 1 + any(50);
	e->field[2] = 1 << 30;
	e = add(LAR_EV_REALLOC, LAR_CALL_realloc, now);
	e->field[2] = any(2) ? address_of(any(ADDRESSES)) : 0;
	e->field[4] = any(2);
}

static void add_map(void)
{
	static const unsigned calls[] = { LAR_CALL_mmap, LAR_CALL_munmap, LAR_CALL_mremap,
					  LAR_CALL_brk };
	struct ft_event *e = add(LAR_EV_MAP, calls[any(4)], now);

	e->node = any(5);
	e->field[2] = 0x7e0000000000 + any(100) * 4096;
	e->field[3] = any(100) * 4096;
	e->field[5] = any(100) * 4096;
	e->field[6] = any(5) ? 0 : (uint64_t)-12;
}

/* A realloc that is recorded after others have had its old block. */
static void add_overtaken(uint32_t i)
{
	uint32_t to = any(ADDRESSES);
	uint64_t start = now;

	if (in_use[to] || to == i)
		return;
	for (uint32_t n = 1 + any(3); n; n--) {
		now += STEP * any(3);
		add_alloc(i, 1);
		if (any(2))
			add_free(i, 2);
	}
	now += STEP * any(3);
	add_realloc(i, to, now - start, 3 + any(3));
	in_use[i] = true; /* or not: then it is freed twice */
}

static void add_one(void)
{
	uint32_t i = any(ADDRESSES), to = any(ADDRESSES), thread = 1 + any(THREADS);

	now += any(3) ? 0 : STEP * any(6);
	switch (any(40)) {
	case 0:
		add_failed();
		return;
	case 1:
		add_map();
		return;
	case 2: /* born and gone at one time, the free first: frees are, where times are equal */
		if (in_use[i])
			return;
		add_free(i, thread);
		add_alloc(i, 1 + any(THREADS));
		return;
	case 3: /* resized in its place, and freed by another */
		if (!in_use[i])
			return;
		add_free(i, thread);
		add_realloc(i, i, STEP * any(2), 1 + any(THREADS));
		return;
	case 4:
		if (in_use[i])
			add_overtaken(i);
		return;
	case 5: /* whatever is there */
		add_free(i, thread);
		return;
	case 6:
		add_alloc(i, thread);
		return;
	case 7:
	case 8:
		if (in_use[i] && !in_use[to])
			add_realloc(i, to, STEP * any(4), thread);
		return;
	default:
		if (!in_use[i])
			add_alloc(i, thread);
		if (in_use[i] && any(2)) /* often as the next thing that the thread does */
			add_free(i, any(3) ? event[events - 1].thread : thread);
	}
}

static void make_program(unsigned seed)
{
	srand(seed);
	events = 0;
	now = 1000;
	memset(in_use, 0, sizeof(in_use));
	while (events < EVENTS - 8)
		add_one();
}

static uint32_t in_threes(void *arg, uint32_t stack)
{
	static uint32_t known[3 * FT_NODES], count;

	(void)arg;
	/* groups are numbered as they come */
	if (!known[stack / 9])
		known[stack / 9] = ++count;
	return known[stack / 9] - 1;
}

#define SAME(field) assert_int_equal(a->field, b->field)

static void same_histogram(const struct histogram *a, const struct histogram *b)
{
	SAME(count);
	if (!a->count)
		return;
	SAME(sum);
	SAME(min);
	SAME(max);
	for (unsigned q = 0; q <= 1000; q++)
		assert_int_equal(histogram_quantile(a, q), histogram_quantile(b, q));
}

static void same_totals(const struct heap_totals *a, const struct heap_totals *b)
{
	SAME(allocations);
	SAME(allocated_bytes);
	SAME(frees);
	SAME(freed_bytes);
	SAME(unpaired_frees);
	SAME(implied_frees);
	SAME(live_blocks);
	SAME(live_bytes);
	SAME(peak_bytes);
	SAME(peak_at_ticks);
	SAME(temporary);
	SAME(reallocations);
	SAME(failed);
	SAME(samples);
}

/* What sites that are several stacks held at most is not known across a checkpoint. */
static void same_site(const struct heap_site *a, const struct heap_site *b, bool folded)
{
	SAME(allocations);
	SAME(allocated_bytes);
	SAME(frees);
	SAME(freed_bytes);
	SAME(live_blocks);
	SAME(live_bytes);
	SAME(at_peak_bytes);
	SAME(at_peak_blocks);
	SAME(temporary);
	SAME(failed);
	SAME(size_min);
	SAME(size_max);
	same_histogram(&a->lifetime, &b->lifetime);
	if (!folded)
		SAME(peak_bytes);
	assert_true(b->peak_bytes <= a->peak_bytes && b->peak_bytes >= b->at_peak_bytes);
}

static void same_mapped(const struct heap_mapped *a, const struct heap_mapped *b)
{
	SAME(maps);
	SAME(mapped_bytes);
	SAME(unmaps);
	SAME(unmapped_bytes);
	SAME(remaps);
	SAME(breaks);
	SAME(failed);
}

static void same_live(const struct live_table *x, const struct live_table *y,
		      const struct heap_model *mx, const struct heap_model *my)
{
	assert_int_equal(x->count, y->count);
	for (uint64_t i = 0; i <= x->mask; i++) {
		const struct live_block *a = &x->slots[i];
		const struct live_block *b = a->address ? live_find(y, a->address) : a;

		assert_non_null(b);
		if (!a->address)
			continue;
		SAME(size_bytes);
		SAME(born_ticks);
		SAME(thread);
		assert_int_equal(mx->sites.stack[a->site], my->sites.stack[b->site]);
	}
}

static void same_models(const struct heap_model *x, struct heap_model *y, bool folded)
{
	same_totals(&x->total, &y->total);
	same_mapped(&x->mapped, &y->mapped);
	assert_int_equal(x->sites.count, y->sites.count);
	for (uint32_t i = 0; i < x->sites.count; i++) {
		uint32_t other = sites_number(&y->sites, x->sites.stack[i], 0);

		same_site(&x->site[i], &y->site[other], folded);
	}
	assert_int_equal(x->map_sites.count, y->map_sites.count);
	for (uint32_t i = 0; i < x->map_sites.count; i++) {
		uint32_t other = sites_number(&y->map_sites, x->map_sites.stack[i], 0);

		assert_int_equal(x->map_site[i].maps, y->map_site[other].maps);
		assert_int_equal(x->map_site[i].mapped_bytes, y->map_site[other].mapped_bytes);
	}
	if (!folded)
		same_live(&x->live, &y->live, x, y);
}

static void take(struct heap_model *m, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++) {
		struct event e = ft_to_event(&event[i]);

		/* the reader knows one kind of free */
		if (e.kind == LAR_EV_FREE_SIZED)
			e.kind = LAR_EV_FREE;
		assert_int_equal(heap_model_event(m, &e), 0);
	}
}

/* Folds up to each of some events, and lets the model go on from there. */
static void check_program(unsigned seed, const struct site_rule *rule, uint64_t period)
{
	struct heap_model whole;
	struct fold *f = ft_fold_new(FT_ACCOUNTS);
	uint32_t at = 0;

	make_program(seed);
	ft_recorder.config.sample_bytes = period;
	heap_model_init(&whole, rule, 0);
	whole.sampling.period = period;
	take(&whole, 0, events);
	heap_model_finish(&whole);
	/* the hard cases are there */
	assert_true(whole.total.implied_frees > 100 && whole.total.unpaired_frees > 100);
	assert_true((period || whole.total.temporary > 1000) && whole.total.frees > 10000);
	while (at < events) {
		struct heap_model rest;
		struct checkpoint c;

		for (uint32_t end = at + 1 + any(3000); at < end && at < events; at++) {
			struct fold_event e = ft_to_fold(&event[at]);

			fold_heap_event(f, &f->heap_state, &e);
			f->events++;
			f->last_ticks = e.ticks;
		}
		ft_checkpoint(f, &c);
		heap_model_init(&rest, rule, 0);
		rest.sampling.period = period;
		assert_int_equal(heap_load(&rest, &c, true), 0);
		take(&rest, at, events);
		heap_model_finish(&rest);
		same_models(&whole, &rest, rule);
		heap_model_fini(&rest);
		checkpoint_fini(&c);
	}
	heap_model_fini(&whole);
	ft_fold_free(f);
}

static void by_stack(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 4; seed++)
		check_program(seed, NULL, 0);
}

static void by_group(void **state)
{
	struct site_rule rule = { .group = in_threes };

	(void)state;
	check_program(5, &rule, 0);
}

/* Blocks that stand for others: figures in units of theirs. */
static void of_a_sample(void **state)
{
	struct site_rule rule = { .group = in_threes };

	(void)state;
	check_program(6, NULL, 50);
	check_program(7, NULL, 1 << 20);
	check_program(8, &rule, 3000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_stack),
		cmocka_unit_test(by_group),
		cmocka_unit_test(of_a_sample),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
