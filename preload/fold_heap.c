/* SPDX-License-Identifier: MIT */
/*
 * Heap figures of folded events, by the rules of the analyzer's heap model: what one of them counts
 * for an event, the other does.
 */
#include <string.h>

#include "fold_impl.h"
#include "fold_live.h"
#include "fold_moment.h"
#include "fold_rows.h"
#include "fold_timeline.h"
#include "format/codec.h"
#include "format/weight.h"
#include "pool.h"
#include "recorder.h"

#define LIFETIME_BITS 2
#define EARLY_MOST    256u
#define THREADS_MOST  (1u << 20)

struct site {
	uint32_t node;
	uint64_t allocations, allocated_bytes;
	uint64_t frees, freed_bytes;
	uint64_t temporary, failed;
	uint64_t size_min, size_max;
	uint64_t live_bytes, peak_bytes;
	uint64_t at_peak_bytes, at_peak_blocks; /* held when the process held most */
	uint64_t peak_number;			/* the process' peak that they belong to */
	struct fold_histogram lifetime;
	struct fold_series line; /* live bytes */
};

struct map_site {
	uint32_t node;
	uint64_t maps, bytes;
};

/* A block that was given out again before the realloc that freed it was recorded. */
struct early {
	uint64_t address, ticks, size;
};

struct heap {
	struct site *site;
	uint32_t site_room;
	struct fold_map sites; /* by node + 1 */
	struct map_site *map_site;
	uint32_t map_site_room;
	struct fold_map map_sites;
	struct fold_live live;
	uint64_t *last; /* per thread: its last heap event's block if that was an allocation */
	uint32_t last_room;
	struct early early[EARLY_MOST];
	uint32_t early_count;
	struct fold_moment stray; /* frees of blocks that are not known */
	struct fold_moment freed; /* frees of blocks that are */
	uint64_t samples;	  /* allocations that were recorded */
	uint64_t allocations, allocated_bytes, frees, freed_bytes, unpaired, implied;
	uint64_t temporary, reallocations, failed, live_bytes, peak_bytes, peak_ticks;
	uint64_t maps, mapped_bytes, unmaps, unmapped_bytes, remaps, breaks, maps_failed;
	uint64_t mapped_now;
	uint64_t peak_number;	     /* counts the times that the process held more than ever */
	uint64_t io_calls, io_bytes; /* for the timeline */
	uint64_t rss_bytes, heap_bytes, threads; /* by the last TICK */
	struct fold_timeline line;
};

static struct lar_weight weigh(uint64_t size)
{
	return lar_weight(lar->config.sample_bytes, size);
}

/* Estimates are in units of theirs; a timeline is in bytes. */
static uint64_t whole(uint64_t sum)
{
	return lar_weight_whole(lar->config.sample_bytes, sum);
}

/* What the process and a site hold changes. */
static void line_note(struct fold *f, struct heap *h, struct site *s)
{
	fold_series_note(f, &s->line, &h->line, whole(s->live_bytes));
	fold_timeline_live(&h->line, whole(h->live_bytes));
}

static void line_advance(struct heap *h, uint64_t now)
{
	struct fold_sample last = { .live = whole(h->live_bytes),
				    .allocations = whole(h->allocations),
				    .allocated_bytes = whole(h->allocated_bytes),
				    .frees = whole(h->frees),
				    .freed_bytes = whole(h->freed_bytes),
				    .unpaired_frees = h->unpaired,
				    .mapped_bytes = h->mapped_now,
				    .rss_bytes = h->rss_bytes,
				    .heap_bytes = h->heap_bytes,
				    .threads = h->threads,
				    .io_calls = h->io_calls,
				    .io_bytes = h->io_bytes };

	fold_timeline_advance(&h->line, now, &last);
}

static struct site *site_of(struct fold *f, struct heap *h, uint32_t node, uint32_t *number)
{
	uint32_t n = fold_map_number(f, &h->sites, node + 1ull);
	struct site *s;

	if (n == FOLD_NONE)
		return NULL;
	if (n >= h->site_room) {
		uint32_t room = h->site_room ? 2 * h->site_room : 256;

		s = fold_grow(f, h->site, h->site_room * sizeof(*s), room * sizeof(*s));
		if (!s)
			return NULL;
		h->site = s;
		h->site_room = room;
	}
	s = &h->site[n];
	if (!s->lifetime.bits) {
		s->node = node;
		s->lifetime.bits = LIFETIME_BITS;
		s->size_min = UINT64_MAX;
	}
	*number = n;
	return s;
}

