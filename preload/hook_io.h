/* SPDX-License-Identifier: MIT */
/* How the I/O wrappers record. */
#ifndef LARIAT_HOOK_IO_H
#define LARIAT_HOOK_IO_H

#include <stdint.h>
#include <sys/types.h>

/* No file offset is known for the operation. */
#define IO_NO_OFFSET UINT64_MAX

/* What was known before the call. */
struct io_call {
	unsigned call;	    /* enum lar_call */
	uint64_t before;    /* ticks */
	uint64_t requested; /* bytes asked for */
	uint64_t offset;
	uint64_t frame;
};

/*
 * Records an operation on fd that returned `result` (-1: errno says why); a target of 0 is looked
 * up by the descriptor. errno is left as it is.
 */
void io_record(const struct io_call *c, int fd, uint32_t target, int64_t result);

#endif
