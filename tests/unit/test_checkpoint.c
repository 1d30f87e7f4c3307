/* SPDX-License-Identifier: MIT */
/* The reader on traces with checkpoints built by hand: which one counts, what it leaves to read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../analyzer/checkpoint.h"
#include "../../analyzer/heap_load.h"
#define CB_AREA 16384u
#include "checkpointbuild.h"
#include "reader_fixture.h"

static struct cb cb;

static int setup_section(void **state)
{
	setup(state);
	cb_section(&((struct fixture *)*state)->tb);
	cb.size = 0;
	return 0;
}

static void position(uint64_t slot, uint64_t fill, uint64_t taken)
{
	cb_table(&cb, LAR_TABLE_POSITIONS, 1, 3);
	cb_signed(&cb, (int64_t)slot);
	cb_row(&cb, 2, fill, taken);
}

/* A block of a thread that allocates the addresses from..to, at times a hundred apart. */
static void seal(struct fixture *f, uint32_t slot, uint32_t fill, uint64_t from, uint64_t to)
{
	begin(f, 1000 + from * 100, slot + 1);
	for (uint64_t i = from; i <= to; i++)
		alloc(f, 1000 + i * 100, i);
	tb_block(&f->tb, &f->r, slot, fill, 0);
}

/* Of slot 0 a whole fill and part of the next is folded, of slot 1 nothing; slot 2 was sealed. */
static void test_positions(void **state)
{
	struct fixture *f = *state;
	const struct trace_facts *facts;

	seal(f, 0, 7, 1, 2);
	seal(f, 0, 8, 3, 4);
	seal(f, 1, 0, 5, 6);
	begin(f, 1700, 1);
	alloc(f, 1700, 7);
	tb_slot(&f->tb, 0, 9, &f->r, 101, 1);
	position(0, 8, 2); /* the THREAD record and address 3 */
	cb_write(&cb, &f->tb, 1, 1, 3 + 2, 1300);
	facts = open_trace(f);
	read_events(f, true);
	assert_int_equal(order(f), 4567);
	read_events(f, false);
	assert_int_equal(order(f), 4567);
	assert_int_equal(facts->events_folded, 5);
	assert_int_equal(facts->events_kept, 1 + 3 + 2);
	assert_int_equal(facts->events_overwritten, 0);
	assert_int_equal(facts->events_written, 11);
	assert_int_equal(facts->folded_until_ns, 300);
	assert_int_equal(facts->damage.blocks + facts->damage.records, 0);
	f->seen.count = 0;
	assert_int_equal(trace_all_events(f->trace, true, take, &f->seen), 0);
	assert_int_equal(order(f), 1234567);
	/* whose thread it is stands in a record that is folded */
	assert_int_equal(f->seen.event[3].thread, 1);
}

/* A position can be in what a slot still holds. */
static void test_position_in_slot(void **state)
{
	struct fixture *f = *state;
	const struct trace_facts *facts;

	begin(f, 1000, 1);
	alloc(f, 1100, 1);
	alloc(f, 1200, 2);
	alloc(f, 1300, 3);
	tb_slot(&f->tb, 0, 0xffffffff, &f->r, 101, 1);
	begin(f, 1000, 2);
	alloc(f, 1400, 4);
	tb_slot(&f->tb, 1, 3, &f->r, 102, 2);
	cb_table(&cb, LAR_TABLE_POSITIONS, 2, 3);
	cb_signed(&cb, 0);
	cb_row(&cb, 2, U(0xffffffff), U(3));
	cb_signed(&cb, 1);
	cb_row(&cb, 2, U(0xfffffff0), U(9)); /* long before fill 3: none of it */
	cb_write(&cb, &f->tb, 0, 1, 3 + 9, 1200);
	facts = open_trace(f);
	read_events(f, true);
	assert_int_equal(order(f), 34);
	assert_int_equal(facts->events_kept, 3);
	/* 9 events of a fill that is gone, and not in the ring */
	assert_int_equal(facts->events_folded, 12);
	assert_int_equal(facts->events_written, 15);
}

