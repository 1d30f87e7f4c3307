/* SPDX-License-Identifier: MIT */
/* build: -fno-builtin -Wno-use-after-free */
/*
 * errno after each wrapped call is what the call itself left: untouched by one that succeeds, its
 * own reason by one that fails. The same run without the recorder shows what is right.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile size_t too_much = (size_t)PTRDIFF_MAX - 4096;
static volatile int minus_one = -1;
static char *no_arguments[] = { NULL };
static int failures;

/* Runs the call between two looks at errno; prints its outcome when it is not "untouched". */
#define SHOW(call)                                                                                 \
	do {                                                                                       \
		long result;                                                                       \
		errno = 4242;                                                                      \
		result = (long)(call);                                                             \
		if (errno == 4242)                                                                 \
			printf("kept      %s\n", #call);                                           \
		else                                                                               \
			printf("%-9d %s = %ld\n", errno, #call, result);                           \
		failures += errno != 4242;                                                         \
	} while (0)

static void heap(void)
{
	void *p, *q = NULL;

	SHOW((p = malloc(10)) != NULL);
	SHOW((p = realloc(p, 1000)) != NULL);
	SHOW((q = realloc(p, too_much)) != NULL);
	SHOW((free(p), 0));
	SHOW((p = calloc(10, 10)) != NULL);
	SHOW((p = reallocarray(p, 10, 20)) != NULL);
	SHOW((q = reallocarray(p, too_much, 20)) != NULL);
	SHOW((free(p), free(NULL), 0));
	SHOW(malloc(too_much) != NULL);
	SHOW(calloc(too_much, 3) != NULL);
	SHOW(posix_memalign(&q, 7, 10));
	SHOW(posix_memalign(&q, 64, too_much));
	SHOW(posix_memalign(&q, 64, 10));
	SHOW((free(q), 0));
	SHOW((p = malloc(50 << 20)) != NULL);
	SHOW((free(p), 0));
	SHOW((p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) != NULL);
	SHOW(munmap(p, 4096));
	SHOW(munmap((void *)1, 1));
	SHOW(mmap(NULL, 0, 0, 0, -1, 0) == MAP_FAILED);
	SHOW(mremap((void *)1, 1, 1, 0) == MAP_FAILED);
	SHOW(sbrk(0) != NULL);
	SHOW(sbrk(INTPTR_MAX / 2) == (void *)-1);
}

static void files(void)
{
	char data[100];
	struct iovec part = { data, 10 };
	int fd = -1, ends[2];

	SHOW((fd = open("errno-file", O_RDWR | O_CREAT, 0600)) >= 0);
	SHOW(write(fd, data, 100));
	SHOW(pread(fd, data, 100, 50));
	SHOW(read(fd, data, 10));
	SHOW(readv(fd, &part, 1));
	SHOW(preadv2(fd, &part, 1, 0, 0));
	SHOW(pwritev(fd, &part, 1, 0));
	SHOW(fsync(fd));
	SHOW(fdatasync(fd));
	SHOW(close(fd));
	SHOW(close(fd));
	SHOW(read(minus_one, data, 1));
	SHOW(write(minus_one, data, 1));
	SHOW(writev(minus_one, &part, 1));
	SHOW(open("no/such", O_RDONLY));
	SHOW(open64(".", O_WRONLY));
	SHOW(openat(minus_one, "relative", O_RDONLY));
	SHOW(creat("/", 0600));
	SHOW(fsync(minus_one));
	SHOW(dup(minus_one));
	SHOW(dup2(minus_one, 7));
	SHOW(dup3(0, 0, 0));
	SHOW(pipe2(ends, 0x7fffffff));
	SHOW(pipe2(ends, O_NONBLOCK));
	SHOW(read(ends[0], data, 1));
	SHOW(close_range((unsigned)ends[0], (unsigned)ends[1], 0));
	SHOW(close_range(9, 3, 0));
	SHOW(epoll_create(0));
	SHOW(eventfd(0, 0x7fffffff));
	SHOW(memfd_create("x", 0x7fffffff));
}

static void sockets(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(1) };
	struct msghdr msg = { .msg_iov = NULL };
	char data[10];
	int pair[2];

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	SHOW(socket(AF_INET, 99, 0));
	SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	SHOW(recv(pair[0], data, 1, MSG_DONTWAIT));
	SHOW(recvfrom(pair[0], data, 1, MSG_DONTWAIT, NULL, NULL));
	SHOW(recvmsg(pair[0], &msg, MSG_DONTWAIT));
	SHOW(recvmmsg(minus_one, NULL, 0, 0, NULL));
	SHOW(send(pair[0], data, 5, 0));
	SHOW(recv(pair[1], data, 5, 0));
	SHOW(close(pair[1]));
	SHOW(send(pair[0], data, 5, MSG_NOSIGNAL));
	SHOW(sendto(minus_one, data, 5, 0, NULL, 0));
	SHOW(sendmsg(minus_one, &msg, 0));
	SHOW(accept(minus_one, NULL, NULL));
	SHOW(accept4(0, NULL, NULL, 0));
	SHOW(connect(pair[0], (struct sockaddr *)&at, sizeof(at)));
}

static void *nothing(void *arg)
{
	return arg;
}

static void threads(void)
{
	pthread_mutex_t m = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
	pthread_t t;
	pid_t pid;
	int status;

	SHOW(pthread_mutex_lock(&m));
	SHOW(pthread_mutex_lock(&m));
	SHOW(pthread_mutex_trylock(&m));
	SHOW(pthread_mutex_unlock(&m));
	SHOW(pthread_mutex_unlock(&m));
	SHOW(pthread_mutex_destroy(&m));
	SHOW(pthread_create(&t, NULL, nothing, NULL));
	SHOW(pthread_join(t, NULL));
	SHOW(pthread_join(pthread_self(), NULL));
	fflush(stdout);
	errno = 4242;
	pid = fork();
	if (!pid)
		_exit(errno == 4242 ? 0 : 1);
	printf("%s in the parent, ", errno == 4242 ? "kept" : "changed");
	waitpid(pid, &status, 0);
	printf("%s in the child after fork\n", WEXITSTATUS(status) ? "changed" : "kept");
	SHOW(execv("/no/such", no_arguments));
}

int main(void)
{
	static char buffer[4096];

	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	/* many rounds, so that some of the calls are where the recorder has work of its own */
	for (int i = 0; i < 30000; i++) {
		errno = 4242;
		free(realloc(malloc(100), 50));
		if (errno != 4242)
			printf("changed in round %d\n", i);
	}
	heap();
	files();
	sockets();
	threads();
	printf("%d calls set errno\n", failures);
	return 0;
}
