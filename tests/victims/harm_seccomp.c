/* SPDX-License-Identifier: MIT */
/* build: -fno-builtin */
/*
 * Filters of system calls that kill: "twice" one of few calls, then one that is refused; "first"
 * and "child" what comes first after one, here or in a fork; "threads" that start under one;
 * "vfork" one in a child in this memory; "strict" the mode of four calls, "no-clock" what comes
 * with it alone; "probe" only calls that can install none; "start" (few | kill CALLS | errno CALLS)
 * PROGRAM one under it, such as this with "work", or with "alone", which tells of processes that
 * are not its own.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define RULES	100
#define WORK	100000
#define THREADS 4

/* A filter that does one thing with the calls listed and another with the others. */
static int filter(const int *calls, unsigned count, unsigned listed, unsigned others)
{
	struct sock_filter code[2 * RULES + 2];
	struct sock_fprog program = { 0, code };
	unsigned n = 0;

	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						 offsetof(struct seccomp_data, nr));
	for (unsigned i = 0; i < count && i < RULES; i++) {
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
							 (unsigned)calls[i], 0, 1);
		code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, listed);
	}
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, others);
	program.len = (unsigned short)n;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static int few(void)
{
	static const int calls[] = { SYS_read,	     SYS_write,	   SYS_brk,	   SYS_mmap,
				     SYS_munmap,     SYS_mremap,   SYS_exit_group, SYS_seccomp,
				     SYS_newfstatat, SYS_getrandom };

	return filter(calls, sizeof(calls) / sizeof(*calls), SECCOMP_RET_ALLOW,
		      SECCOMP_RET_KILL_PROCESS);
}

static void work(void)
{
	for (int i = 0; i < WORK; i++) {
		void *p = malloc(100);

		p = realloc(p, 200);
		free(p);
	}
}

static int twice(void)
{
	struct sock_fprog none = { 0, NULL };
	long result;

	if (few())
		return 3;
	result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &none);
	work();
	printf("twice: %ld %s\n", result, strerror(errno));
	return 0;
}

/* As libraries ask what the kernel knows. */
static void probe(void)
{
	printf("filter: %ld", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL));
	printf(" %s\n", strerror(errno));
	printf("flags: %ld", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0xffff, NULL));
	printf(" %s\n", strerror(errno));
	printf("strict: %ld", syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, NULL));
	printf(" %s\n", strerror(errno));
	printf("prctl filter: %d", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL));
	printf(" %s\n", strerror(errno));
	printf("prctl mode: %d", prctl(PR_SET_SECCOMP, 77, NULL));
	printf(" %s\n", strerror(errno));
	work();
}

/* The mode that takes the clock, too, in a child, which leaves by what it allows. */
static int strict(void)
{
	int status = 0;

	fflush(stdout);
	if (!fork()) {
		free(malloc(10));
		if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT))
			_exit(2);
		free(malloc(10));
		if (write(1, "strict\n", 7) == 7)
			syscall(SYS_exit, 3);
	}
	wait(&status);
	printf("status %x\n", (unsigned)status);
	return 0;
}

/* A filter between vfork() and exec, in the memory of this process, for whom it is not. */
static int vforked(void)
{
	static const int calls[] = { SYS_getpid, SYS_readlink, SYS_readlinkat };
	int status = 0;
	pid_t pid = vfork();

	if (!pid) {
		if (filter(calls, 3, SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_ALLOW))
			_exit(9);
		execl("/nowhere", "nowhere", (char *)NULL);
		execl("/bin/true", "true", (char *)NULL);
		_exit(8);
	}
	waitpid(pid, &status, 0);
	printf("status %x\n", (unsigned)status);
	work();
	return 0;
}

/* The clock alone. */
static int no_clock(void)
{
	work();
	if (prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0))
		return 2;
	work();
	puts("without a clock");
	return 0;
}

/* Has no children. */
static int alone(void)
{
	work();
	printf("children: %d", waitpid(-1, NULL, WNOHANG | __WALL));
	printf(" %s\n", strerror(errno));
	return 0;
}

/* Filtered before anything has happened that is recorded. */
static int first(void)
{
	if (few())
		return 3;
	work();
	return write(1, "first\n", 6) != 6;
}

static int child(void)
{
	int status = -1;
	pid_t pid = fork();

	if (!pid)
		_exit(first());
	waitpid(pid, &status, 0);
	printf("child: %x\n", (unsigned)status);
	return 0;
}

/* Starts a program under a filter of its own: "errno" or "kill", for the calls with these numbers,
 * or with "few" for all but those of a small program. */
static int start(char **argv)
{
	static const int small[] = {
		SYS_read,
		SYS_write,
		SYS_openat,
		SYS_close,
		SYS_fstat,
		SYS_newfstatat,
		SYS_lseek,
		SYS_mmap,
		SYS_mprotect,
		SYS_munmap,
		SYS_brk,
		SYS_rt_sigaction,
		SYS_rt_sigprocmask,
		SYS_ioctl,
		SYS_pread64,
		SYS_access,
		SYS_execve,
		SYS_exit_group,
		SYS_arch_prctl,
		SYS_futex,
		SYS_prlimit64,
		SYS_set_tid_address,
		SYS_set_robust_list,
		SYS_getrandom,
		SYS_statx,
		SYS_rseq,
		SYS_clone,
		SYS_wait4,
		SYS_getdents64,
		SYS_statfs,
		SYS_prctl,
		SYS_gettid,
		SYS_getpid,
		SYS_fcntl,
		SYS_dup2,
	};
	unsigned action = SECCOMP_RET_ERRNO | EPERM, count = 0;
	int calls[RULES];

	if (strcmp(*argv, "errno"))
		action = SECCOMP_RET_KILL_PROCESS;
	if (!strcmp(*argv, "few")) {
		argv++;
		if (filter(small, sizeof(small) / sizeof(*small), SECCOMP_RET_ALLOW, action))
			return 3;
	} else {
		while (count < RULES && *++argv && **argv >= '0' && **argv <= '9')
			calls[count++] = atoi(*argv);
		if (filter(calls, count, action, SECCOMP_RET_ALLOW))
			return 3;
	}
	execvp(*argv, argv);
	return 127;
}

static void *work_in_thread(void *unused)
{
	work();
	return unused;
}

static int run_threads(void)
{
	pthread_t thread[THREADS];

	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, work_in_thread, NULL))
			return 1;
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	return 0;
}

/* Some before it, and as many that do not know their numbers. */
static int threads(void)
{
	static const int calls[] = { SYS_gettid, SYS_getpid, SYS_tgkill, SYS_sched_yield };

	if (run_threads() ||
	    filter(calls, sizeof(calls) / sizeof(*calls), SECCOMP_RET_KILL_PROCESS,
		   SECCOMP_RET_ALLOW) ||
	    run_threads())
		return 3;
	puts("threads");
	return 0;
}

static int work_once(void)
{
	work();
	return 0;
}

static int probe_once(void)
{
	probe();
	return 0;
}

static const struct {
	const char *name;
	int (*run)(void);
} modes[] = { { "strict", strict },   { "vfork", vforked },  { "no-clock", no_clock },
	      { "twice", twice },     { "work", work_once }, { "threads", threads },
	      { "alone", alone },     { "first", first },    { "child", child },
	      { "probe", probe_once } };

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	if (!strcmp(mode, "start") && argc > 3)
		return start(argv + 2);
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++)
		if (!strcmp(mode, modes[i].name))
			return modes[i].run();
	return 2;
}
