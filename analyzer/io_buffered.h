/* SPDX-License-Identifier: MIT */
/*
 * What programs wrote to streams and streams had not written yet: how much, since when, and from
 * where. A stream's writes are told when they are over; what was asked of it, when it wrote next,
 * or later where another thread asked. One thread at a time; times in ticks.
 */
#ifndef LARIAT_IO_BUFFERED_H
#define LARIAT_IO_BUFFERED_H

#include <stdint.h>

/* Of a target. All 0 = nothing was written through streams. */
struct io_buffered {
	int64_t bytes;	       /* in buffers; below 0 while a call that wrote is not told yet */
	uint64_t since;	       /* 0 = nothing is */
	uint64_t last_flush;   /* end of the last write */
	uint64_t longest;      /* that something stayed there */
	uint64_t times;	       /* that it was longer than is asked about */
	uint32_t site;	       /* + 1: from where what is there came first */
	uint32_t longest_site; /* + 1 */
};

/* `bytes` asked by calls between `first` and now. */
void io_buffered_asked(struct io_buffered *b, uint64_t bytes, uint64_t first, uint32_t site);

/* A write of a stream; `long_ticks`: what counts as long. */
void io_buffered_written(struct io_buffered *b, uint64_t bytes, uint64_t start, uint64_t end,
			 uint64_t long_ticks);

/* The stream was closed: what it could not write is not in a buffer any more. */
void io_buffered_closed(struct io_buffered *b);

#endif
