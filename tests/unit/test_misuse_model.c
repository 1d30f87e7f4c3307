/* SPDX-License-Identifier: MIT */
/* Wrong frees: their records in a trace made by hand, and what events tell of the block. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../analyzer/misuse_model.h"
#include "reader_fixture.h"

#define BASE  0x400000u
#define BLOCK 0x7f0000001000u

static struct heap_model heap;
static struct misuse_model model;

/* A record with two frames in the module at BASE. */
static void record(struct fixture *f, uint32_t id, enum lar_misuse kind, uint64_t ticks,
		   uint64_t address, uint64_t count)
{
	struct {
		struct lar_dict_misuse m;
		uint64_t ra[2];
	} r = { .m = { .ticks = ticks,
		       .address = address,
		       .count = count,
		       .thread = 1,
		       .kind = (uint16_t)kind,
		       .call = LAR_CALL_free,
		       .state = kind == LAR_MISUSE_DOUBLE ? LAR_BLOCK_FREED : LAR_BLOCK_MALLOC,
		       .freed_at = kind == LAR_MISUSE_DOUBLE ? BASE + 0x777 : 0,
		       .frames = 2 },
		.ra = { BASE + 0x100, BASE + 0x200 + id } };

	tb_dict(&f->tb, LAR_DICT_MISUSE, id, &r, sizeof(r));
}

static void start_models(struct fixture *f)
{
	struct trace_error error;

	tb_write(&f->tb, f->path);
	assert_int_equal(trace_open(f->path, &f->trace, &error), 0);
	heap_model_init(&heap, NULL, 0);
	assert_int_equal(misuse_model_init(&model, &heap, f->trace), 0);
}

static void give(unsigned kind, uint32_t thread, uint64_t ticks, uint64_t address, uint64_t size)
{
	struct event e = { .kind = (uint8_t)kind,
			   .call = kind == LAR_EV_ALLOC ? LAR_CALL_malloc : LAR_CALL_free,
			   .thread = thread,
			   .stack = 7,
			   .ticks = ticks,
			   .time_ns = ticks,
			   .field = { ticks, address, size } };

	assert_int_equal(heap_model_event(&heap, &e), 0);
}

/* As of a program without operators of its own. */
static const char *none(void *arg, uint32_t stack)
{
	(void)arg;
	(void)stack;
	return NULL;
}

static const char *hidden_new(void *arg, uint32_t stack)
{
	(void)arg;
	return stack == 7 ? "operator new[](unsigned long)" : NULL;
}

static void finish(const char *(*allocator)(void *arg, uint32_t stack))
{
	misuse_model_finish(&model);
	misuse_model_weigh(&model, allocator, NULL);
}

static void close_models(void)
{
	misuse_model_fini(&model);
	heap_model_fini(&heap);
}

static void both_ends_of_a_double_free(void **state)
{
	struct fixture *f = *state;
	const struct trace_frame *frames;

	tb_module(&f->tb, 1, BASE, BASE + 0x10000, 0, LAR_MODULE_MAIN, "/bin/p");
	record(f, 1, LAR_MISUSE_DOUBLE, 5000, BLOCK, 1);
	record(f, 1, LAR_MISUSE_DOUBLE, 9000, BLOCK, 16);
	start_models(f);
	give(LAR_EV_ALLOC, 2, 2000, BLOCK, 40);
	give(LAR_EV_FREE, 1, 3000, BLOCK, 0);
	give(LAR_EV_ALLOC, 2, 4000, BLOCK, 48);
	give(LAR_EV_FREE, 3, 4500, BLOCK, 0);
	give(LAR_EV_FREE, 1, 5000, BLOCK, 0);
	/* what comes later is another block */
	give(LAR_EV_ALLOC, 4, 6000, BLOCK, 56);
	finish(none);
	assert_int_equal(model.places, 1);
	assert_int_equal(model.total[LAR_MISUSE_DOUBLE], 16);
	assert_int_equal(model.place[0].made.size_bytes, 48);
	assert_int_equal(model.place[0].made.time_ns, 4000);
	assert_int_equal(model.place[0].freed.thread, 3);
	assert_int_equal(model.place[0].freed.time_ns, 4500);
	assert_int_equal(trace_stack(f->trace, model.place[0].stack, &frames), 2);
	assert_int_equal(frames[1].address, BASE + 0x201);
	assert_int_equal(frames[1].module, 0);
	assert_int_equal(trace_stack(f->trace, model.place[0].freed.stack, &frames), 1);
	assert_int_equal(frames[0].address, BASE + 0x777);
	close_models();
}

