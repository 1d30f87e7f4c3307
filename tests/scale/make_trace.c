/* SPDX-License-Identifier: MIT */
/*
 * Writes a trace of as many events as asked for, compressed on the fly: what a recorder without
 * bound leaves of a program that runs for long. Its own memory does not depend on their number.
 *
 *	make_trace FILE EVENTS THREADS
 *
 * Each thread's events come in turns of 16: 7 frees and 7 allocations of a block each, a write of
 * 100 bytes, and a lock taken without waiting. Each keeps 1024 blocks in use once it has allocated
 * them, and allocates from 64 places. EVENTS is rounded down to whole turns of all threads. Prints
 * as JSON what the report must say.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "../../preload/format/codec.h"
#include "../../preload/format/event.h"
#include "../../preload/format/trace_format.h"

#define DICT_SIZE  4096u
#define SLOT_SIZE  (256u << 10)
#define WORDS	   ((SLOT_SIZE - LAR_SLOT_HEADER_SIZE) / 8)
#define TURN_WORDS (7 * 3 + 7 * 4 + 7 + 5)
#define TURN	   16
#define PLACES	   64
#define CHAIN	   4 /* frames that all stacks share */
#define KEPT	   1024
#define MOST	   256 /* threads */
#define STEP	   50  /* ns from one event to the next, of whatever thread */
#define CODE	   0x400000ull
#define WRITTEN	   100

struct maker {
	FILE *file;
	struct lar_header header;
	struct lar_encoder *encoder;
	uint8_t *encoded, *compressed;
	size_t encoded_size, compressed_size;
	ZSTD_CCtx *zstd;
	uint64_t ring_at; /* in the ring section */
	uint64_t now;
	uint64_t allocations, allocated, frees, freed, writes, locks;
};

struct thread {
	uint64_t words[WORDS];
	size_t used;
	uint64_t turns;
	uint32_t fill, number, size[KEPT]; /* size 0: not allocated yet */
	uint64_t first, next_kept, random;
};

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static void *allocate(size_t size)
{
	void *p = calloc(1, size);

	if (!p)
		die("no memory");
	return p;
}

static void put(struct thread *t, uint64_t word)
{
	t->words[t->used++] = word;
}

/* The fill's first records: whose it is, and the nodes of all places. */
static void begin(struct maker *m, struct thread *t)
{
	t->used = 0;
	t->first = m->now;
	put(t, lar_word0(LAR_EV_THREAD, 0, 0, 0));
	put(t, m->now);
	put(t, 1000 + t->number);
	put(t, t->number);
	put(t, t->number > 1);
	put(t, lar_word0(LAR_EV_PATH, 0, CHAIN, 0));
	for (unsigned i = 0; i < CHAIN; i++)
		put(t, CODE + 16 * (i + 1));
	for (unsigned i = 0; i < PLACES; i++) {
		put(t, lar_word0(LAR_EV_PATH, 0, 1, CHAIN));
		put(t, CODE + 0x1000 + 32 * i);
	}
}

static void write_out(struct maker *m, const void *data, size_t size)
{
	if (fwrite(data, 1, size, m->file) != size)
		die("cannot write");
}

static void seal(struct maker *m, struct thread *t)
{
	static const uint8_t zeros[LAR_BLOCK_ALIGN];
	struct lar_block b = { .magic = LAR_BLOCK_MAGIC,
			       .seq = m->header.ring_blocks++,
			       .events_before = m->header.ring_events,
			       .raw_size = (uint32_t)(t->used * 8),
			       .first_ticks = t->first,
			       .last_ticks = m->now,
			       .slot = t->number - 1,
			       .slot_seq = t->fill++ };
	size_t encoded = lar_encode(m->encoder, t->words, t->used, 0, m->encoded, m->encoded_size,
				    &b.events);
	size_t size =
		ZSTD_compress2(m->zstd, m->compressed, m->compressed_size, m->encoded, encoded);

	if (!encoded || ZSTD_isError(size))
		die("cannot encode");
	b.encoded_size = (uint32_t)encoded;
	b.comp_size = (uint32_t)size;
	b.total_size = (uint32_t)((sizeof(b) + size + LAR_BLOCK_ALIGN - 1) &
				  ~(size_t)(LAR_BLOCK_ALIGN - 1));
	b.check = lar_block_check(&b);
	write_out(m, &b, sizeof(b));
	write_out(m, m->compressed, size);
	write_out(m, zeros, b.total_size - sizeof(b) - size);
	m->ring_at += b.total_size;
	m->header.ring_events += b.events;
}

