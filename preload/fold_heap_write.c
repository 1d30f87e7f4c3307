/* SPDX-License-Identifier: MIT */
/* Heap figures of folded events in a checkpoint. */
#include "fold_heap.h"
#include "fold_rows.h"
#include "pool.h"
#include "recorder.h"

static void write_totals(struct fold_out *o, const struct heap *h)
{
	uint64_t columns[] = {
		h->allocations, h->allocated_bytes,
		h->frees,	h->freed_bytes,
		h->temporary,	h->reallocations,
		h->failed,	h->live.table.count,
		h->live_bytes,	h->peak_bytes,
		h->peak_ticks,	h->unpaired,
		h->implied,	fold_left_out(o) >= FOLD_LEFT_LIVE ? h->live.table.count : 0,
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

	fold_table(o, LAR_TABLE_HEAP_SITES, h->sites, 12);
	for (uint32_t i = 0; i < h->sites; i++) {
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
	fold_table(o, LAR_TABLE_LIVE, h->live.table.count, 5);
	order = h->live.table.count && h->live.table.room <= UINT32_MAX ? fold_live_order(&h->live)
									: NULL;
	if (order) {
		for (uint64_t i = 0; i < h->live.table.count; i++)
			put_live(o, h, fold_live_at(&h->live, order[i]), &last);
		pool_unmap(order, 2 * h->live.table.count * sizeof(*order));
		return;
	}
	for (uint64_t i = 0; h->live.table.count && i < h->live.table.room; i++)
		if (fold_live_at(&h->live, i)->address)
			put_live(o, h, fold_live_at(&h->live, i), &last);
}

static void write_lines(struct fold_out *o, struct heap *h)
{
	uint32_t rows = 0;

	fold_heap_advance(h, h->line.end - 1);
	fold_timeline_write(o, &h->line);
	if (fold_left_out(o) >= FOLD_LEFT_SERIES)
		return;
	for (uint32_t i = 0; i < h->sites; i++)
		rows += h->site[i].line.slot != NULL;
	fold_table(o, LAR_TABLE_SERIES, rows, 2 + 2 * FOLD_SLOTS);
	for (uint32_t i = 0; i < h->sites; i++) {
		struct fold_series *s = &h->site[i].line;

		if (!s->slot)
			continue;
		if (s->stamp != h->line.stamp)
			fold_series_catch_up(NULL, s, &h->line);
		fold_series_write(o, h->site[i].node, s);
	}
}

static void put_open(struct fold_out *o, uint64_t address, uint64_t ticks, uint64_t kind,
		     uint64_t more, uint64_t thread, uint64_t node)
{
	fold_put(o, address);
	fold_put(o, ticks);
	fold_put(o, kind);
	fold_put(o, more);
	fold_put(o, thread);
	fold_put(o, node);
}

/* What the next events may still have to do with. */
static void write_open(struct fold_out *o, const struct heap *h)
{
	const struct fold_moment *moment[] = { &h->stray, &h->freed };

	fold_table(o, LAR_TABLE_HEAP_OPEN, h->early_count + h->stray.count + h->freed.count, 6);
	for (uint32_t i = 0; i < h->early_count; i++)
		put_open(o, h->early[i].address, h->early[i].ticks, 0, h->early[i].size,
			 h->early[i].thread, h->site[h->early[i].site].node);
	for (unsigned k = 0; k < 2; k++)
		for (uint32_t i = 0; i < moment[k]->count; i++)
			put_open(o, moment[k]->address[i], moment[k]->ticks, k + 1,
				 moment[k]->thread[i], 0, 0);
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
