/* SPDX-License-Identifier: MIT */
/* The trace reader over traces built by hand: whole, wrapped, killed half way, damaged. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "reader_fixture.h"

static void test_facts(void **state)
{
	struct fixture *f = *state;
	const struct trace_facts *facts;

	tb_process(&f->tb, "prog", "/bin/prog", "box", "/tmp", "prog", "--x");
	tb_module(&f->tb, 1, 0x1000, 0x2000, 1000, LAR_MODULE_MAIN, "/bin/prog");
	tb_module(&f->tb, 2, 0x3000, 0x4000, 1500, 0, "/lib/x.so");
	tb_unload(&f->tb, 2, 1700);
	tb_target(&f->tb, 1, LAR_TARGET_FILE, "/etc/passwd");
	tb_thread_name(&f->tb, 1, 55, "main");
	tb_note(&f->tb, "a note");
	tb_dict(&f->tb, 99, 0, "of the future", 13);
	f->tb.header->lost[LAR_LOST_NO_SLOT] = 3;
	f->tb.header->lost[LAR_LOST_STACK_CUT] = 5; /* not an event lost */
	f->tb.header->end = LAR_END_EXIT;
	f->tb.header->end_ticks = 3000;
	facts = open_trace(f);
	assert_string_equal(facts->command, "prog");
	assert_string_equal(facts->executable, "/bin/prog");
	assert_string_equal(facts->host, "box");
	assert_string_equal(facts->cwd, "/tmp");
	assert_int_equal(facts->argc, 2);
	assert_string_equal(facts->argv[1], "--x");
	assert_int_equal(facts->module_count, 2);
	assert_string_equal(facts->modules[1].path, "/lib/x.so");
	assert_int_equal(facts->modules[1].unload_ticks, 1700);
	assert_true(facts->modules[0].unload_ticks == UINT64_MAX);
	assert_int_equal(facts->modules[0].build_id_size, 4);
	assert_memory_equal(facts->modules[0].build_id, "\xde\xad\xbe\xef", 4);
	assert_int_equal(facts->target_count, 2);
	assert_string_equal(facts->targets[0].name, "");
	assert_string_equal(facts->targets[1].name, "/etc/passwd");
	assert_int_equal(facts->note_count, 1);
	assert_string_equal(facts->notes[0], "a note");
	assert_int_equal(facts->events_dropped, 3);
	assert_int_equal(facts->duration_ns, 2000);
	assert_int_equal(facts->events_written, 0);
	assert_int_equal(facts->damage.blocks + facts->damage.records, 0);
	assert_false(facts->running);
}

/* Three slots, blocks and staging, ties and an empty tail: one order by time. */
static void test_merge(void **state)
{
	struct fixture *f = *state;
	const struct trace_facts *facts;

	begin(f, 1000, 1);
	alloc(f, 1100, 1);
	alloc(f, 1400, 4);
	tb_block(&f->tb, &f->r, 0, 0, 0);
	begin(f, 1000, 2);
	alloc(f, 1200, 2);
	alloc(f, 1600, 7); /* at the same time as the free of thread 3 */
	tb_block(&f->tb, &f->r, 1, 0, 0);
	begin(f, 1401, 1);
	alloc(f, 1500, 5);
	alloc(f, 1700, 8);
	tb_slot(&f->tb, 0, 1, &f->r, 101, 1);
	begin(f, 1000, 3);
	alloc(f, 1300, 3);
	TB_FREE(&f->r, 1600, 6);
	tb_slot(&f->tb, 2, 9, &f->r, 103, 3);
	facts = open_trace(f);
	assert_int_equal(facts->events_kept, 12); /* THREAD records too */
	assert_int_equal(facts->blocks_kept, 2);
	for (int again = 0; again < 2; again++) {
		read_events(f, true);
		assert_int_equal(order(f), 12345678);
	}
	assert_int_equal(f->seen.event[0].thread, 1);
	assert_int_equal(f->seen.event[1].thread, 2);
	assert_int_equal(f->seen.event[1].tid, 102);
	assert_int_equal(f->seen.event[2].thread, 3);
	assert_int_equal(f->seen.event[0].time_ns, 100);
	read_events(f, false);
	assert_int_equal(order(f), 14275836);
	f->seen.count = 0;
	f->seen.stop_at = 3;
	assert_int_equal(trace_events(f->trace, true, take, &f->seen), 42);
	assert_int_equal(f->seen.count, 3);
}

