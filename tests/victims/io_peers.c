/* SPDX-License-Identifier: MIT */
/*
 * Peers of every kind of trouble, each in a part of its own. Works in the current folder.
 *
 *	io_peers passed		a descriptor comes over a socket, with the number of one before
 *	io_peers small		TCP: small sends in a row and late answers, and what is like it
 *	io_peers queries	databases that are asked again and again, and at once
 *	io_peers backlog	connects where nobody accepts for 400 ms, and where somebody does
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char data[4096];

static void must(int ok)
{
	if (!ok)
		abort();
}

static void sleep_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

/* ---- passed ---- */

union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(sizeof(int))];
};

static void give(int s, int fd)
{
	union control c = { 0 };
	struct iovec part = { data, 1 };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };

	m.msg_control = c.room;
	m.msg_controllen = sizeof(c.room);
	c.header.cmsg_level = SOL_SOCKET;
	c.header.cmsg_type = SCM_RIGHTS;
	c.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&c.header), &fd, sizeof(fd));
	must(sendmsg(s, &m, 0) == 1);
}

static int take(int s)
{
	union control c;
	struct iovec part = { data, 1 };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };
	int fd;

	m.msg_control = c.room;
	m.msg_controllen = sizeof(c.room);
	must(recvmsg(s, &m, 0) == 1 && c.header.cmsg_type == SCM_RIGHTS);
	memcpy(&fd, CMSG_DATA(&c.header), sizeof(fd));
	return fd;
}

/* The number is known as another file's, which went without a word that the recorder hears. */
static void receive(int s)
{
	int before = open("p_before", O_WRONLY | O_CREAT, 0600), fd;

	must(write(before, data, 11) == 11);
	syscall(SYS_close, before);
	fd = take(s);
	must(fd == before && write(fd, data, 222) == 222);
	close(fd);
	exit(0);
}

/* A folder, and a file without a name in it where there can be one. */
static void folder(void)
{
	int dir = open(".", O_RDONLY | O_DIRECTORY), fd = open(".", O_RDWR | O_TMPFILE, 0600);

	must(dir >= 0 && (fd < 0 || write(fd, data, 33) == 33));
}

static void passed(void)
{
	int pair[2], fd = open("p_given", O_WRONLY | O_CREAT, 0600);
	pid_t child;

	must(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	child = fork();
	if (!child) {
		close(fd);
		receive(pair[1]);
	}
	give(pair[0], fd);
	must(waitpid(child, NULL, 0) == child);
	folder();
	printf("%d\n", child);
}

/* ---- small ---- */

#define ROUNDS 10

/* Answers in one piece each 2000 bytes, 40 ms later. */
static void serve(int server)
{
	for (int peer; (peer = accept(server, NULL, NULL)) >= 0; close(peer))
		for (int got = 0, n; (n = (int)read(peer, data, 2000 - (size_t)got)) > 0;) {
			got = (got + n) % 2000;
			if (got)
				continue;
			sleep_ms(40);
			must(write(peer, data, 5) == 5);
		}
	exit(0);
}

static void ask(const struct sockaddr_in *at, int parts, int no_delay)
{
	int s = socket(AF_INET, SOCK_STREAM, 0);

	must(!connect(s, (const struct sockaddr *)at, sizeof(*at)));
	if (no_delay)
		setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &no_delay, sizeof(no_delay));
	for (int i = 0; i < ROUNDS; i++) {
		for (int k = 0; k < parts; k++)
			must(write(s, data, (size_t)(2000 / parts)) == 2000 / parts);
		must(read(s, data, 5) == 5);
	}
	close(s);
}

static int listening(struct sockaddr_in *at)
{
	socklen_t size = sizeof(*at);
	int server = socket(AF_INET, SOCK_STREAM, 0);

	*at = (struct sockaddr_in){ .sin_family = AF_INET };
	at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(!bind(server, (struct sockaddr *)at, size) && !listen(server, 5) &&
	     !getsockname(server, (struct sockaddr *)at, &size));
	return server;
}

/* Each in a connection of its own to a server of its own: a target of its own. */
static void small(void)
{
	static const struct {
		int parts, no_delay;
	} ways[] = { { 2, 0 }, { 2, 1 }, { 1, 0 } };

	for (int i = 0; i < 3; i++) {
		struct sockaddr_in at;
		int server = listening(&at);
		pid_t child = fork();

		if (!child)
			serve(server);
		close(server);
		ask(&at, ways[i].parts, ways[i].no_delay);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		printf("%d\n", ntohs(at.sin_port));
	}
}

/* ---- backlog ---- */

static int connect_to(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(at.sun_path, path);
	must(!connect(s, (struct sockaddr *)&at, sizeof(at)));
	return s;
}

static int listen_at(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int server = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(at.sun_path, path);
	must(!bind(server, (struct sockaddr *)&at, sizeof(at)) && !listen(server, 0));
	return server;
}

static void backlog(void)
{
	int server = listen_at("b_late"), quick = listen_at("b_quick"), ends[2];
	char c = 0;

	must(!pipe(ends));
	connect_to("b_late"); /* the one that waits for accept() */
	if (!fork()) {
		must(read(ends[0], &c, 1) == 1);
		sleep_ms(400);
		accept(server, NULL, NULL);
		_exit(0);
	}
	must(write(ends[1], &c, 1) == 1);
	connect_to("b_late");
	connect_to("b_quick");
	wait(NULL);
	close(quick);
}

/* ---- queries ---- */

/* 10 bytes in, 10 bytes out. */
static void echo(int server)
{
	for (int peer; (peer = accept(server, NULL, NULL)) >= 0; close(peer))
		for (ssize_t n; (n = recv(peer, data, 10, MSG_WAITALL)) == 10;)
			must(write(peer, data, 10) == 10);
	exit(0);
}

/* So many questions, each answered before the next, or all of them at once. */
static void query(const char *path, int questions, int at_once)
{
	int server = listen_at(path), s;
	pid_t child = fork();

	if (!child)
		echo(server);
	s = connect_to(path);
	for (int i = 0; i < questions; i++) {
		must(write(s, data, 10) == 10);
		must(at_once || recv(s, data, 10, MSG_WAITALL) == 10);
	}
	must(!at_once || recv(s, data, (size_t)questions * 10, MSG_WAITALL) == questions * 10);
	close(s);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static void queries(void)
{
	query(".s.PGSQL.5432", 100, 0);
	query("mysqld.sock", 100, 1);
	query("of_no_service", 100, 0);
	query("memcached", 99, 0);
}

int main(int argc, char **argv)
{
	must(argc == 2);
	if (!strcmp(argv[1], "passed"))
		passed();
	else if (!strcmp(argv[1], "small"))
		small();
	else if (!strcmp(argv[1], "queries"))
		queries();
	else
		backlog();
	return 0;
}
