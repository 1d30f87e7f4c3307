/* SPDX-License-Identifier: MIT */
/*
 * System calls without libc: no errno, no cancellation point, no wrapper of ours or of another
 * library in between. Usable in any context. Results are as the kernel gives them: -errno on
 * failure.
 */
#ifndef LARIAT_SYS_H
#define LARIAT_SYS_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>

/*
 * The program has put itself under a system call filter that may kill it for what it does not
 * expect: from now on every function below fails at once and makes no call. How many filters there
 * are.
 */
extern int sys_forbidden;

/* There was a filter before the program began: what it does with a call that filter.h has not tried
 * is not known. */
extern int sys_filtered;

/*
 * The program runs in valgrind, which ends one that makes a thread or a process in another way than
 * libc does. sys_look_emulated() finds it out.
 */
extern int sys_emulated;
void sys_look_emulated(void);

/*
 * The program has had what is mapped from now on locked, and made resident at once (mlockall()).
 * Never unset but in a forked child, which has nothing locked: what it is for does no harm.
 */
extern int sys_locks_future;

/* What sys_read and sys_write have moved, in this process and those that it is a fork of. */
extern uint64_t sys_bytes_read, sys_bytes_written;

static inline long sys_call6(long nr, long a, long b, long c, long d, long e, long f)
{
	long ret = -EPERM;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;

	if (__builtin_expect(sys_forbidden, 0))
		return ret;
	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static inline long sys_call3(long nr, long a, long b, long c)
{
	long ret = -EPERM;

	if (__builtin_expect(sys_forbidden, 0))
		return ret;
	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return ret;
}

/* True for a result that is -errno. */
static inline int sys_failed(long ret)
{
	return (unsigned long)ret > -4096ul;
}

/* NULL-safe: -errno as a small negative integer in the pointer, test with sys_failed(). */
void *sys_mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset);
int sys_munmap(void *addr, size_t length);

/* Private memory of the recorder, at least one page, that is not locked whatever the program has
 * asked for; `flags` more than the usual ones, which are a matter of speed. As sys_mmap(). */
void *sys_map_own(size_t size, int flags);
int sys_madvise(void *addr, size_t length, int advice);
int sys_openat(int dirfd, const char *path, int flags, mode_t mode);
int sys_close(int fd);
ssize_t sys_read(int fd, void *buf, size_t n);
ssize_t sys_pread(int fd, void *buf, size_t n, off_t at);
ssize_t sys_write(int fd, const void *buf, size_t n);
ssize_t sys_readlink(const char *path, char *buf, size_t n);
pid_t sys_getpid(void);
/* Also under a filter, where sys_keep_tids() was called before and found out how; else -EPERM. */
pid_t sys_gettid(void);
void sys_keep_tids(void);
void sys_yield(void);

/* Blocks every signal, also those libc keeps for itself; the old mask goes to *old. */
void sys_block_signals(uint64_t *old);
void sys_restore_signals(const uint64_t *old);

/* What a signal handler returns to (snapshot_signal.c). */
void lar_signal_return(void);

/* Whether the 8 bytes at addr can be read; costs a system call. */
int sys_readable(const void *addr);

uint64_t sys_clock_ns(int clock);

#endif