/* The ring has wrapped: what it has given up is folded, but for the last it gave up. */
static void test_overwritten(void **state)
{
	struct fixture *f = *state;
	const struct trace_facts *facts;
	struct lar_block *first;

	seal(f, 0, 0, 1, 3); /* 4 events */
	first = (struct lar_block *)f->tb.ring;
	first->magic = 0;
	seal(f, 0, 1, 4, 5);
	seal(f, 0, 2, 6, 7);
	facts = open_trace(f);
	assert_int_equal(facts->events_overwritten, 4);
	position(0, 1, 1);
	cb_write(&cb, &f->tb, 0, 1, 4 + 1, 1400);
	facts = open_trace(f);
	assert_int_equal(facts->events_overwritten, 0);
	assert_int_equal(facts->events_folded, 5);
	assert_int_equal(facts->events_kept, 5);
	assert_int_equal(facts->events_written, 10);
	/* an older checkpoint has only the first half of the block that is gone */
	position(0, 0, 2);
	cb_write(&cb, &f->tb, 0, 1, 2, 1100);
	facts = open_trace(f);
	assert_int_equal(facts->events_overwritten, 2);
	assert_int_equal(facts->events_written, 10);
}

/* What is in the checkpoint is not lost with a block that is damaged. */
static void test_damaged_block(void **state)
{
	struct fixture *f = *state;
	const struct trace_facts *facts;
	struct lar_block *b;

	seal(f, 0, 0, 1, 2);
	b = (struct lar_block *)(f->tb.ring + f->tb.header->ring_head);
	seal(f, 0, 1, 3, 5);
	memset(b + 1, 0xff, 8);
	seal(f, 0, 2, 6, 6);
	position(0, 1, 3);
	cb_write(&cb, &f->tb, 0, 1, 3 + 3, 1400);
	facts = open_trace(f);
	read_events(f, true);
	assert_int_equal(order(f), 6);
	assert_int_equal(facts->damage.blocks, 1);
	assert_int_equal(facts->damage.events_at_least, 1);
	assert_int_equal(facts->events_written, 6 + 2 + 1);
	position(0, 2, 0);
	cb_write(&cb, &f->tb, 0, 1, 3 + 4, 1500);
	facts = open_trace(f);
	read_events(f, true);
	assert_int_equal(order(f), 6);
	assert_int_equal(facts->damage.blocks, 0);
	assert_int_equal(facts->events_written, 7 + 2);
}

static uint64_t seq_of(struct fixture *f)
{
	const struct checkpoint *c;

	open_trace(f);
	c = trace_checkpoint(f->trace);
	return c ? c->header.seq : 0;
}

static uint64_t damaged_records(const struct fixture *f)
{
	return trace_facts(f->trace)->damage.records;
}

/* The newest whole one counts; one that is being written is no damage. */
static void test_two_areas(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(seq_of(f), 0);
	cb_write(&cb, &f->tb, 0, 3, 10, 2000);
	assert_int_equal(seq_of(f), 3);
	cb_write(&cb, &f->tb, 1, 4, 20, 3000);
	assert_int_equal(seq_of(f), 4);
	assert_int_equal(trace_facts(f->trace)->duration_ns, 2000);
	assert_int_equal(damaged_records(f), 0);
	cb_area(&f->tb, 1)->magic = 0;
	assert_int_equal(seq_of(f), 3);
	assert_int_equal(damaged_records(f), 0);
	cb_area(&f->tb, 1)->magic = LAR_CHECKPOINT_MAGIC;
	memset(cb_area(&f->tb, 1) + 1, 0xff, 4);
	assert_int_equal(seq_of(f), 3);
	assert_int_equal(damaged_records(f), 1);
	cb_area(&f->tb, 0)->seq++; /* its check is wrong now */
	assert_int_equal(seq_of(f), 0);
	assert_int_equal(damaged_records(f), 2);
	assert_null(trace_checkpoint(f->trace));
}

/* Where the second area is does not depend on where the file ends. */
static void test_cut_file(void **state)
{
	struct fixture *f = *state;

	cb_write(&cb, &f->tb, 0, 5, 10, 2000);
	cb_write(&cb, &f->tb, 1, 6, 20, 3000);
	f->tb.size -= CB_AREA + 4096;
	assert_int_equal(seq_of(f), 5);
	f->tb.size += 4096 + 32;
	assert_int_equal(seq_of(f), 5);
}

