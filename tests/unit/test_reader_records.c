/* SPDX-License-Identifier: MIT */
/* The trace reader and its records: stacks, times, kinds that it does not know, damage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "reader_fixture.h"

/* An event of which only the stack counts. */
static void stack_event(struct fixture *f, uint64_t time, uint32_t node)
{
	tb_add(&f->r, LAR_EV_LOCK, 0, 0, U(time), U(0), U(0), U(0), U(node));
}

static void test_stacks(void **state)
{
	struct fixture *f = *state;
	const struct trace_frame *frames;
	uint32_t node;

	tb_module(&f->tb, 1, 0x1000, 0x2000, 1000, LAR_MODULE_MAIN, "/bin/prog");
	tb_module(&f->tb, 2, 0x3000, 0x4000, 1000, LAR_MODULE_SELF, "/lib/recorder.so");
	tb_module(&f->tb, 3, 0x5000, 0x6000, 1000, 0, "/lib/old.so");
	tb_unload(&f->tb, 3, 2000);
	tb_module(&f->tb, 4, 0x5800, 0x6800, 2500, 0, "/lib/new.so");
	begin(f, 1000, 1);
	node = tb_path(&f->r, 0, 3, U(0x1100), U(0x5900), U(0x3100));
	stack_event(f, 1100, node);
	stack_event(f, 1200, node);
	tb_path(&f->r, 2, 1, U(0x9999));
	node = tb_path(&f->r, 4, 0);
	stack_event(f, 1300, node);
	node = tb_path(&f->r, 1, 1, U(0x5900));
	stack_event(f, 2600, node);
	node = tb_path(&f->r, 0, 2, U(LAR_RA_INCOMPLETE), U(0x5100));
	stack_event(f, 2600, node);
	stack_event(f, 2700, 0);
	stack_event(f, 2700, 2);	    /* what was found in front of the first one stays */
	tb_path(&f->r, node, 1, U(0x5000)); /* nobody's */
	tb_block(&f->tb, &f->r, 0, 0, 0);
	open_trace(f);
	read_events(f, true);
	assert_int_equal(f->seen.count, 7);
	/* the recorder's own frame is left out */
	assert_int_equal(trace_stack(f->trace, f->seen.event[0].stack, &frames), 2);
	assert_int_equal(frames[0].address, 0x1100);
	assert_int_equal(frames[0].module, 0);
	assert_int_equal(frames[1].address, 0x5900);
	assert_int_equal(frames[1].module, 2);
	assert_int_equal(f->seen.event[1].stack, f->seen.event[0].stack);
	assert_int_equal(trace_stack(f->trace, f->seen.event[2].stack, &frames), 3);
	assert_int_equal(frames[2].address, 0x9999);
	assert_true(frames[2].module == UINT32_MAX);
	assert_int_equal(trace_stack_leaf(f->trace, f->seen.event[2].stack).address, 0x9999);
	/* later the same address is of the module that came in its place */
	assert_int_equal(trace_stack(f->trace, f->seen.event[3].stack, &frames), 2);
	assert_int_equal(frames[1].module, 3);
	/* of an unloaded module with nothing in its place: still that one */
	assert_int_equal(trace_stack(f->trace, f->seen.event[4].stack, &frames), 2);
	assert_int_equal(frames[0].address, LAR_RA_INCOMPLETE);
	assert_int_equal(frames[1].module, 2);
	assert_int_equal(f->seen.event[5].stack, 0);
	assert_int_equal(f->seen.event[6].stack, f->seen.event[0].stack);
	assert_int_equal(trace_stack(f->trace, 0, &frames), 0);
	assert_int_equal(trace_stack(f->trace, UINT32_MAX, &frames), 0);
	/* 1100>5900(old)>9999, 1100>5900(new), incomplete>5100(>5000), and the empty one */
	assert_int_equal(trace_stack_count(f->trace), 8);
}

