/* SPDX-License-Identifier: MIT */
/*
 * What programs ask of streams, summed up in cells (struct stdio_cell). Only the owning thread
 * touches its cells, or whoever has taken over the slot of a thread that is gone.
 */
#ifndef LARIAT_STDIOCELL_H
#define LARIAT_STDIOCELL_H

#include <stdint.h>
#include <stdio.h>

#include "thread.h"

/*
 * Grows when a stream is closed: another may get its address. A cell that is older than that is
 * turned into an event before anything is added to it.
 */
extern uint32_t stdio_generation;

/*
 * All cells become records behind t's last one, in the room that thread_limit() leaves. For the
 * sealing of the buffer; signals are blocked.
 */
void stdiocell_into_buffer(struct thread *t);

/* The cells of a stream, NULL = all of them, become events. The gate is not open. */
void stdiocell_flush(struct thread *t, const void *stream);

/* The place of a stream's cell; its fields say whether it is that one. */
static inline struct stdio_cell *stdiocell_place(struct thread *t, const void *stream,
						 uint64_t caller)
{
	return &t->stdio[((uint64_t)stream >> 5 ^ caller >> 1 ^ caller >> 5) % STDIO_CELLS];
}

/* What one call did. */
struct stdio_call {
	unsigned call;
	const void *stream;
	int fd;
	uint64_t caller, bytes;
};

/* Counts a call for which there is no cell yet. The thread's gate has been opened by span_open. */
void stdiocell_count(struct thread *t, const struct stdio_call *c, uint64_t frame);

#endif
