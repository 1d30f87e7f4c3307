/* SPDX-License-Identifier: MIT */
/* build: -fno-builtin -pthread */
/*
 * Threads that move 1 MiB at a time to or from a slow peer, with calls that move all of it or none,
 * while main() returns. Tells of calls that move less.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define SIZE   (1 << 20)
#define PIECES 7

enum { WRITE, WRITEV, SEND, SENDMSG, RECV, SENDFILE, CALLS };

static int fd[CALLS], file;

static ssize_t move(int call, char *bytes)
{
	struct iovec v[PIECES];
	struct msghdr m = { .msg_iov = v, .msg_iovlen = PIECES };

	for (int i = 0; i < PIECES; i++)
		v[i] = (struct iovec){ bytes + SIZE / PIECES * i, SIZE / PIECES };
	v[PIECES - 1].iov_len += SIZE % PIECES;
	switch (call) {
	case WRITE:
		return write(fd[call], bytes, SIZE);
	case WRITEV:
		return writev(fd[call], v, PIECES);
	case SEND:
		return send(fd[call], bytes, SIZE, 0);
	case SENDMSG:
		return sendmsg(fd[call], &m, 0);
	case SENDFILE:
		return sendfile(fd[call], file, &(off_t){ 0 }, SIZE);
	default:
		return recv(fd[call], bytes, SIZE, MSG_WAITALL);
	}
}

static void *caller(void *number)
{
	int call = (int)(long)number;
	char *bytes = calloc(1, SIZE);
	ssize_t moved;

	do
		moved = move(call, bytes);
	while (moved == SIZE);
	dprintf(1, "call %d moved %zd\n", call, moved);
	return NULL;
}

static void peer(int call, int other)
{
	static char some[4096];

	signal(SIGPIPE, SIG_DFL);
	while (call == RECV ? write(other, some, sizeof(some)) > 0
			    : read(other, some, sizeof(some)) > 0)
		usleep(300);
	_exit(0);
}

int main(void)
{
	pthread_t id;
	int ends[2];

	file = memfd_create("file", MFD_CLOEXEC);
	if (ftruncate(file, SIZE))
		return 1;
	for (int i = 0; i < CALLS; i++) {
		if (i <= WRITEV ? pipe(ends) : socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
			return 1;
		fd[i] = ends[1];
		if (!fork()) {
			for (int j = 0; j <= i; j++)
				close(fd[j]);
			peer(i, ends[0]);
		}
		close(ends[0]);
	}
	for (long i = 0; i < CALLS; i++)
		pthread_create(&id, NULL, caller, (void *)i);
	usleep(100000);
	puts("end");
	return 0;
}
