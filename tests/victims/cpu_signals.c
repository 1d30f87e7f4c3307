/* SPDX-License-Identifier: MIT */
/*
 * Says what a program can find out about signals while its CPU time is sampled, and uses each
 * real-time signal for itself in turn. What it prints is the same without the recorder.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t got[65];
static volatile unsigned sink;

static void count(int number)
{
	got[number]++;
}

static void burn(double seconds)
{
	struct timespec t;
	double end = 0, now;

	do {
		for (unsigned i = 0; i < 10000; i++)
			sink += i;
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
		now = (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
		if (end == 0)
			end = now + seconds;
	} while (now < end);
}

static void actions(const char *when)
{
	int used = 0;

	for (int number = 1; number <= SIGRTMAX; number++) {
		struct sigaction a;

		memset(&a, 0xee, sizeof(a));
		if (sigaction(number, NULL, &a))
			continue;
		if (a.sa_handler != SIG_DFL || a.sa_flags || !sigisemptyset(&a.sa_mask))
			used += number;
	}
	printf("%s: signals in use add up to %d\n", when, used);
}

/* With all signals blocked for much longer than a sample takes. */
static void blocked(void)
{
	struct timespec none = { 0, 0 }, some = { 0, 20000000 };
	struct epoll_event event;
	struct pollfd p = { 0 };
	sigset_t all, old, now;
	siginfo_t info;
	int ep = epoll_create1(0), result;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	burn(0.06);
	sigpending(&now);
	printf("nothing pending: %d\n", sigisemptyset(&now));
	burn(0.03);
	result = sigtimedwait(&all, &info, &none);
	printf("sigtimedwait %d %d\n", result, errno);
	p.fd = signalfd(-1, &all, SFD_NONBLOCK);
	p.events = POLLIN;
	printf("signalfd %d\n", poll(&p, 1, 0));
	sigemptyset(&now);
	burn(0.03);
	printf("ppoll %d\n", ppoll(NULL, 0, &some, &now));
	burn(0.03);
	printf("pselect %d\n", pselect(0, NULL, NULL, NULL, &some, &now));
	burn(0.03);
	printf("epoll_pwait %d\n", epoll_pwait(ep, &event, 1, 20, &now));
	kill(getpid(), SIGUSR2);
	burn(0.03);
	result = sigsuspend(&now);
	printf("sigsuspend %d %d, %d of USR2\n", result, errno, got[SIGUSR2]);
	close(p.fd);
	close(ep);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* On a stack for signals that takes the frame of none, on newer processors. */
static void small_stack(void)
{
	static char room[2048];
	stack_t small = { .ss_sp = room, .ss_size = sizeof(room) }, old;
	int result = sigaltstack(&small, &old);

	burn(0.1);
	printf("on a small stack for signals: %d\n", result);
	sigaltstack(&old, NULL);
}

/* Every call that a signal ends, entered again and again by a thread that works. */
static void not_ended(void)
{
	int ended = 0, ep = epoll_create1(0);
	struct epoll_event event;

	for (int i = 0; i < 40; i++) {
		struct timespec ns = { 0, 20000 };
		struct timeval us = { 0, 20 };

		burn(0.004);
		ended += nanosleep(&ns, NULL) != 0;
		ended += poll(NULL, 0, 1) != 0;
		ended += epoll_wait(ep, &event, 1, 1) != 0;
		ended += select(0, NULL, NULL, NULL, &us) != 0;
		ended += usleep(20) != 0;
	}
	close(ep);
	printf("calls that were ended: %d\n", ended);
}

/* What was sent while it was blocked is there when it is waited for by its number, in order. */
static void sent_before(void)
{
	const struct timespec none = { 0, 0 };

	for (int number = SIGRTMAX; number >= SIGRTMIN; number--) {
		sigset_t set, old;
		siginfo_t info;
		int sum = 0, times = 0;

		sigemptyset(&set);
		sigaddset(&set, number);
		pthread_sigmask(SIG_BLOCK, &set, &old);
		raise(number);
		for (int i = 1; i < 4; i++)
			sigqueue(getpid(), number, (union sigval){ .sival_int = i });
		burn(0.012);
		while (sigtimedwait(&set, &info, &none) == number) {
			if (info.si_code == SI_QUEUE)
				sum = 10 * sum + info.si_value.sival_int;
			times++;
		}
		pthread_sigmask(SIG_SETMASK, &old, NULL);
		if (times != 4 || sum != 123)
			printf("%d: %d of 4 came, %d of 123\n", number, times, sum);
	}
}

static void own_use(void)
{
	struct itimerval often = { { 0, 5000 }, { 0, 5000 } }, never = { { 0, 0 }, { 0, 0 } };
	int once = 0, unused = 0;

	signal(SIGPROF, count);
	setitimer(ITIMER_PROF, &often, NULL);
	burn(0.1);
	setitimer(ITIMER_PROF, &never, NULL);
	printf("its own SIGPROF: %s\n", got[SIGPROF] > 2 ? "yes" : "no");
	for (int number = SIGRTMAX; number >= SIGRTMIN; number--) {
		struct sigaction mine = { .sa_handler = count }, old;

		if (number % 3) {
			sigaction(number, &mine, &old);
			unused += old.sa_handler == SIG_DFL;
		} else {
			unused += signal(number, count) == SIG_DFL;
		}
		burn(0.012);
		raise(number);
		once += got[number] == 1;
		/* some stay: the sampling has to look for another one each time */
		if (number % 2)
			signal(number, SIG_DFL);
	}
	printf("%d real-time signals, %d unused before, %d came once\n", SIGRTMAX - SIGRTMIN + 1,
	       unused, once);
}

/* A signal that nobody handles ends the process, whichever it is. */
static void endings(void)
{
	int as_sent = 0;

	for (int number = SIGRTMIN; number <= SIGRTMAX; number++) {
		pid_t pid = fork();
		int status = 0;

		if (!pid) {
			raise(number);
			_exit(3);
		}
		waitpid(pid, &status, 0);
		as_sent += WIFSIGNALED(status) && WTERMSIG(status) == number;
	}
	printf("ended by the signal: %d\n", as_sent);
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	actions("at the start");
	endings();
	signal(SIGUSR2, count);
	blocked();
	small_stack();
	not_ended();
	sent_before();
	own_use();
	return 0;
}
