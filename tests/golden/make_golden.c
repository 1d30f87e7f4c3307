/* SPDX-License-Identifier: MIT */
/*
 * Made the traces beside it, once: `make_golden FOLDER` writes them anew, byte for byte as long as
 * zstd compresses alike and slots have the header that they had; all but `steps` were of version 2.
 * What each holds was then written down by hand in NAME.jsonl; these files stay as they are, so
 * that every later reader is held to them.
 */
#include <errno.h>
#include <string.h>

#define CB_AREA 4096u
#include "../unit/checkpointbuild.h"

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
	tb_clear(r);
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
	uint32_t node;
	struct tb tb;

	tb_init(&tb, 4096);
	tb.header->clock_source = LAR_CLOCK_TSC;
	tb.header->clock_start = (struct lar_clock_pair){ 1000000, 7 };
	tb.header->clock_last[0] = (struct lar_clock_pair){ 3000000, 1000007 };
	tb.header->end = LAR_END_EXIT;
	tb.header->exit_code = 3;
	tb.header->processors = 2;
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
	node = tb_path(&r, 0, 2, U(LIBC), U(MAIN));
	ADD(ALLOC, 0, malloc, 2000, U(0x10000), U(24), U(node));
	ADD(ALLOC, 0, calloc, 2200, U(0x10020), U(48), U(node));
	node = tb_path(&r, 1, 2, U(MAIN + 8), U(0x7f0000200010));
	ADD(REALLOC, 0, realloc, 2400, U(100), U(0x10020), U(0x20004), U(UINT32_MAX), U(node));
	ADD(FREE, 0, free, 2600, U(0x20004));
	ADD(MAP, 0, mmap, 2800, U(20), U(0x7e0000000000), U(8192), U(0), U(0), U(0x7e0000000000),
	    U(1));
	node = tb_path(&r, 0, 1, U(LAR_RA_INCOMPLETE));
	ADD(MAP, 0, munmap, 3000, U(20), U(0x7e0000000000), U(4096), U(0), U(0), U(-EINVAL),
	    U(node));
	node = tb_path(&r, node, 2, U(LAR_RA_CUT), U(0x123));
	ADD(IO, 0, read, 3200, U(50), lar_fd_target(3, 1), U(100), U(4096), U(-1), U(node));
	ADD(IO, LAR_IO_NO_TARGET, write, 3400, U(60), lar_fd_target(-1, 0), U(-9), U(5), U(7),
	    U(0));
	tb_block(&tb, &r, 0, 0, 0);
	begin(&r, 1003500, 1);
	node = tb_path(&r, 0, 1, U(MAIN));
	ADD(LOCK, LAR_LOCK_FIRST, pthread_mutex_lock, 3560, U(77), U(0x30000), U(MAIN), U(node));
	ADD(LOCKWAIT, 0, pthread_mutex_lock, 3580, U(0x30000), U(2), U(MAIN + 8), U(node));
	ADD(LOCK, LAR_LOCK_CONTENDED | LAR_LOCK_NO_CELL, pthread_mutex_lock, 3600, U(1000),
	    U(0x30000), U(0), U(node));
	ADD(LOCKORDER, 0, pthread_mutex_lock, 3700, U(0x30040), U(0x30000), U(MAIN), U(0x10100),
	    U(node));
	ADD(LOCK, LAR_LOCK_TRY, pthread_mutex_trylock, 3800, U(0), U(0x30000), U(16), U(node));
	ADD(LOCK, LAR_LOCK_HELD, pthread_mutex_unlock, 3900, U(5000000), U(0x30000), U(MAIN),
	    U(node));
	ADD(LOCKHOLDS, 0, pthread_mutex_lock, 4000, U(0x30040), U(MAIN), U(0x30004),
	    U(0x1000200030004), U(0), U(7));
	ADD(LOCKSUM, 0, pthread_mutex_lock, 4000, U(0x30040), U(9), U(400), U(300),
	    U(1 | 5ull << 32), U(MAIN));
	ADD(THREAD_CREATE, LAR_THREAD_DETACHED, pthread_create, 4200, U(90), U(2), U(0), U(node));
	ADD(THREAD_JOIN, 0, pthread_join, 9000, U(4000), U(2), U(0), U(node));
	ADD(PROCESS, LAR_PROCESS_CHILD, fork, 9200, U(500), U(4321), U(0), U(node));
	ADD(TICK, 0, none, 9400, U(1048576), U(65536), U(131072), U(2));
	tb_block(&tb, &r, 0, 1, 0);
	begin(&r, 1004300, 2);
	ADD(THREAD_START, 0, none, 4400, U(2));
	ADD(FREE_SIZED, 0, _ZdlPvm, 4600, U(0x10000), U(24));
	ADD(THREAD_STACK, 0, none, 8600, U(2), U(8388608), U(16384));
	ADD(THREAD_END, 0, none, 8800, U(2), U(123456));
	s = tb_slot(&tb, 1, 5, &r, 202, 2);
	s->locks[0] = (struct lar_lock_cell){ .addr = 0x30080,
					      .acquisitions = 4,
					      .waiters = 2,
					      .caller = MAIN,
					      .hold_ticks = 80,
					      .hold_max_ticks = 50,
					      .owners = 3,
					      .call = LAR_CALL_pthread_mutex_lock };
	((struct lar_slot_holds *)(s + 1))->cell[0].bucket[1] = 4;
	write_trace(&tb, "kinds");
}

