/* SPDX-License-Identifier: MIT */
/*
 * Every way of I/O that tools overlook, each with a file, pipe or socket of its own and a known
 * number of operations, bytes and errors. To be built with many compilers and flags: which of
 * libc's functions a line becomes is theirs to choose. Works in the current folder.
 *
 * A line it prints is what must be found: CHECK TARGET KEY VALUE, where KEY is a path in the
 * target's part of a report ("stdio_read.calls"). A target that begins with - stands for totals.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wchar.h>

#define N    100
#define LINE "a line of text of 32 characters\n" /* 32 */

static char data[1 << 16], said[1 << 15];
static size_t said_size;
/* volatile: the compiler must not know the sizes, or it calls the unchecked forms */
static volatile size_t ten = 10;

static void expect(const char *check, const char *target, const char *key, long value)
{
	said_size += (size_t)snprintf(said + said_size, sizeof(said) - said_size, "%s %s %s %ld\n",
				      check, target, key, value);
}

static void expect_pair(const char *check, const char *target, const char *what, long calls,
			long bytes)
{
	char key[64];

	snprintf(key, sizeof(key), "%s.calls", what);
	expect(check, target, key, calls);
	snprintf(key, sizeof(key), "%s.bytes", what);
	expect(check, target, key, bytes);
}

