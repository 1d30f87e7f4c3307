/* SPDX-License-Identifier: MIT */
/*
 * What a call was given may be gone when it returns: another thread that it let go on has freed it,
 * or what it received lies over it. Or it never was anywhere, and the call fails. Each kind says
 * how often it came through.
 *
 * harm_gone create|c11|vector|message|over|nowhere
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <threads.h>
#include <unistd.h>

#define TIMES 2000
#define PAGE  4096

static void *page(void)
{
	void *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		exit(2);
	return p;
}

/* The thread's own handle lies in what it gives back. */
static void *give_back(void *own)
{
	munmap(own, PAGE);
	return NULL;
}

static int give_back_c11(void *own)
{
	munmap(own, PAGE);
	return 0;
}

static int create(void)
{
	pthread_attr_t detached;
	int n = 0;

	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	while (n < TIMES) {
		pthread_t *handle = page();
		void *own = handle;

		__asm__("" : "+r"(own)); /* that these are the same is meant */
		if (!pthread_create(handle, &detached, give_back, own))
			n++;
		else
			munmap(handle, PAGE);
	}
	return n;
}

static int create_c11(void)
{
	int n = 0;

	for (int i = 0; i < TIMES / 4; i++) {
		thrd_t *handle = page();

		n += thrd_create(handle, give_back_c11, handle) == thrd_success;
		usleep(10);
	}
	return n;
}

/* What was sent tells where the request lies, which is given back at once. */
static int ends[2];

static void *receiver(void *arg)
{
	void *request;

	while (read(ends[0], &request, sizeof(request)) == sizeof(request))
		munmap(request, PAGE);
	return arg;
}

struct request {
	void *own;
	struct iovec vector;
	struct msghdr message;
};

static int send_all(int with_message)
{
	pthread_t thread;
	int n = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
		exit(2);
	pthread_create(&thread, NULL, receiver, NULL);
	for (int i = 0; i < TIMES; i++) {
		struct request *r = page();
		ssize_t sent;

		r->own = r;
		r->vector = (struct iovec){ &r->own, sizeof(r->own) };
		r->message = (struct msghdr){ .msg_iov = &r->vector, .msg_iovlen = 1 };
		sent = with_message ? sendmsg(ends[1], &r->message, 0)
				    : writev(ends[1], &r->vector, 1);
		n += sent == sizeof(r->own);
	}
	close(ends[1]);
	pthread_join(thread, NULL);
	return n;
}

/* What comes is written over the request. */
static int over(void)
{
	static char ones[2 * sizeof(struct mmsghdr) + 64];
	int n = 0, pair[2];

	memset(ones, 0xff, sizeof(ones));
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair))
		exit(2);
	for (int i = 0; i < 3; i++) {
		struct {
			struct mmsghdr m;
			struct iovec v;
			char control[CMSG_SPACE(sizeof(int))];
		} r = { 0 };
		ssize_t got;

		r.v = (struct iovec){ &r, sizeof(r.m) + sizeof(r.v) };
		r.m.msg_hdr.msg_iov = &r.v;
		r.m.msg_hdr.msg_iovlen = 1;
		r.m.msg_hdr.msg_control = r.control;
		r.m.msg_hdr.msg_controllen = sizeof(r.control);
		if (send(pair[1], ones, sizeof(r.m) + sizeof(r.v), 0) < 0)
			exit(2);
		if (i == 0)
			got = recvmsg(pair[0], &r.m.msg_hdr, 0);
		else if (i == 1)
			got = recvmmsg(pair[0], &r.m, 1, 0, NULL);
		else
			got = readv(pair[0], &r.v, 1);
		n += got == (i == 1 ? 1 : (ssize_t)(sizeof(r.m) + sizeof(r.v)));
	}
	return n;
}

/* Where nothing can be, up to the last byte that there are addresses for. */
static int nowhere(void)
{
	static const intptr_t places[] = { 8, -1, -8, -16, -56, -64, -4096, INTPTR_MIN };
	struct msghdr m = { 0 };
	int n = 0, pair[2];

	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair))
		exit(2);
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		void *volatile at = (void *)places[i];

		n += writev(pair[0], at, 2) == -1 && errno == EFAULT;
		n += readv(pair[1], at, 2) == -1 && errno == EFAULT;
		n += sendmsg(pair[0], at, 0) == -1 && errno == EFAULT;
		n += recvmsg(pair[1], at, MSG_DONTWAIT) == -1 && errno == EFAULT;
		n += sendmmsg(pair[0], at, 2, 0) == -1 && errno == EFAULT;
		n += recvmmsg(pair[1], at, 2, MSG_DONTWAIT, NULL) == -1 && errno == EFAULT;
		m.msg_iov = at;
		m.msg_iovlen = 2;
		n += sendmsg(pair[0], &m, 0) == -1 && errno == EFAULT;
	}
	return n;
}

int main(int argc, char **argv)
{
	const char *kind = argc > 1 ? argv[1] : "";
	int n = !strcmp(kind, "create")	   ? create()
		: !strcmp(kind, "c11")	   ? create_c11()
		: !strcmp(kind, "vector")  ? send_all(0)
		: !strcmp(kind, "message") ? send_all(1)
		: !strcmp(kind, "over")	   ? over()
		: !strcmp(kind, "nowhere") ? nowhere()
					   : -1;

	printf("%s: %d\n", kind, n);
	return n < 0;
}
