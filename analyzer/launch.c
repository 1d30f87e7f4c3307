/* SPDX-License-Identifier: MIT */
/*
 * Exec in a child, pass signals on, wait. All signals that concern us are blocked before the child
 * is made and taken one by one with sigwaitinfo(), so no handler and no race with the child's end
 * is left.
 */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

struct waiter {
	struct launch *launch;
	bool child_stopped; /* as far as waitpid() has told */
	bool self_stopped;  /* we stopped with it and have not been continued yet */
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* What is passed on. Not: errors of our own (SEGV and kin), and terminal stops by reading. */
static void fill_signals(sigset_t *set)
{
	static const int passed[] = { SIGHUP,  SIGINT,	SIGQUIT,   SIGUSR1, SIGUSR2, SIGTERM,
				      SIGTSTP, SIGCONT, SIGALRM,   SIGURG,  SIGIO,   SIGPROF,
				      SIGPWR,  SIGXCPU, SIGVTALRM, SIGCHLD };

	sigemptyset(set);
	for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++)
		sigaddset(set, passed[i]);
	for (int sig = SIGRTMIN; sig <= SIGRTMAX; sig++)
		sigaddset(set, sig);
}

/* Whether we are what the user looks at: then a stopped child must give the shell its terminal. */
static bool in_foreground(void)
{
	int fd = open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY);
	bool yes = fd >= 0 && tcgetpgrp(fd) == getpgrp();

	if (fd >= 0)
		close(fd);
	return yes;
}

/*
 * The child stopped. A stop of job control is the whole job's. A plain SIGSTOP is the child's
 * alone, whoever sent it may continue it alone, unless the terminal would then hang.
 */
static void stop_like_child(struct waiter *w, int sig)
{
	w->child_stopped = true;
	if (sig == SIGSTOP && !in_foreground())
		return;
	w->self_stopped = true;
	raise(SIGSTOP);
}

/* Takes what waitpid() has to tell; true when the child has ended. */
static bool reap(struct waiter *w)
{
	int status;

	while (waitpid(w->launch->pid, &status, WNOHANG | WUNTRACED | WCONTINUED) > 0) {
		if (WIFSTOPPED(status)) {
			stop_like_child(w, WSTOPSIG(status));
		} else if (WIFCONTINUED(status)) {
			w->child_stopped = false;
		} else {
			w->launch->end_tsc = __rdtsc();
			w->launch->end_mono_ns = clock_ns(CLOCK_MONOTONIC);
			w->launch->wait_status = status;
			return true;
		}
	}
	return false;
}

/*
 * What the terminal sends goes to the whole process group, so the child has it already. Timers
 * are per process, and one set before we were exec'd was meant for the program.
 */
static void pass_on(struct waiter *w, const siginfo_t *info)
{
	bool timer = info->si_signo == SIGALRM || info->si_signo == SIGVTALRM ||
		     info->si_signo == SIGPROF;

	if (info->si_signo == SIGCONT && w->self_stopped) {
		/* The shell continues the whole group; somebody else may have meant us alone. */
		w->self_stopped = false;
		if (w->child_stopped)
			kill(w->launch->pid, SIGCONT);
		return;
	}
	if (info->si_code == SI_KERNEL && !timer)
		return;
	if (info->si_code == SI_QUEUE)
		sigqueue(w->launch->pid, info->si_signo, info->si_value);
	else
		kill(w->launch->pid, info->si_signo);
}

static void wait_for_end(struct launch *l, const sigset_t *set)
{
	struct waiter w = { .launch = l };
	siginfo_t info;

	while (!reap(&w)) {
		if (sigwaitinfo(set, &info) < 0)
			continue;
		if (info.si_signo == SIGCHLD)
			continue;
		if (info.si_signo == SIGINT || info.si_signo == SIGTERM || info.si_signo == SIGHUP)
			l->asked = info.si_signo;
		if (reap(&w))
			return;
		pass_on(&w, &info);
	}
}

#define CHILD_STACK (64u << 10)

/* What the child needs; it shares our memory until its exec. */
struct start {
	const char *path;
	char **argv, **env;
	char **shell; /* argv of the shell that runs `path` as a script */
	struct sigaction child_action;
	sigset_t mask;
	int err; /* of the exec, set by the child */
};

/* "/bin/sh PATH ARG...", or NULL. */
static char **shell_words(const char *path, char **argv)
{
	size_t argc = 0;
	char **words;

	while (argv[argc])
		argc++;
	words = calloc(argc + 3, sizeof(*words));
	if (!words)
		return NULL;
	words[0] = (char *)"/bin/sh";
	words[1] = (char *)path;
	for (size_t i = 1; i < argc; i++)
		words[i + 1] = argv[i];
	return words;
}

/* Like execvp, a file that is no program is a script of the shell. No handler of ours is there to
 * run once the signals are let through. */
static int child_main(void *argument)
{
	struct start *s = argument;

	sigaction(SIGCHLD, &s->child_action, NULL);
	sigprocmask(SIG_SETMASK, &s->mask, NULL);
	execve(s->path, s->argv, s->env);
	if (errno == ENOEXEC)
		execve(s->shell[0], s->shell, s->env);
	s->err = errno;
	_exit(127);
}

/* As vfork() does: nothing is copied, and we go on when the child has exec'd or ended. The child's
 * id or -errno. */
static pid_t child_start(struct start *s)
{
	char *stack = malloc(CHILD_STACK);
	pid_t pid = -1;

	s->shell = shell_words(s->path, s->argv);
	if (stack && s->shell)
		pid = clone(child_main, stack + CHILD_STACK, CLONE_VM | CLONE_VFORK | SIGCHLD, s);
	if (pid < 0)
		pid = -errno;
	free(s->shell);
	free(stack);
	return pid;
}

int launch_program(const char *path, char **argv, char **env, struct launch *l)
{
	struct start s = { .path = path, .argv = argv, .env = env };
	struct sigaction standard = { .sa_handler = SIG_DFL };
	sigset_t set, block;

	memset(l, 0, sizeof(*l));
	fill_signals(&set);
	block = set;
	/* Our own words on a closed pipe must not kill us. */
	sigaddset(&block, SIGPIPE);
	sigprocmask(SIG_BLOCK, &block, &s.mask);
	/* An inherited "ignore" would reap the child and lose its status. */
	sigaction(SIGCHLD, &standard, &s.child_action);
	l->start_unix_ns = clock_ns(CLOCK_REALTIME);
	l->pid = child_start(&s);
	if (l->pid < 0)
		return l->pid;
	wait_for_end(l, &set);
	return -s.err;
}
