/* SPDX-License-Identifier: MIT */
/* build: -fno-builtin -U_FORTIFY_SOURCE */
/*
 * Sockets, pipes and the descriptors that no path opens, each call a known number of times.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "expect.h"

static char data[4096];

static int opened(const char *name, int result)
{
	expect_call(name, "calls", 1);
	expect_call(name, "errors", result < 0);
	return result;
}

static void closed(int fd)
{
	opened("close", close(fd));
}

static void stream(int a, int b)
{
	struct iovec part[2] = { { data, 10 }, { data, 20 } };
	struct msghdr msg = { .msg_iov = part, .msg_iovlen = 2 };

	expect_io("send", send(a, data, 100, 0));
	expect_io("recv", recv(b, data, 100, MSG_WAITALL));
	expect_io("sendto", sendto(a, data, 50, 0, NULL, 0));
	expect_io("recvfrom", recvfrom(b, data, 50, MSG_WAITALL, NULL, NULL));
	expect_io("sendmsg", sendmsg(a, &msg, 0));
	expect_io("recvmsg", recvmsg(b, &msg, MSG_WAITALL));
	expect_io("write", write(a, data, 7));
	expect_io("read", read(b, data, 7));
	expect_io("recv", recv(b, data, 1, MSG_DONTWAIT));
	expect_io("recvmsg", recvmsg(b, &msg, MSG_DONTWAIT));
	expect_io("recvfrom", recvfrom(b, data, 1, MSG_DONTWAIT, NULL, NULL));
	expect_io("send", send(-1, data, 1, 0));
	expect_io("sendmsg", sendmsg(-1, &msg, 0));
	expect_io("sendto", sendto(-1, data, 1, 0, NULL, 0));
}

/* Several messages in one call: its bytes are theirs together. */
static void datagrams(void)
{
	struct iovec part[3] = { { data, 10 }, { data, 20 }, { data, 30 } };
	struct mmsghdr msg[3];
	long long bytes = 0;
	int pair[2], n;

	memset(msg, 0, sizeof(msg));
	for (int i = 0; i < 3; i++) {
		msg[i].msg_hdr.msg_iov = &part[i];
		msg[i].msg_hdr.msg_iovlen = 1;
	}
	opened("socketpair", socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
	n = sendmmsg(pair[0], msg, 3, 0);
	for (int i = 0; i < n; i++)
		bytes += msg[i].msg_len;
	expect_io("sendmmsg", bytes);
	n = recvmmsg(pair[1], msg, 3, 0, NULL);
	bytes = 0;
	for (int i = 0; i < n; i++)
		bytes += msg[i].msg_len;
	expect_io("recvmmsg", bytes);
	expect_io("recvmmsg", recvmmsg(pair[1], msg, 3, MSG_DONTWAIT, NULL));
	closed(pair[0]);
	closed(pair[1]);
}

static void tcp(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t size = sizeof(at);
	int server, client, peer;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server = opened("socket", socket(AF_INET, SOCK_STREAM, 0));
	if (bind(server, (struct sockaddr *)&at, size) || listen(server, 5) ||
	    getsockname(server, (struct sockaddr *)&at, &size))
		return;
	for (int i = 0; i < 2; i++) {
		client = opened("socket", socket(AF_INET, SOCK_STREAM, 0));
		opened("connect", connect(client, (struct sockaddr *)&at, size));
		peer = i ? opened("accept4", accept4(server, NULL, NULL, SOCK_CLOEXEC))
			 : opened("accept", accept(server, NULL, NULL));
		stream(client, peer);
		closed(client);
		closed(peer);
	}
	fcntl(server, F_SETFL, O_NONBLOCK);
	opened("accept", accept(server, NULL, NULL));
	opened("accept4", accept4(server, NULL, NULL, 0));
	closed(server);
	client = opened("socket", socket(AF_INET, SOCK_STREAM, 0));
	opened("connect", connect(client, (struct sockaddr *)&at, size));
	closed(client);
}

static void descriptors(void)
{
	int ends[2], fd;

	signal(SIGPIPE, SIG_IGN);
	opened("pipe", pipe(ends));
	expect_io("write", write(ends[1], data, 300));
	expect_io("read", read(ends[0], data, 300));
	closed(ends[0]);
	expect_io("write", write(ends[1], data, 300));
	closed(ends[1]);
	opened("pipe2", pipe2(ends, O_NONBLOCK));
	expect_io("read", read(ends[0], data, 1));
	fd = opened("dup", dup(ends[0]));
	opened("dup2", dup2(fd, 50));
	opened("dup3", dup3(fd, 51, O_CLOEXEC));
	opened("dup3", dup3(fd, fd, O_CLOEXEC));
	opened("dup", dup(-1));
	opened("dup2", dup2(-1, 52));
	opened("eventfd", eventfd(1, 0));
	opened("epoll_create", epoll_create(1));
	opened("epoll_create", epoll_create(0));
	opened("epoll_create1", epoll_create1(EPOLL_CLOEXEC));
	fd = opened("memfd_create", memfd_create("some memory", 0));
	expect_io("write", write(fd, data, 77));
	opened("close_range", close_range(50, 51, 0));
	expect_call("closefrom", "calls", 1);
	closefrom(3);
	closed(3);
}

int main(void)
{
	int pair[2];

	opened("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	stream(pair[0], pair[1]);
	closed(pair[0]);
	closed(pair[1]);
	datagrams();
	tcp();
	descriptors();
	expect_print();
	return 0;
}
