/* SPDX-License-Identifier: MIT */
/*
 * What programs ask of streams, summed up in cells of the thread's slot (struct lar_stdio_cell): a
 * putc must not take the time of an event. A cell becomes one when the stream reads or writes, when
 * its place is wanted for another, and when the buffer is sealed: its stack is a node of that
 * buffer. Only the owning thread touches its cells, its gate BUSY, or whoever has taken over the
 * slot of a thread that is gone.
 */
#ifndef LARIAT_STDIOCELL_H
#define LARIAT_STDIOCELL_H

#include <stdint.h>
#include <stdio.h>

#include "attr.h"
#include "format/trace_format.h"
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

/* The recording that was at it has been left for good: puts right what it left half done. */
void stdiocell_take_back(struct thread *t);

/* What one call did. */
struct stdio_call {
	unsigned call;
	const void *stream;
	int fd;
	uint64_t caller, bytes;
};

static always_inline struct lar_stdio_cell *stdiocell_at(const struct thread *t, uint32_t cell)
{
	struct lar_slot_holds *h = (struct lar_slot_holds *)(t->slot + 1);

	return &((struct lar_slot_stdio *)(h + 1))->cell[cell];
}

/* The cell of a stream and a return address; its fields say whether it is that one. */
static always_inline uint32_t stdiocell_number(const void *stream, uint64_t caller)
{
	return ((uint64_t)stream >> 5 ^ caller >> 1 ^ caller >> 5) % LAR_SLOT_STDIO_CELLS;
}

/* The call and where it is from: addresses of programs have less than 48 bits. */
static always_inline uint64_t stdiocell_place(unsigned call, uint64_t caller)
{
	return (uint64_t)call << 48 | caller;
}

/* Counts a call for which there is no cell yet. The thread's gate has been opened by span_open. */
void stdiocell_count(struct thread *t, const struct stdio_call *c, uint64_t frame);

#endif
