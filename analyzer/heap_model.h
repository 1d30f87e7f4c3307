/* SPDX-License-Identifier: MIT */
/*
 * Heap figures from a stream of events in time order: totals, peak, and per site what it
 * allocated, freed and still holds. Counts as valgrind memcheck does. One thread at a time.
 *
 * Memory grows with sites and live blocks, not with events.
 *
 * Of a sampled trace the figures are estimates: each recorded block counts for all that it stands
 * for, see sampling.h. Until heap_model_finish() they are in units of that.
 */
#ifndef LARIAT_HEAP_MODEL_H
#define LARIAT_HEAP_MODEL_H

#include <stdint.h>

#include "heap_moment.h"
#include "histogram.h"
#include "live_table.h"
#include "sampling.h"
#include "sites.h"
#include "timeline.h"
#include "trace.h"

/* What each event of a site touches stands first. */
struct heap_site {
	uint64_t allocations, allocated_bytes;
	uint64_t frees, freed_bytes; /* of this site's blocks, wherever they were freed */
	uint64_t live_blocks, live_bytes;
	uint64_t peak_bytes;  /* most that this site ever held */
	uint64_t peak_number; /* the process peak that at_peak_* belongs to */
	uint64_t size_min, size_max;
	struct series line;	   /* live bytes over time, when the model keeps a timeline */
	struct histogram lifetime; /* of freed blocks, in ticks */
	uint64_t temporary;
	uint64_t at_peak_bytes; /* held when the whole process held most */
	uint64_t at_peak_blocks;
	uint64_t failed;
};

struct heap_totals {
	uint64_t allocations, allocated_bytes;
	uint64_t frees, freed_bytes; /* frees of blocks that are known */
	uint64_t unpaired_frees; /* of blocks that are not: inherited, or older than the record */
	uint64_t implied_frees;	 /* an address was given out again, its free was never seen */
	uint64_t live_blocks, live_bytes;
	uint64_t peak_bytes, peak_at_ticks;
	uint64_t temporary;
	uint64_t reallocations;
	uint64_t failed;
	uint64_t unlisted; /* live blocks of a checkpoint that had no room for them one by one */
	uint64_t samples;  /* allocations recorded: what the estimates rest on */
};

struct heap_map_site {
	uint64_t maps, mapped_bytes;
};

/* mmap, munmap, mremap, brk: apart from the heap. */
struct heap_mapped {
	uint64_t maps, mapped_bytes;
	uint64_t unmaps, unmapped_bytes;
	uint64_t remaps;
	uint64_t breaks; /* brk and sbrk */
	uint64_t failed;
};

/* A block that was given out again before the realloc that freed it was recorded. */
struct heap_early {
	uint64_t address;
	uint64_t ticks; /* when the next owner got it */
	struct lar_weight weight;
	uint32_t site, thread;
};
#define HEAP_EARLY 256

/* A freed block that is in all figures but its bucket of its site's lifetimes. */
#define HEAP_LIVES 16
struct heap_life {
	uint32_t site;
	uint32_t bucket; /* plus 1; 0 = none */
};

struct heap_model;

/*
 * Another model that looks on at each block: born is called when its figures are counted, died
 * before it is forgotten. Of a realloc its old block dies first; of one that leaves the block where
 * it is, `resized` is called instead with the block as it was and as it is now, unless that is NULL
 * or anything is in doubt. born and resized return 0 or -ENOMEM.
 */
struct heap_watch {
	void *arg;
	int (*born)(void *arg, const struct live_block *b, const struct event *e);
	void (*died)(void *arg, const struct live_block *b, const struct event *e, uint64_t now);
	int (*resized)(void *arg, const struct live_block *old, const struct live_block *b,
		       const struct event *e);
};
#define HEAP_WATCHES 3

/*
 * Another model for which the blocks of one thread are nothing: its watch begins with the first
 * block of a second one. `begin` is called when that is in the table, before the watch's born.
 */
