/* SPDX-License-Identifier: MIT */
/*
 * Builds traces in memory for tests, byte by byte as FORMAT.md has them: no recorder needed, and
 * every kind of damage possible. Ends the test program where something does not fit.
 */
#ifndef LARIAT_TRACEBUILD_H
#define LARIAT_TRACEBUILD_H

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "../../preload/format/codec.h"
#include "../../preload/format/event.h"
#include "../../preload/format/trace_format.h"

#define TB_DICT_SIZE 8192u
#define TB_SLOT_SIZE (LAR_SLOT_HEADER_SIZE + 4096u)
#define TB_SLOTS     4u
#define TB_WORDS     150000u /* of a run of records; touched as far as used */

/* A run of raw records. */
struct tb_records {
	uint64_t words[TB_WORDS];
	size_t count;
	uint32_t events, nodes;
};

struct tb {
	uint8_t *bytes;
	size_t size;
	struct lar_header *header;
	uint8_t *dict, *staging, *ring;
	size_t ring_size;
};

static inline void tb_init(struct tb *tb, size_t ring_size)
{
	struct lar_header *h;
	uint64_t at = LAR_HEADER_SIZE;

	tb->ring_size = ring_size;
	tb->size = LAR_HEADER_SIZE + TB_DICT_SIZE + TB_SLOTS * TB_SLOT_SIZE + ring_size;
	tb->bytes = calloc(1, tb->size);
	assert(tb->bytes);
	h = tb->header = (struct lar_header *)tb->bytes;
	memcpy(h->magic, LAR_MAGIC, LAR_MAGIC_SIZE);
	h->version = LAR_VERSION;
	h->header_size = LAR_HEADER_SIZE;
	h->slot_header_size = LAR_SLOT_HEADER_SIZE;
	h->machine = 62;
	h->page_size = 4096;
	h->section_count = 3;
	h->sections[0] = (struct lar_section){ LAR_SECTION_DICT, 0, at, TB_DICT_SIZE, 0 };
	at += TB_DICT_SIZE;
	h->sections[1] = (struct lar_section){ LAR_SECTION_STAGING, TB_SLOT_SIZE, at,
					       TB_SLOTS * TB_SLOT_SIZE, 0 };
	at += TB_SLOTS * TB_SLOT_SIZE;
	h->sections[2] = (struct lar_section){ LAR_SECTION_RING, 0, at, ring_size, 0 };
	tb->dict = tb->bytes + h->sections[0].offset;
	tb->staging = tb->bytes + h->sections[1].offset;
	tb->ring = tb->bytes + h->sections[2].offset;
	h->record = LAR_RECORD_ALL;
	h->depth = 256;
	h->clock_source = LAR_CLOCK_MONOTONIC;
	h->clock_start = (struct lar_clock_pair){ 1000, 1000 };
	h->ring_limit = ring_size;
}

static inline void tb_fini(struct tb *tb)
{
	free(tb->bytes);
}

static inline void tb_write(const struct tb *tb, const char *path)
{
	FILE *f = fopen(path, "wb");

	assert(f);
	assert(fwrite(tb->bytes, 1, tb->size, f) == tb->size);
	assert(!fclose(f));
}

static inline void tb_dict(struct tb *tb, uint16_t type, uint32_t id, const void *payload,
			   size_t size)
{
	struct lar_section *s = &tb->header->sections[0];
	struct lar_dict_record r = { 0 };

	r.size = (uint32_t)((sizeof(r) + size + 7) & ~(size_t)7);
	r.type = type;
	r.payload_size = (uint32_t)size;
	r.id = id;
	assert(s->used + r.size <= TB_DICT_SIZE);
	memcpy(tb->dict + s->used, &r, sizeof(r));
	memcpy(tb->dict + s->used + sizeof(r), payload, size);
	s->used += r.size;
}

/* A record of a fixed part, then bytes, then a string with its NUL. */
static inline void tb_dict_text(struct tb *tb, uint16_t type, uint32_t id, const void *fixed,
				size_t size, const void *bytes, size_t byte_count, const char *text)
{
	uint8_t payload[1024];
	size_t n = strlen(text) + 1;

	assert(size + byte_count + n <= sizeof(payload));
	memcpy(payload, fixed, size);
	memcpy(payload + size, bytes, byte_count);
	memcpy(payload + size + byte_count, text, n);
	tb_dict(tb, type, id, payload, size + byte_count + n);
}

