/* SPDX-License-Identifier: MIT */
/*
 * Calls that wait, interrupted, cancelled, timed out and on descriptors that do not block: what
 * they return and leave behind is printed.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int ends[2];
static volatile int caught;
static sigjmp_buf back;
static volatile int jumps;

static void say(const char *what, long result)
{
	int e = errno;

	printf("%s: %ld %s\n", what, result, result < 0 ? strerror(e) : "");
	errno = 0;
}

static void handler(int number)
{
	caught++;
	if (jumps)
		siglongjmp(back, number);
	/* one that waits again ends by itself */
	if (write(ends[1], "h", 1) < 0)
		abort();
}

static void alarm_in(long us, int flags)
{
	struct sigaction a = { .sa_handler = handler, .sa_flags = flags };
	struct itimerval t = { .it_value = { 0, us } };

	sigaction(SIGALRM, &a, NULL);
	setitimer(ITIMER_REAL, &t, NULL);
}

static void drain(void)
{
	char c[64];
	struct pollfd p = { ends[0], POLLIN, 0 };

	while (poll(&p, 1, 0) > 0 && read(ends[0], c, sizeof(c)) > 0)
		;
}

static void interrupted(void)
{
	struct timespec t = { 0, 400000000 }, left = { 9, 9 };
	struct timeval v = { 0, 300000 };
	struct pollfd p = { -1, POLLIN, 0 };
	int other[2], epoll = epoll_create1(0);
	char c;

	if (pipe(other))
		abort();
	alarm_in(20000, 0);
	say("read, interrupted", read(other[0], &c, 1));
	alarm_in(20000, SA_RESTART);
	say("read, restarted", read(ends[0], &c, 1) + (c == 'h' ? 0 : 100));
	drain();
	alarm_in(20000, 0);
	say("poll", poll(&p, 1, 500));
	alarm_in(20000, 0);
	say("select", select(0, NULL, NULL, NULL, &v));
	alarm_in(20000, 0);
	say("epoll_wait", epoll_wait(epoll, &(struct epoll_event){ 0 }, 1, 500));
	alarm_in(20000, 0);
	say("nanosleep", nanosleep(&t, &left));
	say("nanosleep, some is left", left.tv_sec == 0 && left.tv_nsec > 100000000);
	alarm_in(20000, 0);
	t = (struct timespec){ 0, 400000000 };
	say("clock_nanosleep", clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL));
	say("errno then", errno);
	alarm_in(20000, 0);
	say("usleep", usleep(400000));
	alarm_in(20000, 0);
	say("sleep, seconds left", sleep(3) >= 2);
	alarm_in(20000, 0);
	say("pause", pause());
	say("signals", caught);
	drain();
	jumps = 1;
	for (int i = 0; i < 20; i++) {
		if (!sigsetjmp(back, 1)) {
			alarm_in(2000, 0);
			say("not reached", read(other[0], &c, 1));
		}
	}
	jumps = 0;
	say("jumped out of a read", caught);
}

static void *in_read(void *fd)
{
	char c;

	return (void *)(long)read(*(int *)fd, &c, 1);
}

static void *in_poll(void *fd)
{
	struct pollfd p = { *(int *)fd, POLLIN, 0 };

	return (void *)(long)poll(&p, 1, -1);
}

static void *in_fgets(void *stream)
{
	char line[10];

	return fgets(line, sizeof(line), stream);
}

static void *in_sleep(void *unused)
{
	sleep(100);
	return unused;
}

static void cancelled(const char *what, void *(*function)(void *), void *argument)
{
	pthread_t t;
	void *result;

	pthread_create(&t, NULL, function, argument);
	usleep(30000);
	pthread_cancel(t);
	pthread_join(t, &result);
	say(what, result == PTHREAD_CANCELED);
}

static void cancels(void)
{
	int other[2];
	FILE *f;

	if (pipe(other))
		abort();
	cancelled("cancelled in read", in_read, &other[0]);
	cancelled("cancelled in poll", in_poll, &other[0]);
	cancelled("cancelled in sleep", in_sleep, NULL);
	f = fdopen(other[0], "r");
	cancelled("cancelled in fgets", in_fgets, f);
	/* the stream's lock has been let go */
	say("its lock is free", ftrylockfile(f) == 0);
	if (write(other[1], "line\n", 5) != 5)
		abort();
	funlockfile(f);
	say("and it reads on", getc(f) == 'l');
}

static void not_blocking(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "harm_waits.socket" };
	struct timeval v = { 0, 10000 };
	int fds[2], listening = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	static char much[1 << 20];
	char c;

	if (pipe2(fds, O_NONBLOCK))
		abort();
	say("read of an empty pipe", read(fds[0], &c, 1));
	say("write of much, short", write(fds[1], much, sizeof(much)) < (long)sizeof(much));
	say("write to a full pipe", write(fds[1], &c, 1));
	unlink(a.sun_path);
	if (bind(listening, (struct sockaddr *)&a, sizeof(a)) || listen(listening, 1))
		abort();
	say("accept of nobody", accept(listening, NULL, NULL));
	say("recv of no peer", recv(listening, &c, 1, 0));
	say("select, timed out", select(0, NULL, NULL, NULL, &v));
	say("time that is left", v.tv_sec * 1000000 + v.tv_usec);
	close(fds[0]);
	signal(SIGPIPE, SIG_IGN);
	say("write to nobody", write(fds[1], &c, 1));
	say("waitpid of nobody", waitpid(-1, NULL, WNOHANG));
	say("fgetc of a stream for writing", fgetc(fdopen(dup(fds[1]), "w")));
	unlink(a.sun_path);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (pipe(ends))
		return 1;
	interrupted();
	cancels();
	not_blocking();
	return 0;
}