static void test_thread_table(void **state)
{
	struct fixture *f = *state;
	const struct trace_thread *threads;
	uint32_t count;

	tb_thread_name(&f->tb, 2, 102, "worker");
	begin(f, 1000, 2);
	alloc(f, 1100, 1);
	TB_THREAD(&f->r, 1200, 103, 3, 2); /* the slot passes to another thread */
	alloc(f, 1300, 2);
	tb_block(&f->tb, &f->r, 0, 0, 0);
	open_trace(f);
	read_events(f, true);
	assert_int_equal(f->seen.event[0].thread, 2);
	assert_int_equal(f->seen.event[1].thread, 3);
	assert_int_equal(f->seen.event[1].tid, 103);
	threads = trace_threads(f->trace, &count);
	assert_int_equal(count, 4);
	assert_string_equal(threads[2].name, "worker");
	assert_int_equal(threads[2].creator, 1);
	assert_string_equal(threads[3].name, "");
	assert_int_equal(threads[3].tid, 103);
	assert_int_equal(threads[3].creator, 2);
}

/* Killed between the commit of the block and that of the slot: every event once. */
static void test_sealed_slot(void **state)
{
	struct fixture *f = *state;
	const struct trace_facts *facts;

	begin(f, 1000, 1);
	alloc(f, 1100, 1);
	tb_block(&f->tb, &f->r, 0, 7, 0);
	tb_slot(&f->tb, 0, 7, &f->r, 101, 1);
	facts = open_trace(f);
	assert_int_equal(facts->events_kept, 2);
	read_events(f, true);
	assert_int_equal(order(f), 1);
	/* another fill of the same slot is something else */
	tb_slot(&f->tb, 0, 8, &f->r, 101, 1);
	facts = open_trace(f);
	assert_int_equal(facts->events_kept, 4);
	read_events(f, true);
	assert_int_equal(order(f), 11);
}

/* The block is damaged, but the slot still has what it held. */
static void test_sealed_slot_of_damaged_block(void **state)
{
	struct fixture *f = *state;
	const struct trace_facts *facts;
	size_t at;

	begin(f, 1000, 1);
	alloc(f, 1100, 1);
	at = tb_block(&f->tb, &f->r, 0, 7, 0);
	tb_slot(&f->tb, 0, 7, &f->r, 101, 1);
	f->tb.ring[at + sizeof(struct lar_block) + 20] ^= 1;
	facts = open_trace(f);
	assert_int_equal(facts->events_kept, 2);
	assert_int_equal(facts->damage.blocks, 0);
	read_events(f, true);
	assert_int_equal(order(f), 1);
}

/* Killed when the header had counted a block that is not committed. */
static void test_block_in_flight(void **state)
{
	struct fixture *f = *state;
	const struct trace_facts *facts;
	size_t at;

	begin(f, 1000, 1);
	alloc(f, 1100, 1);
	at = tb_block(&f->tb, &f->r, 0, 0, 0);
	tb_slot(&f->tb, 0, 0, &f->r, 101, 1);
	memset(f->tb.ring + at, 0, 4);
	facts = open_trace(f);
	assert_int_equal(facts->events_written, 2);
	assert_int_equal(facts->damage.blocks, 0);
	read_events(f, true);
	assert_int_equal(order(f), 1);
	/* without the slot those events are gone, and said to be */
	memset(f->tb.staging, 0, TB_SLOT_SIZE);
	facts = open_trace(f);
	assert_int_equal(facts->events_kept, 0);
	assert_int_equal(facts->damage.blocks, 1);
	assert_int_equal(facts->damage.events_at_least, 2);
}