/* A file of N lines that nobody has seen made: its maker is another process. */
static void make(const char *name)
{
	pid_t child = fork();

	if (!child) {
		int fd = open(name, O_CREAT | O_WRONLY | O_TRUNC, 0600);

		for (int i = 0; i < N; i++)
			if (write(fd, LINE, 32) != 32)
				_exit(1);
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

static void plain(void)
{
	int fd = open("c_write", O_CREAT | O_WRONLY | O_TRUNC, 0600);
	struct iovec v[2] = { { data, 10 }, { data, 20 } };

	for (int i = 0; i < N; i++)
		if (write(fd, data, ten) != 10)
			abort();
	if (pwrite(fd, data, ten, 5) != 10 || writev(fd, v, 2) != 30 ||
	    pwritev(fd, v, 2, 100) != 30)
		abort();
	close(fd);
	expect_pair("write", "c_write", "write", N + 3, 1070);
	fd = open("c_write", O_RDONLY);
	for (int i = 0; i < N; i++)
		if (read(fd, data, ten) != 10)
			abort();
	for (int i = 0; i < N; i++)
		if (pread(fd, data, ten, i) != 10)
			abort();
	close(fd);
	expect_pair("read", "c_write", "read", 2 * N, 2000);
}

static void read_streams(void)
{
	char *line = NULL;
	size_t room = 0;
	int c, n = 0;
	FILE *f;

	make("c_fread");
	f = fopen("c_fread", "r");
	for (int i = 0; i < N; i++)
		if (fread(data, 1, ten, f) != 10)
			abort();
	fclose(f);
	expect_pair("fread", "c_fread", "stdio_read", N, 1000);
	expect("fread", "c_fread", "read.bytes", 3200);

	make("c_fgets");
	f = fopen("c_fgets", "r");
	while (fgets(data, (int)(ten * 10), f))
		n++;
	fclose(f);
	expect_pair("fgets", "c_fgets", "stdio_read", n + 1, 3200);
	expect("fgets", "c_fgets", "read.bytes", 3200);

	make("c_getline");
	f = fopen("c_getline", "r");
	while (getline(&line, &room, f) > 0)
		;
	fclose(f);
	expect_pair("getline", "c_getline", "stdio_read", N + 1, 3200);
	expect("getline", "c_getline", "read.bytes", 3200);
	free(line);

	make("c_getc");
	f = fopen("c_getc", "r");
	for (n = 0; (c = getc(f)) != EOF; n++)
		if (n % 100 == 50)
			ungetc(c, f), getc(f);
	fclose(f);
	expect("ungetc", "c_getc", "stdio_read.calls", 3201 + 32);
	expect("ungetc", "c_getc", "read.bytes", 3200);

	/* where the compiler puts it into the program, only __uflow is called */
	make("c_getc_unlocked");
	f = fopen("c_getc_unlocked", "r");
	for (n = 0; getc_unlocked(f) != EOF; n++)
		;
	fclose(f);
	expect("getc_unlocked", "c_getc_unlocked", "stdio_read.system.bytes", n);

	make("c_fscanf");
	f = fopen("c_fscanf", "r");
	for (n = 0; fscanf(f, "%31s", data) == 1; n++)
		;
	fclose(f);
	expect_pair("fscanf", "c_fscanf", "stdio_read", n + 1, 3200);
	expect("fscanf", "c_fscanf", "read.bytes", 3200);

	make("c_unbuffered");
	f = fopen("c_unbuffered", "r");
	setvbuf(f, NULL, _IONBF, 0);
	for (int i = 0; i < N; i++)
		if (getc(f) == EOF)
			abort();
	fclose(f);
	expect_pair("unbuffered", "c_unbuffered", "read", N, N);
	expect_pair("unbuffered", "c_unbuffered", "stdio_read", N, N);
}

static void write_streams(void)
{
	FILE *f = fopen("c_fwrite", "w");

	for (int i = 0; i < N; i++)
		fwrite(data, ten, 1, f);
	fclose(f);
	expect_pair("fwrite", "c_fwrite", "stdio_write", N, 1000);
	expect_pair("fwrite", "c_fwrite", "write", 1, 1000);

	f = fopen("c_fwrite_unlocked", "w");
	for (int i = 0; i < N; i++)
		fwrite_unlocked(data, 1, ten, f);
	fclose(f);
	expect_pair("fwrite_unlocked", "c_fwrite_unlocked", "stdio_write", N, 1000);
	expect_pair("fwrite_unlocked", "c_fwrite_unlocked", "write", 1, 1000);

	f = fopen("c_fputs", "w");
	for (int i = 0; i < N; i++)
		fputs(i % 2 ? LINE : "seven\n\n", f);
	fclose(f);
	expect_pair("fputs", "c_fputs", "stdio_write", N, 50 * 32 + 50 * 7);
	expect_pair("fputs", "c_fputs", "write", 1, 50 * 32 + 50 * 7);

	f = fopen("c_fprintf", "w");
	for (int i = 0; i < N; i++)
		fprintf(f, "%04d %s %.1f", i, "text", 1.5);
	fclose(f);
	expect_pair("fprintf", "c_fprintf", "stdio_write", N, N * 13);
	expect_pair("fprintf", "c_fprintf", "write", 1, N * 13);

	f = fopen("c_putc_unlocked", "w");
	for (int i = 0; i < 10000; i++)
		putc_unlocked('x', f);
	fclose(f);
	expect("putc_unlocked", "c_putc_unlocked", "write.bytes", 10000);

	f = fopen("c_putc", "w");
	for (int i = 0; i < 10000; i++)
		putc('x', f);
	fclose(f);
	expect_pair("putc", "c_putc", "stdio_write", 10000, 10000);
	expect("putc", "c_putc", "write.bytes", 10000);

	/* each flush is one write */
	f = fopen("c_fflush", "w");
	for (int i = 0; i < N; i++) {
		fputc('x', f);
		fflush(f);
	}
	fclose(f);
	expect_pair("fflush", "c_fflush", "write", N, N);

	f = fopen("/dev/full", "w");
	fputs("text", f);
	if (fflush(f) == 0)
		abort();
	fclose(f);
	expect("failed flush", "/dev/full", "write.errors", 1);
}

static void mixed_streams(void)
{
	FILE *f;
	int fd;

	make("c_switch");
	f = fopen("c_switch", "r+");
	for (int i = 0; i < 10; i++) {
		if (fread(data, 1, 8, f) != 8)
			abort();
		fseek(f, 0, SEEK_CUR);
		if (fwrite("abcdefgh", 1, 8, f) != 8)
			abort();
		fseek(f, 0, SEEK_CUR);
	}
	fclose(f);
	expect_pair("r+", "c_switch", "stdio_read", 10, 80);
	expect_pair("r+", "c_switch", "stdio_write", 10, 80);
	expect("r+", "c_switch", "write.bytes", 80);

	f = fopen("c_wide", "w");
	for (int i = 0; i < N; i++) {
		fputws(L"wide text\n", f);
		fputwc(L'x', f);
	}
	fclose(f);
	expect_pair("wide", "c_wide", "stdio_write", 2 * N, 11 * N);
	expect("wide", "c_wide", "write.bytes", 11 * N);
	f = fopen("c_wide", "r");
	for (int i = 0; i < 50; i++)
		if (!fgetws((wchar_t *)data, (int)(ten * 10), f))
			abort();
	fclose(f);
	expect_pair("wide", "c_wide", "stdio_read", 50, 50 * 10 + 49);
	expect("wide", "c_wide", "read.bytes", 11 * N);

	fd = open("c_dprintf", O_CREAT | O_WRONLY | O_TRUNC, 0600);
	for (int i = 0; i < N; i++)
		dprintf(fd, "%02d\n", i);
	close(fd);
	expect_pair("dprintf", "c_dprintf", "stdio_write", N, 3 * N);
	expect_pair("dprintf", "c_dprintf", "write", N, 3 * N);

	/* no descriptor, no I/O */
	f = fmemopen(data, sizeof(data), "w");
	for (int i = 0; i < N; i++)
		fputs("memory", f);
	fclose(f);
}

static void moves(void)
{
	int in, out, pipes[2];
	off_t at = 0;

	make("c_in");
	in = open("c_in", O_RDONLY);
	out = open("c_out", O_CREAT | O_RDWR | O_TRUNC, 0600);
	if (sendfile(out, in, &at, 100) != 100 || sendfile(out, in, NULL, 200) != 200)
		abort();
	if (copy_file_range(in, NULL, out, NULL, 300, 0) != 300)
		abort();
	if (pipe(pipes) || splice(in, NULL, pipes[1], NULL, 400, 0) != 400 ||
	    splice(pipes[0], NULL, out, NULL, 400, 0) != 400)
		abort();
	expect_pair("sendfile", "c_in", "read", 4, 1000);
	expect_pair("sendfile", "c_out", "write", 4, 1000);
	fsync(out);
	ftruncate(out, 10);
	close(in);
	close(out);
	close(pipes[0]);
	close(pipes[1]);
}

static void metadata(void)
{
	struct stat st;
	int fd;

	make("c_stat");
	for (int i = 0; i < N; i++)
		stat("c_stat", &st);
	fd = open("c_stat", O_RDONLY);
	for (int i = 0; i < N; i++)
		fstat(fd, &st);
	for (int i = 0; i < N; i++)
		lseek(fd, i, SEEK_SET);
	close(fd);
	/* with two times open and close */
	expect("stat", "c_stat", "other.calls", 3 * N + 4);
	for (int i = 0; i < N; i++)
		if (open("c_no/such/file", O_RDONLY) >= 0)
			abort();
	expect("failed open", "c_no/such/file", "other.errors", N);
	fd = open("c_stat", O_RDONLY);
	for (int i = 0; i < N; i++)
		if (write(fd, "no", 2) >= 0 || errno != EBADF)
			abort();
	expect("failed write", "c_stat", "write.errors", N);
	close(fd);
}

static const char *name_of(int fd)
{
	static char name[2][64];
	static int turn;
	char link[32];
	ssize_t n;

	turn = !turn;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, name[turn], sizeof(name[turn]) - 1);
	name[turn][n > 0 ? n : 0] = 0;
	return name[turn];
}

static void channels(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t size = sizeof(a);
	int fds[2], listening, one, other;
	uint64_t count = 1;
	struct pollfd p;
	char name[64];

	if (pipe(fds))
		abort();
	for (int i = 0; i < N; i++)
		if (write(fds[1], data, ten) != 10 || read(fds[0], data, ten) != 10)
			abort();
	expect_pair("pipe", name_of(fds[0]), "read", N, 1000);
	expect_pair("pipe", name_of(fds[0]), "write", N, 1000);
	close(fds[0]);
	close(fds[1]);

	listening = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listening, (struct sockaddr *)&a, size) || listen(listening, 5) ||
	    getsockname(listening, (struct sockaddr *)&a, &size))
		abort();
	one = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(one, (struct sockaddr *)&a, size))
		abort();
	other = accept(listening, NULL, NULL);
	for (int i = 0; i < N; i++) {
		struct iovec v = { data, 30 };
		struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };

		if (send(one, data, ten, 0) != 10 || sendmsg(one, &m, 0) != 30)
			abort();
		if (recv(other, data, ten * 4, MSG_WAITALL) != 40)
			abort();
	}
	snprintf(name, sizeof(name), "tcp@127.0.0.1:%d", ntohs(a.sin_port));
	expect_pair("socket", name, "write", 2 * N, 4000);
	getsockname(one, (struct sockaddr *)&a, &size);
	snprintf(name, sizeof(name), "tcp@127.0.0.1:%d", ntohs(a.sin_port));
	expect_pair("socket", name, "read", N, 4000);
	p = (struct pollfd){ other, POLLIN, 0 };
	for (int i = 0; i < N; i++)
		poll(&p, 1, 0);
	/* with accept and close */
	expect("poll", name, "other.calls", N + 2);
	close(one);
	close(other);
	close(listening);

	one = eventfd(0, 0);
	for (int i = 0; i < N; i++)
		if (write(one, &count, 8) != 8 || read(one, &count, 8) != 8)
			abort();
	expect_pair("eventfd", "anon_inode:[eventfd]", "write", N, 8 * N);
	close(one);
}

