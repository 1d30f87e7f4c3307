/* SPDX-License-Identifier: MIT */
/* Data in the buffers of streams; see io_buffered.h. */
#include "io_buffered.h"

void io_buffered_asked(struct io_buffered *b, uint64_t bytes, uint64_t first, uint32_t site)
{
	b->bytes += (int64_t)bytes;
	if (b->bytes <= 0 || b->since)
		return;
	/* what was there before the last write went with it */
	b->since = first > b->last_flush ? first : b->last_flush;
	b->site = site + 1;
}

void io_buffered_closed(struct io_buffered *b)
{
	/* below 0: another thread has not told yet what it had asked for */
	if (b->bytes > 0)
		b->bytes = 0;
	b->since = 0;
}

void io_buffered_written(struct io_buffered *b, uint64_t bytes, uint64_t start, uint64_t end,
			 uint64_t long_ticks)
{
	uint64_t ticks = b->since && start > b->since ? start - b->since : 0;

	b->times += ticks > long_ticks;
	if (ticks > b->longest) {
		b->longest = ticks;
		b->longest_site = b->site;
	}
	b->bytes -= (int64_t)bytes;
	b->last_flush = end;
	b->since = b->bytes > 0 ? end : 0;
}
