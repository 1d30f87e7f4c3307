/* SPDX-License-Identifier: MIT */
/*
 * Builds checkpoints for tests, byte by byte as FORMAT.md has them: behind a trace of tracebuild.h
 * comes a section with two areas.
 */
#ifndef LARIAT_CHECKPOINTBUILD_H
#define LARIAT_CHECKPOINTBUILD_H

#include "../../preload/format/checkpoint.h"
#include "tracebuild.h"

#ifndef CB_AREA
#define CB_AREA (256u << 10) /* a multiple of 4096 */
#endif

struct cb {
	uint8_t raw[1u << 20];
	size_t size;
};

static inline void cb_put(struct cb *c, uint64_t v)
{
	assert(c->size + 10 < sizeof(c->raw));
	for (; v >= 0x80; v >>= 7)
		c->raw[c->size++] = (uint8_t)(v | 0x80);
	c->raw[c->size++] = (uint8_t)v;
}

static inline void cb_signed(struct cb *c, int64_t v)
{
	cb_put(c, (uint64_t)v << 1 ^ (uint64_t)(v >> 63));
}

/* All arguments behind `count` are uint64_t. */
static inline void cb_row(struct cb *c, unsigned count, ...)
{
	va_list args;

	va_start(args, count);
	for (unsigned i = 0; i < count; i++)
		cb_put(c, va_arg(args, uint64_t));
	va_end(args);
}

static inline void cb_table(struct cb *c, uint64_t table, uint64_t rows, uint64_t columns)
{
	cb_row(c, 3, table, rows, columns);
}

static inline void cb_histogram(struct cb *c, const uint64_t *value, size_t count, unsigned bits)
{
	uint64_t bucket[LAR_HISTOGRAM_BUCKETS(4)] = { 0 }, sum = 0, min = UINT64_MAX, max = 0;
	uint32_t last = 0, used = 0;

	cb_put(c, count);
	if (!count)
		return;
	for (size_t i = 0; i < count; i++) {
		used += !bucket[lar_histogram_bucket(value[i], bits)]++;
		sum += value[i];
		min = value[i] < min ? value[i] : min;
		max = value[i] > max ? value[i] : max;
	}
	cb_row(c, 4, sum, min, max, U(used));
	for (uint32_t i = 0; i < LAR_HISTOGRAM_BUCKETS(bits); i++) {
		if (!bucket[i])
			continue;
		cb_row(c, 2, U(i - last), bucket[i]);
		last = i;
	}
}

/* Gives the trace a section for checkpoints, at its end. */
static inline void cb_section(struct tb *tb)
{
	size_t at = (tb->size + 4095) / 4096 * 4096;
	uint8_t *old = tb->bytes;
	struct lar_header *h;

	tb->bytes = calloc(1, at + 2 * CB_AREA);
	assert(tb->bytes);
	memcpy(tb->bytes, old, tb->size);
	h = tb->header = (struct lar_header *)tb->bytes;
	tb->dict = tb->bytes + (tb->dict - old);
	tb->staging = tb->bytes + (tb->staging - old);
	tb->ring = tb->bytes + (tb->ring - old);
	h->sections[h->section_count++] =
		(struct lar_section){ LAR_SECTION_ACCOUNTS, 0, at, 2 * CB_AREA, 0 };
	tb->size = at + 2 * CB_AREA;
	free(old);
}

/* An area of the section that cb_section() made. */
static inline struct lar_checkpoint *cb_area(const struct tb *tb, unsigned area)
{
	return (struct lar_checkpoint *)(tb->bytes + tb->size - 2 * CB_AREA + area * CB_AREA);
}

/* Writes the tables, ended by an END, into an area. */
static inline struct lar_checkpoint *cb_write(struct cb *c, const struct tb *tb, unsigned area,
					      uint64_t seq, uint64_t events, uint64_t last_ticks)
{
	struct lar_checkpoint *to = cb_area(tb, area);
	ZSTD_CCtx *z = ZSTD_createCCtx();

	cb_put(c, LAR_TABLE_END);
	memset(to, 0, CB_AREA);
	ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1);
	to->comp_size = ZSTD_compress2(z, to + 1, CB_AREA - sizeof(*to), c->raw, c->size);
	assert(!ZSTD_isError(to->comp_size));
	ZSTD_freeCCtx(z);
	to->magic = LAR_CHECKPOINT_MAGIC;
	to->seq = seq;
	to->events = events;
	to->raw_size = c->size;
	to->last_ticks = last_ticks;
	to->check = lar_checkpoint_check(to);
	c->size = 0;
	return to;
}

#endif