/* Everything that the tables of a whole area can have wrong. */
static void refused(struct fixture *f)
{
	cb_write(&cb, &f->tb, 0, 1, 1, 1000);
	assert_int_equal(seq_of(f), 0);
	assert_int_equal(damaged_records(f), 1);
}

static void test_hostile_tables(void **state)
{
	struct fixture *f = *state;

	cb_table(&cb, LAR_TABLE_LIVE, 2, 5); /* of 10 columns there are 9, with the END */
	cb_row(&cb, 8, U(1), U(1), U(1), U(1), U(1), U(1), U(1), U(1));
	refused(f);
	cb_table(&cb, LAR_TABLE_LIVE, UINT64_MAX, 5);
	cb_row(&cb, 5, U(1), U(1), U(1), U(1), U(1));
	refused(f);
	cb_table(&cb, LAR_TABLE_LIVE, 1, UINT64_MAX);
	refused(f);
	cb_table(&cb, LAR_TABLE_LIVE, 1u << 20, 0); /* rows of nothing */
	refused(f);
	cb_table(&cb, LAR_TABLE_LIVE, 1, 1);
	memset(cb.raw + cb.size, 0x80, 9); /* a varint of more than 64 bits */
	cb.size += 9;
	cb_put(&cb, 2);
	refused(f);
	cb_table(&cb, LAR_TABLE_LIVE, 0, 5);
	cb_table(&cb, LAR_TABLE_LIVE, 0, 5);
	refused(f);
	/* the last bucket that there is, and one more */
	cb_table(&cb, LAR_TABLE_HEAP_SITES, 1, 1);
	cb_row(&cb, 8, U(0), U(1), U(9), U(9), U(9), U(1), U(LAR_HISTOGRAM_BUCKETS(2) - 1), U(1));
	cb_write(&cb, &f->tb, 0, 1, 1, 1000);
	assert_int_equal(seq_of(f), 1);
	cb_table(&cb, LAR_TABLE_HEAP_SITES, 1, 1);
	cb_row(&cb, 8, U(0), U(1), U(9), U(9), U(9), U(1), U(LAR_HISTOGRAM_BUCKETS(2)), U(1));
	refused(f);
	cb_table(&cb, LAR_TABLE_HEAP_SITES, 1, 1);
	cb_row(&cb, 10, U(0), U(1), U(9), U(9), U(9), U(2), U(1), U(1), UINT64_MAX, U(1));
	refused(f);
	cb_table(&cb, LAR_TABLE_HEAP_SITES, 1, 1);
	cb_row(&cb, 6, U(0), U(1), U(9), U(9), U(9), UINT64_MAX);
	refused(f);
	cb_write(&cb, &f->tb, 0, 1, 1, 1000)->raw_size++;
	cb_area(&f->tb, 0)->check = lar_checkpoint_check(cb_area(&f->tb, 0));
	assert_int_equal(seq_of(f), 0);
	cb_write(&cb, &f->tb, 0, 1, 1, 1000)->comp_size = CB_AREA;
	cb_area(&f->tb, 0)->check = lar_checkpoint_check(cb_area(&f->tb, 0));
	assert_int_equal(seq_of(f), 0);
}

