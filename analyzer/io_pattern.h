/* SPDX-License-Identifier: MIT */
/*
 * How targets are used, from the order of the calls: offsets, sizes, what is read again, how many
 * calls are under way at once. All of it is of the events that are in the trace; what was folded
 * into a checkpoint has no order any more. One thread at a time; memory grows with targets and open
 * descriptors.
 */
#ifndef LARIAT_IO_PATTERN_H
#define LARIAT_IO_PATTERN_H

#include <stdbool.h>
#include <stdint.h>

#include "histogram.h"
#include "io_cache.h"
#include "keymap.h"
#include "trace.h"

enum io_way { IO_WAY_READ, IO_WAY_WRITE, IO_WAYS };

/* Reads or writes of one target. */
struct io_way_pattern {
	uint64_t consecutive; /* from where the one before ended */
	uint64_t sequential;  /* behind it */
	uint64_t strided;     /* as far from it as that was from its predecessor */
	uint64_t random;      /* anything else */
	uint64_t unaligned;   /* offset or size is no multiple of 4096 */
	uint64_t one_byte;
	struct histogram size; /* bytes asked for */
};

#define IO_PATTERN_RECENT 32
#define IO_PATTERN_RANGES 256

struct io_range {
	uint64_t start, end;
};

struct io_pattern {
	uint64_t first_ticks, last_ticks; /* start of the first call, end of the last */
	struct io_way_pattern way[IO_WAYS];
	uint64_t read_again_bytes; /* at offsets that had been read before */
	bool read_again_at_least;  /* more ranges than are kept */
	struct io_range *range;	   /* what has been read, disjoint, in order */
	uint32_t ranges;
	uint64_t cache_hits, cache_pages; /* of the replayed cache */
	uint64_t opens, syncs, seeks, seeks_before_read;
	uint64_t slow_connects, longest_connect_ticks;
	uint64_t delayed_sends; /* small writes that waited for the peer: see io_pattern.c */
	uint64_t turns;		/* a read behind a write: questions and answers */
	uint32_t most_in_flight;
	/* the latest calls: when they ended, and how many later ones had begun by then */
	uint64_t end[IO_PATTERN_RECENT];
	uint32_t beside[IO_PATTERN_RECENT];
	uint32_t recent;
};

/* An open descriptor, as far as the trace tells. */
struct io_descriptor {
	uint64_t position;
	bool known;  /* the position is one in the file, not only relative */
	bool append; /* writes go to the end */
	bool no_delay;
	unsigned last_operation;
	uint32_t small_sends; /* in a row */
	struct {
		uint64_t offset, end;
		int64_t gap; /* from the one before */
	} last[IO_WAYS];
};

struct io_patterns {
	struct io_pattern *target; /* by the I/O model's index */
	uint32_t size;
	struct keymap map; /* descriptor -> index */
	struct io_descriptor *descriptor;
	uint32_t descriptors;
	struct io_cache cache;
	uint64_t slow_connect_ticks, small_bytes, delayed_ticks;
	uint64_t step_ticks; /* that times have lost */
};

int io_patterns_init(struct io_patterns *p, uint64_t cache_bytes);
void io_patterns_fini(struct io_patterns *p, uint32_t count);

/* One call on the target with that index, of that kind. Returns 0 or -ENOMEM. */
int io_patterns_event(struct io_patterns *p, uint32_t index, unsigned kind, const struct event *e);

/* The pattern of a target; NULL if none of its calls are in the trace. */
const struct io_pattern *io_patterns_of(const struct io_patterns *p, uint32_t index);

#endif
