/* SPDX-License-Identifier: MIT */
/* From an address to the block that holds it, as marking looks for them by the million:
 * reach_mark.c fetches what the steps need from memory between them. See reach.h. */
#ifndef LARIAT_REACH_INDEX_H
#define LARIAT_REACH_INDEX_H

#include "attr.h"
#include "reach.h"

#define REACH_GRAIN_SHIFT 16	     /* of the filter's bits: 64 KiB of addresses ... */
#define REACH_GRAINS	  (1u << 16) /* ... of which those 4 GiB apart share one */

/* Behind its last byte; a block of no bytes has one. */
static inline uint64_t reach_block_end(const struct reach_block *b)
{
	return b->start + (b->size ? b->size : 1);
}

/* Whether the address may be in a block: nearly all that are not fail. */
static always_inline bool reach_filter_passes(const uint64_t *filter, uint64_t address)
{
	uint64_t grain = address >> REACH_GRAIN_SHIFT;

	return filter[grain / 64 % (REACH_GRAINS / 64)] >> grain % 64 & 1;
}

/* The run of blocks that the address is in, or NULL. */
static inline const struct reach_cluster *reach_cluster_of(const struct reach *r, uint64_t address)
{
	uint32_t low = 0, high = r->clusters;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (r->cluster[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < r->clusters && r->cluster[low].start <= address ? &r->cluster[low] : NULL;
}

/* The block, among those of the address's page, or UINT32_MAX. */
static inline uint32_t reach_find_in(const struct reach *r, const uint32_t *page, uint64_t address)
{
	uint32_t low = page[0], high = page[1] + 1;

	if (high > r->count)
		high = r->count;
	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (r->block[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low && address < reach_block_end(&r->block[low - 1]) ? low - 1 : UINT32_MAX;
}

#endif
