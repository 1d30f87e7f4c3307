/* SPDX-License-Identifier: MIT */
/* The result of a leak scan on its way into the trace; see reach.h. */
#define ZSTD_STATIC_LINKING_ONLY
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <zstd.h>

#include "format/trace_format.h"
#include "reach.h"
#include "sys.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

#define PAGE  4096ull
#define LEVEL 1

/* Of an area, what lost blocks do not take: equal contents. */
#define EQUALS_SHARE 4

static const struct lar_section *section(const uint8_t *base)
{
	const struct lar_header *h = (const struct lar_header *)base;

	for (uint32_t i = 0; i < h->section_count; i++)
		if (h->sections[i].type == LAR_SECTION_LEAKS)
			return &h->sections[i];
	return NULL;
}

static uint64_t area_size(const struct lar_section *s)
{
	return s->size / 2 / PAGE * PAGE;
}

/* On some file systems also what is only read must have disk: a full one must not kill. */
static uint64_t seq_of(const uint8_t *base, const struct lar_section *s, unsigned which)
{
	const struct lar_leakscan *h =
		(const struct lar_leakscan *)(base + s->offset + which * area_size(s));
	int result = sys_madvise((void *)(uintptr_t)h, PAGE, MADV_POPULATE_READ);

	if (result && result != -EINVAL)
		return 0;
	return h->magic == LAR_LEAKSCAN_MAGIC && h->check == lar_leakscan_check(h) ? h->seq : 0;
}

uint64_t reach_last_seq(const uint8_t *base)
{
	const struct lar_section *s = section(base);
	uint64_t a = s ? seq_of(base, s, 0) : 0, b = s ? seq_of(base, s, 1) : 0;

	return a > b ? a : b;
}

/* The area with the older result, with disk for so many bytes; NULL when there is none. The first
 * result finds both areas empty. */
static uint8_t *area_begin(uint8_t *base, uint64_t bytes, uint64_t seq)
{
	const struct lar_section *s = section(base);
	uint8_t *area;
	long result;

	if (!s || bytes > area_size(s))
		return NULL;
	area = base + s->offset;
	if (seq > 1 && seq_of(base, s, 0) > seq_of(base, s, 1))
		area += area_size(s);
	result = sys_madvise(area, (bytes + PAGE - 1) & ~(PAGE - 1), MADV_POPULATE_WRITE);
	/* a kernel before 5.14: all of it was allocated at the start */
	if (result && result != -EINVAL)
		return NULL;
	__atomic_store_n((uint32_t *)area, 0, __ATOMIC_RELEASE);
	return area;
}

static void area_commit(uint8_t *area, const struct lar_leakscan *result)
{
	struct lar_leakscan *to = (struct lar_leakscan *)area, c = *result;

	c.magic = 0;
	c.check = lar_leakscan_check(&c);
	*to = c;
	__atomic_store_n(&to->magic, LAR_LEAKSCAN_MAGIC, __ATOMIC_RELEASE);
}

void reach_write_status(uint8_t *base, const struct lar_leakscan *result)
{
	uint8_t *area = area_begin(base, sizeof(*result), result->seq);

	if (area)
		area_commit(area, result);
}

/* ---- the list ---- */

size_t reach_put_varint(uint8_t *to, uint64_t v)
{
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		to[n++] = (uint8_t)(v | 0x80);
	to[n++] = (uint8_t)v;
	return n;
}

static bool is_lost(const struct reach *r, uint32_t i)
{
	return (r->state[i] & REACH_STATE) != REACH_HELD;
}

/* The list of the first blocks that fill so many bytes; the rest is left out. */
static size_t make_list(struct reach *r, uint8_t *to, size_t room)
{
	uint64_t last = 0;
	size_t n = 0;

	r->result.listed = 0;
	r->result.listed_until = UINT64_MAX;
	for (uint32_t i = 0; i < r->count; i++) {
		bool indirect = (r->state[i] & REACH_STATE) == REACH_INDIRECT;

		if (!is_lost(r, i))
			continue;
		if (n + 10 > room) {
			r->result.listed_until = r->block[i].start;
			break;
		}
		n += reach_put_varint(to + n,
				      (r->block[i].start - last) >> r->result.address_shift << 1 |
					      indirect);
		last = r->block[i].start;
		r->result.listed++;
	}
	return n;
}

static void count(struct reach *r)
{
	struct lar_leakscan *o = &r->result;
	uint64_t bits = 1ull << 4;

	for (uint32_t i = 0; i < r->count; i++)
		bits |= r->block[i].start;
	o->address_shift = (uint32_t)__builtin_ctzll(bits);
	for (uint32_t i = 0; i < r->count; i++) {
		switch (r->state[i] & REACH_STATE) {
		case REACH_HELD:
			o->reachable_blocks++;
			o->reachable_bytes += r->block[i].size;
			break;
		case REACH_INDIRECT:
			o->indirect_blocks++;
			o->indirect_bytes += r->block[i].size;
			break;
		default:
			o->definite_blocks++;
			o->definite_bytes += r->block[i].size;
			break;
		}
	}
}

