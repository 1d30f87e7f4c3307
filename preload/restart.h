/* SPDX-License-Identifier: MIT */
/*
 * Calls that the kernel ends with EINTR when their thread is stopped for a moment, as it does with
 * those that no signal's handler may restart; without us nothing had happened. Each of these has
 * done nothing when it says EINTR, and is the same again (a wait of limited length begins anew).
 */
#ifndef LARIAT_RESTART_H
#define LARIAT_RESTART_H

#include <linux/futex.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>

static inline bool restart_is_safe(long call)
{
	switch (call) {
	case SYS_epoll_wait:
	case SYS_epoll_pwait:
#ifdef SYS_epoll_pwait2
	case SYS_epoll_pwait2:
#endif
	case SYS_epoll_wait_old:
	case SYS_semop:
	case SYS_semtimedop:
	case SYS_rt_sigtimedwait:
	case SYS_read:
	case SYS_readv:
	case SYS_write:
	case SYS_writev:
	case SYS_recvfrom:
	case SYS_recvmsg:
	case SYS_recvmmsg:
	case SYS_sendto:
	case SYS_sendmsg:
	case SYS_accept:
	case SYS_accept4:
	case SYS_connect: /* with a time limit; the wait goes on */
	case SYS_io_getevents:
	case SYS_io_pgetevents:
	case SYS_io_uring_enter:
		return true;
	default:
		return false;
	}
}

/*
 * The same of a thread whose stop was a signal's handler: behind one, these end, too. `operation`:
 * the second argument.
 */
static inline bool restart_is_safe_handled(long call, uint64_t operation)
{
	switch (call) {
	case SYS_poll:
	case SYS_ppoll:
	case SYS_select:
	case SYS_pselect6:
	case SYS_pause:
	case SYS_rt_sigsuspend:
	case SYS_nanosleep:
	case SYS_clock_nanosleep:
	case SYS_msgrcv:
	case SYS_msgsnd:
		return true;
	case SYS_futex:
		operation &= FUTEX_CMD_MASK;
		return operation == FUTEX_WAIT || operation == FUTEX_WAIT_BITSET;
	default:
		return restart_is_safe(call);
	}
}

#endif