struct heap_second {
	int (*begin)(void *arg, const struct live_block *b); /* 0 or -ENOMEM; NULL = none */
	struct heap_watch watch;
	uint32_t thread; /* the first */
};

/* Another model that is given each event first. */
struct heap_look {
	void *arg;
	void (*event)(void *arg, const struct event *e); /* NULL = none */
};

struct heap_model {
	struct sampling sampling; /* set it after heap_model_init(), before the first event */
	struct heap_totals total;
	struct heap_mapped mapped;
	struct sites sites, map_sites;
	struct heap_site *site;
	uint32_t site_size, sites_ready; /* room; those that are set up */
	struct heap_map_site *map_site;
	uint32_t map_site_size;
	uint64_t *last_allocation; /* per thread: its last heap event's block if that was one */
	uint32_t thread_size;
	struct live_table live;
	uint64_t since_ns;
	uint64_t peak_number; /* counts the times that the process held more than ever */
	struct heap_early early[HEAP_EARLY]; /* whose realloc has not come yet */
	uint32_t early_count;
	struct heap_life life[HEAP_LIVES]; /* the last ones, until heap_model_finish() */
	uint32_t lives;
	struct heap_moment stray;    /* frees of blocks that are not known */
	struct heap_moment freed;    /* frees of blocks that are */
	struct timeline *line;	     /* NULL = none is kept */
	uint64_t mapped_now;	     /* bytes that mmap and kin hold */
	uint64_t io_calls, io_bytes; /* for the timeline */
	uint64_t outside_frees;	     /* of blocks from before since_ns */
	/* for the timeline, from a watch: pages with live blocks, of which those below the break;
	 * blocks in mappings of their own */
	uint64_t held_bytes, main_held_bytes, own_mapped_bytes;
	uint64_t break_fell_bytes; /* in all, as far as samples tell */
	struct heap_watch watch[HEAP_WATCHES];
	uint32_t watches;
	struct heap_second second;
	struct heap_look look;
	struct {
		uint64_t rss_bytes, heap_bytes, threads;
		/* below the break, on whose pages no block lay: malloc_trim() gives it back; with
		 * a watch that knows the pages */
		uint64_t trim_bytes;
		bool rss_is_peak; /* the most so far, for want of what is resident now */
	} tick;			  /* the last sample that the recorder took */
};

/* Blocks allocated before since_ns are known but in no figure but the frees. */
void heap_model_init(struct heap_model *m, const struct site_rule *rule, uint64_t since_ns);
void heap_model_fini(struct heap_model *m);

/* Keeps a timeline from a time on; again: forgets it and starts anew. Returns 0 or -ENOMEM. */
int heap_model_start_line(struct heap_model *m, uint64_t now_ns);

/* Takes one event, of whatever kind. Returns 0 or -ENOMEM. */
int heap_model_event(struct heap_model *m, const struct event *e);

/*
 * Takes events up to `end`, or up to one of a mapping: that is taken, too. *err: 0 or -ENOMEM.
 * Returns where it stopped. What an event needs is fetched HEAP_AHEAD events before it; that of the
 * first HEAP_AHEAD is better asked for with the next one.
 */
const struct event *heap_model_events(struct heap_model *m, const struct event *e,
				      const struct event *end, int *err);
#define HEAP_AHEAD 24
void heap_model_fetch(const struct heap_model *m, const struct event *e, const struct event *end);

/*
 * For whoever loads figures before the first event: the site of a stack, with its number, NULL when
 * there is no memory; and the block that a thread's last heap event allocated, 0 = it did not.
 */
struct heap_site *heap_model_site(struct heap_model *m, uint32_t stack, uint32_t thread,
				  uint32_t *number);
void heap_model_last(struct heap_model *m, uint32_t thread, uint64_t address);

/* Takes an event that is no block's: of a mapping, of I/O, of the process. 0 or -ENOMEM. */
int heap_model_other(struct heap_model *m, const struct event *e);

/* After the last event: completes the sites' share of the peak, and rounds estimates. */
void heap_model_finish(struct heap_model *m);

#endif