/* A slot's frames are those of a block; each fill and each block counts its own. */
static void test_nodes_of_each(void **state)
{
	struct fixture *f = *state;
	const struct trace_frame *frames;

	for (unsigned i = 0; i < 3; i++) {
		begin(f, 1000 + 100 * i, 1);
		tb_path(&f->r, 0, 2, U(0x10), U(0x20 + i));
		stack_event(f, 1010 + 100 * i, 2);
		tb_path(&f->r, 1, 1, U(0x30));
		stack_event(f, 1020 + 100 * i, 3);
		if (i < 2)
			tb_block(&f->tb, &f->r, 0, i, 0);
	}
	tb_slot(&f->tb, 0, 2, &f->r, 101, 1);
	assert_int_equal(open_trace(f)->events_kept, 9); /* PATH records are none */
	read_events(f, true);
	assert_int_equal(f->seen.count, 6);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(trace_stack(f->trace, f->seen.event[2 * i].stack, &frames), 2);
		assert_int_equal(frames[0].address, 0x10);
		assert_int_equal(frames[1].address, 0x20 + i);
		assert_int_equal(f->seen.event[2 * i + 1].stack, f->seen.event[1].stack);
	}
	assert_int_equal(trace_stack(f->trace, f->seen.event[1].stack, &frames), 2);
	assert_int_equal(frames[1].address, 0x30);
}

/* As deep as stacks can be, and then no deeper: what is further in is folded, and counted. */
static void test_deepest(void **state)
{
	struct fixture *f = *state;
	const struct trace_frame *frames;
	uint32_t node = 0, depth;

	begin(f, 1000, 1);
	for (unsigned i = 0; i < LAR_MAX_DEPTH + 3; i++)
		node = tb_path(&f->r, node, 1, U(0x1000 + i));
	stack_event(f, 1100, LAR_MAX_DEPTH);
	stack_event(f, 1200, node);
	tb_block(&f->tb, &f->r, 0, 0, 0);
	open_trace(f);
	read_events(f, true);
	depth = trace_stack(f->trace, f->seen.event[0].stack, &frames);
	assert_int_equal(depth, LAR_MAX_DEPTH);
	assert_int_equal(frames[depth - 1].address, 0x1000 + LAR_MAX_DEPTH - 1);
	assert_int_equal(f->seen.event[1].stack, f->seen.event[0].stack);
	assert_int_equal(trace_facts(f->trace)->stacks_folded, 3);
}

/* Behind whole records comes something else: the whole ones count. */
static void test_damaged_slot(void **state)
{
	struct fixture *f = *state;
	const struct trace_facts *facts;
	struct lar_slot *s;

	begin(f, 1000, 1);
	alloc(f, 1100, 1);
	alloc(f, 1200, 2);
	f->r.words[f->r.count - 4] = 0xff; /* a kind that does not exist */
	tb_slot(&f->tb, 0, 0, &f->r, 101, 1);
	s = tb_slot(&f->tb, 2, 0, &f->r, 102, 2);
	s->state = 1 << 30; /* larger than the slot */
	facts = open_trace(f);
	assert_int_equal(facts->damage.records, 2);
	assert_int_equal(facts->events_kept, 2);
	read_events(f, true);
	assert_int_equal(order(f), 1);
}

/* The first slots may be larger than the others; sizes that cannot be are no slots. */
static void test_wide_slots(void **state)
{
	struct fixture *f = *state;
	struct lar_header *h = f->tb.header;
	const struct trace_facts *facts;
	struct lar_slot *s;

	h->wide_slots = 1;
	h->wide_size = 2 * TB_SLOT_SIZE;
	begin(f, 1000, 1);
	s = tb_slot(&f->tb, 0, 0, &f->r, 101, 1);
	while (f->r.count * 8 < TB_SLOT_SIZE + 1000) /* over what would be the next slot */
		alloc(f, 1100 + f->r.count, 1);
	memcpy((uint8_t *)s + LAR_SLOT_HEADER_SIZE, f->r.words, f->r.count * 8);
	s->state = f->r.count * 8;
	begin(f, 2000, 2);
	alloc(f, 2100, 1);
	tb_slot(&f->tb, 2, 0, &f->r, 102, 2)->index = 1;
	h->sections[1].used = 2;
	facts = open_trace(f);
	assert_int_equal(facts->damage.records, 0);
	assert_int_equal(facts->events_kept, (TB_SLOT_SIZE + 1000 - 5 * 8 + 31) / 32 + 1 + 2);

	h->wide_size = LAR_SLOT_HEADER_SIZE;
	facts = open_trace(f);
	assert_int_equal(facts->damage.records, 1);
	assert_int_equal(facts->events_kept, 0);
	h->wide_size = UINT32_MAX & ~7u;
	h->wide_slots = UINT32_MAX;
	facts = open_trace(f);
	assert_int_equal(facts->damage.records, 1);
	assert_int_equal(facts->events_kept, 0);
}

