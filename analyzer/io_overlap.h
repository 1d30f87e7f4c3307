/* SPDX-License-Identifier: MIT */
/*
 * What else was in flight while a slow operation was: operations of other threads that overlap it.
 * Operations come in the order of their ends, so some come before the slow one, some behind it. One
 * thread at a time; memory of a fixed size.
 */
#ifndef LARIAT_IO_OVERLAP_H
#define LARIAT_IO_OVERLAP_H

#include <stdbool.h>
#include <stdint.h>

#define IO_OVERLAP_TOP	3
#define IO_OVERLAP_KEPT 1024 /* operations looked back at, at most; a power of two */
#define IO_OVERLAP_NONE UINT32_MAX

struct io_overlap_call {
	uint64_t start, end;
	uint32_t thread, target;
	uint16_t call;
};

/* What overlaps one operation. */
struct io_beside {
	struct io_overlap_call of;
	uint32_t count;
	bool at_least; /* more had ended before than are looked back at */
	struct {
		uint64_t ticks; /* in flight together, 0 = none */
		struct io_overlap_call call;
	} top[IO_OVERLAP_TOP]; /* the longest */
};

struct io_overlaps {
	struct io_overlap_call recent[IO_OVERLAP_KEPT];
	uint64_t seen;
	struct io_beside *beside;
	uint32_t *order;      /* indices of those in use, as they came, then of the others */
	uint32_t count, room; /* in use, at most */
	uint64_t step_ticks;  /* that times have lost */
};

/* Room for `most` operations to follow. 0 or -ENOMEM. */
int io_overlaps_init(struct io_overlaps *o, uint32_t most);
void io_overlaps_fini(struct io_overlaps *o);

/* An operation has ended. */
void io_overlaps_event(struct io_overlaps *o, const struct io_overlap_call *c);

/* Follows the operation that came last: an index into `beside`, or IO_OVERLAP_NONE. */
uint32_t io_overlaps_follow(struct io_overlaps *o);

/* That operation is of no interest any more. */
void io_overlaps_drop(struct io_overlaps *o, uint32_t index);

#endif