/* Columns and tables of later writers; columns that an older one did not have. */
static void test_other_versions(void **state)
{
	struct fixture *f = *state;
	const struct checkpoint *c;
	struct checkpoint_rows r;
	struct histogram h;

	cb_table(&cb, LAR_TABLE_HEAP, 1, 2);
	cb_row(&cb, 2, U(5), U(6));
	cb_table(&cb, LAR_TABLE_HEAP_SITES, 2, CHECKPOINT_COLUMNS + 3);
	for (int row = 0; row < 2; row++) {
		static const uint64_t lifetimes[] = { 0, 3, 1000 };

		cb_signed(&cb, row ? -2 : 7);
		for (uint64_t i = 1; i < CHECKPOINT_COLUMNS + 3; i++)
			cb_put(&cb, 100 * i);
		cb_histogram(&cb, lifetimes, row ? 3 : 0, 2);
	}
	cb_table(&cb, LAR_TABLE_MAX - 1, 1, 1); /* unknown: what is behind it cannot be found */
	cb_put(&cb, 1);
	cb_table(&cb, LAR_TABLE_LIVE, 77, 5);
	cb_write(&cb, &f->tb, 0, 1, 1, 1000);
	assert_int_equal(seq_of(f), 1);
	c = trace_checkpoint(f->trace);
	assert_false(checkpoint_has(c, LAR_TABLE_LIVE));
	checkpoint_rows(c, LAR_TABLE_LIVE, &r);
	assert_false(checkpoint_next(&r));
	checkpoint_rows(c, LAR_TABLE_HEAP, &r);
	assert_true(checkpoint_next(&r));
	assert_int_equal(r.value[1], 6);
	assert_int_equal(r.value[2], 0);
	assert_false(checkpoint_next(&r));
	checkpoint_rows(c, LAR_TABLE_HEAP_SITES, &r);
	assert_true(checkpoint_next(&r));
	assert_int_equal(r.value[0], 7);
	assert_true(checkpoint_next(&r)); /* the histogram before was not asked for */
	assert_int_equal(r.value[0], 5);
	assert_int_equal(r.value[CHECKPOINT_COLUMNS - 1], 100 * (CHECKPOINT_COLUMNS - 1));
	histogram_init(&h, 2);
	checkpoint_histogram(&r, &h, 2);
	assert_int_equal(h.count, 6);
	assert_int_equal(h.sum, 2006);
	assert_int_equal(h.min, 0);
	assert_int_equal(h.max, 1000);
	assert_int_equal(histogram_quantile(&h, 500), 3);
	histogram_fini(&h);
	assert_false(checkpoint_next(&r));
}

/* A frame is in the module of its time; the recorder's own are left out. */
static void test_stacks(void **state)
{
	struct fixture *f = *state;
	const struct checkpoint *c;
	const struct trace_frame *frame;
	static const struct {
		int64_t ra;
		uint64_t up;
		int64_t seen;
	} nodes[] = { { 0x1500, 1, 1000 }, { 0x5500, 1, 1000 }, { 0x1600, 1, 1000 },
		      { 0x1500, 3, 3000 }, { 0x1700, 9, 1000 }, { 0x1700, 0, 1000 } };

	tb_module(&f->tb, 1, 0x1000, 0x2000, 1000, 0, "/old");
	tb_unload(&f->tb, 1, 2000);
	tb_module(&f->tb, 2, 0x1000, 0x2000, 2500, 0, "/new");
	tb_module(&f->tb, 3, 0x5000, 0x6000, 900, LAR_MODULE_SELF, "/self");
	cb_table(&cb, LAR_TABLE_NODES, 6, 3);
	for (int i = 0; i < 6; i++) {
		cb_signed(&cb, nodes[i].ra - (i ? nodes[i - 1].ra : 0));
		cb_put(&cb, nodes[i].up);
		cb_signed(&cb, nodes[i].seen - (i ? nodes[i - 1].seen : 0));
	}
	cb_write(&cb, &f->tb, 0, 1, 1, 1000);
	assert_int_equal(seq_of(f), 1);
	c = trace_checkpoint(f->trace);
	/* 0x1600 below 0x1500, between them the recorder */
	assert_int_equal(trace_stack(f->trace, checkpoint_stack(c, 3), &frame), 2);
	assert_int_equal(frame[0].address, 0x1500);
	assert_int_equal(frame[0].module, 0);
	assert_int_equal(frame[1].address, 0x1600);
	assert_int_equal(checkpoint_stack(c, 2), checkpoint_stack(c, 1));
	/* the same address as node 1, later: below node 1, in the other module */
	assert_int_equal(trace_stack(f->trace, checkpoint_stack(c, 4), &frame), 2);
	assert_int_equal(frame[1].module, 1);
	/* parents that there are not */
	assert_int_equal(trace_stack(f->trace, checkpoint_stack(c, 5), &frame), 1);
	assert_int_equal(checkpoint_stack(c, 6), checkpoint_stack(c, 5));
	assert_int_equal(checkpoint_stack(c, 7), 0);
	assert_int_equal(checkpoint_stack(c, UINT64_MAX), 0);
}