/* ---- the rules ---- */

static void last_set(struct fold *f, struct heap *h, uint32_t thread, uint64_t address)
{
	if (thread >= THREADS_MOST)
		return;
	if (thread >= h->last_room) {
		uint32_t room = h->last_room ? 2 * h->last_room : 64;
		uint64_t *p;

		while (room <= thread)
			room *= 2;
		p = fold_grow(f, h->last, h->last_room * sizeof(*p), room * sizeof(*p));
		if (!p)
			return;
		h->last = p;
		h->last_room = room;
	}
	h->last[thread] = address;
}

/* What a site holds only changes behind a call of this. */
static void keep_peak(const struct heap *h, struct site *s)
{
	if (s->peak_number == h->peak_number)
		return;
	s->at_peak_bytes = s->live_bytes;
	s->at_peak_blocks = s->allocations - s->frees;
	s->peak_number = h->peak_number;
}

static void count_death(struct fold *f, struct heap *h, const struct fold_block_live *b,
			uint64_t ticks)
{
	struct lar_weight w = weigh(b->size);
	struct site *s = &h->site[b->site];

	keep_peak(h, s);
	h->frees += w.blocks;
	h->freed_bytes += w.bytes;
	h->live_bytes -= w.bytes;
	s->frees += w.blocks;
	s->freed_bytes += w.bytes;
	s->live_bytes -= w.bytes;
	fold_histogram_add_many(f, &s->lifetime, ticks > b->born ? ticks - b->born : 0, w.blocks);
	line_note(f, h, s);
}

/* The free of this block was not seen; the realloc that it was part of may come yet. */
static void given_out_again(struct fold *f, struct heap *h, struct fold_block_live *b,
			    uint64_t ticks, uint32_t thread)
{
	struct lar_weight w = weigh(b->size);
	struct early *e = &h->early[0];

	if (h->stray.count && (fold_moment_take(&h->stray, ticks, b->address, thread, false) ||
			       fold_moment_take(&h->stray, ticks, b->address, thread, true))) {
		h->unpaired--;
		count_death(f, h, b, ticks);
		fold_live_remove(&h->live, b);
		return;
	}
	if (h->early_count < EARLY_MOST)
		e = &h->early[h->early_count++];
	else
		for (uint32_t i = 1; i < EARLY_MOST; i++)
			if (h->early[i].ticks < e->ticks)
				e = &h->early[i];
	*e = (struct early){ b->address, ticks, b->size };
	count_death(f, h, b, ticks);
	h->frees -= w.blocks;
	h->freed_bytes -= w.bytes;
	h->implied += w.blocks;
	fold_live_remove(&h->live, b);
}

static bool death_was_early(struct heap *h, uint64_t address, uint64_t start)
{
	struct early *own = NULL;
	struct lar_weight w;

	for (uint32_t i = 0; i < h->early_count; i++) {
		struct early *e = &h->early[i];

		if (e->address == address && e->ticks >= start && (!own || e->ticks < own->ticks))
			own = e;
	}
	if (!own)
		return false;
	w = weigh(own->size);
	h->frees += w.blocks;
	h->freed_bytes += w.bytes;
	h->implied -= w.blocks;
	*own = h->early[--h->early_count];
	return true;
}

/* The free of a block can come before its allocation, where both are in one step of the clock; a
 * free by the own thread in front of it was then that of the block that was known. */
static bool freed_before_born(struct heap *h, const struct fold_event *e, uint64_t address)
{
	if (fold_moment_take(&h->stray, e->ticks, address, e->thread, false))
		return true;
	if (!fold_moment_take(&h->stray, e->ticks, address, e->thread, true))
		return false;
	if (fold_moment_take(&h->freed, e->ticks, address, e->thread, false))
		return true;
	fold_moment_add(&h->stray, e->ticks, address, e->thread);
	return false;
}

