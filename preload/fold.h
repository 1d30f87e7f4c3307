/* SPDX-License-Identifier: MIT */
/*
 * Folding: before the ring gives up a block, its events go into figures in memory, and a checkpoint
 * of those into the file (format/checkpoint.h). So a ring that has wrapped still tells the whole
 * story. Nothing of it exists before the ring is more than half full.
 *
 * Everything here runs under the ring's lock with signals blocked. Events come in the order of time
 * over all threads, as the analyzer takes them: a thread's events wait until no other thread can
 * still have an older one.
 */
#ifndef LARIAT_FOLD_H
#define LARIAT_FOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/checkpoint.h"
#include "format/event.h"
#include "format/trace_format.h"

/* One event of a block. */
struct fold_event {
	unsigned kind, flags, call;
	uint32_t node;	       /* in the fold's own tree; 0 = no stack */
	uint32_t thread;       /* number */
	uint32_t tid, creator; /* of the thread, from the THREAD record before */
	uint64_t ticks;	       /* its low bits are gone */
	const uint64_t *field; /* as in the raw record; [0] is the time */
};

/* Allocations and frees, as nearly all events are. */
static inline bool fold_is_of_heap(unsigned kind)
{
	return kind == LAR_EV_ALLOC || kind == LAR_EV_FREE || kind == LAR_EV_FREE_SIZED ||
	       kind == LAR_EV_REALLOC;
}

struct fold;

/* Memory that stays until the process ends, zeroed; NULL and f->failed when there is none. */
void *fold_alloc(struct fold *f, size_t size);

/* The same in larger: old[0..used) is copied, the rest zero; the old memory may be used again. */
void *fold_grow(struct fold *f, void *old, size_t used, size_t size);

/* Log-linear; zeroed memory is an empty one of bits 0: set `bits` first. */
struct fold_histogram {
	uint64_t count, sum, min, max;
	uint32_t *bucket; /* buckets first to first + length - 1, the low halves of their counts */
	uint32_t *high;	  /* the high halves; NULL while they are all 0 */
	uint16_t first, length;
	uint8_t bits;
};
void fold_histogram_add_many(struct fold *f, struct fold_histogram *h, uint64_t value,
			     uint64_t count);

static inline void fold_histogram_add(struct fold *f, struct fold_histogram *h, uint64_t value)
{
	uint32_t at = lar_histogram_bucket(value, h->bits) - h->first;
	uint64_t sum = h->sum + value;

	if (__builtin_expect(
		    at >= h->length || sum < value || h->high || h->bucket[at] == UINT32_MAX, 0)) {
		fold_histogram_add_many(f, h, value, 1);
		return;
	}
	if (value < h->min)
		h->min = value;
	if (value > h->max)
		h->max = value;
	h->count++;
	h->sum = sum;
	h->bucket[at]++;
}

/* Of bucket first + i. */
uint64_t fold_histogram_count(const struct fold_histogram *h, uint32_t i);

/* A map from a key that is not 0 to small numbers 0, 1, 2, ... in order of first use. */
struct fold_map {
	uint64_t *key;	  /* by place; 0 = free */
	uint32_t *number; /* by place */
	uint32_t count, mask;
};
#define FOLD_NONE UINT32_MAX
uint32_t fold_map_get(const struct fold_map *m, uint64_t key); /* FOLD_NONE = not there */
uint32_t fold_map_number(struct fold *f, struct fold_map *m, uint64_t key); /* or no memory */

/* Writing a checkpoint. */
struct fold_out;
void fold_table(struct fold_out *o, enum lar_table table, uint64_t rows, unsigned columns);
void fold_put(struct fold_out *o, uint64_t v);
void fold_put_signed(struct fold_out *o, int64_t v);
void fold_put_histogram(struct fold_out *o, const struct fold_histogram *h);

/* What does not fit: first the lines of sites, then the blocks in use. */
enum { FOLD_LEFT_SERIES = 1, FOLD_LEFT_LIVE = 2, FOLD_LEFT_ALL = 2 };
unsigned fold_left_out(const struct fold_out *o);

/* The parts. Each has its own state, made by its first event: *state starts as NULL. */
void fold_heap_event(struct fold *f, void **state, const struct fold_event *e);

/* Are there so many blocks in use that they are in no cache? Then it is worth while to ask for what
 * an event about the block at an address will need from memory. */
bool fold_heap_is_large(const void *state);
void fold_heap_fetch(const void *state, uint64_t address);
void fold_heap_write(struct fold_out *o, void *state);
void fold_io_event(struct fold *f, void **state, const struct fold_event *e);
void fold_io_write(struct fold_out *o, void *state);
void fold_lock_event(struct fold *f, void **state, const struct fold_event *e);
void fold_lock_write(struct fold_out *o, void *state);
void fold_thread_event(struct fold *f, void **state, const struct fold_event *e);
void fold_thread_write(struct fold_out *o, void *state);
void fold_cpu_event(struct fold *f, void **state, const struct fold_event *e);
void fold_cpu_write(struct fold_out *o, void *state);

/* Before the first of all others: nothing is folded as long as nobody calls it. */
void fold_start(void);

/* Takes disk for each area of checkpoints, `bytes` of it at least where it is to be had; and gives
 * all of it back, when nothing was folded. */
void fold_reserve(uint64_t bytes);
void fold_release(void);

/* A block has come to the ring. */
void fold_note_block(uint64_t offset, const struct lar_block *b);

/* Folds about so many events, if that many may be. */
void fold_some(uint32_t events);

/*
 * Makes it possible to overwrite the oldest block: folds what is in the way and writes a
 * checkpoint. False when that cannot be: the block will be lost.
 */
bool fold_make_way(const struct lar_block *oldest);

#endif
