/* SPDX-License-Identifier: MIT */
/* build: -pthread */
/*
 * Threads that wait in calls which a stop of their thread could end; nobody sends a signal, so none
 * may fail with EINTR: leak_waits MILLISECONDS, after which main returns while they wait. Exit
 * status 9: a call did fail.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static const struct timespec limit = { 1, 0 };
static const struct timeval second = { 1, 0 };
static struct sockaddr_un full; /* where no more connections are taken */
static socklen_t full_size = sizeof(full);
static int pair[2], listener, poller, semaphores;

static long wait_events(void)
{
	struct epoll_event e;

	return epoll_wait(poller, &e, 1, 1000);
}

static long wait_events_masked(void)
{
	struct epoll_event e;
	sigset_t none;

	sigemptyset(&none);
	return epoll_pwait(poller, &e, 1, -1, &none);
}

static long wait_bytes(void)
{
	char c;

	return recv(pair[0], &c, 1, 0);
}

static long wait_read(void)
{
	char c;

	return read(pair[0], &c, 1);
}

static long wait_message(void)
{
	struct msghdr m = { 0 };

	return recvmsg(pair[0], &m, 0);
}

static long wait_peer(void)
{
	return accept(listener, NULL, NULL);
}

static long wait_connection(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), e;
	long result;

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof(second));
	result = connect(fd, (struct sockaddr *)&full, full_size);
	e = errno;
	close(fd);
	errno = e;
	return result;
}

static long wait_semaphore(void)
{
	struct sembuf take = { 0, -1, 0 };

	return semtimedop(semaphores, &take, 1, &limit);
}

static long wait_signal(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	return sigtimedwait(&set, NULL, &limit);
}

static long wait_poll(void)
{
	struct pollfd p = { .fd = pair[0], .events = POLLIN };

	return poll(&p, 1, -1);
}

static long wait_time(void)
{
	return nanosleep(&limit, NULL);
}

static long wait_select(void)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(pair[0], &set);
	return select(pair[0] + 1, &set, NULL, NULL, NULL);
}

static long wait_any_signal(void)
{
	return pause();
}

static long wait_own_semaphore(void)
{
	static sem_t never;
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec++;
	return sem_timedwait(&never, &until);
}

static long (*const waits[])(void) = { wait_events,	   wait_events_masked, wait_bytes,
				       wait_read,	   wait_message,       wait_peer,
				       wait_semaphore,	   wait_signal,	       wait_poll,
				       wait_time,	   wait_select,	       wait_any_signal,
				       wait_own_semaphore, wait_connection };

static void *wait_on(void *arg)
{
	long (*wait)(void) = *(long (*const *)(void))arg;

	for (;;)
		if (wait() < 0 && errno == EINTR)
			_exit(9);
	return NULL;
}

static void prepare_full(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	full.sun_family = AF_UNIX;
	if (bind(fd, (struct sockaddr *)&full, sizeof(full.sun_family)) || listen(fd, 0) ||
	    getsockname(fd, (struct sockaddr *)&full, &full_size) ||
	    connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&full, full_size))
		exit(2);
}

static void prepare(void)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX }; /* the system gives it one */
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	poller = epoll_create1(0);
	semaphores = semget(IPC_PRIVATE, 1, 0600);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) ||
	    bind(listener, (struct sockaddr *)&name, sizeof(name.sun_family)) ||
	    listen(listener, 1) || poller < 0 || semaphores < 0)
		exit(2);
	prepare_full();
	setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
}

int main(int argc, char **argv)
{
	long ms = argc > 1 ? atol(argv[1]) : 0;
	struct timespec left = { ms / 1000, ms % 1000 * 1000000 };
	pthread_t id;

	prepare();
	for (size_t i = 0; i < sizeof(waits) / sizeof(*waits); i++)
		if (pthread_create(&id, NULL, wait_on, (void *)&waits[i]))
			return 2;
	while (nanosleep(&left, &left) && errno == EINTR)
		;
	semctl(semaphores, 0, IPC_RMID);
	puts("bye");
	return 0;
}
