/* SPDX-License-Identifier: MIT */
/* The latency histogram against sorted arrays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../analyzer/histogram.h"

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t random_state = 88172645463325252ull;

static uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static void assert_close(uint64_t got, uint64_t want, unsigned parts)
{
	uint64_t slack = want / parts + 1;

	if (got > want + slack || got + slack < want)
		fail_msg("quantile %lu is not within 1/%u of %lu", (unsigned long)got, parts,
			 (unsigned long)want);
}

static void quantiles_are_close(void **state)
{
	static const unsigned at[] = { 1, 10, 250, 500, 900, 990, 999 };
	enum { N = 20000 };
	uint64_t *value = malloc(N * sizeof(*value));

	(void)state;
	assert_non_null(value);
	for (unsigned spread = 1; spread < 60; spread += 7) {
		struct histogram h;
		uint64_t sum = 0;

		histogram_init(&h, HISTOGRAM_FINE);
		for (unsigned i = 0; i < N; i++) {
			value[i] = random_next() >> (4 + random_next() % spread);
			value[i] >>= 16;
			sum += value[i];
			histogram_add(&h, value[i]);
		}
		qsort(value, N, sizeof(*value), by_value);
		assert_int_equal(h.count, N);
		assert_int_equal(h.sum, sum);
		assert_int_equal(h.min, value[0]);
		assert_int_equal(h.max, value[N - 1]);
		for (size_t i = 0; i < sizeof(at) / sizeof(*at); i++) {
			uint64_t rank = ((uint64_t)N * at[i] + 999) / 1000;

			assert_close(histogram_quantile(&h, at[i]), value[rank - 1], 16);
		}
		histogram_fini(&h);
	}
	free(value);
}

static void edges(void **state)
{
	struct histogram h;

	(void)state;
	histogram_init(&h, HISTOGRAM_FINE);
	assert_int_equal(histogram_quantile(&h, 500), 0);
	assert_int_equal(histogram_mean(&h), 0);
	histogram_add(&h, 0);
	assert_int_equal(histogram_quantile(&h, 999), 0);
	histogram_add(&h, UINT64_MAX);
	histogram_add(&h, UINT64_MAX);
	assert_int_equal(h.sum, UINT64_MAX);
	assert_int_equal(h.min, 0);
	assert_int_equal(h.max, UINT64_MAX);
	assert_int_equal(histogram_quantile(&h, 1), 0);
	assert_true(histogram_quantile(&h, 500) > UINT64_MAX / 32 * 31);
	histogram_fini(&h);
}

/* Small values are exact, at every precision. */
static void small_values_are_exact(void **state)
{
	(void)state;
	for (uint64_t v = 0; v < 32; v++) {
		struct histogram h;

		histogram_init(&h, HISTOGRAM_FINE);
		histogram_add(&h, 0);
		histogram_add(&h, v);
		histogram_add(&h, 40);
		assert_int_equal(histogram_quantile(&h, 500), v);
		histogram_fini(&h);
	}
}

static void merging_is_adding(void **state)
{
	struct histogram all, a, b;

	(void)state;
	histogram_init(&all, HISTOGRAM_COARSE);
	histogram_init(&a, HISTOGRAM_COARSE);
	histogram_init(&b, HISTOGRAM_COARSE);
	for (unsigned i = 0; i < 5000; i++) {
		uint64_t v = random_next() >> (i % 50);

		histogram_add(&all, v >> 12);
		histogram_add(i % 3 ? &a : &b, v >> 12);
	}
	histogram_merge(&a, &b);
	assert_int_equal(a.count, all.count);
	assert_int_equal(a.sum, all.sum);
	assert_int_equal(a.min, all.min);
	assert_int_equal(a.max, all.max);
	for (unsigned q = 1; q < 1000; q += 13)
		assert_int_equal(histogram_quantile(&a, q), histogram_quantile(&all, q));
	histogram_fini(&all);
	histogram_fini(&a);
	histogram_fini(&b);
}

/* Most histograms of a large trace have a few values: they take no memory as long as these lie in
 * one bucket, and tell the same as with more. */
static void few_values(void **state)
{
	(void)state;
	for (unsigned run = 0; run < 2000; run++) {
		uint64_t value[40];
		unsigned n = 1 + random_next() % 40, half = random_next() % n;
		unsigned kinds = 1 + run % 3;
		struct histogram h, a, b;
		bool one_bucket = true;

		histogram_init(&h, HISTOGRAM_COARSE);
		histogram_init(&a, HISTOGRAM_COARSE);
		histogram_init(&b, HISTOGRAM_COARSE);
		for (unsigned i = 0; i < n; i++) {
			value[i] = 1000 << 3 * (random_next() % kinds);
			one_bucket &= value[i] == value[0];
			histogram_add(&h, value[i]);
			histogram_add(i < half ? &a : &b, value[i]);
		}
		if (n <= 16)
			assert_int_equal(one_bucket, !h.length);
		histogram_merge(&a, &b);
		qsort(value, n, sizeof(*value), by_value);
		assert_int_equal(h.count, n);
		assert_int_equal(a.count, n);
		for (unsigned q = 1; q < 1000; q++) {
			uint64_t rank = (n * q + 999) / 1000;

			assert_close(histogram_quantile(&h, q), value[rank - 1], 4);
			assert_int_equal(histogram_quantile(&a, q), histogram_quantile(&h, q));
		}
		histogram_fini(&h);
		histogram_fini(&a);
		histogram_fini(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantiles_are_close),
		cmocka_unit_test(edges),
		cmocka_unit_test(small_values_are_exact),
		cmocka_unit_test(merging_is_adding),
		cmocka_unit_test(few_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