static void born(struct fold *f, struct heap *h, const struct fold_event *e, uint64_t address,
		 uint64_t size)
{
	struct fold_block_live *b = fold_live_find(&h->live, address);
	struct lar_weight w = weigh(size);
	uint32_t number;
	struct site *s;

	if (b)
		given_out_again(f, h, b, e->ticks, e->thread);
	s = site_of(f, h, e->node, &number);
	b = s ? fold_live_add(f, &h->live, address) : NULL;
	if (!b)
		return;
	b->size = size;
	b->born = e->ticks;
	b->site = number;
	b->thread = e->thread;
	keep_peak(h, s);
	s->allocations += w.blocks;
	s->allocated_bytes += w.bytes;
	s->live_bytes += w.bytes;
	if (s->live_bytes > s->peak_bytes)
		s->peak_bytes = s->live_bytes;
	if (size < s->size_min)
		s->size_min = size;
	if (size > s->size_max)
		s->size_max = size;
	h->samples++;
	h->allocations += w.blocks;
	h->allocated_bytes += w.bytes;
	h->live_bytes += w.bytes;
	if (h->live_bytes > h->peak_bytes) {
		h->peak_bytes = h->live_bytes;
		h->peak_ticks = e->ticks;
		h->peak_number++;
	}
	line_note(f, h, s);
	last_set(f, h, e->thread, address);
	if (h->stray.count && freed_before_born(h, e, address)) {
		h->unpaired--;
		count_death(f, h, b, e->ticks);
		fold_live_remove(&h->live, b);
		fold_moment_add(&h->freed, e->ticks, address, 0);
	}
}

/* `ticks`: when at the latest it was still in use. */
static void died(struct fold *f, struct heap *h, const struct fold_event *e, uint64_t address,
		 uint64_t ticks)
{
	struct fold_block_live *b = fold_live_find(&h->live, address);
	struct site *s;

	if ((!b || b->born > ticks || (b->born == ticks && b->thread != e->thread)) &&
	    death_was_early(h, address, ticks))
		return;
	if (!b) {
		h->unpaired++;
		fold_moment_add(&h->stray, e->ticks, address, e->thread);
		return;
	}
	count_death(f, h, b, ticks);
	s = &h->site[b->site];
	if (!lar->config.sample_bytes && e->thread < h->last_room &&
	    h->last[e->thread] == address && b->thread == e->thread) {
		s->temporary++;
		h->temporary++;
	}
	fold_moment_add(&h->freed, e->ticks, address, e->thread);
	fold_live_remove(&h->live, b);
}

static void failure(struct fold *f, struct heap *h, const struct fold_event *e)
{
	uint32_t number;
	struct site *s = site_of(f, h, e->node, &number);

	last_set(f, h, e->thread, 0);
	if (s)
		s->failed++;
	h->failed++;
}

/* Of a sampled trace only reallocs whose both blocks were recorded can be told from an allocation
 * or a free. */
static void count_realloc(struct heap *h, uint64_t old, uint64_t size)
{
	uint64_t period = lar->config.sample_bytes;
	const struct fold_block_live *b = period ? fold_live_find(&h->live, old) : NULL;

	h->reallocations += lar_weight_pair(period, b ? b->size : 0, size);
}

static void take_realloc(struct fold *f, struct heap *h, const struct fold_event *e)
{
	/* those from a slot are not rounded yet */
	uint64_t took = lar_round_up(e->field[1], lar->time_shift), old = e->field[2],
		 now = e->field[3], size = e->field[4];

	if (!now && (size || !old)) {
		failure(f, h, e);
		return;
	}
	if (old && now)
		count_realloc(h, old, size);
	if (old == now && h->freed.ticks == e->ticks && !fold_live_find(&h->live, old) &&
	    fold_moment_take(&h->freed, e->ticks, old, e->thread, false)) {
		/* Resized in place, then freed by another thread, whose free came first and was
		 * taken for the old size's. */
		h->unpaired++;
		fold_moment_add(&h->stray, e->ticks, old, 0);
		born(f, h, e, now, size);
		return;
	}
	if (old)
		died(f, h, e, old, e->ticks > took ? e->ticks - took : 0);
	if (now)
		born(f, h, e, now, size);
	else
		last_set(f, h, e->thread, 0);
}

static void map_site_add(struct fold *f, struct heap *h, const struct fold_event *e)
{
	uint32_t n = fold_map_number(f, &h->map_sites, e->node + 1ull);

	if (n == FOLD_NONE)
		return;
	if (n >= h->map_site_room) {
		uint32_t room = h->map_site_room ? 2 * h->map_site_room : 64;
		struct map_site *p =
			fold_grow(f, h->map_site, h->map_site_room * sizeof(*p), room * sizeof(*p));

		if (!p)
			return;
		h->map_site = p;
		h->map_site_room = room;
	}
	h->map_site[n].node = e->node;
	h->map_site[n].maps++;
	h->map_site[n].bytes += e->field[3];
}