/* Seals `blocks` blocks of 201 events each, of which the ring keeps the newest. */
static void fill_ring(struct fixture *f, unsigned blocks)
{
	for (unsigned b = 0; b < blocks; b++) {
		uint64_t random = b * 0x9e3779b97f4a7c15ull;

		begin(f, 1000 + b * 1000, 1);
		for (unsigned i = 0; i < 200; i++) {
			random = random * 6364136223846793005ull + 1442695040888963407ull;
			tb_add(&f->r, LAR_EV_FREE_SIZED, 0, LAR_CALL_free, U(1001 + b * 1000 + i),
			       random, U(b));
		}
		tb_block(&f->tb, &f->r, 0, b, 0);
	}
}

static void test_wrapped(void **state)
{
	struct fixture *f = *state;
	const struct trace_facts *facts;
	uint64_t oldest;

	fill_ring(f, 40);
	f->tb.header->ring_tail = 12345; /* a hint may be wrong */
	facts = open_trace(f);
	assert_true(facts->blocks_kept >= 3 && facts->blocks_kept < 12);
	assert_int_equal(facts->events_written, 40 * 201);
	assert_int_equal(facts->events_kept, facts->blocks_kept * 201);
	assert_int_equal(facts->events_overwritten, (40 - facts->blocks_kept) * 201);
	assert_int_equal(facts->damage.blocks, 0);
	oldest = 40 - facts->blocks_kept;
	read_events(f, true);
	assert_int_equal(f->seen.count, facts->blocks_kept * 200);
	for (size_t i = 0; i < f->seen.count; i++) {
		assert_int_equal(f->seen.event[i].field[2], oldest + i / 200);
		assert_int_equal(f->seen.event[i].ticks,
				 1001 + (oldest + i / 200) * 1000 + i % 200);
	}
}

/* A damaged header in the middle leaves a gap; a damaged payload shows when it is decoded. */
static void test_damaged_blocks(void **state)
{
	struct fixture *f = *state;
	const struct trace_facts *facts;
	struct lar_block *b;

	fill_ring(f, 5);
	b = (struct lar_block *)f->tb.ring;
	b = (struct lar_block *)((uint8_t *)b + b->total_size); /* block 1 */
	b->events ^= 1;
	b = (struct lar_block *)((uint8_t *)b + b->total_size); /* block 2 */
	((uint8_t *)b)[b->total_size - 40] ^= 0x10;
	facts = open_trace(f);
	assert_int_equal(facts->blocks_kept, 4);
	assert_int_equal(facts->damage.blocks, 1);
	assert_int_equal(facts->damage.events_at_least, 201);
	for (int again = 0; again < 2; again++) {
		read_events(f, again == 0);
		assert_int_equal(f->seen.count, 3 * 200);
		assert_int_equal(facts->damage.blocks, 2);
		assert_int_equal(facts->damage.events_at_least, 402);
		assert_int_equal(facts->events_kept, 3 * 201);
		assert_int_equal(facts->events_written, 5 * 201);
	}
}

static void test_damaged_dictionary(void **state)
{
	struct fixture *f = *state;
	const struct trace_facts *facts;
	uint64_t at;

	tb_target(&f->tb, 1, LAR_TARGET_FILE, "/one");
	at = f->tb.header->sections[0].used;
	tb_target(&f->tb, 2, LAR_TARGET_FILE, "/two");
	tb_target(&f->tb, 3, LAR_TARGET_PIPE, "/three");
	memset(f->tb.dict + at, 0xff, 4); /* its size */
	facts = open_trace(f);
	assert_int_equal(facts->damage.records, 1);
	assert_int_equal(facts->target_count, 4);
	assert_string_equal(facts->targets[1].name, "/one");
	assert_string_equal(facts->targets[2].name, "");
	assert_string_equal(facts->targets[3].name, "/three");
	assert_int_equal(facts->targets[3].kind, LAR_TARGET_PIPE);
}

