/* SPDX-License-Identifier: MIT */
/* Timelines and series against a list of all that was ever noted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../analyzer/timeline.h"

#define NOTES 20000

static struct timeline t;
static struct {
	uint64_t at_ns, value;
} note[NOTES];
static unsigned notes;

static uint64_t rnd(uint64_t below)
{
	static uint64_t state = 88172645463325252u;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 20) % below;
}

static void give(struct series *s, uint64_t at_ns, uint64_t value)
{
	struct timeline_sample last = { .live_bytes = notes ? note[notes - 1].value : 0,
					.allocations = notes };

	if (at_ns >= t.end_ns)
		timeline_advance(&t, at_ns, &last);
	series_note(s, &t, value);
	timeline_live(&t, value);
	note[notes].at_ns = at_ns;
	note[notes++].value = value;
}

/* Least and most in [from, to): what it was on entry, and all that came. */
static void expect(uint64_t from, uint64_t to, uint64_t *low, uint64_t *high)
{
	uint64_t value = 0;
	unsigned i = 0;

	for (; i < notes && note[i].at_ns < from; i++)
		value = note[i].value;
	*low = *high = value;
	for (; i < notes && note[i].at_ns < to; i++) {
		*low = note[i].value < *low ? note[i].value : *low;
		*high = note[i].value > *high ? note[i].value : *high;
	}
}

static void check(struct series *s, bool high_too)
{
	uint64_t low[SERIES_SLOTS], high[SERIES_SLOTS], l, h;
	uint32_t n = series_read(s, &t, low, high);

	assert_in_range(n, 1, SERIES_SLOTS);
	for (uint32_t i = 0; i < n; i++) {
		expect(t.start_ns + i * timeline_slot_ns(&t),
		       t.start_ns + (i + 1) * timeline_slot_ns(&t), &l, &h);
		assert_int_equal(low[i], l);
		if (high_too)
			assert_int_equal(high[i], h);
	}
	for (uint32_t i = 0; i + 1 < t.count; i++) {
		expect(t.start_ns + i * timeline_sample_ns(&t),
		       t.start_ns + (i + 1) * timeline_sample_ns(&t), &l, &h);
		assert_int_equal(t.sample[i].live_min, l);
		assert_int_equal(t.sample[i].live_max, h);
	}
}

/* Steps of all sizes, so that widths double one by one and many at once. */
static void slots_hold_what_was_noted(void **state)
{
	(void)state;
	for (int run = 0; run < 30; run++) {
		uint64_t now = rnd(2) * 1000000, step = 1 + rnd(100000);
		struct series s = { 0 };

		notes = 0;
		timeline_start(&t, now, 0);
		for (int i = 0; i < 1500; i++) {
			now += rnd(step);
			if (rnd(400) == 0)
				now += rnd(1000 * step);
			/* never 0 for long after the first, so that the most is kept, too */
			give(&s, now, 1 + rnd(1000000));
			if (i % 250 == 0)
				check(&s, i > 0 || !now);
		}
		assert_true(t.count >= TIMELINE_SAMPLES / 4);
		check(&s, false);
		series_fini(&s);
	}
}

/* A site that lets go of all again and again takes no memory. */
static void passing_figures_take_no_slots(void **state)
{
	struct series s = { 0 };

	(void)state;
	notes = 0;
	timeline_start(&t, 0, 0);
	for (uint64_t i = 0; i < 1000; i++) {
		give(&s, i * 100000, 50);
		give(&s, i * 100000 + 1, 0);
	}
	assert_null(s.slot);
	check(&s, false);
	assert_false(series_held(&s, &t));
	give(&s, 200000000, 70);
	assert_false(series_held(&s, &t));
	/* of the process, not of the series: to look at it takes no memory */
	timeline_advance(&t, 300000000, &(struct timeline_sample){ .live_bytes = 70 });
	assert_true(series_held(&s, &t));
	check(&s, false);
	assert_null(s.slot);
	give(&s, 300000000, 80);
	assert_non_null(s.slot);
	assert_true(series_held(&s, &t));
	check(&s, false);
	series_fini(&s);
}

static void begins_late_and_starts_again(void **state)
{
	uint64_t low[SERIES_SLOTS], high[SERIES_SLOTS];
	struct series s = { 0 };

	(void)state;
	notes = 0;
	timeline_start(&t, 5000000, 0);
	give(&s, 900000000, 40);
	give(&s, 1800000000, 60);
	check(&s, false);
	/* started again: only what it is now is known */
	timeline_start(&t, 2000000000, 60);
	assert_int_equal(series_read(&s, &t, low, high), 1);
	assert_int_equal(low[0], 60);
	assert_int_equal(high[0], 60);
	series_fini(&s);
}

static void sums_are_those_at_the_end(void **state)
{
	struct series s = { 0 };

	(void)state;
	notes = 0;
	timeline_start(&t, 0, 0);
	for (uint64_t i = 1; i <= 10000; i++)
		give(&s, i * 12345, i);
	for (uint32_t i = 0; i + 1 < t.count; i++) {
		uint64_t end = (i + 1) * timeline_sample_ns(&t);

		/* notes before the end of the sample */
		assert_int_equal(t.sample[i].allocations, (end - 1) / 12345);
	}
	/* time beyond any clock does no harm */
	give(&s, UINT64_MAX - 1, 5);
	give(&s, UINT64_MAX, 6);
	assert_in_range(t.count, 1, TIMELINE_SAMPLES);
	series_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_hold_what_was_noted),
		cmocka_unit_test(passing_figures_take_no_slots),
		cmocka_unit_test(begins_late_and_starts_again),
		cmocka_unit_test(sums_are_those_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
