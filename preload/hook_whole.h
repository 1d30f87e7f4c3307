/* SPDX-License-Identifier: MIT */
/*
 * Calls that go on to their end where a leak scan's stop of their thread has made them return
 * before it: the kernel then says what has been moved so far. Without us a blocking write to a pipe
 * or socket, or a receive that waits for all, returns less only for a signal's handler.
 */
#ifndef LARIAT_HOOK_WHOLE_H
#define LARIAT_HOOK_WHOLE_H

#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "hook.h"
#include "snapshot.h"

/*
 * What is left of a call that has moved `done` bytes, which a stop may be the reason for; the bytes
 * of all of it. Ends where less is moved without another stop: an error is told to the program's
 * next call. errno as it was.
 */
ssize_t whole_write(int fd, const void *buf, size_t n, ssize_t done);
ssize_t whole_writev(int fd, const struct iovec *v, int n, ssize_t done);
ssize_t whole_send(int fd, const void *buf, size_t n, int flags, ssize_t done);
ssize_t whole_sendmsg(int fd, const struct msghdr *m, int flags, ssize_t done);
ssize_t whole_recv(int fd, void *buf, size_t n, int flags, ssize_t done);
ssize_t whole_sendfile(int out, int in, off_t *at, size_t n, ssize_t done);

/* The real call, and whole_NAME(its arguments, what it has moved) if there was a stop meanwhile. */
#define WHOLE(name, real, ...)                                                                     \
	({                                                                                         \
		uint32_t stops = atomic_load_explicit(&snapshot_stops, memory_order_relaxed);      \
		ssize_t done = (real)(__VA_ARGS__);                                                \
                                                                                                   \
		if (unlikely(atomic_load_explicit(&snapshot_stops, memory_order_relaxed) !=        \
			     stops) &&                                                             \
		    done > 0)                                                                      \
			done = whole_##name(__VA_ARGS__, done);                                    \
		done;                                                                              \
	})

#endif
