/* SPDX-License-Identifier: MIT */
/* The rest of calls that a leak scan's stop has ended early; see hook_whole.h. */
#include "hook_whole.h"

/* A call, by what it has of these. */
struct call {
	int fd, flags, in;
	char *buf;
	const struct iovec *v;
	size_t n; /* bytes, or pieces */
	off_t *at;
};

/* Does the call for what is behind the first `done` bytes; *asked: of how many. */
typedef ssize_t rest_fn(const struct call *c, size_t done, size_t *asked);

static ssize_t go_on(const struct call *c, rest_fn *rest, ssize_t done, size_t size)
{
	int e = errno;
	bool cut = true;

	while (cut && (size_t)done < size) {
		uint32_t stops = atomic_load(&snapshot_stops);
		size_t asked = 0;
		ssize_t more = rest(c, (size_t)done, &asked);

		if (more <= 0)
			break;
		done += more;
		cut = (size_t)more == asked || atomic_load(&snapshot_stops) != stops;
	}
	errno = e;
	return done;
}

static size_t bytes_of(const struct iovec *v, size_t n)
{
	size_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += v[i].iov_len;
	return sum;
}

/* The pieces behind the first *done bytes; *done: how much of the first of these. */
static struct iovec *pieces_behind(const struct call *c, size_t *done, size_t *left)
{
	size_t i = 0;

	while (i < c->n && *done >= c->v[i].iov_len)
		*done -= c->v[i++].iov_len;
	*left = c->n - i;
	return (struct iovec *)c->v + i;
}

static ssize_t rest_write(const struct call *c, size_t done, size_t *asked)
{
	*asked = c->n - done;
	return REAL(write)(c->fd, c->buf + done, *asked);
}

ssize_t whole_write(int fd, const void *buf, size_t n, ssize_t done)
{
	struct call c = { .fd = fd, .buf = (char *)buf, .n = n };

	return go_on(&c, rest_write, done, n);
}

static ssize_t rest_send(const struct call *c, size_t done, size_t *asked)
{
	*asked = c->n - done;
	return REAL(send)(c->fd, c->buf + done, *asked, c->flags);
}

ssize_t whole_send(int fd, const void *buf, size_t n, int flags, ssize_t done)
{
	struct call c = { .fd = fd, .flags = flags, .buf = (char *)buf, .n = n };

	return go_on(&c, rest_send, done, n);
}

static ssize_t rest_recv(const struct call *c, size_t done, size_t *asked)
{
	*asked = c->n - done;
	return REAL(recv)(c->fd, c->buf + done, *asked, c->flags);
}

ssize_t whole_recv(int fd, void *buf, size_t n, int flags, ssize_t done)
{
	struct call c = { .fd = fd, .flags = flags, .buf = buf, .n = n };

	if (!(flags & MSG_WAITALL) || flags & (MSG_PEEK | MSG_TRUNC))
		return done;
	return go_on(&c, rest_recv, done, n);
}

static ssize_t rest_writev(const struct call *c, size_t done, size_t *asked)
{
	size_t left;
	struct iovec *v = pieces_behind(c, &done, &left);

	if (done) {
		*asked = v->iov_len - done;
		return REAL(write)(c->fd, (char *)v->iov_base + done, *asked);
	}
	*asked = bytes_of(v, left);
	return REAL(writev)(c->fd, v, (int)left);
}

ssize_t whole_writev(int fd, const struct iovec *v, int n, ssize_t done)
{
	struct call c = { .fd = fd, .v = v, .n = (size_t)n };

	return go_on(&c, rest_writev, done, bytes_of(v, c.n));
}

/* What goes with the first byte has gone. */
static ssize_t rest_sendmsg(const struct call *c, size_t done, size_t *asked)
{
	struct msghdr m = { 0 };
	size_t left;

	m.msg_iov = pieces_behind(c, &done, &left);
	m.msg_iovlen = left;
	if (done) {
		*asked = m.msg_iov->iov_len - done;
		return REAL(send)(c->fd, (char *)m.msg_iov->iov_base + done, *asked, c->flags);
	}
	*asked = bytes_of(m.msg_iov, left);
	return REAL(sendmsg)(c->fd, &m, c->flags);
}

ssize_t whole_sendmsg(int fd, const struct msghdr *m, int flags, ssize_t done)
{
	struct call c = { .fd = fd, .flags = flags, .v = m->msg_iov, .n = m->msg_iovlen };

	return go_on(&c, rest_sendmsg, done, bytes_of(c.v, c.n));
}

/* The kernel has moved the offset on. */
static ssize_t rest_sendfile(const struct call *c, size_t done, size_t *asked)
{
	*asked = c->n - done;
	return REAL(sendfile)(c->fd, c->in, c->at, *asked);
}

ssize_t whole_sendfile(int out, int in, off_t *at, size_t n, ssize_t done)
{
	struct call c = { .fd = out, .in = in, .at = at, .n = n };

	return go_on(&c, rest_sendfile, done, n);
}