/* For up to `size` bytes, with memory for *bound bytes of output behind it. */
static ZSTD_CCtx *compressor(struct reach *r, size_t size, uint8_t **to, size_t *bound)
{
	size_t cctx = ZSTD_estimateCCtxSize_usingCParams(ZSTD_getCParams(LEVEL, 0, 0));
	uint8_t *p;
	ZSTD_CCtx *c;

	*bound = ZSTD_compressBound(size);
	p = reach_memory(r, cctx + *bound);
	c = p ? ZSTD_initStaticCCtx(p, cctx) : NULL;
	if (!c)
		return NULL;
	*to = p + cctx;
	ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, LEVEL);
	ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
	return c;
}

/* A list that fits into the area when it is compressed; shorter when it does not. */
static uint8_t *compress_list(struct reach *r, uint64_t room)
{
	uint64_t lost = r->result.definite_blocks + r->result.indirect_blocks;
	size_t most = 10 * lost + 10, bound, n;
	ZSTD_CCtx *c;
	uint8_t *list, *to;

	if (!lost) {
		r->result.listed_until = UINT64_MAX;
		return NULL;
	}
	if (most > UINT32_MAX / 2)
		most = UINT32_MAX / 2;
	list = reach_memory(r, most);
	n = list ? make_list(r, list, most) : 0;
	if (n && n <= REACH_FRAME_MOST && n + REACH_FRAME_MORE <= room) {
		r->result.raw_size = (uint32_t)n;
		return reach_frame(r, list, n, &r->result.comp_size);
	}
	c = list ? compressor(r, most, &to, &bound) : NULL;
	if (!c)
		return NULL;
	for (; most > 10; most -= most / 16) {
		size_t raw = make_list(r, list, most);

		n = ZSTD_compress2(c, to, bound, list, raw);
		if (ZSTD_isError(n))
			return NULL;
		r->result.raw_size = (uint32_t)raw;
		r->result.comp_size = (uint32_t)n;
		if (n <= room)
			return to;
		if (most > raw)
			most = raw;
		most = (size_t)((double)most * (double)room / (double)n);
	}
	return NULL;
}

static uint64_t now_ns(void)
{
	return sys_clock_ns(CLOCK_MONOTONIC);
}

void reach_write(struct reach *r)
{
	const struct lar_section *s = section(r->s->base);
	uint64_t seq = r->result.seq;
	const uint8_t *frame;
	uint8_t *area;

	if (!s || area_size(s) < sizeof(r->result))
		return;
	count(r);
	frame = compress_list(r, area_size(s) - area_size(s) / EQUALS_SHARE - sizeof(r->result));
	area = area_begin(r->s->base, sizeof(r->result) + (frame ? r->result.comp_size : 0), seq);
	if (!frame || !area) {
		r->result.raw_size = r->result.comp_size = 0;
		if (r->result.definite_blocks + r->result.indirect_blocks)
			r->result.listed = r->result.listed_until = 0;
	}
	if (!area)
		area = area_begin(r->s->base, sizeof(r->result), seq);
	if (!area)
		return;
	if (frame && r->result.comp_size)
		memcpy(area + sizeof(r->result), frame, r->result.comp_size);
	r->result.duration_ns = now_ns() - r->s->begin_ns;
	r->result.pause_ns =
		r->s->inplace ? r->result.duration_ns : atomic_load(&r->s->shared->pause_ns);
	area_commit(area, &r->result);
	r->area = area;
	r->area_size = area_size(s);
}

uint8_t *reach_compress(struct reach *r, const uint8_t *from, size_t size, uint32_t *compressed)
{
	uint8_t *to;
	size_t bound, n;
	ZSTD_CCtx *c;

	if (size <= REACH_FRAME_MOST)
		return reach_frame(r, from, size, compressed);
	c = compressor(r, size, &to, &bound);
	n = c ? ZSTD_compress2(c, to, bound, from, size) : 0;
	if (!n || ZSTD_isError(n))
		return NULL;
	*compressed = (uint32_t)n;
	return to;
}

void reach_write_equals(struct reach *r, struct lar_equals *h, const uint8_t *frame)
{
	uint64_t at = lar_equals_offset(&r->result);
	uint8_t *to;
	long result;

	if (!r->area || at + sizeof(*h) + h->comp_size > r->area_size)
		return;
	to = r->area + at;
	result = sys_madvise((void *)((uint64_t)to & ~(PAGE - 1)),
			     (at % PAGE + sizeof(*h) + h->comp_size + PAGE - 1) & ~(PAGE - 1),
			     MADV_POPULATE_WRITE);
	if (result && result != -EINVAL)
		return;
	h->magic = 0;
	h->seq = r->result.seq;
	h->check = lar_equals_check(h);
	__atomic_store_n((uint32_t *)to, 0, __ATOMIC_RELEASE);
	if (h->comp_size)
		memcpy(to + sizeof(*h), frame, h->comp_size);
	memcpy(to, h, sizeof(*h));
	__atomic_store_n((uint32_t *)to, LAR_EQUALS_MAGIC, __ATOMIC_RELEASE);
}
