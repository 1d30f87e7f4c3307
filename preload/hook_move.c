/* SPDX-License-Identifier: MIT */
/*
 * Data from one descriptor to another without passing through the program: a write to the one, and
 * a read from the other as an event of its own.
 */
#include "hook_io.h"
#include "hook_whole.h"
#include "sys.h"

struct move {
	struct io_call io;
	unsigned in_call; /* of the read */
	int out, in;
	uint64_t in_offset;
};

static void move_record(struct move *m, int64_t result)
{
	struct io_call in = m->io;

	io_record(&m->io, m->out, 0, result);
	/* one call that failed is one error */
	if (result < 0)
		return;
	in.call = m->in_call;
	in.offset = m->in_offset;
	io_record(&in, m->in, 0, result);
}

static uint64_t offset_at(const off64_t *at)
{
	return at ? (uint64_t)*at : IO_NO_OFFSET;
}

/* `call`: does it. */
#define MOVE_BY(symbol, parameters, call, in_part, out_fd, in_fd, bytes, out_at, in_at)            \
	LAR_EXPORT ssize_t symbol parameters                                                       \
	{                                                                                          \
		struct move m = { { LAR_CALL_##symbol, io_begin(LAR_CALL_##symbol, in_fd), bytes,  \
				    out_at, HOOK_FRAME },                                          \
				  LAR_CALL_##in_part,                                              \
				  out_fd,                                                          \
				  in_fd,                                                           \
				  in_at };                                                         \
		ssize_t result = call;                                                             \
                                                                                                   \
		move_record(&m, result);                                                           \
		return result;                                                                     \
	}

#define MOVE(symbol, parameters, arguments, ...)                                                   \
	MOVE_BY(symbol, parameters, REAL(symbol) arguments, __VA_ARGS__)

/* The offsets are read before the call, which changes them; a bad pointer is the call's to find. */
static uint64_t sent_from(const off64_t *at)
{
	return at && sys_readable(at) ? offset_at(at) : IO_NO_OFFSET;
}

MOVE_BY(sendfile, (int out, int in, off_t *at, size_t n),
	WHOLE(sendfile, REAL(sendfile), out, in, at, n), sendfile_in, out, in, n, IO_NO_OFFSET,
	sent_from(at))
MOVE_BY(sendfile64, (int out, int in, off64_t *at, size_t n),
	WHOLE(sendfile, REAL(sendfile64), out, in, at, n), sendfile_in, out, in, n, IO_NO_OFFSET,
	sent_from(at))
MOVE(splice, (int in, off64_t *from, int out, off64_t *to, size_t n, unsigned flags),
     (in, from, out, to, n, flags), splice_in, out, in, n, sent_from(to), sent_from(from))
MOVE(tee, (int in, int out, size_t n, unsigned flags), (in, out, n, flags), tee_in, out, in, n,
     IO_NO_OFFSET, IO_NO_OFFSET)
MOVE(copy_file_range, (int in, off64_t *from, int out, off64_t *to, size_t n, unsigned flags),
     (in, from, out, to, n, flags), copy_file_range_in, out, in, n, sent_from(to), sent_from(from))

LAR_EXPORT ssize_t vmsplice(int fd, const struct iovec *v, size_t n, unsigned flags)
{
	struct io_call io = IO_CALL_ON(vmsplice, fd);
	uint64_t asked = io_asked_iov(&io, v, n);
	ssize_t result = REAL(vmsplice)(fd, v, n, flags);

	io.requested = result < 0 ? 0 : asked;
	io_record(&io, fd, 0, result);
	return result;
}
