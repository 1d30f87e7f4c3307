/* SPDX-License-Identifier: MIT */
/* Heap figures of folded events: what fold_heap.c counts and fold_heap_write.c writes. */
#ifndef LARIAT_FOLD_HEAP_H
#define LARIAT_FOLD_HEAP_H

#include <stdint.h>

#include "fold_impl.h"
#include "fold_live.h"
#include "fold_moment.h"
#include "fold_timeline.h"

#define EARLY_MOST 256u

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
	uint32_t site, thread;
};

struct heap {
	uint64_t period;   /* of sampling; 0 = all was recorded */
	uint64_t start;	   /* ticks, when the recording began */
	struct site *site; /* in the order in which they were met */
	uint32_t site_room, sites;
	uint32_t *of_node; /* site + 1, 0 = none yet */
	uint32_t node_room;
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

/* What a site holds only changes behind a call of this. */
static inline void keep_peak(const struct heap *h, struct site *s)
{
	if (s->peak_number == h->peak_number)
		return;
	s->at_peak_bytes = s->live_bytes;
	s->at_peak_blocks = s->allocations - s->frees;
	s->peak_number = h->peak_number;
}

/* Takes the timeline to `now`. */
void fold_heap_advance(struct heap *h, uint64_t now);

#endif
