/* SPDX-License-Identifier: MIT */
/*
 * How the wrappers of streams count what was asked of them. What that makes of the system is
 * recorded apart, by stdio_table.c. Streams without a descriptor (fmemopen and kin) are no I/O.
 */
#ifndef LARIAT_HOOK_STDIO_H
#define LARIAT_HOOK_STDIO_H

#include <stdio.h>

#include "hook_io.h"
#include "stdiocell.h"

/* Bytes that this thread's streams have read from and written to the system. */
extern LAR_TLS uint64_t stdio_bytes_in, stdio_bytes_out;

void stdio_count_slow(const struct stdio_call *c, uint64_t frame);

/*
 * The descriptor of a stream, -1 = it is one in memory: the flag _IO_IS_FILEBUF of libc's FILE.
 * Streams in memory leave the field undefined.
 */
#define STDIO_IS_FILE 0x2000
static inline int stdio_fd(const FILE *f)
{
	return f->_flags & STDIO_IS_FILE ? f->_fileno : -1;
}

/* A call that failed is an event of its own; errno says why. */
void stdio_failed(unsigned call, int fd, uint64_t frame);

static always_inline void stdio_count(unsigned call, const void *stream, int fd, uint64_t bytes,
				      uint64_t caller, uint64_t frame)
{
	struct thread *t = lar_self;
	bool counted = false;

	/* a signal handler that seals this buffer would take the cell away */
	if (likely(gate_take(t, frame))) {
		struct lar_stdio_cell *c = stdiocell_at(t, stdiocell_number(stream, caller));

		counted = c->stream == (uint64_t)stream &&
			  c->place == stdiocell_place(call, caller) && c->fd == fd &&
			  c->generation == __atomic_load_n(&stdio_generation, __ATOMIC_RELAXED);
		if (likely(counted)) {
			c->calls++;
			c->bytes += bytes;
		}
		span_close(t);
	}
	if (unlikely(!counted)) {
		struct stdio_call s = { call, stream, fd, caller, bytes };

		stdio_count_slow(&s, frame);
	}
}

#define STDIO_CALLER ((uint64_t)__builtin_return_address(0))

/* In a wrapper: a call on stream f that moved `bytes`, or failed. */
#define STDIO_DONE(symbol, f, failed, bytes)                                                       \
	do {                                                                                       \
		const FILE *f_ = (f);                                                              \
                                                                                                   \
		if (unlikely(failed))                                                              \
			stdio_failed(LAR_CALL_##symbol, stdio_fd(f_), HOOK_FRAME);                 \
		else if (likely(f_->_fileno >= 0))                                                 \
			stdio_count(LAR_CALL_##symbol, f_, f_->_fileno, (uint64_t)(bytes),         \
				    STDIO_CALLER, HOOK_FRAME);                                     \
	} while (0)

/* The end of a file is no failure. */
#define STDIO_ERROR_SEEN 0x20 /* _IO_ERR_SEEN of libc's FILE */
static inline bool stdio_read_failed(const FILE *f)
{
	return f->_flags & STDIO_ERROR_SEEN;
}

/* Bytes of a character outside of the program: in UTF-8, as nearly all locales have it. */
static inline unsigned stdio_wide_bytes(wchar_t c)
{
	return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}

#endif
