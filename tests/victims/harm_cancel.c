/* SPDX-License-Identifier: MIT */
/* build: -fno-builtin -fexceptions */
/*
 * Cancels threads that block in wrapped calls (read, write to a full pipe, accept, connect's
 * sibling recv, a condition, a join) or spin with asynchronous cancellation; their cleanup handlers
 * use the heap, I/O and locks. "counts": states how many bytes the cleanup handlers wrote.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "asleep.h"
#include "expect.h"

static int empty[2], full[2], pair[2], server, null_fd;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_t forever;
static volatile int tid, cleaned;

static void clean(void *arg)
{
	void *p = malloc(123);

	(void)arg;
	for (int i = 0; i < 10; i++)
		if (write(null_fd, p, 100) != 100)
			abort();
	free(p);
	cleaned++;
}

static void unlock(void *arg)
{
	pthread_mutex_unlock(arg);
}

static void block(int way)
{
	static char data[70000];
	int old;

	switch (way) {
	case 0:
		read(empty[0], data, 1);
		break;
	case 1:
		write(full[1], data, 1);
		break;
	case 2:
		accept(server, NULL, NULL);
		break;
	case 3:
		recv(pair[0], data, 1, 0);
		break;
	case 4:
		pthread_mutex_lock(&mutex);
		pthread_cleanup_push(unlock, &mutex);
		for (;;)
			pthread_cond_wait(&cond, &mutex);
		pthread_cleanup_pop(1);
		break;
	case 5:
		pthread_join(forever, NULL);
		break;
	case 6:
		pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
		read(empty[0], data, 1);
		break;
	case 7:
		pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
		for (;;)
			__asm__ volatile("pause");
	}
}

static void *work(void *arg)
{
	pthread_cleanup_push(clean, NULL);
	free(malloc(10));
	tid = (int)syscall(SYS_gettid);
	block((int)(long)arg);
	pthread_cleanup_pop(0);
	return NULL;
}

static void *wait_forever(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void set_up(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX, .sun_path = "socket-here" };

	unlink(at.sun_path);
	if (pipe(empty) || pipe(full) || socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		exit(2);
	fcntl(full[1], F_SETFL, O_NONBLOCK);
	while (syscall(SYS_write, full[1], &at, 1) == 1)
		;
	fcntl(full[1], F_SETFL, 0);
	server = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(server, (struct sockaddr *)&at, sizeof(at)) || listen(server, 1))
		exit(2);
	null_fd = open("/dev/null", O_WRONLY);
	pthread_create(&forever, NULL, wait_forever, NULL);
}

int main(int argc, char **argv)
{
	pthread_t thread;
	void *value;
	int cancelled = 0;

	(void)argv;
	set_up();
	for (int round = 0; round < 10; round++) {
		for (long way = 0; way < 8; way++) {
			tid = 0;
			pthread_create(&thread, NULL, work, (void *)way);
			while (!tid || (way != 7 && !asleep(tid)))
				usleep(200);
			pthread_cancel(thread);
			pthread_join(thread, &value);
			cancelled += value == PTHREAD_CANCELED;
		}
	}
	if (argc > 1) {
		expect_call("write", "bytes", cleaned * 1000);
		expect_print();
		return 0;
	}
	printf("%d cancelled, %d cleaned up\n", cancelled, cleaned);
	return 0;
}