static uint64_t tick(struct maker *m)
{
	return m->now += STEP;
}

static void allocate_one(struct maker *m, struct thread *t)
{
	unsigned k = t->next_kept++ % KEPT;
	uint64_t address = ((uint64_t)t->number << 32) + 4096 * (uint64_t)k + 16;

	if (t->size[k]) {
		put(t, lar_word0(LAR_EV_FREE, 0, LAR_CALL_free, 0));
		put(t, tick(m));
		put(t, address);
		m->frees++;
		m->freed += t->size[k];
	} else {
		put(t, lar_word0(LAR_EV_FREE, 0, LAR_CALL_free, 0));
		put(t, tick(m));
		put(t, address + 8); /* of a block from before the recording */
	}
	t->random = t->random * 6364136223846793005u + 1442695040888963407u;
	t->size[k] = 1 + (uint32_t)(t->random >> 40) % 2000;
	put(t, lar_word0(LAR_EV_ALLOC, 0, LAR_CALL_malloc,
			 CHAIN + 1 + (uint32_t)(t->random >> 33) % PLACES));
	put(t, tick(m));
	put(t, address);
	put(t, t->size[k]);
	m->allocations++;
	m->allocated += t->size[k];
}

static void turn(struct maker *m, struct thread *t)
{
	if (t->used + TURN_WORDS > WORDS) {
		seal(m, t);
		begin(m, t);
	}
	for (unsigned i = 0; i < 7; i++)
		allocate_one(m, t);
	put(t, lar_word0(LAR_EV_IO, 0, LAR_CALL_write, CHAIN + 1));
	put(t, tick(m));
	put(t, STEP / 2);
	put(t, 1ull << 32 | 3); /* target 1, descriptor 3 */
	put(t, WRITTEN);
	put(t, WRITTEN);
	put(t, 0);
	m->writes++;
	put(t, lar_word0(LAR_EV_LOCK, LAR_LOCK_NO_CELL, LAR_CALL_pthread_mutex_lock, CHAIN + 2));
	put(t, tick(m));
	put(t, 0);
	put(t, 0x10000 + 64 * (uint64_t)t->number);
	put(t, 0);
	m->locks++;
	t->turns++;
}

static size_t dict_put(uint8_t *dict, size_t at, enum lar_dict_type type, uint32_t id,
		       const void *payload, size_t size)
{
	struct lar_dict_record r = { .type = (uint16_t)type,
				     .payload_size = (uint32_t)size,
				     .id = id };

	r.size =
		(uint32_t)((sizeof(r) + size + LAR_DICT_ALIGN - 1) & ~(size_t)(LAR_DICT_ALIGN - 1));
	memcpy(dict + at, &r, sizeof(r));
	memcpy(dict + at + sizeof(r), payload, size);
	return at + r.size;
}

static size_t dict_make(uint8_t *dict)
{
	struct {
		struct lar_dict_process p;
		char text[32];
	} process = { { .argc = 1 }, "long\0/long\0host\0/\0long" };
	struct {
		struct lar_dict_target t;
		char name[16];
	} target = { { .kind = LAR_TARGET_FILE }, "/tmp/a-file" };
	struct {
		struct lar_dict_module m;
		char path[16];
	} module = { { .start = CODE, .end = CODE + 0x10000, .flags = LAR_MODULE_MAIN }, "/long" };
	size_t at = dict_put(dict, 0, LAR_DICT_PROCESS, 0, &process, sizeof(process));

	at = dict_put(dict, at, LAR_DICT_MODULE, 1, &module, sizeof(module));
	return dict_put(dict, at, LAR_DICT_TARGET, 1, &target, sizeof(target));
}