/* The last slots may be smaller, where a flag says so that a reader must know. */
static void test_narrow_slots(void **state)
{
	struct fixture *f = *state;
	struct lar_header *h = f->tb.header;
	const struct trace_facts *facts;

	h->incompat_flags = LAR_INCOMPAT_NARROW;
	h->sections[1].unit_size = 2 * TB_SLOT_SIZE;
	h->narrow_from = 1;
	h->narrow_size = TB_SLOT_SIZE;
	for (uint32_t i = 0; i < 3; i++) {
		begin(f, 1000 * (i + 1), i + 1);
		alloc(f, 1000 * (i + 1) + 100, i + 1);
		tb_slot(&f->tb, i ? i + 1 : 0, 0, &f->r, 101 + i, i + 1)->index = i;
	}
	h->sections[1].used = 3;
	facts = open_trace(f);
	assert_int_equal(facts->damage.records, 0);
	assert_int_equal(facts->events_kept, 3 * 2);

	h->narrow_from = 2; /* then the second is as large as the first */
	facts = open_trace(f);
	assert_int_equal(facts->events_kept, 2 * 2);
	h->narrow_size = 12;
	facts = open_trace(f);
	assert_int_equal(facts->damage.records, 1);
	assert_int_equal(facts->events_kept, 0);
	h->incompat_flags = 0; /* it says nothing then */
	facts = open_trace(f);
	assert_int_equal(facts->damage.records, 0);
	assert_int_equal(facts->events_kept, 2 * 2);
}

/* Nodes that are not there, and PATHs of too many frames: what is in front of them counts. */
static void test_damaged_nodes(void **state)
{
	struct fixture *f = *state;
	const struct trace_facts *facts;

	for (unsigned i = 0; i < 4; i++) {
		begin(f, 1000, 1);
		tb_path(&f->r, 0, 1, U(0x10));
		alloc(f, 1100, 1);
		switch (i) {
		case 0:
			stack_event(f, 1200, 2);
			break;
		case 1:
			tb_path(&f->r, 2, 1, U(0x20));
			break;
		case 2:
			TB_FREE(&f->r, 1200, 3);
			f->r.words[f->r.count - 3] |= 1ull << 32; /* has no stack */
			break;
		case 3:
			f->r.words[f->r.count++] = lar_word0(LAR_EV_PATH, 0, 7, 0);
			break; /* its frames are not there */
		}
		alloc(f, 1300, 4);
		tb_slot(&f->tb, i, 0, &f->r, 101, 1);
	}
	facts = open_trace(f);
	assert_int_equal(facts->damage.records, 4);
	assert_int_equal(facts->events_kept, 8);
	read_events(f, true);
	assert_int_equal(order(f), 1111);
}

/* Kinds of a later version in a slot: the header says how long they are. */
static void test_unknown_kinds_in_slot(void **state)
{
	struct fixture *f = *state;
	const struct trace_facts *facts;
	uint64_t *w;

	f->tb.header->kind_form[29] = 2; /* no stack */
	f->tb.header->kind_form[30] = 3 | 0x80;
	begin(f, 1000, 1);
	tb_path(&f->r, 0, 1, U(0x5000));
	alloc(f, 1100, 1);
	w = f->r.words + f->r.count;
	*w++ = lar_word0(29, 0, 0, 0);
	*w++ = 1150;
	*w++ = 77;
	*w++ = lar_word0(30, 0, 7, 1000); /* brings no nodes, and what it says of them is its own */
	*w++ = 1160;
	*w++ = 88;
	*w++ = 99;
	f->r.count += 7;
	tb_path(&f->r, 1, 1, U(0x6000));
	tb_add(&f->r, LAR_EV_ALLOC, 0, LAR_CALL_malloc, U(1200), U(2), U(32), U(2));
	tb_slot(&f->tb, 0, 0, &f->r, 101, 1);
	facts = open_trace(f);
	assert_int_equal(facts->damage.records, 0);
	read_events(f, true);
	assert_int_equal(order(f), 12);
	assert_int_equal(trace_stack_leaf(f->trace, f->seen.event[1].stack).address, 0x6000);
	assert_int_equal(trace_facts(f->trace)->damage.skipped, 2);
}

