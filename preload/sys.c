/* SPDX-License-Identifier: MIT */
/* System calls without libc; see sys.h. */
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>

#define PAGE 4096ull

/* Of a thread's descriptor, where its id is looked for: that is at 720 in glibc 2.36. */
#define TID_LOWEST  512
#define TID_HIGHEST 1024

int sys_forbidden, sys_filtered, sys_emulated, sys_locks_future;
uint64_t sys_bytes_read, sys_bytes_written;

/* The question is instructions that change nothing on a processor; valgrind.h, "client requests",
 * says which, and that the answer is not 0. */
void sys_look_emulated(void)
{
	const uint64_t question[6] = { 0x1001 }; /* RUNNING_ON_VALGRIND */
	uint64_t answer = 0;

	__asm__ volatile("rolq $3, %%rdi; rolq $13, %%rdi; rolq $61, %%rdi; rolq $51, %%rdi\n\t"
			 "xchgq %%rbx, %%rbx"
			 : "+d"(answer)
			 : "a"(question)
			 : "rdi", "cc", "memory");
	sys_emulated = answer != 0;
}

void *sys_mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
{
	return (void *)sys_call6(SYS_mmap, (long)addr, (long)length, prot, flags, fd, offset);
}

int sys_munmap(void *addr, size_t length)
{
	return (int)sys_call3(SYS_munmap, (long)addr, (long)length, 0);
}

/* A mapping that grows stays as it is, while a new one is locked as a whole, if that is allowed. */
void *sys_map_own(size_t size, int flags)
{
	const int prot = PROT_READ | PROT_WRITE;
	const int own = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	void *first, *p;

	if (!sys_locks_future)
		return sys_mmap(NULL, size, prot, own | flags, -1, 0);
	first = sys_mmap(NULL, PAGE, prot, own, -1, 0);
	if (sys_failed((long)first))
		return first;
	sys_call3(SYS_munlock, (long)first, PAGE, 0);
	p = (void *)sys_call6(SYS_mremap, (long)first, PAGE, (long)size, MREMAP_MAYMOVE, 0, 0);
	if (sys_failed((long)p))
		sys_munmap(first, PAGE);
	return p;
}

int sys_madvise(void *addr, size_t length, int advice)
{
	return (int)sys_call3(SYS_madvise, (long)addr, (long)length, advice);
}

int sys_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	return (int)sys_call6(SYS_openat, dirfd, (long)path, flags, mode, 0, 0);
}

int sys_close(int fd)
{
	return (int)sys_call3(SYS_close, fd, 0, 0);
}

static ssize_t count_read(long got)
{
	if (got > 0)
		__atomic_fetch_add(&sys_bytes_read, (uint64_t)got, __ATOMIC_RELAXED);
	return got;
}

ssize_t sys_read(int fd, void *buf, size_t n)
{
	return count_read(sys_call3(SYS_read, fd, (long)buf, (long)n));
}

ssize_t sys_pread(int fd, void *buf, size_t n, off_t at)
{
	return count_read(sys_call6(SYS_pread64, fd, (long)buf, (long)n, at, 0, 0));
}

ssize_t sys_write(int fd, const void *buf, size_t n)
{
	long put = sys_call3(SYS_write, fd, (long)buf, (long)n);

	if (put > 0)
		__atomic_fetch_add(&sys_bytes_written, (uint64_t)put, __ATOMIC_RELAXED);
	return put;
}

ssize_t sys_readlink(const char *path, char *buf, size_t n)
{
	return sys_call6(SYS_readlinkat, AT_FDCWD, (long)path, (long)buf, (long)n, 0, 0);
}

pid_t sys_getpid(void)
{
	return (pid_t)sys_call3(SYS_getpid, 0, 0, 0);
}

/* Where libc has a thread's id in the thread's descriptor; 0 = not known. */
static uint32_t tid_at;

static pid_t kept_tid(uint32_t at)
{
	return *(const pid_t *)(const void *)((const uint8_t *)__builtin_thread_pointer() + at);
}

pid_t sys_gettid(void)
{
	if (__builtin_expect(sys_forbidden && tid_at, 0))
		return kept_tid(tid_at);
	return (pid_t)sys_call3(SYS_gettid, 0, 0, 0);
}

void sys_keep_tids(void)
{
	pid_t tid = sys_gettid();

	for (uint32_t at = TID_LOWEST; tid > 0 && at < TID_HIGHEST; at += sizeof(tid))
		if (kept_tid(at) == tid) {
			tid_at = at;
			return;
		}
}

void sys_yield(void)
{
	sys_call3(SYS_sched_yield, 0, 0, 0);
}

void sys_block_signals(uint64_t *old)
{
	uint64_t all = ~0ull;

	sys_call6(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)old, 8, 0, 0);
}

void sys_restore_signals(const uint64_t *old)
{
	sys_call6(SYS_rt_sigprocmask, SIG_SETMASK, (long)old, 0, 8, 0, 0);
}

/*
 * The kernel copies the new mask before it looks at `how`, so an impossible `how` turns the call
 * into a test of the address without any effect.
 */
int sys_readable(const void *addr)
{
	unsigned char resident;
	long result;

	if (!addr) /* to the kernel that is no mask, and no fault */
		return 0;
	if (sys_emulated) /* valgrind would say that it knows no such `how` */
		return !sys_call3(SYS_mincore, (long)((uint64_t)addr & ~(PAGE - 1)), PAGE,
				  (long)&resident);
	result = sys_call6(SYS_rt_sigprocmask, -1, (long)addr, 0, 8, 0, 0);

	return result != -EFAULT && result != -EPERM;
}

uint64_t sys_clock_ns(int clock)
{
	struct timespec ts;

	if (sys_forbidden && clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME)
		return 0;
	/* through the vDSO: libc's clock_gettime is no wrapper of ours and does not fail here */
	if (clock_gettime(clock, &ts))
		return 0;
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}
