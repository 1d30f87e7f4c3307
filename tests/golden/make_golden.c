/* SPDX-License-Identifier: MIT */
/*
 * Made the traces beside it, once: `make_golden FOLDER` writes them anew, byte for byte as long as
 * zstd compresses alike. What each holds was then written down by hand in NAME.jsonl; these files
 * stay as they are, so that every later reader is held to them.
 */
#include <errno.h>
#include <string.h>

#include "../unit/tracebuild.h"

static char folder[4000];

static void write_trace(struct tb *tb, const char *name)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s.lariat", folder, name);
	tb_write(tb, path);
	tb_fini(tb);
}

static void begin(struct tb_records *r, uint64_t time, uint32_t thread)
{
	r->count = r->events = 0;
	TB_THREAD(r, time, 200 + thread, thread, thread == 1 ? 0 : 1);
}

static void common_dictionary(struct tb *tb)
{
	tb_process(tb, "gold", "/usr/bin/gold", "mint", "/home/g", "gold", "-v");
	tb_module(tb, 1, 0x400000, 0x500000, 1000, LAR_MODULE_MAIN, "/usr/bin/gold");
	tb_module(tb, 2, 0x7f0000000000, 0x7f0000100000, 1000, 0, "/lib/libc.so.6");
	tb_module(tb, 3, 0x7f0000200000, 0x7f0000300000, 1000, LAR_MODULE_SELF, "/lib/rec.so");
	tb_target(tb, 1, LAR_TARGET_FILE, "/tmp/a \"b\"");
	tb_thread_name(tb, 1, 201, "gold");
}

