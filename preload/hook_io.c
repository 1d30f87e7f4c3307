/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing through descriptors. While the real call blocks nothing of ours is held: a
 * cancelled thread unwinds through the wrapper, which only notes it.
 */
#include "hook_io.h"

#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include "fold_rows.h"
#include "hook_whole.h"
#include "snapshot.h"

/* Leak scans that a reader asks for: a program that fills no buffer comes here now and then. */
static void serve(void)
{
	if (lar && lar_self->gate == GATE_OPEN && unlikely(snapshot_asked()))
		snapshot_now((uint64_t)__builtin_frame_address(0), NULL, 0);
}

/*
 * It will be asked for when the call is over, so this costs nothing more. But not where the call
 * changes what the descriptor is of: sending names a socket that has no name.
 */
lar_cold void io_ask(unsigned call, int fd)
{
	unsigned op = fold_operation(call);
	struct thread *t;
	int e = errno;

	if (op != LAR_OP_READ && op != LAR_OP_WAIT && call != LAR_CALL_accept &&
	    call != LAR_CALL_accept4)
		return;
	t = span_open(HOOK_FRAME);
	if (!t)
		return;
	t->slot->call_target = target_of_fd(fd);
	span_close(t);
	errno = e;
}

void io_record(const struct io_call *c, int fd, uint32_t target, int64_t result)
{
	int e = errno;
	struct thread *t;
	uint64_t *r;

	if (unlikely(!hook_wants(LAR_RECORD_IO))) {
		serve();
		return;
	}
	t = span_open(c->frame);
	if (unlikely(!t))
		return;
	hook_call_end(t);
	if (!target)
		target = target_of_fd(fd);
	r = span_record_stack(t, LAR_EV_IO, target ? 0 : LAR_IO_NO_TARGET, c->call, 6, c->frame);
	if (likely(r != NULL)) {
		r[0] = lar_ticks();
		r[1] = c->before ? r[0] - c->before : 0;
		r[2] = lar_fd_target(fd, target);
		r[3] = (uint64_t)(result < 0 ? -(int64_t)e : result);
		r[4] = c->requested;
		r[5] = c->offset;
		span_commit(t);
	}
	span_close(t);
	serve();
	errno = e;
}

/* What it was is what a reader of the slot sees. Of a stack that is not the thread's own it is not
 * known whether the frame is still there. */
static void left(void)
{
	struct thread *t = lar_self;
	struct io_call c = { .offset = IO_NO_OFFSET, .frame = t->call_frame };
	unsigned op;

	if (t->gate != GATE_OPEN || !t->slot->call_now ||
	    !io_on_stack((void *)c.frame, 16, HOOK_FRAME))
		return;
	c.call = t->slot->call_now;
	c.before = t->slot->call_since;
	op = fold_operation(c.call);
	if (op == LAR_OP_JOIN || op == LAR_OP_DETACH)
		return;
	errno = ECANCELED;
	io_record(&c, t->slot->call_fd, t->slot->call_target, -1);
}

UNWOUND_PERSONALITY(io_unwound, left)

void io_record_error(const struct io_call *c, int fd, int error)
{
	int e = errno;

	errno = error;
	io_record(c, fd, 0, error ? -1 : 0);
	errno = e;
}

void io_record_path(const struct io_call *c, int dir, const char *path, int64_t result)
{
	int e = errno;
	uint32_t target = 0;
	struct thread *t;

	if (!hook_wants(LAR_RECORD_IO))
		return;
	/* signal handlers that interrupt the look-up of the name record elsewhere */
	t = span_open(c->frame);
	if (t) {
		target = target_of_path(dir, path, result >= 0, -1);
		span_close(t);
	}
	errno = e;
	io_record(c, -1, target, result);
}

#define IOV_MOST 1024 /* of one call, by the kernel */

static bool is_readable(const void *p, size_t size)
{
	const struct stack *own = &lar_self->stack;
	uint64_t here = (uint64_t)__builtin_frame_address(0);
	uint64_t at = (uint64_t)p & ~7ull, end = (uint64_t)p + size;

	if (end < at)
		return false;
	if (here >= own->low && at >= here && end <= own->high) /* as nearly always */
		return true;
	for (; at < end; at = (at | 4095) + 1)
		if (!sys_readable((const void *)at))
			return false;
	return true;
}

