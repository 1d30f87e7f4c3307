/* SPDX-License-Identifier: MIT */
/* How the I/O wrappers record. */
#ifndef LARIAT_HOOK_IO_H
#define LARIAT_HOOK_IO_H

#include <stdint.h>
#include <sys/types.h>

#include "hook.h"
#include "target.h"
#include "unwound.h"

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

/* Bytes that the vector asks for, 0 where it cannot be read; the call's time begins anew. To be
 * asked before the call. */
uint64_t io_asked_iov(struct io_call *c, const struct iovec *iov, size_t n);

/*
 * Records an operation on fd that returned `result` (-1: errno says why); a target of 0 is looked
 * up by the descriptor. errno is left as it is.
 */
void io_record(const struct io_call *c, int fd, uint32_t target, int64_t result);

/* The same of a call that returns its error (0 = none) instead of setting errno. */
void io_record_error(const struct io_call *c, int fd, int error);

/* The same of a call that names a file; dir as for openat(). */
void io_record_path(const struct io_call *c, int dir, const char *path, int64_t result);

/* Asks for the target of a descriptor before a call that may wait for it. */
void io_ask(unsigned call, int fd);

/* The time before a call on a descriptor (-1: on none), or 0 when there is no recording. Where the
 * call is not returned from, since its thread is cancelled, it is recorded as one that failed. */
static always_inline uint64_t io_begin(unsigned call, int fd)
{
	uint64_t now = hook_ticks_of(LAR_RECORD_IO);
	struct thread *t = lar_self;

	UNWOUND_TELLS(io_unwound);
	if (likely(t->gate == GATE_OPEN && hook_wants(LAR_RECORD_IO))) {
		uint32_t target = target_known(fd);

		t->call_frame = HOOK_FRAME;

		hook_call_begin(t, call, fd, target, now);
		if (unlikely(!target && fd >= 0))
			io_ask(call, fd);
	}
	return now;
}

/* The calling thread's stack has it, further out than a frame: it can be read. */
static always_inline bool io_on_stack(const void *p, size_t size, uint64_t frame)
{
	const struct stack *s = &lar_self->stack;
	uint64_t at = (uint64_t)p;

	return frame >= s->low && frame < s->high && at > frame && at < s->high &&
	       size <= s->high - at;
}

#define IO_CALL_ON(symbol, fd)                                                                     \
	{                                                                                          \
		LAR_CALL_##symbol, io_begin(LAR_CALL_##symbol, fd), 0, IO_NO_OFFSET, HOOK_FRAME    \
	}
#define IO_CALL(symbol) IO_CALL_ON(symbol, -1)

/* A wrapper around `real call`: parameters, arguments, descriptor, bytes asked for, offset. */
#define IO_ON(type, symbol, parameters, arguments, fd, bytes, at)                                  \
	LAR_EXPORT type symbol parameters                                                          \
	{                                                                                          \
		struct io_call io = { LAR_CALL_##symbol, io_begin(LAR_CALL_##symbol, fd),          \
				      (uint64_t)(bytes), (uint64_t)(at), HOOK_FRAME };             \
		type result = REAL(symbol) arguments;                                              \
                                                                                                   \
		io_record(&io, fd, 0, result);                                                     \
		return result;                                                                     \
	}

/*
 * The usual case without a call but for the stack: a thread that records, a call that succeeded, a
 * descriptor whose name is known. Nothing in it touches errno.
 */
static always_inline void io_record_usual(unsigned call, uint64_t before, uint64_t requested,
					  uint64_t offset, uint64_t frame, int fd, int64_t result)
{
	struct thread *t = lar_self;
	uint32_t target;
	uint64_t *r;

	if (unlikely(result < 0 || t->gate != GATE_OPEN || !hook_wants(LAR_RECORD_IO) ||
		     !(target = target_known(fd)))) {
		struct io_call c = { call, before, requested, offset, frame };

		io_record(&c, fd, 0, result);
		return;
	}
	t = span_open(frame);
	if (unlikely(!t))
		return;
	hook_call_end(t);
	r = span_record_stack(t, LAR_EV_IO, 0, call, 6, frame);
	if (likely(r != NULL)) {
		r[0] = lar_ticks();
		r[1] = before ? r[0] - before : 0;
		r[2] = lar_fd_target(fd, target);
		r[3] = (uint64_t)result;
		r[4] = requested;
		r[5] = offset;
		span_commit(t);
	}
	span_close(t);
}

#endif