static inline void tb_process(struct tb *tb, const char *command, const char *executable,
			      const char *host, const char *cwd, const char *arg0, const char *arg1)
{
	const char *part[] = { command, executable, host, cwd, arg0, arg1 };
	struct lar_dict_process fixed = { .argc = 2, .uid = 1000 };
	uint8_t payload[1024];
	size_t n = sizeof(fixed);

	memcpy(payload, &fixed, n);
	for (size_t i = 0; i < sizeof(part) / sizeof(*part); i++) {
		memcpy(payload + n, part[i], strlen(part[i]) + 1);
		n += strlen(part[i]) + 1;
	}
	tb_dict(tb, LAR_DICT_PROCESS, 0, payload, n);
}

static inline void tb_module(struct tb *tb, uint32_t id, uint64_t start, uint64_t end,
			     uint64_t first_seen, uint32_t flags, const char *path)
{
	static const uint8_t build_id[4] = { 0xde, 0xad, 0xbe, 0xef };
	struct lar_dict_module m = { start, end, start, first_seen, sizeof(build_id), flags };

	tb_dict_text(tb, LAR_DICT_MODULE, id, &m, sizeof(m), build_id, sizeof(build_id), path);
}

static inline void tb_unload(struct tb *tb, uint32_t id, uint64_t ticks)
{
	struct lar_dict_unload u = { ticks };

	tb_dict(tb, LAR_DICT_UNLOAD, id, &u, sizeof(u));
}

static inline void tb_target(struct tb *tb, uint32_t id, uint32_t kind, const char *name)
{
	struct lar_dict_target t = { .kind = (uint16_t)kind };

	tb_dict_text(tb, LAR_DICT_TARGET, id, &t, sizeof(t), "", 0, name);
}

/* A name that begins with the first `shared` bytes of that of target `base`. */
static inline void tb_target_like(struct tb *tb, uint32_t id, uint32_t base, uint16_t shared,
				  const char *rest)
{
	struct lar_dict_target t = { .kind = LAR_TARGET_FILE, .shared = shared, .base = base };

	tb_dict_text(tb, LAR_DICT_TARGET, id, &t, sizeof(t), "", 0, rest);
}

static inline void tb_thread_name(struct tb *tb, uint32_t number, uint32_t tid, const char *name)
{
	struct lar_dict_thread t = { tid, 0, 1000 };

	tb_dict_text(tb, LAR_DICT_THREAD, number, &t, sizeof(t), "", 0, name);
}

static inline void tb_note(struct tb *tb, const char *text)
{
	tb_dict(tb, LAR_DICT_NOTE, 0, text, strlen(text));
}

static inline void tb_clear(struct tb_records *r)
{
	r->count = r->events = r->nodes = 0;
}

/* Appends `frames` new nodes below `parent`; all arguments behind it are uint64_t, return
 * addresses, outermost first. Returns the innermost node. */
static inline uint32_t tb_path(struct tb_records *r, uint32_t parent, unsigned frames, ...)
{
	va_list args;

	assert(r->count + 8 + frames < TB_WORDS);
	r->words[r->count++] = lar_word0(LAR_EV_PATH, 0, frames, parent);
	va_start(args, frames);
	for (unsigned i = 0; i < frames; i++)
		r->words[r->count++] = va_arg(args, uint64_t);
	va_end(args);
	return r->nodes += frames;
}

/*
 * Appends an event: its word 0 without the node, the fields of its kind, then for kinds with a
 * stack its node. All arguments behind `call` are uint64_t.
 */
static inline void tb_add(struct tb_records *r, unsigned kind, unsigned flags, unsigned call, ...)
{
	const struct lar_event_shape *shape = &lar_event_shapes[kind];
	uint64_t *w = r->words + r->count, node = 0;
	va_list args;

	assert(r->count + 8 < TB_WORDS);
	va_start(args, call);
	for (unsigned f = 0; f < shape->fields; f++)
		w[1 + f] = va_arg(args, uint64_t);
	if (shape->has_stack)
		node = va_arg(args, uint64_t);
	va_end(args);
	w[0] = lar_word0(kind, flags, call, (uint32_t)node);
	r->count += 1 + shape->fields;
	r->events++;
}
#define U(x) ((uint64_t)(x))
#define TB_THREAD(r, time, tid, number, creator)                                                   \
	tb_add(r, LAR_EV_THREAD, 0, 0, U(time), U(tid), U(number), U(creator))
#define TB_FREE(r, time, address) tb_add(r, LAR_EV_FREE, 0, LAR_CALL_free, U(time), U(address))

/* An encoder for runs of up to `words` words. */
static inline struct lar_encoder *tb_encoder(size_t words)
{
	struct lar_encoder *enc = aligned_alloc(_Alignof(struct lar_encoder), sizeof(*enc));

	assert(enc);
	memset(enc, 0, sizeof(*enc));
	enc->most_words = words;
	enc->regions = malloc(lar_encode_regions_size(words));
	assert(enc->regions);
	enc->gone = malloc(lar_encode_gone_size(words));
	assert(enc->gone);
	return enc;
}