static void take_map(struct fold *f, struct heap *h, const struct fold_event *e)
{
	if ((int64_t)e->field[6] < 0) {
		h->maps_failed++;
		return;
	}
	switch (e->call) {
	case LAR_CALL_munmap:
		h->unmaps++;
		h->unmapped_bytes += e->field[5];
		h->mapped_now -= e->field[5] < h->mapped_now ? e->field[5] : h->mapped_now;
		return;
	case LAR_CALL_mremap:
		h->remaps++;
		h->mapped_now -= e->field[5] < h->mapped_now ? e->field[5] : h->mapped_now;
		h->mapped_now += e->field[3];
		return;
	case LAR_CALL_brk:
	case LAR_CALL_sbrk:
		h->breaks++;
		return;
	default:
		h->maps++;
		h->mapped_bytes += e->field[3];
		h->mapped_now += e->field[3];
		map_site_add(f, h, e);
	}
}

/* Bytes that a read or write moved. */
static uint64_t moved(unsigned call, int64_t result)
{
	unsigned op = fold_operation(call);

	return result > 0 && (op == LAR_OP_READ || op == LAR_OP_WRITE) ? (uint64_t)result : 0;
}

/* Whether the timeline's rate of I/O counts it: no wait, and not what was asked of streams. */
static bool moves(unsigned call)
{
	unsigned op = fold_operation(call);

	return op != LAR_OP_WAIT && !lar_io_is_stdio(op);
}

void fold_heap_event(struct fold *f, void **state, const struct fold_event *e)
{
	uint64_t now = e->ticks - lar->header->clock_start.ticks;
	struct heap *h = *state;

	if (!h) {
		h = *state = fold_alloc(f, sizeof(*h));
		if (!h)
			return;
		fold_timeline_start(&h->line);
	}
	if (now >= h->line.end && (int64_t)now >= 0)
		line_advance(h, now);
	switch (e->kind) {
	case LAR_EV_ALLOC:
		if (e->field[1])
			born(f, h, e, e->field[1], e->field[2]);
		else if (e->field[2])
			failure(f, h, e);
		break;
	case LAR_EV_FREE:
	case LAR_EV_FREE_SIZED:
		died(f, h, e, e->field[1], e->ticks);
		last_set(f, h, e->thread, 0);
		break;
	case LAR_EV_REALLOC:
		take_realloc(f, h, e);
		break;
	case LAR_EV_MAP:
		take_map(f, h, e);
		break;
	case LAR_EV_IO:
		h->io_calls += moves(e->call);
		h->io_bytes += moved(e->call, (int64_t)e->field[3]);
		break;
	case LAR_EV_TICK:
		if (e->field[1])
			h->rss_bytes = e->field[1] | (e->flags & LAR_TICK_MOST);
		h->heap_bytes = e->field[2];
		h->threads = e->field[4];
		break;
	default:
		break;
	}
}

/* ---- writing ---- */

static void write_totals(struct fold_out *o, const struct heap *h)
{
	uint64_t columns[] = {
		h->allocations, h->allocated_bytes,
		h->frees,	h->freed_bytes,
		h->temporary,	h->reallocations,
		h->failed,	h->live.count,
		h->live_bytes,	h->peak_bytes,
		h->peak_ticks,	h->unpaired,
		h->implied,	fold_left_out(o) >= FOLD_LEFT_LIVE ? h->live.count : 0,
		h->samples
	};
	uint64_t maps[] = { h->maps,   h->mapped_bytes, h->unmaps,     h->unmapped_bytes,
			    h->remaps, h->breaks,	h->maps_failed };

	fold_table(o, LAR_TABLE_HEAP, 1, sizeof(columns) / 8);
	for (unsigned i = 0; i < sizeof(columns) / 8; i++)
		fold_put(o, columns[i]);
	fold_table(o, LAR_TABLE_MAPS, 1, sizeof(maps) / 8);
	for (unsigned i = 0; i < sizeof(maps) / 8; i++)
		fold_put(o, maps[i]);
}