/*
 * Addresses that come again, in one block whose times lose 4 bits: what is handed out last first,
 * first first, of another size class, by realloc, of other blocks and threads; null; too high.
 */
static void make_reuse(void)
{
	static struct tb_records r;
	uint32_t node;
	struct tb tb;

	tb_init(&tb, 4096);
	tb.header->time_shift = 4;
	common_dictionary(&tb);
	begin(&r, 1000, 1);
#undef ADD
#define ADD(kind, call, time, ...)                                                                 \
	tb_add(&r, LAR_EV_##kind, 0, LAR_CALL_##call, U(1000 + 16 * (time)), __VA_ARGS__)
	node = tb_path(&r, 0, 1, U(MAIN));
	ADD(ALLOC, malloc, 1, U(0x55550010), U(100), U(node));
	ADD(ALLOC, malloc, 2, U(0x55550080), U(100), U(node)); /* where the one before ends */
	ADD(ALLOC, malloc, 3, U(0x555500f0), U(104), U(0));    /* likewise; the same class */
	TB_FREE(&r, 1000 + 16 * 4, 0x55550010);
	TB_FREE(&r, 1000 + 16 * 5, 0x55550080);
	TB_FREE(&r, 1000 + 16 * 6, 0x555500f0);
	node = tb_path(&r, 0, 2, U(MAIN), U(LIBC));		/* again below the same parent */
	ADD(ALLOC, malloc, 7, U(0x555500f0), U(100), U(node));	/* last first */
	ADD(ALLOC, malloc, 8, U(0x55550010), U(100), U(node));	/* first first */
	ADD(ALLOC, malloc, 9, U(0x55550080), U(5000), U(node)); /* as a part of something larger */
	ADD(REALLOC, realloc, 10, U(17), U(0x555500f0), U(0x555500f0), U(110),
	    U(node)); /* in place */
	ADD(REALLOC, realloc, 11, U(16), U(0x555500f0), U(0x7f7f00000010), U(1ull << 40), U(node));
	ADD(REALLOC, realloc, 12, U(0), U(0), U(0x555500f0), U(8), U(node)); /* as malloc */
	ADD(REALLOC, realloc, 13, U(1), U(0x55550010), U(0), U(0), U(node)); /* as free */
	TB_FREE(&r, 1000 + 16 * 14, 0);
	TB_FREE(&r, 1000 + 16 * 15, 0x66660013);	      /* of another block; and misaligned */
	ADD(ALLOC, malloc, 16, U(0), U(UINT64_MAX), U(node)); /* failed */
	ADD(ALLOC, malloc, 17, U(0x66660013), U(1), U(node));
	ADD(FREE_SIZED, _ZdlPvm, 18, U(0x66660013), U(1));
	ADD(ALLOC, malloc, 19, U(0xff00000000000010), U(24), U(node)); /* no reference leads here */
	TB_FREE(&r, 1000 + 16 * 20, 0xff00000000000010);
	ADD(ALLOC, malloc, 21, U(0xff00000000000010), U(24), U(node));
	TB_THREAD(&r, 1000 + 16 * 22, 202, 2, 1);
	TB_FREE(&r, 1000 + 16 * 23, 0x7f7f00000010);
	tb_block(&tb, &r, 0, 0, 4);
	begin(&r, 1000, 3);
	ADD(REALLOC, realloc, 30, U(33), U(0x555500f0), U(0x10), U(1), U(0)); /* not sealed yet */
	tb_slot(&tb, 1, 0, &r, 203, 3);
	write_trace(&tb, "reuse");
}

/* Steps of time that fit into half a byte, the largest of them, and others, one backwards. */
static void make_steps(void)
{
	static struct tb_records r;
	struct tb tb;

	tb_init(&tb, 4096);
	common_dictionary(&tb);
	begin(&r, 1000, 1);
#undef ADD
#define ADD(time, address)                                                                         \
	tb_add(&r, LAR_EV_ALLOC, 0, LAR_CALL_malloc, U(1000 + (time)), U(address), U(24), U(0))
	ADD(14, 0x55550010);
	ADD(29, 0x55550030);
	TB_FREE(&r, 1000 + 29, 0x55550010);
	TB_FREE(&r, 1000 + 28, 0x55550030);
	ADD(30, 0x55550010);
	TB_FREE(&r, 1000 + 1000030, 0x55550010);
	TB_FREE(&r, 1000 + 1000031, 0x66660010);
	tb_block(&tb, &r, 0, 0, 0);
	write_trace(&tb, "steps");
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
 * The ring has wrapped, a checkpoint has what it gave up and some of the rest: of slot 0 what is
 * gone and half a block, of slot 1 the first of its records. An older checkpoint is beside it.
 */
static void make_folded(void)
{
	static struct tb_records r;
	static struct cb cb;
	struct tb tb;

	tb_init(&tb, 384);
	cb_section(&tb);
	common_dictionary(&tb);
	for (unsigned n = 0; n < 5; n++) {
		begin(&r, 2000 + 1000 * n, 1);
		tb_add(&r, LAR_EV_ALLOC, 0, LAR_CALL_malloc, U(2001 + 1000 * n), U(0x1000 + 64 * n),
		       U(10 * n), U(0));
		TB_FREE(&r, 2002 + 1000 * n, 0x1000 + 64 * n);
		tb_block(&tb, &r, 0, n, 0);
	}
	begin(&r, 2500, 2);
	TB_FREE(&r, 6500, 0x9000);
	tb_slot(&tb, 1, 0, &r, 202, 2);
	cb_table(&cb, LAR_TABLE_POSITIONS, 1, 3);
	cb_row(&cb, 3, U(0), U(2), U(0));
	cb_write(&cb, &tb, 0, 6, 6, 3002);
	cb_table(&cb, LAR_TABLE_POSITIONS, 2, 3);
	cb_row(&cb, 6, U(0), U(3), U(2), U(2), U(0), U(1));
	cb_table(&cb, LAR_TABLE_NODES, 2, 3);
	cb_row(&cb, 6, U(2 * 0x401000), U(1), U(2 * 2001), U(2 * 0x10), U(1), U(0));
	cb_table(&cb, LAR_TABLE_HEAP, 1, 3);
	cb_row(&cb, 3, U(4), U(60), U(3));
	cb_table(&cb, LAR_TABLE_HEAP_SITES, 1, 10);
	cb_row(&cb, 10, U(2 * 2), U(4), U(60), U(3), U(30), U(3), U(0), U(0), U(30), U(30));
	cb_histogram(&cb, (uint64_t[]){ 1, 1, 1 }, 3, 2);
	cb_table(&cb, LAR_TABLE_LIVE, 1, 5);
	cb_row(&cb, 5, U(2 * 0x10c0), U(30), U(2 * 5001), U(2), U(1));
	cb_write(&cb, &tb, 1, 7, 12, 5001);
	write_trace(&tb, "folded");
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
	s->state -= 8 * 3; /* the last record was not committed */
	write_trace(&tb, "killed");
}

static void stream_cell(struct lar_slot *s, uint32_t cell, struct lar_stdio_cell is)
{
	struct lar_slot_holds *holds = (struct lar_slot_holds *)(s + 1);
	struct lar_slot_stdio *streams = (struct lar_slot_stdio *)(holds + 1);

	streams->cell[cell] = is;
}

/*
 * Died with sums of streams in cells: of thread 1, of which one has just become a record and one is
 * not filled yet; of thread 2, whose block has it; of thread 3, just before one became a record.
 */
static void make_streams(void)
{
	static struct tb_records r;
	struct lar_stdio_cell puts = { .stream = 0x5000,
				       .calls = 7,
				       .bytes = 70,
				       .since = 1650,
				       .call = LAR_CALL_fputs,
				       .node = 1,
				       .target = 1,
				       .fd = 4 };
	struct lar_slot *s;
	struct tb tb;

	tb_init(&tb, 4096);
	common_dictionary(&tb);
	begin(&r, 1600, 1);
	tb_path(&r, 0, 1, U(0x401000));
	tb_add(&r, LAR_EV_IO, 0, LAR_CALL_fputs, U(1700), U(60), lar_fd_target(4, 1), U(30), U(3),
	       U(-1), U(1));
	tb_path(&r, 1, 1, U(0x401020));
	s = tb_slot(&tb, 0, 3, &r, 201, 1);
	puts.node = 2;
	stream_cell(s, 2, puts);
	puts.since = 1640;
	stream_cell(s, 3, puts);
	puts.stream = 0;
	stream_cell(s, 5, puts);
	s->stdio_flush_cells = 1u << 3;
	s->stdio_flush_state = s->state - 16;
	begin(&r, 1600, 2);
	TB_FREE(&r, 1793, 0x30);
	tb_block(&tb, &r, 1, 0, 4);
	s = tb_slot(&tb, 1, 0, &r, 202, 2);
	puts.stream = 0x6000;
	puts.node = 0;
	stream_cell(s, 0, puts);
	begin(&r, 1600, 3);
	TB_FREE(&r, 1900, 0x50);
	s = tb_slot(&tb, 2, 1, &r, 203, 3);
	puts.since = 1910;
	puts.target = 0;
	puts.fd = -1;
	stream_cell(s, 15, puts);
	s->stdio_flush_cells = 1u << 15;
	s->stdio_flush_state = s->state + 56;
	write_trace(&tb, "streams");
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
		       lar_fd_target(1, 3), U(n), U(n), U(-1), U(0));
		at = tb_block(&tb, &r, 0, n, 0);
		if (n == 1)
			tb.ring[at + 24] ^= 4;
		if (n == 3)
			tb.ring[at + sizeof(struct lar_block) + 30] ^= 4;
	}
	begin(&r, 8000, 2);
	TB_FREE(&r, 8001, 0x999);
	TB_FREE(&r, 8002, 0x999);
	r.words[r.count - 3] = 0xc8; /* no such kind */
	tb_slot(&tb, 3, 0, &r, 202, 2);
	write_trace(&tb, "damaged");
}