static uint64_t iov_bytes(const struct iovec *iov, size_t n)
{
	uint64_t sum = 0;

	if (!n || n > IOV_MOST || !is_readable(iov, n * sizeof(*iov)))
		return 0;
	for (size_t i = 0; i < n; i++)
		sum += iov[i].iov_len;
	return sum;
}

/*
 * What a call asks for, by its headers, before it: behind it they may be gone, freed by whoever got
 * the data, or overwritten by what came. The call begins when that is known.
 */
uint64_t io_asked_iov(struct io_call *c, const struct iovec *iov, size_t n)
{
	uint64_t sum = 0;

	if (c->before) {
		sum = iov_bytes(iov, n);
		c->before = lar_ticks();
	}
	return sum;
}

static uint64_t asked_msg(struct io_call *c, const struct msghdr *m)
{
	if (!c->before || !is_readable(m, sizeof(*m)))
		return 0;
	return io_asked_iov(c, m->msg_iov, m->msg_iovlen);
}

static uint64_t asked_mmsg(struct io_call *c, const struct mmsghdr *m, size_t n)
{
	uint64_t sum = 0;

	if (n > IOV_MOST)
		n = IOV_MOST;
	if (!c->before || !n || !is_readable(m, n * sizeof(*m)))
		return 0;
	for (size_t i = 0; i < n; i++)
		sum += iov_bytes(m[i].msg_hdr.msg_iov, m[i].msg_hdr.msg_iovlen);
	c->before = lar_ticks();
	return sum;
}

/* A wrapper around `real call`: parameters, arguments, bytes asked for, offset. */
#define IO(type, symbol, parameters, arguments, bytes, at)                                         \
	IO_BY(type, symbol, REAL(symbol) arguments, parameters, bytes, at)

#define IO_BY(type, symbol, call, parameters, bytes, at)                                           \
	LAR_EXPORT type symbol parameters                                                          \
	{                                                                                          \
		struct io_call io = { LAR_CALL_##symbol, io_begin(LAR_CALL_##symbol, fd), 0,       \
				      (uint64_t)(at), HOOK_FRAME };                                \
		uint64_t asked = (uint64_t)(bytes);                                                \
		type result = call;                                                                \
                                                                                                   \
		io.requested = result < 0 && errno == EFAULT ? 0 : asked;                          \
		io_record(&io, fd, 0, result);                                                     \
		return result;                                                                     \
	}

static lar_cold void unrecorded_slow(void)
{
	int e = errno;

	hook_ticks_of(LAR_RECORD_IO); /* a fresh child's recording begins here, too */
	serve();
	errno = e;
}

static always_inline bool is_begun(void)
{
	return lar && atomic_load_explicit(&lar->phase, memory_order_relaxed) == PHASE_ON;
}

/* After a call that is not to be recorded. */
static always_inline void unrecorded(void)
{
	if (unlikely(lar_self->gate == GATE_OPEN ? snapshot_asked() : !is_begun()))
		unrecorded_slow();
}

/* The same for calls that are made often and take little time. */
#define IO_OFTEN(type, symbol, parameters, arguments, bytes, at)                                   \
	IO_OFTEN_BY(type, symbol, REAL(symbol) arguments, parameters, bytes, at)

