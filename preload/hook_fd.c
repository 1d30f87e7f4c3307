/* SPDX-License-Identifier: MIT */
/* The life of descriptors: opening, duplicating, connecting, closing. */
#include <stdarg.h>
#include <string.h>

#include "cpu.h"
#include "hook.h"
#include "hook_io.h"
#include "snapshot.h"
#include "target.h"

static void record_open(struct io_call *io, int dir, const char *path, int fd)
{
	int e = errno;
	uint32_t target = 0;
	struct thread *t;

	if (!hook_wants(LAR_RECORD_IO))
		return;
	/* signal handlers that interrupt the look-up of the name record elsewhere */
	t = span_open(io->frame);
	if (t) {
		bool folder = io->offset != IO_NO_OFFSET && io->offset & O_DIRECTORY;

		if (fd < 0) {
			target = target_of_path(dir, path, false, fd);
		} else if (folder && (io->offset & O_TMPFILE) == O_TMPFILE) {
			target_forget(fd); /* a file in it, without a name */
			target = target_of_fd(fd);
		} else {
			target = folder ? target_of_folder(dir, path, io->offset & O_NOFOLLOW, fd)
					: target_of_path(dir, path, true, fd);
			target_set(fd, target);
		}
		span_close(t);
	}
	errno = e;
	io_record(io, fd, target, fd);
}

static inline bool needs_mode(int flags)
{
	return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
}

/* The mode is an optional argument: fetched only when the flags say that it is there. */
#define OPEN(symbol, parameters, arguments, dir)                                                   \
	LAR_EXPORT int symbol parameters                                                           \
	{                                                                                          \
		struct io_call io = IO_CALL(symbol);                                               \
		mode_t mode = 0;                                                                   \
		va_list ap;                                                                        \
		int fd;                                                                            \
                                                                                                   \
		va_start(ap, flags);                                                               \
		if (needs_mode(flags))                                                             \
			mode = va_arg(ap, mode_t);                                                 \
		va_end(ap);                                                                        \
		io.offset = (unsigned)flags;                                                       \
		fd = REAL(symbol) arguments;                                                       \
		record_open(&io, dir, path, fd);                                                   \
		return fd;                                                                         \
	}

OPEN(open, (const char *path, int flags, ...), (path, flags, mode), AT_FDCWD)
OPEN(open64, (const char *path, int flags, ...), (path, flags, mode), AT_FDCWD)
OPEN(__open, (const char *path, int flags, ...), (path, flags, mode), AT_FDCWD)
OPEN(__open64, (const char *path, int flags, ...), (path, flags, mode), AT_FDCWD)
OPEN(openat, (int dir, const char *path, int flags, ...), (dir, path, flags, mode), dir)
OPEN(openat64, (int dir, const char *path, int flags, ...), (dir, path, flags, mode), dir)

#define OPEN_FIXED(symbol, parameters, arguments, dir)                                             \
	LAR_EXPORT int symbol parameters                                                           \
	{                                                                                          \
		struct io_call io = IO_CALL(symbol);                                               \
		int fd = REAL(symbol) arguments;                                                   \
                                                                                                   \
		record_open(&io, dir, path, fd);                                                   \
		return fd;                                                                         \
	}

OPEN_FIXED(creat, (const char *path, mode_t mode), (path, mode), AT_FDCWD)
OPEN_FIXED(creat64, (const char *path, mode_t mode), (path, mode), AT_FDCWD)
OPEN_FIXED(__open_2, (const char *path, int flags), (path, flags), AT_FDCWD)
OPEN_FIXED(__open64_2, (const char *path, int flags), (path, flags), AT_FDCWD)
OPEN_FIXED(__openat_2, (int dir, const char *path, int flags), (dir, path, flags), dir)
OPEN_FIXED(__openat64_2, (int dir, const char *path, int flags), (dir, path, flags), dir)

/* The name is made in the pattern, which is then the path. */
OPEN_FIXED(mkstemp, (char *path), (path), AT_FDCWD)
OPEN_FIXED(mkstemp64, (char *path), (path), AT_FDCWD)
OPEN_FIXED(mkostemp, (char *path, int flags), (path, flags), AT_FDCWD)
OPEN_FIXED(mkostemp64, (char *path, int flags), (path, flags), AT_FDCWD)
OPEN_FIXED(mkstemps, (char *path, int suffix), (path, suffix), AT_FDCWD)
OPEN_FIXED(mkstemps64, (char *path, int suffix), (path, suffix), AT_FDCWD)
OPEN_FIXED(mkostemps, (char *path, int suffix, int flags), (path, suffix, flags), AT_FDCWD)
OPEN_FIXED(mkostemps64, (char *path, int suffix, int flags), (path, suffix, flags), AT_FDCWD)

