/* SPDX-License-Identifier: MIT */
/* build: -fno-builtin */
/*
 * Goes on under limits that it sets itself: "nofile" no descriptor beyond the standard ones,
 * "fsize" files of 4 KiB at most, "as" little address space, "data" little data, "seccomp" a filter
 * that kills at any system call but reading, writing, memory and leaving, "replaced" with a file of
 * its own where the trace has been. Prints what a program sees of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static int null_fd;

static void work(void)
{
	for (int i = 0; i < 300000; i++) {
		void *p = malloc(100);

		p = realloc(p, 200);
		if (i % 100 == 0 && write(null_fd, p ? "x" : "y", 1) != 1)
			abort();
		free(p);
	}
}

static void nofile(void)
{
	struct rlimit limit = { 3, 3 };

	setrlimit(RLIMIT_NOFILE, &limit);
	printf("open %d", open("/dev/null", O_RDONLY));
	printf(" %s\n", strerror(errno));
}

static void fsize(void)
{
	struct rlimit limit = { 4096, 4096 };
	char data[5000];
	int fd;

	memset(data, 0, sizeof(data));
	setrlimit(RLIMIT_FSIZE, &limit);
	fd = open("limited", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	printf("write %zd", write(fd, data, sizeof(data)));
	signal(SIGXFSZ, SIG_IGN);
	printf(" %zd", write(fd, data, sizeof(data)));
	printf(" %s\n", strerror(errno));
	signal(SIGXFSZ, SIG_DFL); /* whoever writes more from now on has the process killed */
}

static char trace[4096], moved[4200];
#define OURS "the program's own\n"

/* The trace goes on where it has been put; the file of its name is not it. */
static void replace(void)
{
	const char *pattern = getenv("LARIAT_OUTPUT"), *mark;
	FILE *f;

	if (!pattern)
		pattern = "replaced.%p.lariat";
	mark = strstr(pattern, "%p");
	if (!mark)
		exit(2);
	snprintf(trace, sizeof(trace), "%.*s%d%s", (int)(mark - pattern), pattern, (int)getpid(),
		 mark + 2);
	snprintf(moved, sizeof(moved), "%s.moved", trace);
	rename(trace, moved);
	f = fopen(trace, "w");
	if (!f || fputs(OURS, f) < 0 || fclose(f))
		exit(2);
}

static void put_back(void)
{
	char text[64] = "";
	FILE *f = fopen(trace, "r");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	printf("what replaced it: %zu bytes, %s", n, text);
	if (f)
		fclose(f);
	remove(trace);
	rename(moved, trace);
}

static void address_space(void)
{
	struct rlimit limit = { 600 << 20, 600 << 20 };
	int blocks = 0;

	setrlimit(RLIMIT_AS, &limit);
	while (blocks < 100000 && malloc(1 << 20))
		blocks++;
	printf("memory ran out: %s\n", blocks < 1000 ? "yes" : "no");
}

/* The memory that a program has written counts, and all else that it could write. */
static void data(void)
{
	struct rlimit limit = { 50 << 20, 50 << 20 };
	int blocks = 0;
	char *p;

	for (int i = 0; i < 5; i++)
		work();
	setrlimit(RLIMIT_DATA, &limit);
	for (; blocks < 100 && (p = malloc(1 << 20)); blocks++)
		memset(p, 1, 1 << 20);
	printf("of 50 MiB: %s\n", blocks >= 42 && blocks <= 50 ? "most" : "little");
}

#define ALLOW(name)                                                                                \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1),                                     \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static void sandbox(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(read),
		ALLOW(write),
		ALLOW(brk),
		ALLOW(mmap),
		ALLOW(munmap),
		ALLOW(mremap),
		ALLOW(exit_group),
		ALLOW(rt_sigreturn),
		ALLOW(newfstatat),
		ALLOW(getrandom),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(*code), code };

	fflush(stdout);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		_exit(3);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	null_fd = open("/dev/null", O_WRONLY);
	if (dup2(null_fd, 0))
		return 2;
	close(null_fd);
	null_fd = 0;
	if (!strcmp(mode, "nofile"))
		nofile();
	else if (!strcmp(mode, "fsize"))
		fsize();
	else if (!strcmp(mode, "as"))
		address_space();
	else if (!strcmp(mode, "data"))
		data();
	else if (!strcmp(mode, "seccomp"))
		sandbox();
	else if (!strcmp(mode, "replaced"))
		replace();
	work();
	if (*trace)
		put_back();
	printf("%s: worked\n", mode);
	return 0;
}
