/* SPDX-License-Identifier: MIT */
/*
 * The timeline of what was folded, and of the live bytes of each site that held some for longer.
 * All times are ticks since the start of the recording.
 */
#ifndef LARIAT_FOLD_TIMELINE_H
#define LARIAT_FOLD_TIMELINE_H

#include <stdint.h>

#include "fold.h"

#define FOLD_SAMPLES  256 /* of the process */
#define FOLD_SLOTS    64  /* of a series: every FOLD_PER_SLOT samples */
#define FOLD_PER_SLOT (FOLD_SAMPLES / FOLD_SLOTS)

/* The process at the end of a sample; the sums are of all the time from the start. Written as it
 * stands, so 64-bit members only. */
struct fold_sample {
	uint64_t live, live_min, live_max; /* bytes: at the end, and within the sample */
	uint64_t allocations, allocated_bytes;
	uint64_t frees, freed_bytes, unpaired_frees;
	uint64_t mapped_bytes;
	uint64_t rss_bytes, heap_bytes, threads; /* the last TICK */
	uint64_t io_calls, io_bytes;		 /* sums; bytes read and written */
};

struct fold_timeline {
	uint64_t end;	/* behind the present sample */
	uint32_t stamp; /* changes whenever series have something to catch up with */
	uint32_t count; /* samples, the present one included */
	uint8_t shift;	/* a sample is 2^shift ticks wide */
	struct fold_sample sample[FOLD_SAMPLES];
};

/* Live bytes of a site: least and most per slot. Zeroed memory: 0 so far. */
struct fold_series {
	uint64_t value;
	uint64_t min, max; /* in the slot `at` */
	uint64_t *slot;	   /* least of each slot, then most; NULL = the least was 0 in all */
	uint32_t stamp;
	uint32_t at;
	uint8_t shift;
};

void fold_timeline_start(struct fold_timeline *t);

/* Time goes on to `now`, the figures having been `last` until then; needed when now >= t->end. */
void fold_timeline_advance(struct fold_timeline *t, uint64_t now, const struct fold_sample *last);

static inline void fold_timeline_live(struct fold_timeline *t, uint64_t live)
{
	struct fold_sample *s = &t->sample[t->count - 1];

	if (live < s->live_min)
		s->live_min = live;
	if (live > s->live_max)
		s->live_max = live;
}

/* The slow path of fold_series_note(). */
void fold_series_catch_up(struct fold *f, struct fold_series *s, const struct fold_timeline *t);

/* The series' value from now on. */
static inline void fold_series_note(struct fold *f, struct fold_series *s,
				    const struct fold_timeline *t, uint64_t value)
{
	if (s->stamp != t->stamp)
		fold_series_catch_up(f, s, t);
	s->value = value;
	if (value < s->min)
		s->min = value;
	if (value > s->max)
		s->max = value;
}

void fold_timeline_write(struct fold_out *o, const struct fold_timeline *t);

/* One row of LAR_TABLE_SERIES; s->slot is not NULL, or s->at is 0. */
void fold_series_write(struct fold_out *o, uint32_t node, const struct fold_series *s);

#endif