/* Times in blocks are in steps: the first free may seem to be at the time of the second. */
static void both_frees_in_one_step(void **state)
{
	struct fixture *f = *state;

	f->tb.header->time_shift = 8;
	record(f, 1, LAR_MISUSE_DOUBLE, 0x2080, BLOCK, 1);
	start_models(f);
	give(LAR_EV_ALLOC, 1, 0x1000, BLOCK, 40);
	give(LAR_EV_FREE, 3, 0x2000, BLOCK, 0);
	give(LAR_EV_FREE, 1, 0x2000, BLOCK, 0);
	finish(none);
	assert_true(model.place[0].made.known);
	assert_int_equal(model.place[0].freed.thread, 3);
	close_models();
}

/* Nothing is known to have made the block: wrong within another one, or where the allocator ended
 * the process. */
static void unknown_blocks(void **state)
{
	struct fixture *f = *state;

	f->tb.header->end = LAR_END_SIGNAL;
	f->tb.header->exit_code = SIGABRT;
	record(f, 1, LAR_MISUSE_UNKNOWN, 3000, BLOCK + 16, 1);
	record(f, 2, LAR_MISUSE_UNKNOWN, 4000, BLOCK + 4096, 1);
	record(f, 3, LAR_MISUSE_UNKNOWN, 6000, BLOCK + 8192, 1);
	start_models(f);
	give(LAR_EV_ALLOC, 1, 2000, BLOCK, 100);
	give(LAR_EV_FREE, 1, 3000, BLOCK + 16, 0);
	give(LAR_EV_FREE, 1, 4000, BLOCK + 4096, 0);
	give(LAR_EV_ALLOC, 1, 5000, BLOCK + 512, 100);
	give(LAR_EV_FREE, 1, 6000, BLOCK + 8192, 0);
	finish(none);
	assert_int_equal(model.place[0].kind, LAR_MISUSE_FOREIGN);
	assert_int_equal(model.place[0].inside_bytes, 16);
	assert_int_equal(model.place[0].made.size_bytes, 100);
	assert_int_equal(model.place[1].kind, LAR_MISUSE_NONE);
	assert_int_equal(model.place[2].kind, LAR_MISUSE_FOREIGN);
	assert_int_equal(model.total[LAR_MISUSE_FOREIGN], 2);
	close_models();
}

static void hidden_operators(void **state)
{
	struct fixture *f = *state;

	record(f, 1, LAR_MISUSE_MISMATCHED, 3000, BLOCK, 3);
	start_models(f);
	give(LAR_EV_ALLOC, 1, 2000, BLOCK, 100);
	give(LAR_EV_FREE, 1, 3000, BLOCK, 0);
	misuse_model_finish(&model);
	/* made by an operator new[] that called malloc, given back by free: still wrong */
	misuse_model_weigh(&model, hidden_new, NULL);
	assert_int_equal(model.total[LAR_MISUSE_MISMATCHED], 3);
	assert_int_equal(model.place[0].made.size_bytes, 100);
	/* malloc and free: whatever the recorder thought */
	misuse_model_weigh(&model, none, NULL);
	assert_int_equal(model.place[0].kind, LAR_MISUSE_NONE);
	close_models();
}

static void records_that_are_none(void **state)
{
	struct fixture *f = *state;
	struct lar_dict_misuse m = { .kind = LAR_MISUSE_DOUBLE, .frames = UINT32_MAX };

	tb_dict(&f->tb, LAR_DICT_MISUSE, 1, &m, sizeof(m));
	tb_dict(&f->tb, LAR_DICT_MISUSE, 1, &m, 20);
	m.frames = 0;
	m.kind = 99; /* of a later version */
	tb_dict(&f->tb, LAR_DICT_MISUSE, 1, &m, sizeof(m));
	record(f, 2, LAR_MISUSE_DOUBLE, 5000, BLOCK, 1);
	start_models(f);
	assert_int_equal(trace_facts(f->trace)->misuse_count, 1);
	assert_int_equal(trace_facts(f->trace)->damage.records, 2);
	finish(none);
	assert_int_equal(model.total[LAR_MISUSE_DOUBLE], 1);
	assert_false(model.place[0].made.known);
	close_models();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(both_ends_of_a_double_free, setup, teardown),
		cmocka_unit_test_setup_teardown(both_frees_in_one_step, setup, teardown),
		cmocka_unit_test_setup_teardown(unknown_blocks, setup, teardown),
		cmocka_unit_test_setup_teardown(hidden_operators, setup, teardown),
		cmocka_unit_test_setup_teardown(records_that_are_none, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