static void write_sites(struct fold_out *o, const struct heap *h)
{
	uint32_t last = 0;

	fold_table(o, LAR_TABLE_HEAP_SITES, h->sites.count, 12);
	for (uint32_t i = 0; i < h->sites.count; i++) {
		struct site *s = &h->site[i];

		keep_peak(h, s);
		fold_put_signed(o, (int64_t)s->node - (int64_t)last);
		fold_put(o, s->allocations);
		fold_put(o, s->allocated_bytes);
		fold_put(o, s->frees);
		fold_put(o, s->freed_bytes);
		fold_put(o, s->temporary);
		fold_put(o, s->failed);
		fold_put(o, s->allocations ? s->size_min : 0);
		fold_put(o, s->size_max);
		fold_put(o, s->peak_bytes);
		fold_put(o, s->at_peak_bytes);
		fold_put(o, s->at_peak_blocks);
		fold_put_histogram(o, &s->lifetime);
		last = s->node;
	}
	last = 0;
	fold_table(o, LAR_TABLE_MAP_SITES, h->map_sites.count, 3);
	for (uint32_t i = 0; i < h->map_sites.count; i++) {
		fold_put_signed(o, (int64_t)h->map_site[i].node - (int64_t)last);
		fold_put(o, h->map_site[i].maps);
		fold_put(o, h->map_site[i].bytes);
		last = h->map_site[i].node;
	}
}

static void put_live(struct fold_out *o, const struct heap *h, const struct fold_block_live *b,
		     const struct fold_block_live **last)
{
	fold_put_signed(o, (int64_t)(b->address - (*last ? (*last)->address : 0)));
	fold_put(o, b->size);
	fold_put_signed(o, (int64_t)(b->born - (*last ? (*last)->born : 0)));
	fold_put(o, h->site[b->site].node);
	fold_put(o, b->thread);
	*last = b;
}

static void write_live(struct fold_out *o, const struct heap *h)
{
	const struct fold_block_live *last = NULL;
	uint32_t *order;

	if (fold_left_out(o) >= FOLD_LEFT_LIVE)
		return;
	fold_table(o, LAR_TABLE_LIVE, h->live.count, 5);
	order = h->live.count && h->live.room <= UINT32_MAX ? fold_live_order(&h->live) : NULL;
	if (order) {
		for (uint64_t i = 0; i < h->live.count; i++)
			put_live(o, h, &h->live.block[order[i]], &last);
		pool_unmap(order, 2 * h->live.count * sizeof(*order));
		return;
	}
	for (uint64_t i = 0; h->live.count && i < h->live.room; i++)
		if (h->live.block[i].address)
			put_live(o, h, &h->live.block[i], &last);
}

static void write_lines(struct fold_out *o, struct heap *h)
{
	uint32_t rows = 0;

	line_advance(h, h->line.end - 1);
	fold_timeline_write(o, &h->line);
	if (fold_left_out(o) >= FOLD_LEFT_SERIES)
		return;
	for (uint32_t i = 0; i < h->sites.count; i++)
		rows += h->site[i].line.slot != NULL;
	fold_table(o, LAR_TABLE_SERIES, rows, 2 + 2 * FOLD_SLOTS);
	for (uint32_t i = 0; i < h->sites.count; i++) {
		struct fold_series *s = &h->site[i].line;

		if (!s->slot)
			continue;
		if (s->stamp != h->line.stamp)
			fold_series_catch_up(NULL, s, &h->line);
		fold_series_write(o, h->site[i].node, s);
	}
}

static void put_open(struct fold_out *o, uint64_t address, uint64_t ticks, uint64_t kind,
		     uint64_t more)
{
	fold_put(o, address);
	fold_put(o, ticks);
	fold_put(o, kind);
	fold_put(o, more);
}

/* What the next events may still have to do with. */
static void write_open(struct fold_out *o, const struct heap *h)
{
	const struct fold_moment *moment[] = { &h->stray, &h->freed };

	fold_table(o, LAR_TABLE_HEAP_OPEN, h->early_count + h->stray.count + h->freed.count, 4);
	for (uint32_t i = 0; i < h->early_count; i++)
		put_open(o, h->early[i].address, h->early[i].ticks, 0, h->early[i].size);
	for (unsigned k = 0; k < 2; k++)
		for (uint32_t i = 0; i < moment[k]->count; i++)
			put_open(o, moment[k]->address[i], moment[k]->ticks, k + 1,
				 moment[k]->thread[i]);
}

void fold_heap_write(struct fold_out *o, void *state)
{
	struct heap *h = state;
	uint32_t rows = 0, before = 0;

	write_totals(o, h);
	write_sites(o, h);
	write_live(o, h);
	write_open(o, h);
	write_lines(o, h);
	for (uint32_t i = 0; i < h->last_room; i++)
		rows += h->last[i] != 0;
	fold_table(o, LAR_TABLE_LAST_ALLOCATIONS, rows, 2);
	for (uint32_t i = 0; i < h->last_room; i++) {
		if (!h->last[i])
			continue;
		fold_put_signed(o, (int64_t)i - (int64_t)before);
		fold_put(o, h->last[i]);
		before = i;
	}
}