static inline void tb_encoder_free(struct lar_encoder *enc)
{
	free(enc->regions);
	free(enc->gone);
	free(enc);
}

/* Two frames, as a frame may end anywhere. Returns their bytes. */
static inline uint32_t tb_compress(uint8_t *to, size_t room, const uint8_t *encoded, size_t size)
{
	ZSTD_CCtx *z = ZSTD_createCCtx();
	size_t first, second;

	assert(z);
	ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1);
	first = ZSTD_compress2(z, to, room, encoded, size / 2);
	assert(!ZSTD_isError(first));
	second = ZSTD_compress2(z, to + first, room - first, encoded + size / 2, size - size / 2);
	assert(!ZSTD_isError(second));
	ZSTD_freeCCtx(z);
	return (uint32_t)(first + second);
}

/* Compresses what b->encoded_size bytes at `encoded` hold into a block at the ring's head, as the
 * recorder does; returns its offset. *b has encoded_size, events, raw_size, times and slot set. */
static inline size_t tb_append_block(struct tb *tb, struct lar_block *b, const uint8_t *encoded)
{
	size_t bound = 2 * ZSTD_compressBound(b->encoded_size), at = tb->header->ring_head;
	struct lar_header *h = tb->header;
	uint8_t *frame = malloc(bound);

	assert(frame);
	b->comp_size = tb_compress(frame, bound, encoded, b->encoded_size);
	b->magic = LAR_BLOCK_MAGIC;
	b->total_size = (uint32_t)((sizeof(*b) + b->comp_size + 31) & ~31u);
	b->seq = h->ring_blocks++;
	b->events_before = h->ring_events;
	h->ring_events += b->events;
	b->check = lar_block_check(b);
	assert(b->total_size <= tb->ring_size);
	if (at + b->total_size > tb->ring_size) {
		uint32_t pad = LAR_BLOCK_PAD_MAGIC;

		if (at < tb->ring_size)
			memcpy(tb->ring + at, &pad, 4);
		at = 0;
	}
	/* what the new block overwrites is no block any more */
	for (size_t i = at; i < at + b->total_size; i += LAR_BLOCK_ALIGN)
		memset(tb->ring + i, 0, 4);
	memcpy(tb->ring + at, b, sizeof(*b));
	memcpy(tb->ring + at + sizeof(*b), frame, b->comp_size);
	h->ring_head = at + b->total_size;
	free(frame);
	return at;
}

/* Seals records into a block; returns its offset in the ring. */
static inline size_t tb_block(struct tb *tb, const struct tb_records *r, uint32_t slot,
			      uint32_t slot_seq, unsigned time_shift)
{
	size_t bound = lar_encode_bound(r->count), at;
	struct lar_encoder *enc = tb_encoder(r->count);
	uint8_t *encoded = malloc(bound);
	struct lar_block b = { 0 };

	assert(encoded);
	b.encoded_size = (uint32_t)lar_encode(enc, r->words, r->count, time_shift, encoded, bound,
					      &b.events);
	assert(b.encoded_size && b.events == r->events);
	b.raw_size = (uint32_t)(r->count * 8);
	b.first_ticks = r->words[1];
	b.slot = slot;
	b.slot_seq = slot_seq;
	b.time_shift = time_shift;
	for (size_t i = 0; i < r->count; i += lar_record_words(r->words[i]))
		if (lar_word0_kind(r->words[i]) != LAR_EV_PATH && r->words[i + 1] > b.last_ticks)
			b.last_ticks = r->words[i + 1];
	at = tb_append_block(tb, &b, encoded);
	tb_encoder_free(enc);
	free(encoded);
	return at;
}

/* Puts records into a staging slot. */
static inline struct lar_slot *tb_slot(struct tb *tb, uint32_t slot, uint32_t seq,
				       const struct tb_records *r, uint32_t tid, uint32_t thread)
{
	struct lar_slot *s = (struct lar_slot *)(tb->staging + slot * TB_SLOT_SIZE);

	assert(slot < TB_SLOTS && r->count * 8 <= TB_SLOT_SIZE - LAR_SLOT_HEADER_SIZE);
	s->magic = LAR_SLOT_MAGIC;
	s->index = slot;
	s->owner_tid = tid;
	s->thread_no = thread;
	s->buffer_size = TB_SLOT_SIZE - LAR_SLOT_HEADER_SIZE;
	memcpy((uint8_t *)s + LAR_SLOT_HEADER_SIZE, r->words, r->count * 8);
	s->state = (uint64_t)seq << 32 | (uint32_t)(r->count * 8);
	if (tb->header->sections[1].used <= slot)
		tb->header->sections[1].used = slot + 1;
	return s;
}

#endif