#define IO_OFTEN_BY(type, symbol, call, parameters, bytes, at)                                     \
	LAR_EXPORT type symbol parameters                                                          \
	{                                                                                          \
		uint64_t before;                                                                   \
		type result;                                                                       \
                                                                                                   \
		if (unlikely(!hook_wants(LAR_RECORD_IO))) {                                        \
			result = call;                                                             \
			unrecorded();                                                              \
			return result;                                                             \
		}                                                                                  \
		before = io_begin(LAR_CALL_##symbol, fd);                                          \
		result = call;                                                                     \
		io_record_usual(LAR_CALL_##symbol, before, (uint64_t)(bytes), (uint64_t)(at),      \
				HOOK_FRAME, fd, result);                                           \
		return result;                                                                     \
	}

IO_OFTEN(ssize_t, read, (int fd, void *buf, size_t n), (fd, buf, n), n, IO_NO_OFFSET)
IO_OFTEN_BY(ssize_t, write, WHOLE(write, REAL(write), fd, buf, n),
	    (int fd, const void *buf, size_t n), n, IO_NO_OFFSET)

/* The beginning of a file has been read. */
static lar_noinline void look_into(int fd, const void *buf, uint64_t frame)
{
	static const char sqlite[16] = "SQLite format 3";
	struct thread *t;
	int e = errno;

	if (!hook_wants(LAR_RECORD_IO) || memcmp(buf, sqlite, sizeof(sqlite)))
		return;
	t = span_open(frame);
	if (t && target_known(fd))
		target_holds(target_known(fd), LAR_HOLDS_SQLITE);
	if (t)
		span_close(t);
	errno = e;
}

#define IO_PREAD(symbol, offset)                                                                   \
	LAR_EXPORT ssize_t symbol(int fd, void *buf, size_t n, offset at)                          \
	{                                                                                          \
		uint64_t before = io_begin(LAR_CALL_##symbol, fd);                                 \
		ssize_t result = REAL(symbol)(fd, buf, n, at);                                     \
                                                                                                   \
		io_record_usual(LAR_CALL_##symbol, before, n, (uint64_t)at, HOOK_FRAME, fd,        \
				result);                                                           \
		if (unlikely(!at && result >= 16))                                                 \
			look_into(fd, buf, HOOK_FRAME);                                            \
		return result;                                                                     \
	}

IO_PREAD(pread, off_t)
IO_PREAD(pread64, off64_t)
IO_OFTEN(ssize_t, pwrite, (int fd, const void *buf, size_t n, off_t at), (fd, buf, n, at), n, at)
IO_OFTEN(ssize_t, pwrite64, (int fd, const void *buf, size_t n, off64_t at), (fd, buf, n, at), n,
	 at)
IO(ssize_t, readv, (int fd, const struct iovec *v, int n), (fd, v, n),
   io_asked_iov(&io, v, (size_t)n), IO_NO_OFFSET)
IO_BY(ssize_t, writev, WHOLE(writev, REAL(writev), fd, v, n),
      (int fd, const struct iovec *v, int n), io_asked_iov(&io, v, (size_t)n), IO_NO_OFFSET)
IO(ssize_t, preadv, (int fd, const struct iovec *v, int n, off_t at), (fd, v, n, at),
   io_asked_iov(&io, v, (size_t)n), at)
IO(ssize_t, preadv64, (int fd, const struct iovec *v, int n, off64_t at), (fd, v, n, at),
   io_asked_iov(&io, v, (size_t)n), at)
IO(ssize_t, pwritev, (int fd, const struct iovec *v, int n, off_t at), (fd, v, n, at),
   io_asked_iov(&io, v, (size_t)n), at)
IO(ssize_t, pwritev64, (int fd, const struct iovec *v, int n, off64_t at), (fd, v, n, at),
   io_asked_iov(&io, v, (size_t)n), at)
IO(ssize_t, preadv2, (int fd, const struct iovec *v, int n, off_t at, int flags),
   (fd, v, n, at, flags), io_asked_iov(&io, v, (size_t)n), at)
IO(ssize_t, preadv64v2, (int fd, const struct iovec *v, int n, off64_t at, int flags),
   (fd, v, n, at, flags), io_asked_iov(&io, v, (size_t)n), at)
IO(ssize_t, pwritev2, (int fd, const struct iovec *v, int n, off_t at, int flags),
   (fd, v, n, at, flags), io_asked_iov(&io, v, (size_t)n), at)
IO(ssize_t, pwritev64v2, (int fd, const struct iovec *v, int n, off64_t at, int flags),
   (fd, v, n, at, flags), io_asked_iov(&io, v, (size_t)n), at)
IO(ssize_t, __read_chk, (int fd, void *buf, size_t n, size_t size), (fd, buf, n, size), n,
   IO_NO_OFFSET)
IO(ssize_t, __pread_chk, (int fd, void *buf, size_t n, off_t at, size_t size),
   (fd, buf, n, at, size), n, at)
IO(ssize_t, __pread64_chk, (int fd, void *buf, size_t n, off64_t at, size_t size),
   (fd, buf, n, at, size), n, at)

IO_BY(ssize_t, send, WHOLE(send, REAL(send), fd, buf, n, flags),
      (int fd, const void *buf, size_t n, int flags), n, IO_NO_OFFSET)
IO_BY(ssize_t, recv, WHOLE(recv, REAL(recv), fd, buf, n, flags),
      (int fd, void *buf, size_t n, int flags), n, IO_NO_OFFSET)
IO(ssize_t, __recv_chk, (int fd, void *buf, size_t n, size_t size, int flags),
   (fd, buf, n, size, flags), n, IO_NO_OFFSET)
IO(ssize_t, sendto,
   (int fd, const void *buf, size_t n, int flags, const struct sockaddr *to, socklen_t len),
   (fd, buf, n, flags, to, len), n, IO_NO_OFFSET)
IO(ssize_t, recvfrom,
   (int fd, void *buf, size_t n, int flags, struct sockaddr *from, socklen_t *len),
   (fd, buf, n, flags, from, len), n, IO_NO_OFFSET)
IO(ssize_t, __recvfrom_chk,
   (int fd, void *buf, size_t n, size_t size, int flags, struct sockaddr *from, socklen_t *len),
   (fd, buf, n, size, flags, from, len), n, IO_NO_OFFSET)
IO_BY(ssize_t, sendmsg, WHOLE(sendmsg, REAL(sendmsg), fd, m, flags),
      (int fd, const struct msghdr *m, int flags), asked_msg(&io, m), IO_NO_OFFSET)

/* Where descriptors may come with a message; as it was before the call, which can overwrite the
 * header with what it receives. */
struct passing {
	const uint8_t *at;
	size_t size;
};

static struct passing passing_of(const struct msghdr *m)
{
	return (struct passing){ m->msg_control, m->msg_control ? m->msg_controllen : 0 };
}

/* Descriptors that came with a message have the numbers of others before them. `size` is what the
 * system says that it has put there. */
static void forget_passed(const struct passing *p, size_t size)
{
	const uint8_t *at = p->at, *end = at + (size < p->size ? size : p->size);
	struct cmsghdr c;

	while (at && (size_t)(end - at) >= sizeof(c) && is_readable(at, (size_t)(end - at))) {
		memcpy(&c, at, sizeof(c));
		if (c.cmsg_len < sizeof(c) || c.cmsg_len > (size_t)(end - at))
			return;
		if (c.cmsg_level == SOL_SOCKET && c.cmsg_type == SCM_RIGHTS)
			for (size_t i = CMSG_LEN(0); i + sizeof(int) <= c.cmsg_len;
			     i += sizeof(int)) {
				int fd;

				memcpy(&fd, at + i, sizeof(fd));
				target_forget(fd);
			}
		if (CMSG_ALIGN(c.cmsg_len) >= (size_t)(end - at))
			return;
		at += CMSG_ALIGN(c.cmsg_len);
	}
}

LAR_EXPORT ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
	struct io_call io = { LAR_CALL_recvmsg, io_begin(LAR_CALL_recvmsg, fd), 0, IO_NO_OFFSET,
			      HOOK_FRAME };
	uint64_t asked = asked_msg(&io, m);
	struct passing passing = { 0 };
	ssize_t result;

	if (io.before && is_readable(m, sizeof(*m)))
		passing = passing_of(m);
	result = REAL(recvmsg)(fd, m, flags);
	io.requested = result < 0 && errno == EFAULT ? 0 : asked;
	if (result >= 0 && passing.at && is_readable(m, sizeof(*m)))
		forget_passed(&passing, m->msg_controllen);
	io_record(&io, fd, 0, result);
	return result;
}

/* One call, several messages: the bytes of all of them are its result. */
static int64_t mmsg_bytes(const struct io_call *c, const struct mmsghdr *m, int n)
{
	int64_t sum = 0;

	if (n <= 0 || !c->before || !is_readable(m, (size_t)n * sizeof(*m)))
		return n;
	for (int i = 0; i < n; i++)
		sum += m[i].msg_len;
	return sum;
}

LAR_EXPORT int sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags)
{
	struct io_call io = { LAR_CALL_sendmmsg, io_begin(LAR_CALL_sendmmsg, fd), 0, IO_NO_OFFSET,
			      HOOK_FRAME };
	uint64_t asked = asked_mmsg(&io, m, n);
	int result = REAL(sendmmsg)(fd, m, n, flags);

	io.requested = result < 0 ? 0 : asked;
	io_record(&io, fd, 0, mmsg_bytes(&io, m, result));
	return result;
}