static void header_begin(struct lar_header *h, uint64_t dict_used)
{
	uint64_t at = LAR_HEADER_SIZE;

	memcpy(h->magic, LAR_MAGIC, LAR_MAGIC_SIZE);
	h->version = LAR_VERSION;
	h->header_size = LAR_HEADER_SIZE;
	h->slot_header_size = LAR_SLOT_HEADER_SIZE;
	h->machine = 62;
	h->page_size = 4096;
	h->section_count = 2;
	h->sections[0] = (struct lar_section){ LAR_SECTION_DICT, 0, at, DICT_SIZE, dict_used };
	h->sections[1] = (struct lar_section){ LAR_SECTION_RING, 0, at + DICT_SIZE, 0, 0 };
	h->record = LAR_RECORD_ALL;
	h->depth = 256;
	h->pid = 4242;
	h->start_unix_ns = 1700000000000000000u;
	h->clock_source = LAR_CLOCK_MONOTONIC;
	h->clock_start = (struct lar_clock_pair){ 1000, 1000 };
	for (unsigned kind = 0; kind < LAR_EV_MAX; kind++)
		h->kind_form[kind] = lar_event_form(kind);
}

static void header_end(struct maker *m)
{
	struct lar_header *h = &m->header;

	h->sections[1].size = h->ring_limit = h->ring_head = m->ring_at;
	h->clock_last[0] = (struct lar_clock_pair){ m->now, m->now };
	h->end = LAR_END_EXIT;
	h->end_ticks = m->now;
	if (fseek(m->file, 0, SEEK_SET))
		die("cannot seek");
	write_out(m, h, sizeof(*h));
}

static void maker_init(struct maker *m, const char *path)
{
	static const uint8_t rest[LAR_HEADER_SIZE - sizeof(m->header)];
	uint8_t dict[DICT_SIZE] = { 0 };

	header_begin(&m->header, dict_make(dict));
	m->file = fopen(path, "wb");
	if (!m->file)
		die(path);
	write_out(m, &m->header, sizeof(m->header));
	write_out(m, rest, sizeof(rest));
	write_out(m, dict, sizeof(dict));
	m->encoder = allocate(sizeof(*m->encoder));
	m->encoder->most_words = WORDS;
	m->encoder->regions = allocate(lar_encode_regions_size(WORDS));
	m->encoder->gone = allocate(lar_encode_gone_size(WORDS));
	m->encoded_size = lar_encode_bound(WORDS);
	m->encoded = allocate(m->encoded_size);
	m->compressed_size = ZSTD_compressBound(m->encoded_size);
	m->compressed = allocate(m->compressed_size);
	m->zstd = ZSTD_createCCtx();
	ZSTD_CCtx_setParameter(m->zstd, ZSTD_c_compressionLevel, 1);
	ZSTD_CCtx_setParameter(m->zstd, ZSTD_c_checksumFlag, 1);
	m->now = 1000;
}

int main(int argc, char **argv)
{
	uint64_t events = argc == 4 ? strtoull(argv[2], NULL, 10) : 0;
	unsigned threads = argc == 4 ? (unsigned)atoi(argv[3]) : 0;
	static struct maker m;
	struct thread *t;

	if (!threads || threads > MOST)
		return 2;
	maker_init(&m, argv[1]);
	t = allocate(threads * sizeof(*t));
	for (unsigned i = 0; i < threads; i++) {
		t[i].number = i + 1;
		t[i].random = i;
		/* their buffers are not all full at the same time */
		t[i].next_kept = 100 * i;
		begin(&m, &t[i]);
	}
	for (uint64_t i = 0; i < events / TURN / threads; i++)
		for (unsigned k = 0; k < threads; k++)
			turn(&m, &t[k]);
	for (unsigned i = 0; i < threads; i++)
		seal(&m, &t[i]);
	header_end(&m);
	if (fclose(m.file))
		die("cannot write");
	printf("{\"allocations\": %lu, \"allocated_bytes\": %lu, \"frees\": %lu, "
	       "\"freed_bytes\": %lu, \"writes\": %lu, \"acquisitions\": %lu, \"written\": %lu}\n",
	       m.allocations, m.allocated, m.frees, m.freed, m.writes, m.locks,
	       m.header.ring_events);
	return 0;
}