/*
 * New descriptors without a path: what they are is asked at first use. Where it fails, it failed
 * on `other`, if it is not -1.
 */
#define NEW_FD(symbol, parameters, arguments, other)                                               \
	LAR_EXPORT int symbol parameters                                                           \
	{                                                                                          \
		struct io_call io = IO_CALL_ON(symbol, other);                                     \
		int fd = REAL(symbol) arguments;                                                   \
                                                                                                   \
		if (fd >= 0)                                                                       \
			target_forget(fd);                                                         \
		io_record(&io, fd >= 0 ? fd : other, 0, fd);                                       \
		if (fd >= 0) /* a socket has no peer yet */                                        \
			target_forget(fd);                                                         \
		return fd;                                                                         \
	}

/* The new one has its peer already. */
#define ACCEPT(symbol, parameters, arguments)                                                      \
	LAR_EXPORT int symbol parameters                                                           \
	{                                                                                          \
		struct io_call io = IO_CALL_ON(symbol, fd_listening);                              \
		int fd = REAL(symbol) arguments;                                                   \
                                                                                                   \
		if (fd >= 0)                                                                       \
			target_forget(fd);                                                         \
		io_record(&io, fd >= 0 ? fd : fd_listening, 0, fd);                                \
		return fd;                                                                         \
	}

ACCEPT(accept, (int fd_listening, struct sockaddr *a, socklen_t *n), (fd_listening, a, n))
ACCEPT(accept4, (int fd_listening, struct sockaddr *a, socklen_t *n, int flags),
       (fd_listening, a, n, flags))
NEW_FD(socket, (int domain, int type, int protocol), (domain, type, protocol), -1)
NEW_FD(eventfd, (unsigned value, int flags), (value, flags), -1)
NEW_FD(signalfd, (int old, const sigset_t *set, int flags), (old, CPU_WITHOUT(set), flags), old)
NEW_FD(timerfd_create, (clockid_t clock, int flags), (clock, flags), -1)
NEW_FD(inotify_init, (void), (), -1)
NEW_FD(inotify_init1, (int flags), (flags), -1)
NEW_FD(fanotify_init, (unsigned flags, unsigned event_flags), (flags, event_flags), -1)
NEW_FD(epoll_create, (int size), (size), -1)
NEW_FD(epoll_create1, (int flags), (flags), -1)
NEW_FD(memfd_create, (const char *name, unsigned flags), (name, flags), -1)
NEW_FD(shm_open, (const char *name, int flags, mode_t mode), (name, flags, mode), -1)
NEW_FD(open_by_handle_at, (int mount, struct file_handle *handle, int flags),
       (mount, handle, flags), -1)
NEW_FD(__mq_open_2, (const char *name, int flags), (name, flags), -1)

/* The mode and the attributes are there only with O_CREAT: passing on what is not is harmless. */
LAR_EXPORT mqd_t mq_open(const char *name, int flags, ...)
{
	struct io_call io = IO_CALL(mq_open);
	struct mq_attr *attributes;
	va_list ap;
	mode_t mode;
	mqd_t fd;

	va_start(ap, flags);
	mode = va_arg(ap, mode_t);
	attributes = va_arg(ap, struct mq_attr *);
	va_end(ap);
	fd = REAL(mq_open)(name, flags, mode, attributes);
	if (fd >= 0)
		target_forget(fd);
	io_record(&io, fd, 0, fd);
	return fd;
}

static void record_pair(const struct io_call *io, const int *fds, int result)
{
	int e = errno;

	for (int i = 0; result == 0 && i < 2; i++)
		target_forget(fds[i]);
	io_record(io, result ? -1 : fds[0], 0, result);
	errno = e;
}

LAR_EXPORT int pipe(int fds[2])
{
	struct io_call io = IO_CALL(pipe);
	int result = REAL(pipe)(fds);

	record_pair(&io, fds, result);
	return result;
}

LAR_EXPORT int __pipe(int fds[2])
{
	struct io_call io = IO_CALL(__pipe);
	int result = REAL(__pipe)(fds);

	record_pair(&io, fds, result);
	return result;
}

LAR_EXPORT int pipe2(int fds[2], int flags)
{
	struct io_call io = IO_CALL(pipe2);
	int result = REAL(pipe2)(fds, flags);

	record_pair(&io, fds, result);
	return result;
}

LAR_EXPORT int socketpair(int domain, int type, int protocol, int fds[2])
{
	struct io_call io = IO_CALL(socketpair);
	int result = REAL(socketpair)(domain, type, protocol, fds);

	record_pair(&io, fds, result);
	return result;
}

LAR_EXPORT int dup(int old)
{
	struct io_call io = IO_CALL(dup);
	int fd = REAL(dup)(old);

	if (fd >= 0)
		target_copy(old, fd);
	io_record(&io, fd, 0, fd);
	return fd;
}