/* Names that begin as an earlier one does: with it, without it, and with more than it has. */
static void test_shared_names(void **state)
{
	struct fixture *f = *state;
	const struct trace_facts *facts;

	tb_target(&f->tb, 1, LAR_TARGET_FILE, "/some/folder/one");
	tb_target_like(&f->tb, 2, 1, 13, "two");
	tb_target_like(&f->tb, 3, 9, 13, "three");
	tb_target_like(&f->tb, 4, 1, 17, "four");
	tb_target_like(&f->tb, 5, 1, 16, "");
	tb_target_like(&f->tb, 6, 0x80000001u, 3, "six");
	facts = open_trace(f);
	assert_int_equal(facts->damage.records, 0);
	assert_int_equal(facts->target_count, 7);
	assert_string_equal(facts->targets[1].name, "/some/folder/one");
	assert_string_equal(facts->targets[2].name, "/some/folder/two");
	assert_string_equal(facts->targets[3].name, "...three");
	assert_string_equal(facts->targets[4].name, "...four");
	assert_string_equal(facts->targets[5].name, "/some/folder/one");
	assert_string_equal(facts->targets[6].name, "...six");
}

static void test_lock_cells(void **state)
{
	struct fixture *f = *state;
	struct lar_slot *s;
	const struct event *e;

	begin(f, 1000, 4);
	s = tb_slot(&f->tb, 3, 0, &f->r, 104, 4);
	s->locks[5] = (struct lar_lock_cell){ .addr = 0xabc0,
					      .acquisitions = 10,
					      .failed_try = 2,
					      .call = LAR_CALL_pthread_mutex_lock,
					      .hold_ticks = 500,
					      .hold_max_ticks = 90 };
	open_trace(f);
	read_events(f, true);
	assert_int_equal(f->seen.count, 1);
	e = &f->seen.event[0];
	assert_int_equal(e->kind, LAR_EV_LOCKSUM);
	assert_int_equal(e->flags, TRACE_FROM_CELL);
	assert_int_equal(e->call, LAR_CALL_pthread_mutex_lock);
	assert_int_equal(e->thread, 4);
	assert_int_equal(e->tid, 104);
	assert_int_equal(e->field[1], 0xabc0);
	assert_int_equal(e->field[2], 10);
	assert_int_equal(e->field[3], 500);
	assert_int_equal(e->field[4], 90);
	assert_int_equal(e->field[5], 2);
}

static void test_clock_unknown(void **state)
{
	struct fixture *f = *state;
	const struct trace_facts *facts;

	f->tb.header->clock_source = LAR_CLOCK_TSC;
	facts = open_trace(f); /* the host's name is not this one's */
	assert_true(facts->clock_estimated);
	assert_int_equal(facts->note_count, 1);
	assert_int_equal(trace_span_ns(f->trace, 12345), 12345);
}

static void expect_refusal(struct fixture *f, int code, const char *word)
{
	struct trace_error error = { .text = "" };

	tb_write(&f->tb, f->path);
	assert_int_equal(trace_open(f->path, &f->trace, &error), code);
	if (!strstr(error.text, word))
		fail_msg("\"%s\" says nothing of \"%s\"", error.text, word);
	f->trace = NULL;
}

