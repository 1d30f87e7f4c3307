/* SPDX-License-Identifier: MIT */
/*
 * Figures over the life of a process in bounded space: time is cut into slots of equal width, and
 * when the slots are full each two become one, so that they always span the whole life at a
 * resolution that halves as the life doubles. Knows nothing of events: whoever has figures, from
 * events or from a stored timeline, notes them here in the order of time. One thread at a time.
 */
#ifndef LARIAT_TIMELINE_H
#define LARIAT_TIMELINE_H

#include <stdbool.h>
#include <stdint.h>

#define TIMELINE_SAMPLES  256 /* of the process */
#define SERIES_SLOTS	  64  /* of a series: every TIMELINE_PER_SLOT samples */

#define TIMELINE_PER_SLOT (TIMELINE_SAMPLES / SERIES_SLOTS)

/* The process at the end of a slot. The sums are of all the time from the start. */
struct timeline_sample {
	uint64_t live_bytes, live_min, live_max; /* at the end, and within the slot */
	uint64_t allocations, allocated_bytes;	 /* sums */
	uint64_t frees, freed_bytes, unpaired_frees;
	uint64_t mapped_bytes, held_bytes;
	uint64_t system_bytes, trim_bytes;	 /* what the heap has of the system; free in it */
	uint64_t io_calls, io_bytes;		 /* sums; bytes read and written */
	uint64_t rss_bytes, heap_bytes, threads; /* where the process was sampled, else 0 */
};

/* One figure that changes now and then, such as the live bytes of a site: least and most per
 * slot. Zeroed memory is a series that was 0 so far. */
struct series {
	uint64_t value;
	uint64_t min, max; /* in the slot `at` */
	uint64_t *slot;	   /* least of each slot, then most; NULL = the least was 0 in all */
	uint32_t stamp;
	uint32_t at;
	uint8_t shift, epoch;
	bool truncated; /* memory ran out: the slots so far are lost */
};

struct timeline {
	uint64_t start_ns, end_ns; /* of the first sample; behind the present one */
	uint32_t stamp;		   /* changes whenever series have something to catch up with */
	uint32_t count;		   /* samples, the present one included */
	uint8_t shift;		   /* a sample is 2^shift ns wide */
	uint8_t epoch;		   /* counts the starts */
	struct timeline_sample sample[TIMELINE_SAMPLES];
};

/* Starts at a time; also starts again, forgetting what was: series then do, too. */
void timeline_start(struct timeline *t, uint64_t start_ns, uint64_t live_bytes);

/*
 * Time goes on to now_ns, the figures having been `last` until then. Needed when now_ns is at or
 * behind t->end_ns. Slots in between repeat the last.
 */
void timeline_advance(struct timeline *t, uint64_t now_ns, const struct timeline_sample *last);

/* The present sample's live bytes. */
static inline void timeline_live(struct timeline *t, uint64_t live_bytes)
{
	struct timeline_sample *s = &t->sample[t->count - 1];

	if (live_bytes < s->live_min)
		s->live_min = live_bytes;
	if (live_bytes > s->live_max)
		s->live_max = live_bytes;
}

/* The same where they are known to be no less, or no more, than they were. */
static inline void timeline_rose(struct timeline *t, uint64_t live_bytes)
{
	struct timeline_sample *s = &t->sample[t->count - 1];

	if (live_bytes > s->live_max)
		s->live_max = live_bytes;
}
static inline void timeline_fell(struct timeline *t, uint64_t live_bytes)
{
	struct timeline_sample *s = &t->sample[t->count - 1];

	if (live_bytes < s->live_min)
		s->live_min = live_bytes;
}

/* The slow path of series_note(). */
void series_catch_up(struct series *s, const struct timeline *t);

/* The series' value from now on. */
static inline void series_note(struct series *s, const struct timeline *t, uint64_t value)
{
	if (s->stamp != t->stamp)
		series_catch_up(s, t);
	s->value = value;
	if (value < s->min)
		s->min = value;
	if (value > s->max)
		s->max = value;
}

/* The same where it is known to be no less than it was. */
static inline void series_rose(struct series *s, const struct timeline *t, uint64_t value)
{
	if (s->stamp != t->stamp)
		series_catch_up(s, t);
	s->value = value;
	if (value > s->max)
		s->max = value;
}

/*
 * Least and most of each slot up to now, into arrays of SERIES_SLOTS; returns how many there are.
 * The last one is as yet incomplete.
 */
uint32_t series_read(const struct series *s, const struct timeline *t, uint64_t *low,
		     uint64_t *high);

/* Was it ever not 0 where one slot ends and the next begins? */
bool series_held(const struct series *s, const struct timeline *t);

void series_fini(struct series *s);

/* Width of a sample, and of a slot of a series. */
static inline uint64_t timeline_sample_ns(const struct timeline *t)
{
	return UINT64_C(1) << t->shift;
}
static inline uint64_t timeline_slot_ns(const struct timeline *t)
{
	return timeline_sample_ns(t) * TIMELINE_PER_SLOT;
}

#endif