/* A record in a slot that says of itself what only a lock cell may say. For tests/fuzz. */
static void make_forged(void)
{
	static struct tb_records r;
	struct tb tb;

	tb_init(&tb, 4096);
	common_dictionary(&tb);
	begin(&r, 1600, 1);
	tb_add(&r, LAR_EV_LOCKSUM, 0x83, 0x4808, U(1600), U(203), U(3), U(1), U(0x50003), U(1750),
	       U(0));
	TB_FREE(&r, 1900, 0x50);
	tb_slot(&tb, 2, 1, &r, 203, 3);
	write_trace(&tb, "forged_flag");
}

/* From a later version: kinds of events in a block and a slot, a section, a record in the
 * dictionary, a flag. */
static void make_later(void)
{
	static const uint8_t encoded[] = {
		15,						       /* streams: */
		0, 10, 1, 6, 2, 3, 3, 2, 4, 2, 5, 3, 6, 1, 7, 6, 8, 4, /* the fixed ones */
		0x89, 0x02, 1,					       /* kind 31 */
		25, 1, 26, 1, 27, 1,				       /* THREAD */
		33, 1, 34, 1,					       /* ALLOC */
		/* shapes: THREAD, 31 with a stack, 96, ALLOC */
		1, 4, 31, 0x82, 96, 1, 0x82, 0x80, 0x04, 0x83, /**/
		1, 0, 1, 1, 0, 1,    /* THREAD, PATH, 31, 96, PATH, ALLOC: each form is new */
		0x20, 0x20, 0x20,    /* 0x10, 0x20, 0x30 */
		0, 1, 2, 1, 0, 1, 2, /* of PATHs: parents 0 and 2 - 1, frames, indices */
		8,		     /* address 16 */
		0, 1, 0, 2, 3, 0,    /* forms: 31 has node 2 - 0, ALLOC 3 - 0 */
		0x7e, 10, 20, 2,     /* time 63; 31 5 later; 96 10 later; ALLOC 1 later */
		99,		     /* 31's other field */
		7, 1, 0,	     /* tid 7, thread 1 */
		0, 3,		     /* an address without a reference, size 3 */
	};
	static struct tb_records r;
	struct lar_block b = { .encoded_size = sizeof(encoded),
			       .events = 4,
			       .raw_size = 8 * (5 + 3 + 3 + 2 + 2 + 4),
			       .first_ticks = 63,
			       .last_ticks = 79 };
	struct tb tb;
	uint64_t *w;

	tb_init(&tb, 4096);
	tb.header->compat_flags = 0x80;
	tb.header->clock_start = (struct lar_clock_pair){ 60, 60 };
	tb.header->sections[3] = (struct lar_section){ 77, 0, LAR_HEADER_SIZE, 64, 64 };
	tb.header->section_count = 4;
	tb.header->kind_form[31] = 0x82;
	tb_dict(&tb, 88, 5, "what?", 5);
	tb_append_block(&tb, &b, encoded);
	begin(&r, 90, 2);
	tb_path(&r, 0, 1, U(0x40));
	w = r.words + r.count;
	w[0] = lar_word0(31, 7, 7, 1);
	w[1] = 91;
	w[2] = 1000;
	r.count += 3;
	tb_add(&r, LAR_EV_ALLOC, 0, LAR_CALL_malloc, U(92), U(32), U(3), U(1));
	tb_slot(&tb, 0, 1, &r, 202, 2);
	write_trace(&tb, "later");
}

int main(int argc, char **argv)
{
	if (argc != 2 || strlen(argv[1]) >= sizeof(folder))
		return 2;
	strcpy(folder, argv[1]);
	make_kinds();
	make_reuse();
	make_steps();
	make_wrapped();
	make_folded();
	make_killed();
	make_streams();
	make_damaged();
	make_later();
	make_forged();
	return 0;
}
