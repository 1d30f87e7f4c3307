/* SPDX-License-Identifier: MIT */
/*
 * Heap figures of folded events, by the rules of the analyzer's heap model: what one of them counts
 * for an event, the other does.
 */
#include <string.h>

#include "fold_heap.h"
#include "fold_rows.h"
#include "format/codec.h"
#include "format/weight.h"
#include "recorder.h"

#define LIFETIME_BITS 2
#define THREADS_MOST  (1u << 20)

static struct lar_weight weigh(const struct heap *h, uint64_t size)
{
	return lar_weight(h->period, size);
}

/* Estimates are in units of theirs; a timeline is in bytes. */
static uint64_t whole(const struct heap *h, uint64_t sum)
{
	return lar_weight_whole(h->period, sum);
}

/* What the process and a site hold changes. */
static always_inline void line_note(struct fold *f, struct heap *h, struct site *s)
{
	fold_series_note(f, &s->line, &h->line, whole(h, s->live_bytes));
	fold_timeline_live(&h->line, whole(h, h->live_bytes));
}

void fold_heap_advance(struct heap *h, uint64_t now)
{
	struct fold_sample last = { .live = whole(h, h->live_bytes),
				    .allocations = whole(h, h->allocations),
				    .allocated_bytes = whole(h, h->allocated_bytes),
				    .frees = whole(h, h->frees),
				    .freed_bytes = whole(h, h->freed_bytes),
				    .unpaired_frees = h->unpaired,
				    .mapped_bytes = h->mapped_now,
				    .rss_bytes = h->rss_bytes,
				    .heap_bytes = h->heap_bytes,
				    .threads = h->threads,
				    .io_calls = h->io_calls,
				    .io_bytes = h->io_bytes };

	fold_timeline_advance(&h->line, now, &last);
}

/* Room for what is at `index` of an array; it may move. */
static bool reserve(struct fold *f, void *array, uint32_t *room, uint32_t index, size_t each)
{
	uint32_t wanted = *room ? 2 * *room : 256;
	void *old, *grown;

	while (wanted <= index)
		wanted *= 2;
	memcpy(&old, array, sizeof(old));
	grown = fold_grow(f, old, *room * each, wanted * each);
	if (!grown)
		return false;
	memcpy(array, &grown, sizeof(grown));
	*room = wanted;
	return true;
}

static lar_noinline struct site *site_new(struct fold *f, struct heap *h, uint32_t node,
					  uint32_t *number)
{
	struct site *s;

	if (node >= h->node_room && !reserve(f, &h->of_node, &h->node_room, node, sizeof(uint32_t)))
		return NULL;
	if (h->of_node[node]) {
		*number = h->of_node[node] - 1;
		return &h->site[*number];
	}
	if (h->sites == h->site_room && !reserve(f, &h->site, &h->site_room, h->sites, sizeof(*s)))
		return NULL;
	*number = h->sites++;
	h->of_node[node] = *number + 1;
	s = &h->site[*number];
	s->node = node;
	s->lifetime.bits = LIFETIME_BITS;
	s->size_min = UINT64_MAX;
	return s;
}

static always_inline struct site *site_of(struct fold *f, struct heap *h, uint32_t node,
					  uint32_t *number)
{
	uint32_t known = node < h->node_room ? h->of_node[node] : 0;

	if (unlikely(!known))
		return site_new(f, h, node, number);
	*number = known - 1;
	return &h->site[known - 1];
}

/* ---- the rules ---- */

static void last_set(struct fold *f, struct heap *h, uint32_t thread, uint64_t address)
{
	if (unlikely(thread >= h->last_room) &&
	    (thread >= THREADS_MOST ||
	     !reserve(f, &h->last, &h->last_room, thread, sizeof(*h->last))))
		return;
	h->last[thread] = address;
}