LAR_EXPORT int dup2(int old, int fd)
{
	struct io_call io = IO_CALL(dup2);
	int result = REAL(dup2)(old, fd);

	if (result >= 0)
		target_copy(old, fd);
	io_record(&io, result, 0, result);
	return result;
}

LAR_EXPORT int __dup2(int old, int fd)
{
	struct io_call io = IO_CALL(__dup2);
	int result = REAL(__dup2)(old, fd);

	if (result >= 0)
		target_copy(old, fd);
	io_record(&io, result, 0, result);
	return result;
}

LAR_EXPORT int dup3(int old, int fd, int flags)
{
	struct io_call io = IO_CALL(dup3);
	int result = REAL(dup3)(old, fd, flags);

	if (result >= 0)
		target_copy(old, fd);
	io_record(&io, result, 0, result);
	return result;
}

/* Whom it connects to, where that can be read for certain: a thread may wait for it for long. */
static void connect_to(int fd, const struct sockaddr *to, socklen_t n, uint64_t frame)
{
	struct sockaddr_storage a = { .ss_family = AF_UNSPEC };
	struct thread *t;
	int e = errno;

	if (n < sizeof(a.ss_family) || n >= sizeof(a) || !io_on_stack(to, n, frame) ||
	    !hook_wants(LAR_RECORD_IO))
		return;
	t = span_open(frame);
	if (!t)
		return;
	memcpy(&a, to, n);
	t->slot->call_target = target_of_address(fd, &a, n);
	span_close(t);
	errno = e;
}

#define CONNECT(symbol)                                                                            \
	LAR_EXPORT int symbol(int fd, const struct sockaddr *to, socklen_t n)                      \
	{                                                                                          \
		struct io_call io = IO_CALL_ON(symbol, fd);                                        \
		uint32_t stops;                                                                    \
		int result;                                                                        \
                                                                                                   \
		connect_to(fd, to, n, HOOK_FRAME);                                                 \
		stops = atomic_load(&snapshot_stops);                                              \
		result = REAL(symbol)(fd, to, n);                                                  \
		if (unlikely(result && errno == EALREADY &&                                        \
			     atomic_load(&snapshot_stops) != stops))                               \
			errno = EINPROGRESS; /* its time is over, in its second beginning */       \
                                                                                                   \
		target_forget(fd); /* now it has a peer */                                         \
		io_record(&io, fd, 0, result);                                                     \
		return result;                                                                     \
	}

CONNECT(connect)
CONNECT(__connect)

/* The name must be known before the descriptor goes, and forgotten before another thread can be
 * given the same number. */
static uint32_t closing(int fd, uint64_t frame)
{
	uint32_t target = 0;
	int e = errno;
	struct thread *t;

	if (!hook_wants(LAR_RECORD_IO))
		return 0;
	t = span_open(frame);
	if (t) {
		target = target_of_fd(fd);
		target_forget(fd);
		span_close(t);
	}
	errno = e;
	return target;
}

#define CLOSE(symbol)                                                                              \
	LAR_EXPORT int symbol(int fd)                                                              \
	{                                                                                          \
		struct io_call io = IO_CALL(symbol);                                               \
		uint32_t target = closing(fd, io.frame);                                           \
		int result;                                                                        \
                                                                                                   \
		if (io.before)                                                                     \
			io.before = lar_ticks();                                                   \
		result = REAL(symbol)(fd);                                                         \
		io_record(&io, fd, target, result);                                                \
		return result;                                                                     \
	}

CLOSE(close)
CLOSE(__close)
CLOSE(mq_close)

LAR_EXPORT int close_range(unsigned first, unsigned last, int flags)
{
	struct io_call io = IO_CALL(close_range);
	int result;

	target_forget_range(first, last);
	result = REAL(close_range)(first, last, flags);
	io_record(&io, -1, 0, result);
	return result;
}

LAR_EXPORT void closefrom(int first)
{
	struct io_call io = IO_CALL(closefrom);

	target_forget_range(first < 0 ? 0 : (unsigned)first, ~0u);
	REAL(closefrom)(first);
	io_record(&io, -1, 0, 0);
}

/* The option is in the place of an offset, its value in that of the bytes. */
LAR_EXPORT int setsockopt(int fd, int level, int option, const void *value, socklen_t n)
{
	struct io_call io = IO_CALL(setsockopt);
	int result = REAL(setsockopt)(fd, level, option, value, n);

	io.offset = (uint64_t)(unsigned)level << 32 | (unsigned)option;
	if (!result && n >= sizeof(int))
		io.requested = (unsigned)*(const int *)value;
	io_record(&io, fd, 0, result);
	return result;
}
