/* SPDX-License-Identifier: MIT */
/*
 * Threads that are in a call when the process ends, each named after it; one that was in such a
 * call before and works now. With "join": two that wait for each other, one of them by a join.
 */
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "asleep.h"

#define THREADS 12

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static volatile int tids[THREADS + 1];
static volatile int works;

static void begin(const char *name, int number)
{
	pthread_setname_np(pthread_self(), name);
	__atomic_store_n(&tids[number], (int)syscall(SYS_gettid), __ATOMIC_RELEASE);
}

static int an_end(void)
{
	int ends[2];

	if (pipe(ends))
		abort();
	return ends[0];
}

static int listening(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)) || listen(fd, 1))
		abort();
	return fd;
}

static void *in_read(void *arg)
{
	int fd = an_end();
	char c;

	begin("read", 0);
	return read(fd, &c, 1) ? NULL : arg;
}

static void *in_fgets(void *arg)
{
	FILE *f = fdopen(an_end(), "r");
	char line[10];

	begin("stdio_read", 1);
	return fgets(line, sizeof(line), f) ? NULL : arg;
}

static void *in_epoll(void *arg)
{
	int fd = epoll_create1(0);
	struct epoll_event e;

	begin("epoll_wait", 2);
	epoll_wait(fd, &e, 1, -1);
	return arg;
}

static void *in_poll(void *arg)
{
	struct pollfd p = { .fd = an_end(), .events = POLLIN };

	begin("poll", 3);
	poll(&p, 1, -1);
	return arg;
}

static void *in_accept(void *arg)
{
	int fd = listening();

	begin("accept", 4);
	accept(fd, NULL, NULL);
	return arg;
}

static void *in_recv(void *arg)
{
	int pair[2];
	char c;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		abort();
	begin("recv", 5);
	recv(pair[0], &c, 1, 0);
	return arg;
}

static void *in_sleep(void *arg)
{
	struct timespec t = { .tv_sec = 1000 };

	begin("nanosleep", 6);
	nanosleep(&t, NULL);
	return arg;
}

static void *in_wait(void *arg)
{
	pid_t pid = fork();

	if (!pid) {
		/* ends with its parent */
		while (getppid() != 1)
			usleep(10000);
		_exit(0);
	}
	begin("waitpid", 7);
	waitpid(pid, NULL, 0);
	return arg;
}

/* Not in a call any more, and 30 ms on a processor before the process ends. */
static void *at_work(void *arg)
{
	struct timespec t;

	usleep(1000);
	begin("works", 8);
	for (;;) {
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
		works = t.tv_sec || t.tv_nsec > 30000000;
	}
	return arg;
}

static struct sockaddr_un full_name;
static socklen_t full_size;

/* Where nobody can be waited for any more: whoever connects waits. */
static void fill_up(void)
{
	int listens = socket(AF_UNIX, SOCK_STREAM, 0), fd;

	full_name.sun_family = AF_UNIX;
	full_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
				(size_t)snprintf(full_name.sun_path + 1, 40, "full%d", getpid()));
	if (listens < 0 || bind(listens, (struct sockaddr *)&full_name, full_size) ||
	    listen(listens, 0))
		abort();
	do
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	while (!connect(fd, (struct sockaddr *)&full_name, full_size));
}

static void *in_connect(void *arg)
{
	struct sockaddr_un to = full_name;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	begin("connect", 9);
	connect(fd, (struct sockaddr *)&to, full_size);
	return arg;
}

/* On a connection that was accepted, and whose address nobody has asked for. */
static void *in_readv(void *arg)
{
	int listens = listening(), fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in to;
	socklen_t size = sizeof(to);
	char c;
	struct iovec v = { &c, 1 };

	getsockname(listens, (struct sockaddr *)&to, &size);
	if (connect(fd, (struct sockaddr *)&to, size))
		abort();
	fd = accept(listens, NULL, NULL);
	begin("readv", 10);
	readv(fd, &v, 1);
	return arg;
}

/* More than one, and one of which it cannot be known whether it can be read. */
static void *in_poll_two(void *arg)
{
	struct pollfd p[2] = { { .fd = an_end(), .events = POLLIN },
			       { .fd = an_end(), .events = POLLIN } };

	begin("poll", 11);
	poll(p, 2, -1);
	return arg;
}

static void *in_join(void *arg)
{
	begin("pthread_join", THREADS);
	pthread_join(*(pthread_t *)arg, NULL);
	return arg;
}

static void *takes(void *arg)
{
	begin("takes", 0);
	pthread_mutex_lock(&mutex);
	return arg;
}

static void until(int from, int to)
{
	for (int i = from; i <= to; i++)
		while (!__atomic_load_n(&tids[i], __ATOMIC_ACQUIRE) || (i != 8 && !asleep(tids[i])))
			usleep(1000);
}

/* The first thread has the lock and waits for one that wants it. */
static void join_for_ever(void)
{
	pthread_t thread;

	pthread_mutex_lock(&mutex);
	pthread_create(&thread, NULL, takes, NULL);
	pthread_join(thread, NULL);
}

int main(int argc, char **argv)
{
	static void *(*const run[THREADS])(
		void *) = { in_read,  in_fgets, in_epoll, in_poll,    in_accept, in_recv,
			    in_sleep, in_wait,	at_work,  in_connect, in_readv,	 in_poll_two };
	pthread_t thread[THREADS], joiner;

	if (argc > 1 && !strcmp(argv[1], "join"))
		join_for_ever();
	fill_up();
	for (int i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, run[i], NULL);
	pthread_create(&joiner, NULL, in_join, &thread[0]);
	until(0, THREADS);
	usleep(20000);
	while (!works)
		usleep(1000);
	_exit(argc > 1);
}