/* The two forms of a free are one to those who look at events. */
static void test_frees(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 2; i++) {
		begin(f, 1000, 1);
		alloc(f, 1099, 3);
		TB_FREE(&f->r, 1100, 1 + 3 * i);
		tb_add(&f->r, LAR_EV_FREE_SIZED, 0, LAR_CALL__ZdlPvm, U(1100), U(2 + 3 * i), U(48));
		if (i)
			tb_slot(&f->tb, 1, 0, &f->r, 101, 1);
		else
			tb_block(&f->tb, &f->r, 0, 0, 0);
	}
	open_trace(f);
	read_events(f, true);
	assert_int_equal(order(f), 331245);
	for (unsigned i = 2; i < 6; i++) {
		assert_int_equal(f->seen.event[i].kind, LAR_EV_FREE);
		assert_int_equal(f->seen.event[i].field[2], i % 2 ? 48 : 0);
		assert_int_equal(f->seen.event[i].stack, 0);
	}
}

/* Times of slots lose the bits that those of blocks have lost, or they would not compare. */
static void test_time(void **state)
{
	struct fixture *f = *state;
	struct lar_header *h = f->tb.header;

	h->clock_source = LAR_CLOCK_TSC;
	h->time_shift = 8;
	h->clock_start = (struct lar_clock_pair){ 10000, 500 };
	h->clock_last[0] = (struct lar_clock_pair){ 20000, 400 }; /* being written */
	h->clock_last[1] = (struct lar_clock_pair){ 30000, 500 + 5000 };
	h->clock_last_index = 1;
	begin(f, 10000, 1);
	alloc(f, 20600, 2);
	tb_block(&f->tb, &f->r, 0, 0, 8);
	begin(f, 10000, 2);
	TB_FREE(&f->r, 20500, 1);
	alloc(f, 20736, 3);
	tb_slot(&f->tb, 1, 0, &f->r, 102, 2);
	open_trace(f);
	read_events(f, true);
	assert_int_equal(order(f), 123);
	assert_int_equal(f->seen.event[0].ticks, 20480);
	assert_int_equal(f->seen.event[1].ticks, 20480);
	assert_int_equal(f->seen.event[2].ticks, 20736);
	assert_int_equal(f->seen.event[0].time_ns, 10480 / 4);
	assert_int_equal(trace_ns(f->trace, 30000), 5000);
	assert_int_equal(trace_ns(f->trace, 9000), 0);
	assert_int_equal(trace_span_ns(f->trace, 8000), 2000);
	assert_true(trace_ns(f->trace, UINT64_MAX) > 1ull << 61);
	assert_false(trace_facts(f->trace)->clock_estimated);
}

/* Lengths of time are rounded up, in blocks by the writer and in slots by the reader. */
static void test_lengths(void **state)
{
	struct fixture *f = *state;

	f->tb.header->time_shift = 8;
	for (unsigned i = 0; i < 2; i++) {
		begin(f, 10000, 1 + i);
#define REALLOC(ticks) tb_add(&f->r, LAR_EV_REALLOC, 0, 0, U(20000), ticks, U(0), U(0), U(0), U(0))
		REALLOC(U(0));
		REALLOC(U(1));
		REALLOC(U(256));
		REALLOC(U(257));
		REALLOC(UINT64_MAX);
		if (i)
			tb_slot(&f->tb, 1, 0, &f->r, 102, 2);
		else
			tb_block(&f->tb, &f->r, 0, 0, 8);
	}
	open_trace(f);
	read_events(f, true);
	assert_int_equal(f->seen.count, 10);
	for (unsigned i = 0; i < 10; i += 5) {
		assert_int_equal(f->seen.event[i].field[1], 0);
		assert_int_equal(f->seen.event[i + 1].field[1], 256);
		assert_int_equal(f->seen.event[i + 2].field[1], 256);
		assert_int_equal(f->seen.event[i + 3].field[1], 512);
		assert_true(f->seen.event[i + 4].field[1] == UINT64_MAX - 255);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_stacks),	  TEST(test_nodes_of_each),
		TEST(test_deepest),	  TEST(test_damaged_slot),
		TEST(test_wide_slots),	  TEST(test_narrow_slots),
		TEST(test_damaged_nodes), TEST(test_unknown_kinds_in_slot),
		TEST(test_frees),	  TEST(test_time),
		TEST(test_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