static void count_death(struct fold *f, struct heap *h, const struct fold_block_live *b,
			uint64_t ticks)
{
	struct lar_weight w = weigh(h, b->size);
	struct site *s = &h->site[b->site];

	keep_peak(h, s);
	h->frees += w.blocks;
	h->freed_bytes += w.bytes;
	h->live_bytes -= w.bytes;
	s->frees += w.blocks;
	s->freed_bytes += w.bytes;
	s->live_bytes -= w.bytes;
	if (likely(w.blocks == 1))
		fold_histogram_add(f, &s->lifetime, ticks > b->born ? ticks - b->born : 0);
	else
		fold_histogram_add_many(f, &s->lifetime, ticks > b->born ? ticks - b->born : 0,
					w.blocks);
	line_note(f, h, s);
}

/* The free of this block was not seen; the realloc that it was part of may come yet. */
static void given_out_again(struct fold *f, struct heap *h, struct fold_block_live *b,
			    uint64_t ticks, uint32_t thread)
{
	struct lar_weight w = weigh(h, b->size);
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
	*e = (struct early){ b->address, ticks, b->size, b->site, b->thread };
	count_death(f, h, b, ticks);
	h->frees -= w.blocks;
	h->freed_bytes -= w.bytes;
	h->implied += w.blocks;
	fold_live_remove(&h->live, b);
}

/* Was the allocation of the block that e ends the last that its thread did? */
static void count_temporary(struct heap *h, const struct fold_event *e, uint64_t address,
			    uint32_t site, uint32_t thread)
{
	if (h->period || e->thread >= h->last_room || h->last[e->thread] != address ||
	    thread != e->thread)
		return;
	h->site[site].temporary++;
	h->temporary++;
}

static bool death_was_early(struct heap *h, const struct fold_event *e, uint64_t address,
			    uint64_t start)
{
	struct early *own = NULL;
	struct lar_weight w;

	for (uint32_t i = 0; i < h->early_count; i++) {
		struct early *early = &h->early[i];

		if (early->address == address && early->ticks >= start &&
		    (!own || early->ticks < own->ticks))
			own = early;
	}
	if (!own)
		return false;
	w = weigh(h, own->size);
	h->frees += w.blocks;
	h->freed_bytes += w.bytes;
	h->implied -= w.blocks;
	count_temporary(h, e, address, own->site, own->thread);
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
	struct fold_block_live *b = fold_live_place(f, &h->live, address);
	struct lar_weight w = weigh(h, size);
	uint32_t number;
	struct site *s;

	if (unlikely(b && b->address)) {
		given_out_again(f, h, b, e->ticks, e->thread);
		b = fold_live_place(f, &h->live, address);
	}
	s = site_of(f, h, e->node, &number);
	if (unlikely(!s || !b))
		return;
	fold_live_enter(&h->live, b, address);
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

	if ((!b || b->born > ticks || (b->born == ticks && b->thread != e->thread)) &&
	    death_was_early(h, e, address, ticks))
		return;
	if (!b) {
		h->unpaired++;
		fold_moment_add(&h->stray, e->ticks, address, e->thread);
		return;
	}
	count_death(f, h, b, ticks);
	count_temporary(h, e, address, b->site, b->thread);
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
	uint64_t period = h->period;
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
	if (n >= h->map_site_room &&
	    !reserve(f, &h->map_site, &h->map_site_room, n, sizeof(*h->map_site)))
		return;
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

bool fold_heap_is_large(const void *state)
{
	const struct heap *h = state;

	return h && h->live.table.room > h->live.table.roomy;
}

void fold_heap_fetch(const void *state, uint64_t address)
{
	const struct addrtable *t = &((const struct heap *)state)->live.table;

	__builtin_prefetch(addrtable_at(t, FOLD_LIVE_EACH, addrtable_place(t, address)), 1);
}

static lar_noinline struct heap *heap_new(struct fold *f)
{
	struct heap *h = fold_alloc(f, sizeof(*h));

	if (h) {
		h->period = lar->config.sample_bytes;
		h->start = lar->header->clock_start.ticks;
		fold_timeline_start(&h->line);
	}
	return h;
}

void fold_heap_event(struct fold *f, void **state, const struct fold_event *e)
{
	struct heap *h = *state;
	uint64_t now;

	if (unlikely(!h) && !(h = *state = heap_new(f)))
		return;
	now = e->ticks - h->start;
	if (unlikely(now >= h->line.end && (int64_t)now >= 0))
		fold_heap_advance(h, now);
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
