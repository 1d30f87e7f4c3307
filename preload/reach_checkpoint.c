/* SPDX-License-Identifier: MIT */
/* Reads the tables that a leak scan needs out of the newest whole checkpoint; see reach.h. */
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

#include "format/checkpoint.h"
#include "format/trace_format.h"
#include "reach.h"

#define AREA_STEP 4096u
#define COLUMNS	  16 /* that are looked at */
#define MOST_RAW  (512u << 20)

/* Tables whose rows end with a histogram, and columns that are differences. */
static const uint8_t histograms[LAR_TABLE_MAX] = {
	[LAR_TABLE_HEAP_SITES] = 1, [LAR_TABLE_IO] = 1,	   [LAR_TABLE_IO_TARGETS] = 1,
	[LAR_TABLE_IO_SITES] = 1,   [LAR_TABLE_LOCKS] = 1, [LAR_TABLE_LOCK_SITES] = 1,
	[LAR_TABLE_CONDITIONS] = 1,
};
static const uint8_t differences[LAR_TABLE_MAX] = {
	[LAR_TABLE_LIVE] = 1 | 4,
	[LAR_TABLE_POSITIONS] = 1,
};

struct tables {
	const uint8_t *at, *end;
	bool bad;
};

static uint64_t varint(struct tables *t)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 70 && t->at < t->end; shift += 7) {
		uint8_t b = *t->at++;

		v |= (uint64_t)(b & 0x7f) << (shift & 63);
		if (!(b & 0x80))
			return v;
	}
	t->bad = true;
	return 0;
}

static void skip_histogram(struct tables *t)
{
	uint64_t n;

	if (!varint(t))
		return;
	for (int i = 0; i < 3; i++)
		varint(t);
	n = varint(t);
	for (uint64_t i = 0; i < n && !t->bad; i++) {
		varint(t);
		varint(t);
	}
}

static void read_table(struct tables *t, unsigned id, reach_row_fn *fn, void *arg)
{
	uint64_t rows = varint(t), columns = varint(t), value[COLUMNS] = { 0 };

	for (uint64_t row = 0; row < rows && !t->bad; row++) {
		for (uint64_t i = 0; i < columns && !t->bad; i++) {
			uint64_t v = varint(t);

			if (i >= COLUMNS)
				continue;
			if (i < 8 && differences[id] >> i & 1)
				value[i] += v >> 1 ^ -(v & 1);
			else
				value[i] = v;
		}
		if (histograms[id])
			skip_histogram(t);
		if (!t->bad)
			fn(arg, id, value);
	}
}

static bool header_valid(const struct lar_checkpoint *h, uint64_t room)
{
	return h->magic == LAR_CHECKPOINT_MAGIC && h->check == lar_checkpoint_check(h) && h->seq &&
	       h->comp_size <= room - sizeof(*h) && h->raw_size && h->raw_size <= MOST_RAW;
}

static const struct lar_checkpoint *newest(const struct reach *r)
{
	const struct lar_checkpoint *best = NULL;

	for (uint32_t i = 0; i < r->header->section_count; i++) {
		const struct lar_section *s = &r->header->sections[i];
		uint64_t room = s->size / 2 / AREA_STEP * AREA_STEP;

		if (s->type != LAR_SECTION_ACCOUNTS)
			continue;
		for (unsigned k = 0; k < 2; k++) {
			const struct lar_checkpoint *h =
				(const struct lar_checkpoint *)(r->s->base + s->offset + k * room);

			if (header_valid(h, room) && (!best || h->seq > best->seq))
				best = h;
		}
	}
	return best;
}

bool reach_checkpoint(struct reach *r, reach_row_fn *fn, void *arg)
{
	const struct lar_checkpoint *h = newest(r);
	size_t dctx = ZSTD_estimateDCtxSize();
	struct tables t = { .bad = false };
	uint8_t *p;
	size_t n;

	if (!h)
		return true;
	p = reach_memory(r, dctx + h->raw_size);
	if (!p)
		return false;
	n = ZSTD_decompressDCtx(ZSTD_initStaticDCtx(p, dctx), p + dctx, h->raw_size, h + 1,
				h->comp_size);
	t.at = p + dctx;
	t.end = t.at + h->raw_size;
	t.bad = ZSTD_isError(n) || n != h->raw_size;
	while (!t.bad) {
		uint64_t id = varint(&t);

		if (id == LAR_TABLE_END || id >= LAR_TABLE_MAX)
			break;
		read_table(&t, (unsigned)id, fn, arg);
	}
	reach_memory_free(p, dctx + h->raw_size);
	return !t.bad;
}
