/* SPDX-License-Identifier: MIT */
/* link: preload/fold_*.o preload/pool.o preload/sys.o analyzer/[!m]*.o analyzer/m[eio]*.o */
/* Checkpoints of I/O, locks and threads that no recorder writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "foldprogram.h"

static uint8_t tables[1u << 20];
static size_t table_bytes;

static void put(uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		tables[table_bytes++] = (uint8_t)(v | 0x80);
	tables[table_bytes++] = (uint8_t)v;
}

static uint64_t strange(void)
{
	switch (any(4)) {
	case 0:
		return any(4);
	case 1:
		return any(200);
	case 2:
		return (uint64_t)rand() << any(33);
	default:
		return UINT64_MAX - any(3);
	}
}

static void put_strange_histogram(void)
{
	uint32_t n = any(5);

	put(n ? strange() | 1 : 0);
	for (uint32_t k = 0; n && k < 3; k++)
		put(strange());
	if (n)
		put(n);
	for (uint32_t k = 0; k < n; k++) {
		put(any(200));
		put(strange());
	}
}

static void put_strange_table(enum lar_table table, unsigned histograms)
{
	uint32_t rows = any(12), columns = 1 + any(20);

	put(table);
	put(rows);
	put(columns);
	for (uint32_t i = 0; i < rows; i++) {
		for (uint32_t k = 0; k < columns; k++)
			put(strange());
		for (unsigned k = 0; k < histograms; k++)
			put_strange_histogram();
	}
}

/* Whatever they say, what comes of them can be looked at. */
static void strange_tables(void **state)
{
	static const enum lar_table plain[] = { LAR_TABLE_THREADS,     LAR_TABLE_THREAD_TOTALS,
						LAR_TABLE_IO_SPANS,    LAR_TABLE_IO_SLOWEST,
						LAR_TABLE_IO_ERRORS,   LAR_TABLE_LOCK_PAIRS,
						LAR_TABLE_LOCK_TOTALS, LAR_TABLE_LOCK_ORDER,
						LAR_TABLE_LOCK_BLAME,  LAR_TABLE_LOCK_WAITING };
	static const enum lar_table with[] = { LAR_TABLE_IO, LAR_TABLE_IO_TARGETS,
					       LAR_TABLE_IO_SITES, LAR_TABLE_CONDITIONS };
	struct fold *f = ft_fold_new(1u << 20);

	(void)state;
	for (unsigned seed = 0; seed < 500; seed++) {
		struct models m;

		make_events(seed, 60);
		table_bytes = 0;
		for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++)
			put_strange_table(plain[i], 0);
		for (size_t i = 0; i < sizeof(with) / sizeof(*with); i++)
			put_strange_table(with[i], 1);
		put_strange_table(LAR_TABLE_LOCKS, 2);
		put_strange_table(LAR_TABLE_LOCK_SITES, 2);
		put(LAR_TABLE_END);
		ft_write(tables, table_bytes);
		models_init(&m, NULL);
		models_read(&m);
		models_take(&m, 0, events);
		assert_true(m.locks.sites.count <= m.locks.site_size);
		assert_true(m.io.slow_count <= 50);
		models_fini(&m);
	}
	ft_fold_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strange_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
