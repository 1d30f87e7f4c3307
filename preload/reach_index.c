/* SPDX-License-Identifier: MIT */
/* The index of the blocks by their addresses; see reach_index.h. */
#include "reach_index.h"

#define CLUSTER_GAP (1ull << 20)
#define SHIFT_LEAST 8 /* of the index's pages: 256 bytes */
#define PAGES_EACH  4 /* of the index, for each block at most */
#define PAGES_LEAST 64

static void index_cluster(struct reach *r, struct reach_cluster *c)
{
	uint64_t pages, most = PAGES_EACH * (c->last - c->first) + PAGES_LEAST;
	uint32_t at = c->first;

	c->start = r->block[c->first].start;
	c->end = reach_block_end(&r->block[c->last - 1]);
	c->shift = SHIFT_LEAST;
	while ((c->end - c->start) >> c->shift > most)
		c->shift++;
	c->first_page = c->start >> c->shift;
	pages = ((c->end - 1) >> c->shift) - c->first_page + 1;
	c->page = reach_memory(r, (pages + 1) * sizeof(*c->page));
	if (!c->page)
		return;
	for (uint64_t i = 0; i <= pages; i++) {
		uint64_t start = (c->first_page + i) << c->shift;

		while (at < c->last && reach_block_end(&r->block[at]) <= start)
			at++;
		c->page[i] = at;
	}
}

/*
 * Most words that lie between the first and the last block point to something else: libraries, and
 * memory that the program maps by itself. A bit for each grain of addresses tells nearly all of
 * them apart; it is set wherever a block has a byte.
 */
static void filter_set(struct reach *r)
{
	uint64_t next = 0;

	for (uint32_t i = 0; i < r->count; i++) {
		uint64_t grain = r->block[i].start >> REACH_GRAIN_SHIFT;
		uint64_t last = (reach_block_end(&r->block[i]) - 1) >> REACH_GRAIN_SHIFT;

		if (grain < next) /* blocks are sorted: it is set */
			grain = next;
		if (last - grain >= REACH_GRAINS && last >= grain)
			grain = last - REACH_GRAINS + 1;
		for (; grain <= last; grain++)
			r->filter[grain / 64 % (REACH_GRAINS / 64)] |= 1ull << grain % 64;
		next = grain;
	}
}

static uint64_t gap_behind(const struct reach *r, uint32_t cluster)
{
	return r->cluster[cluster + 1].start - r->cluster[cluster].end;
}

static struct reach_span span_of(uint64_t start, uint64_t end)
{
	uint64_t first = start >> REACH_SPAN_SHIFT, more = ((end - 1) >> REACH_SPAN_SHIFT) - first;

	return (struct reach_span){ (uint32_t)first, more > UINT32_MAX ? UINT32_MAX : more };
}

/* Split where there is the most room between blocks: the heap is in one place, and what is mapped
 * in another, with the libraries between. */
static void spans_make(struct reach *r)
{
	uint32_t split[REACH_SPANS] = { 0 }, n = 0, first = 0;

	for (uint32_t i = 0; i + 1 < r->clusters; i++) {
		uint32_t at = n < REACH_SPANS - 1 ? n++ : n;

		for (; at && gap_behind(r, split[at - 1]) < gap_behind(r, i); at--)
			split[at] = split[at - 1];
		split[at] = i;
	}
	for (uint32_t k = 0; k < REACH_SPANS; k++) {
		uint32_t last = r->clusters - 1;

		for (uint32_t i = 0; i < n; i++)
			if (split[i] >= first && split[i] < last)
				last = split[i];
		r->span[k] = span_of(r->cluster[first].start, r->cluster[last].end);
		if (last + 1 < r->clusters)
			first = last + 1;
	}
}

void reach_index(struct reach *r)
{
	uint32_t n = 1;

	if (!r->count)
		return;
	for (uint32_t i = 1; i < r->count; i++)
		n += r->block[i].start > reach_block_end(&r->block[i - 1]) + CLUSTER_GAP;
	r->cluster = reach_memory(r, n * sizeof(*r->cluster));
	r->state = reach_memory(r, r->count);
	r->todo = reach_memory(r, r->count * sizeof(*r->todo));
	r->filter = reach_memory(r, REACH_GRAINS / 8);
	if (!r->cluster || !r->state || !r->todo || !r->filter)
		return;
	filter_set(r);
	for (uint32_t i = 0; i < r->count; i++) {
		struct reach_cluster *c = &r->cluster[r->clusters];

		c->last = i + 1;
		if (i + 1 < r->count &&
		    r->block[i + 1].start <= reach_block_end(&r->block[i]) + CLUSTER_GAP)
			continue;
		index_cluster(r, c);
		if (++r->clusters < n)
			c[1].first = i + 1;
	}
	r->low = r->cluster[0].start;
	r->high = r->cluster[n - 1].end;
	spans_make(r);
}

uint32_t reach_find(const struct reach *r, uint64_t address)
{
	const struct reach_cluster *c = reach_cluster_of(r, address);

	return c ? reach_find_in(r, &c->page[(address >> c->shift) - c->first_page], address)
		 : UINT32_MAX;
}