static void test_refusals(void **state)
{
	struct fixture *f = *state;
	struct trace_error error;
	size_t size = f->tb.size;

	assert_int_equal(trace_open("/nonexistent/trace", &f->trace, &error), -ENOENT);
	assert_non_null(strstr(error.text, "No such file"));
	assert_int_equal(trace_open("/", &f->trace, &error), -EISDIR);
	assert_int_equal(trace_open("/dev/zero", &f->trace, &error), -EINVAL);
	f->trace = NULL;
	f->tb.header->version = LAR_VERSION + 1;
	expect_refusal(f, -EPROTONOSUPPORT, "version 4 is newer than version 3");
	f->tb.size = 64; /* so short a piece says so, too */
	expect_refusal(f, -EPROTONOSUPPORT, "version 4 is newer than version 3");
	f->tb.size = size;
	f->tb.header->version = LAR_VERSION_OLDEST - 1;
	expect_refusal(f, -EPROTONOSUPPORT, "version 1 is older than version 2");
	f->tb.header->version = LAR_VERSION;
	f->tb.header->compat_flags = 0xffff;
	f->tb.header->incompat_flags = 4;
	expect_refusal(f, -EPROTONOSUPPORT, "0x4");
	f->tb.header->incompat_flags = 0;
	f->tb.size = 0;
	expect_refusal(f, -EINVAL, "empty");
	f->tb.size = 5;
	expect_refusal(f, -EINVAL, "ends after 5 bytes");
	f->tb.size = 100;
	expect_refusal(f, -EINVAL, "ends after 100 bytes");
	f->tb.size = size;
	memcpy(f->tb.header->magic, "LARIAT\n", 7);
	expect_refusal(f, -EINVAL, "line ends");
	memset(f->tb.header->magic, 0, 8);
	expect_refusal(f, -EINVAL, "never completed");
	memcpy(f->tb.header->magic, "\177ELF\2\1\1", 8);
	expect_refusal(f, -EINVAL, "not a lariat trace");
}

/* Cut anywhere: what is in front of the cut is read, nothing crashes. */
static void test_cut(void **state)
{
	struct fixture *f = *state;
	size_t size = f->tb.size;
	uint64_t last = 0;

	begin(f, 900, 2);
	alloc(f, 950, 1);
	tb_slot(&f->tb, 1, 0, &f->r, 102, 2);
	fill_ring(f, 5);
	for (f->tb.size = LAR_HEADER_SIZE; f->tb.size <= size; f->tb.size += 97) {
		const struct trace_facts *facts = open_trace(f);

		read_events(f, true);
		assert_true(facts->events_kept >= last);
		last = facts->events_kept;
	}
	assert_int_equal(last, 5 * 201 + 2);
}

/* A header that claims more than there is, and of everything too much. */
static void test_absurd_header(void **state)
{
	struct fixture *f = *state;
	struct lar_header *h = f->tb.header;

	begin(f, 900, 1);
	alloc(f, 950, 1);
	tb_slot(&f->tb, 0, 0, &f->r, 101, 1);
	h->section_count = UINT32_MAX;
	h->sections[0].used = UINT64_MAX;
	h->sections[1].used = UINT64_MAX;
	h->sections[2].size = UINT64_MAX;
	h->ring_blocks = h->ring_events = h->ring_head = h->ring_tail = UINT64_MAX;
	h->time_shift = 200;
	memset(h->lost, 0xff, sizeof(h->lost));
	open_trace(f);
	read_events(f, true);
	assert_int_equal(order(f), 1);
	assert_true(trace_facts(f->trace)->damage.records >= 2);
	assert_true(trace_facts(f->trace)->events_dropped == UINT64_MAX);
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(call_name(LAR_CALL_malloc), "malloc");
	assert_string_equal(call_name(LAR_CALL_none), "");
	assert_string_equal(call_name(63), "");
	assert_string_equal(call_name(UINT32_MAX), "");
	assert_int_equal(call_family(LAR_CALL_pread64), LAR_FAMILY_IO);
	assert_int_equal(call_operation(LAR_CALL_pread64), LAR_OP_READ);
	assert_int_equal(call_family(5000), LAR_FAMILY_NONE);
	assert_string_equal(event_kind_name(LAR_EV_LOCKSUM), "LOCKSUM");
	assert_string_equal(event_kind_name(200), "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_facts),
		TEST(test_merge),
		TEST(test_thread_table),
		TEST(test_sealed_slot),
		TEST(test_sealed_slot_of_damaged_block),
		TEST(test_block_in_flight),
		TEST(test_wrapped),
		TEST(test_damaged_blocks),
		TEST(test_damaged_dictionary),
		TEST(test_shared_names),
		TEST(test_lock_cells),
		TEST(test_clock_unknown),
		TEST(test_refusals),
		TEST(test_cut),
		TEST(test_absurd_header),
		TEST(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