#define PASSING_MOST 16 /* messages with room for descriptors, on the stack of the program */

LAR_EXPORT int recvmmsg(int fd, struct mmsghdr *m, unsigned n, int flags, struct timespec *timeout)
{
	struct io_call io = { LAR_CALL_recvmmsg, io_begin(LAR_CALL_recvmmsg, fd), 0, IO_NO_OFFSET,
			      HOOK_FRAME };
	struct passing passing[PASSING_MOST];
	size_t size = (n < IOV_MOST ? n : IOV_MOST) * sizeof(*m);
	uint64_t asked = asked_mmsg(&io, m, n);
	bool there = io.before && n && is_readable(m, size);
	unsigned kept = 0;
	int result;

	for (; there && kept < n && kept < PASSING_MOST; kept++)
		passing[kept] = passing_of(&m[kept].msg_hdr);
	result = REAL(recvmmsg)(fd, m, n, flags, timeout);
	there = there && is_readable(m, size);
	for (unsigned i = 0; there && result > 0 && i < (unsigned)result; i++) {
		struct passing p = i < kept ? passing[i] : passing_of(&m[i].msg_hdr);

		forget_passed(&p, m[i].msg_hdr.msg_controllen);
	}
	io.requested = result < 0 ? 0 : asked;
	io_record(&io, fd, 0, mmsg_bytes(&io, m, result));
	return result;
}

