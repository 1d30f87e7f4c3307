/* SPDX-License-Identifier: MIT */
/*
 * Calls that wait: for descriptors, for time, for children, signals and file locks. Each is a
 * cancellation point, and nothing of ours is held in it.
 */
#include "cpu.h"
#include "hook_io.h"

#define WAITS(type, symbol, parameters, arguments, fd)                                             \
	IO_ON(type, symbol, parameters, arguments, fd, 0, IO_NO_OFFSET)

/* Returns its error. */
#define WAITS_ERROR(symbol, parameters, arguments)                                                 \
	LAR_EXPORT int symbol parameters                                                           \
	{                                                                                          \
		struct io_call io = IO_CALL(symbol);                                               \
		int result = REAL(symbol) arguments;                                               \
                                                                                                   \
		io_record_error(&io, -1, result);                                                  \
		return result;                                                                     \
	}

/* The descriptor where it is but one; a bad pointer is left for the call to find. */
static int only(const struct pollfd *p, nfds_t n, int result)
{
	return n == 1 && result >= 0 ? p->fd : -1;
}

/*
 * The same before the call, where it can be read for certain. The compiler is told by libc's
 * headers that a poll only writes it.
 */
static int alone(const struct pollfd *p, nfds_t n, uint64_t frame)
{
	__asm__("" : "+r"(p));
	return n == 1 && io_on_stack(p, sizeof(*p), frame) ? p->fd : -1;
}

#define POLLS(symbol, parameters, arguments)                                                       \
	LAR_EXPORT int symbol parameters                                                           \
	{                                                                                          \
		struct io_call io = IO_CALL_ON(symbol, alone(p, n, HOOK_FRAME));                   \
		int result = REAL(symbol) arguments;                                               \
                                                                                                   \
		io_record(&io, only(p, n, result), 0, result);                                     \
		return result;                                                                     \
	}

POLLS(poll, (struct pollfd * p, nfds_t n, int ms), (p, n, ms))
POLLS(__poll, (struct pollfd * p, nfds_t n, int ms), (p, n, ms))
POLLS(__poll_chk, (struct pollfd * p, nfds_t n, int ms, size_t size), (p, n, ms, size))
POLLS(ppoll, (struct pollfd * p, nfds_t n, const struct timespec *t, const sigset_t *mask),
      (p, n, t, CPU_WITH(mask)))
POLLS(__ppoll_chk,
      (struct pollfd * p, nfds_t n, const struct timespec *t, const sigset_t *mask, size_t size),
      (p, n, t, CPU_WITH(mask), size))
WAITS(int, select, (int n, fd_set *r, fd_set *w, fd_set *x, struct timeval *t), (n, r, w, x, t), -1)
WAITS(int, __select, (int n, fd_set *r, fd_set *w, fd_set *x, struct timeval *t), (n, r, w, x, t),
      -1)
WAITS(int, pselect,
      (int n, fd_set *r, fd_set *w, fd_set *x, const struct timespec *t, const sigset_t *mask),
      (n, r, w, x, t, CPU_WITH(mask)), -1)
WAITS(int, epoll_wait, (int fd, struct epoll_event *e, int n, int ms), (fd, e, n, ms), fd)
WAITS(int, epoll_pwait, (int fd, struct epoll_event *e, int n, int ms, const sigset_t *mask),
      (fd, e, n, ms, CPU_WITH(mask)), fd)
WAITS(int, epoll_pwait2,
      (int fd, struct epoll_event *e, int n, const struct timespec *t, const sigset_t *mask),
      (fd, e, n, t, CPU_WITH(mask)), fd)

WAITS(int, nanosleep, (const struct timespec *t, struct timespec *left), (t, left), -1)
WAITS(int, __nanosleep, (const struct timespec *t, struct timespec *left), (t, left), -1)
WAITS_ERROR(clock_nanosleep,
	    (clockid_t clock, int flags, const struct timespec *t, struct timespec *left),
	    (clock, flags, t, left))
WAITS(int, usleep, (useconds_t us), (us), -1)
WAITS(int, thrd_sleep, (const struct timespec *t, struct timespec *left), (t, left), -1)
WAITS(int, sched_yield, (void), (), -1)
WAITS(int, __sched_yield, (void), (), -1)

LAR_EXPORT unsigned sleep(unsigned seconds)
{
	struct io_call io = IO_CALL(sleep);
	unsigned left = REAL(sleep)(seconds);

	io_record(&io, -1, 0, left);
	return left;
}

WAITS(pid_t, wait, (int *status), (status), -1)
WAITS(pid_t, __wait, (int *status), (status), -1)
WAITS(pid_t, wait3, (int *status, int flags, struct rusage *u), (status, flags, u), -1)
WAITS(pid_t, wait4, (pid_t pid, int *status, int flags, struct rusage *u), (pid, status, flags, u),
      -1)
WAITS(int, waitid, (idtype_t type, id_t id, siginfo_t *info, int flags), (type, id, info, flags),
      -1)
WAITS(pid_t, waitpid, (pid_t pid, int *status, int flags), (pid, status, flags), -1)
WAITS(pid_t, __waitpid, (pid_t pid, int *status, int flags), (pid, status, flags), -1)

WAITS_ERROR(sigwait, (const sigset_t *set, int *signal), (CPU_WITHOUT(set), signal))
WAITS(int, sigwaitinfo, (const sigset_t *set, siginfo_t *info), (CPU_WITHOUT(set), info), -1)
WAITS(int, sigtimedwait, (const sigset_t *set, siginfo_t *info, const struct timespec *t),
      (CPU_WITHOUT(set), info, t), -1)
WAITS(int, sigsuspend, (const sigset_t *set), (CPU_WITH(set)), -1)
WAITS(int, __sigsuspend, (const sigset_t *set), (CPU_WITH(set)), -1)
WAITS(int, pause, (void), (), -1)

WAITS(int, flock, (int fd, int what), (fd, what), fd)
WAITS(int, lockf, (int fd, int what, off_t n), (fd, what, n), fd)
WAITS(int, lockf64, (int fd, int what, off64_t n), (fd, what, n), fd)
WAITS(int, semop, (int id, struct sembuf *op, size_t n), (id, op, n), -1)
WAITS(int, semtimedop, (int id, struct sembuf *op, size_t n, const struct timespec *t),
      (id, op, n, t), -1)
WAITS(ssize_t, msgrcv, (int id, void *p, size_t n, long type, int flags), (id, p, n, type, flags),
      -1)
WAITS(int, msgsnd, (int id, const void *p, size_t n, int flags), (id, p, n, flags), -1)
WAITS(ssize_t, mq_receive, (mqd_t fd, char *p, size_t n, unsigned *priority), (fd, p, n, priority),
      fd)
WAITS(ssize_t, mq_timedreceive,
      (mqd_t fd, char *p, size_t n, unsigned *priority, const struct timespec *t),
      (fd, p, n, priority, t), fd)
WAITS(int, mq_send, (mqd_t fd, const char *p, size_t n, unsigned priority), (fd, p, n, priority),
      fd)
WAITS(int, mq_timedsend,
      (mqd_t fd, const char *p, size_t n, unsigned priority, const struct timespec *t),
      (fd, p, n, priority, t), fd)