static void mapped(void)
{
	int fd = open("c_mapped", O_CREAT | O_RDWR | O_TRUNC, 0600);
	char *p;

	if (ftruncate(fd, 1 << 20))
		abort();
	p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	memset(p, 'x', 1 << 20);
	msync(p, 1 << 20, MS_SYNC);
	munmap(p, 1 << 20);
	close(fd);
}

/* Descriptors that the program did not open itself, and that change their numbers. */
static void inherited(void)
{
	int fd = open("c_dup", O_CREAT | O_WRONLY | O_TRUNC | O_APPEND, 0600), other;

	other = dup(fd);
	if (write(other, data, 1) != 1 || dup2(fd, other + 5) < 0 || write(other + 5, data, 2) != 2)
		abort();
	close(other);
	other = fcntl(fd, F_DUPFD_CLOEXEC, 20);
	if (write(other, data, 3) != 3)
		abort();
	expect_pair("dup", "c_dup", "write", 3, 6);
	if (rename("c_dup", "c_renamed") || write(fd, data, 4) != 4)
		abort();
	if (unlink("c_renamed") || write(fd, data, 4) != 4)
		abort();
	expect_pair("rename", "c_renamed", "write", 2, 8);
	close_range((unsigned)fd, (unsigned)fd, 0);
	fd = open("c_next", O_CREAT | O_WRONLY | O_TRUNC, 0600);
	if (write(fd, data, 5) != 5)
		abort();
	expect_pair("close_range", "c_next", "write", 1, 5);

	/* the child's trace is its own: printed by it */
	if (!fork()) {
		for (int i = 0; i < 50; i++)
			if (write(fd, data, ten) != 10)
				abort();
		_exit(0);
	}
	wait(NULL);
}

int main(int argc, char **argv)
{
	struct stat st;

	if (argc > 1)
		return stat(argv[1], &st);
	plain();
	read_streams();
	write_streams();
	mixed_streams();
	moves();
	metadata();
	channels();
	mapped();
	inherited();
	for (int i = 0; i < N; i++)
		printf("%d\n", 10 + i % 10);
	fflush(stdout);
	expect("printf", "-stdout", "stdio_write.calls", N);
	expect("printf", "-stdout", "write.bytes", 3 * N);
	/* behind what is looked at: to the error stream */
	fwrite(said, 1, said_size, stderr);
	return 0;
}