/* Tables of everything that the heap model takes. */
static void fill_tables(void)
{
	static const uint64_t lifetimes[] = { 1, 50, 7000, 100000 };

	position(0, 1, 1);
	cb_table(&cb, LAR_TABLE_NODES, 2, 3);
	cb_row(&cb, 6, U(0x2000), U(1), U(2000), U(0x20), U(1), U(20));
	cb_table(&cb, LAR_TABLE_HEAP, 1, 14);
	cb_row(&cb, 14, U(6), U(600), U(4), U(400), U(1), U(2), U(3), U(2), U(200), U(300), U(1200),
	       U(1), U(1), U(1));
	cb_table(&cb, LAR_TABLE_MAPS, 1, 7);
	cb_row(&cb, 7, U(1), U(4096), U(1), U(4096), U(0), U(0), U(1));
	cb_table(&cb, LAR_TABLE_HEAP_SITES, 2, 12);
	for (uint64_t i = 1; i <= 2; i++) {
		cb_row(&cb, 12, U(2), U(3), U(300), U(2), U(200), U(1), U(1), U(10), U(200), U(250),
		       U(200), U(2));
		cb_histogram(&cb, lifetimes, 4, 2);
	}
	cb_table(&cb, LAR_TABLE_MAP_SITES, 1, 3);
	cb_row(&cb, 3, U(2), U(1), U(4096));
	cb_table(&cb, LAR_TABLE_LIVE, 3, 5);
	for (uint64_t i = 1; i <= 3; i++)
		cb_row(&cb, 5, U(0x200), U(100), U(20), i, i);
	cb_table(&cb, LAR_TABLE_HEAP_OPEN, 3, 4);
	for (uint64_t i = 0; i < 3; i++)
		cb_row(&cb, 4, U(0x100), U(1600), i, U(1));
	cb_table(&cb, LAR_TABLE_LAST_ALLOCATIONS, 1, 2);
	cb_row(&cb, 2, U(2), U(0x100));
}

static int to_model(void *arg, const struct event *e)
{
	return heap_model_event(arg, e);
}

/* Whatever the tables hold, the models take it: nothing crashes, and sites are sites. */
static void test_random_tables(void **state)
{
	struct fixture *f = *state;
	uint32_t taken = 0;

	srand(1);
	seal(f, 0, 1, 5, 9);
	begin(f, 1600, 1);
	for (uint64_t i = 1; i < 8; i++)
		TB_FREE(&f->r, 1600 + i * 100, 0x100 * i);
	tb_slot(&f->tb, 0, 2, &f->r, 101, 1);
	for (int round = 0; round < 3000; round++) {
		struct heap_model m;

		fill_tables();
		for (int flips = rand() % 6; flips; flips--)
			cb.raw[(size_t)rand() % cb.size] = (uint8_t)rand() >> rand() % 8;
		cb_write(&cb, &f->tb, 0, 1, 9, 1500);
		if (!seq_of(f))
			continue;
		taken++;
		heap_model_init(&m, NULL, 0);
		m.sampling.period = round % 4 ? 0 : 1000;
		assert_int_equal(heap_load(&m, trace_checkpoint(f->trace), round % 5), 0);
		assert_int_equal(trace_events(f->trace, true, to_model, &m), 0);
		heap_model_finish(&m);
		for (uint64_t i = 0; m.live.count && i <= m.live.mask; i++)
			if (m.live.slots[i].address && m.live.slots[i].site != SITE_NONE)
				assert_true(m.live.slots[i].site < m.sites.count);
		heap_model_fini(&m);
	}
	assert_true(taken > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_positions, setup_section, teardown),
		cmocka_unit_test_setup_teardown(test_position_in_slot, setup_section, teardown),
		cmocka_unit_test_setup_teardown(test_overwritten, setup_section, teardown),
		cmocka_unit_test_setup_teardown(test_damaged_block, setup_section, teardown),
		cmocka_unit_test_setup_teardown(test_two_areas, setup_section, teardown),
		cmocka_unit_test_setup_teardown(test_cut_file, setup_section, teardown),
		cmocka_unit_test_setup_teardown(test_hostile_tables, setup_section, teardown),
		cmocka_unit_test_setup_teardown(test_other_versions, setup_section, teardown),
		cmocka_unit_test_setup_teardown(test_stacks, setup_section, teardown),
		cmocka_unit_test_setup_teardown(test_random_tables, setup_section, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