/* Every kind of event, in two blocks and a slot, with ticks of 0.5 ns; ended by exit(3). */
static void make_kinds(void)
{
	static struct tb_records r;
	struct lar_slot *s;
	struct tb tb;

	tb_init(&tb, 4096);
	tb.header->clock_source = LAR_CLOCK_TSC;
	tb.header->clock_start = (struct lar_clock_pair){ 1000000, 7 };
	tb.header->clock_last[0] = (struct lar_clock_pair){ 3000000, 1000007 };
	tb.header->end = LAR_END_EXIT;
	tb.header->exit_code = 3;
	tb.header->end_ticks = 1020000;
	tb.header->pid = 4194303; /* above every pid there is */
	tb.header->parent_pid = 1;
	tb.header->start_unix_ns = 1700000000000000000;
	common_dictionary(&tb);
	begin(&r, 1000000, 1);
#define ADD(kind, flags, call, time, ...)                                                          \
	tb_add(&r, LAR_EV_##kind, flags, LAR_CALL_##call, U(1000000 + (time)), __VA_ARGS__)
#define MAIN 0x401000
#define LIBC 0x7f0000000100
	ADD(ALLOC, 0, malloc, 2000, U(0x10000), U(24), U(0), U(2), U(LIBC), U(MAIN));
	ADD(ALLOC, 0, calloc, 2200, U(0x10020), U(48), U(2), U(0));
	ADD(REALLOC, 0, realloc, 2400, U(100), U(0x10020), U(0x20004), U(UINT32_MAX), U(1), U(2),
	    U(MAIN + 8), U(0x7f0000200010));
	ADD(FREE, 0, free, 2600, U(0x20004), U(0));
	ADD(MAP, 0, mmap, 2800, U(20), U(0x7e0000000000), U(8192), U(0), U(0), U(0x7e0000000000),
	    U(1), U(0));
	ADD(MAP, 0, munmap, 3000, U(20), U(0x7e0000000000), U(4096), U(0), U(0), U(-EINVAL), U(0),
	    U(1), U(LAR_RA_INCOMPLETE));
	ADD(IO, 0, read, 3200, U(50), lar_fd_target(3, 1), U(100), U(4096), U(-1), U(1), U(2),
	    U(LAR_RA_CUT), U(0x123));
	ADD(IO, LAR_IO_NO_TARGET, write, 3400, U(60), lar_fd_target(-1, 0), U(-9), U(5), U(7), U(0),
	    U(0));
	tb_block(&tb, &r, 0, 0, 0);
	begin(&r, 1003500, 1);
	ADD(LOCK, LAR_LOCK_CONTENDED | LAR_LOCK_FIRST, pthread_mutex_lock, 3600, U(1000),
	    U(0x30000), U(0), U(0), U(1), U(MAIN));
	ADD(LOCK, LAR_LOCK_TRY, pthread_mutex_trylock, 3800, U(0), U(0x30000), U(16), U(1), U(0));
	ADD(LOCKSUM, 0, pthread_mutex_lock, 4000, U(0x30040), U(9), U(400), U(300), U(1));
	ADD(THREAD_CREATE, LAR_THREAD_DETACHED, pthread_create, 4200, U(90), U(2), U(0), U(1),
	    U(0));
	ADD(THREAD_JOIN, 0, pthread_join, 9000, U(4000), U(2), U(0), U(1), U(0));
	ADD(PROCESS, LAR_PROCESS_CHILD, fork, 9200, U(500), U(4321), U(0), U(1), U(0));
	ADD(TICK, 0, none, 9400, U(1048576), U(65536), U(131072), U(2));
	tb_block(&tb, &r, 0, 1, 0);
	begin(&r, 1004300, 2);
	ADD(THREAD_START, 0, none, 4400, U(2));
	ADD(STACK, 0, none, 4600, U(0), U(1), U(LIBC));
	ADD(THREAD_END, 0, none, 8800, U(2), U(123456));
	s = tb_slot(&tb, 1, 5, &r, 202, 2);
	s->locks[0] = (struct lar_lock_cell){ .addr = 0x30080,
					      .acquisitions = 4,
					      .hold_ticks = 80,
					      .hold_max_ticks = 50,
					      .call = LAR_CALL_pthread_mutex_lock };
	write_trace(&tb, "kinds");
}

/* Seven blocks in a ring that holds fewer; each frees address N and is followed by N + 1. */
static void make_wrapped(void)
{
	static struct tb_records r;
	struct tb tb;

	tb_init(&tb, 768);
	common_dictionary(&tb);
	for (unsigned n = 0; n < 7; n++) {
		begin(&r, 2000 + 1000 * n, 1);
		TB_FREE(&r, 2001 + 1000 * n, 16 * n);
		tb_block(&tb, &r, 0, n, 0);
	}
	tb.header->ring_tail = 31; /* hints may be wrong */
	tb.header->ring_head = 7;
	tb.header->lost[LAR_LOST_NESTED] = 2;
	write_trace(&tb, "wrapped");
}

/*
 * Killed: thread 1 between the commit of its block and that of its slot, thread 2 while its block
 * was counted but not committed, thread 3 in the middle of a record behind its slot's head.
 */
static void make_killed(void)
{
	static struct tb_records r;
	struct lar_slot *s;
	struct tb tb;
	size_t at;

	tb_init(&tb, 4096);
	tb.header->time_shift = 4;
	common_dictionary(&tb);
	begin(&r, 1600, 1);
	TB_FREE(&r, 1700, 0x10);
	TB_FREE(&r, 1807, 0x20);
	tb_block(&tb, &r, 0, 3, 4);
	tb_slot(&tb, 0, 3, &r, 201, 1);
	begin(&r, 1600, 2);
	TB_FREE(&r, 1793, 0x30); /* 1792, as the one of 1807 */
	at = tb_block(&tb, &r, 1, 0, 4);
	tb_slot(&tb, 1, 0, &r, 202, 2);
	memset(tb.ring + at, 0, 4);
	begin(&r, 1600, 3);
	TB_FREE(&r, 1750, 0x40);
	TB_FREE(&r, 1900, 0x50);
	s = tb_slot(&tb, 2, 1, &r, 203, 3);
	s->state -= 8 * 4; /* the last record was not committed */
	write_trace(&tb, "killed");
}

/* A damaged record in the dictionary, block header, block payload, slot; the rest is whole. */
static void make_damaged(void)
{
	static struct tb_records r;
	struct tb tb;
	size_t at;

	tb_init(&tb, 4096);
	common_dictionary(&tb);
	at = tb.header->sections[0].used;
	tb_target(&tb, 2, LAR_TARGET_PIPE, "lost");
	memset(tb.dict + at, 0xee, 4);
	tb_target(&tb, 3, LAR_TARGET_PIPE, "found");
	for (unsigned n = 0; n < 5; n++) {
		begin(&r, 2000 + 1000 * n, 1);
		TB_FREE(&r, 2001 + 1000 * n, 16 * n);
		tb_add(&r, LAR_EV_IO, 0, LAR_CALL_write, U(2002 + 1000 * n), U(1),
		       lar_fd_target(1, 3), U(n), U(n), U(-1), U(0), U(0));
		at = tb_block(&tb, &r, 0, n, 0);
		if (n == 1)
			tb.ring[at + 24] ^= 4;
		if (n == 3)
			tb.ring[at + sizeof(struct lar_block) + 30] ^= 4;
	}
	begin(&r, 8000, 2);
	TB_FREE(&r, 8001, 0x999);
	TB_FREE(&r, 8002, 0x999);
	r.words[r.count - 4] = 0xc8; /* no such kind */
	tb_slot(&tb, 3, 0, &r, 202, 2);
	write_trace(&tb, "damaged");
}

/* From a later version: kinds of events, a section, a record in the dictionary, a flag. */
static void make_later(void)
{
	static const uint8_t encoded[] = {
		16,							       /* streams: */
		0,    10,   1,	  4,	2,    4,    3,	  2,	4,    2, 5, 3, /* the fixed ones */
		0x80, 0x02, 1,	  0x81, 0x02, 1,    0x88, 0x06, 1,	       /* kinds 31, 96 */
		16,   1,    17,	  1,	18,   1,    19,	  1,		       /* THREAD */
		24,   1,    25,	  1,	26,   1,			       /* ALLOC */
		31,   0x82, 1,	  4,	0x82, 0x80, 0x04, 0x83, 0x60, 1, /* shapes: 31 with a stack
									  */
		1,    0,    3,	  2,					 /* THREAD, 31, 96, ALLOC */
		0x20, 0x20, 0x20, 0x00,		       /* 0x10, 0x20, 0x30, 0x30 */
		0,    0,    2,	  1,	0,    1,    2, /* popped, pushed, indices */
		10,   99,   20,	     /* kind 31 5 later, its other field; kind 96 10 later */
		0x7e, 7,    1,	  0, /* time 63, tid 7, thread 1 */
		2,    8,    3,	     /* 1 later, address 16, size 3 */
	};
	struct lar_block b = { .encoded_size = sizeof(encoded),
			       .events = 4,
			       .raw_size = 8 * (5 + 5 + 2 + 5),
			       .first_ticks = 63,
			       .last_ticks = 79 };
	struct tb tb;

	tb_init(&tb, 4096);
	tb.header->compat_flags = 0x80;
	tb.header->clock_start = (struct lar_clock_pair){ 60, 60 };
	tb.header->sections[3] = (struct lar_section){ 77, 0, LAR_HEADER_SIZE, 64, 64 };
	tb.header->section_count = 4;
	tb_dict(&tb, 88, 5, "what?", 5);
	tb_append_block(&tb, &b, encoded);
	write_trace(&tb, "later");
}

int main(int argc, char **argv)
{
	if (argc != 2 || strlen(argv[1]) >= sizeof(folder))
		return 2;
	strcpy(folder, argv[1]);
	make_kinds();
	make_wrapped();
	make_killed();
	make_damaged();
	make_later();
	return 0;
}