IO_OFTEN(ssize_t, __read, (int fd, void *buf, size_t n), (fd, buf, n), n, IO_NO_OFFSET)
IO_OFTEN(ssize_t, __write, (int fd, const void *buf, size_t n), (fd, buf, n), n, IO_NO_OFFSET)
IO_OFTEN(ssize_t, __pread64, (int fd, void *buf, size_t n, off64_t at), (fd, buf, n, at), n, at)
IO_OFTEN(ssize_t, __pwrite64, (int fd, const void *buf, size_t n, off64_t at), (fd, buf, n, at), n,
	 at)
IO(ssize_t, __send, (int fd, const void *buf, size_t n, int flags), (fd, buf, n, flags), n,
   IO_NO_OFFSET)

/* 8 bytes, but the result is 0. */
LAR_EXPORT int eventfd_read(int fd, eventfd_t *value)
{
	struct io_call io = { LAR_CALL_eventfd_read, io_begin(LAR_CALL_eventfd_read, fd), 8,
			      IO_NO_OFFSET, HOOK_FRAME };
	int result = REAL(eventfd_read)(fd, value);

	io_record(&io, fd, 0, result ? result : 8);
	return result;
}

LAR_EXPORT int eventfd_write(int fd, eventfd_t value)
{
	struct io_call io = { LAR_CALL_eventfd_write, io_begin(LAR_CALL_eventfd_write, fd), 8,
			      IO_NO_OFFSET, HOOK_FRAME };
	int result = REAL(eventfd_write)(fd, value);

	io_record(&io, fd, 0, result ? result : 8);
	return result;
}

IO(int, fsync, (int fd), (fd), 0, IO_NO_OFFSET)
IO(int, fdatasync, (int fd), (fd), 0, IO_NO_OFFSET)
