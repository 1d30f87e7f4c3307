/* SPDX-License-Identifier: MIT */
/*
 * How far a trace that is still written has been read: per slot, in which fill and how many of its
 * events. So the next look goes on from there. Part of struct trace.
 */
#ifndef LARIAT_FOLLOW_H
#define LARIAT_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "checkpoint.h"
#include "keymap.h"
#include "ringindex.h"
#include "staging.h"

/* Of a slot: all events of earlier fills and the first `taken` of this one. */
struct follow_slot {
	uint32_t fill;
	uint64_t taken;
};

struct follow {
	struct keymap map; /* number of a slot -> index */
	struct follow_slot *slot;
	uint32_t size;
	bool begun;	   /* the positions are those of trace_follow(), not of the checkpoint */
	uint64_t next_seq; /* blocks from here on have events that were not taken */
	uint64_t horizon;  /* ticks: all events before are in what was read of the file */
	uint64_t reached;  /* events before have been taken */
	uint64_t late;	   /* times that one from before it came behind it */
	uint64_t started;  /* of the process, as alive_started() */
};

/* The same for events that a position speaks of: how many of `events` in fill `seq` it has. */
uint64_t follow_taken_of(uint32_t seq, uint64_t events, uint32_t fill, uint64_t taken);

/* Begins where the checkpoint ends. 0 or -ENOMEM. */
int follow_begin(struct follow *f, const struct checkpoint *c);
void follow_fini(struct follow *f);

/* A slot has been read up to there. 0 or -ENOMEM. */
int follow_note(struct follow *f, uint32_t slot, uint32_t fill, uint64_t taken);

/*
 * Marks what has been taken as folded, in blocks and slots that have just been read. -ESTALE when
 * something that was not taken is gone.
 */
int follow_mark(const struct follow *f, struct ringindex *ring, struct staging *staging);

/* All events before a time have been taken. */
void follow_reached(struct follow *f, const struct ringindex *ring, uint64_t ticks);

#endif
