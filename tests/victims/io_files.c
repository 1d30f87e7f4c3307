/* SPDX-License-Identifier: MIT */
/* build: -fno-builtin -U_FORTIFY_SOURCE */
/*
 * Opens, reads, writes, syncs and closes files through every plain entry point a known number of
 * times, with known bytes, errors and short counts. Writes into the current folder.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "expect.h"

static char data[65536];
static struct iovec part[3] = { { data, 100 }, { data + 100, 200 }, { data + 300, 300 } };
/* volatile: the compiler must not see that these calls fail */
static void *volatile nowhere = (void *)8;
static volatile int minus_one = -1;

static int opened(const char *name, int fd)
{
	expect_call(name, "calls", 1);
	expect_call(name, "errors", fd < 0);
	expect_add("io.totals.open.calls", 1);
	expect_add("io.totals.open.errors", fd < 0);
	return fd;
}

static void closed(int fd)
{
	expect_call("close", "calls", 1);
	expect_call("close", "errors", close(fd) != 0);
}

static void rd(const char *name, ssize_t n)
{
	expect_io(name, n);
	expect_add("io.totals.read.calls", 1);
	expect_add("io.totals.read.errors", n < 0);
	expect_add("io.totals.read.bytes", n > 0 ? n : 0);
}

static void wr(const char *name, ssize_t n)
{
	expect_io(name, n);
	expect_add("io.totals.write.calls", 1);
	expect_add("io.totals.write.errors", n < 0);
	expect_add("io.totals.write.bytes", n > 0 ? n : 0);
}

static void synced(const char *name, int result)
{
	expect_call(name, "calls", 1);
	expect_call(name, "errors", result < 0);
	expect_add("io.totals.sync.calls", 1);
	expect_add("io.totals.sync.errors", result < 0);
}

static void writes(void)
{
	int fd = opened("open", open("written", O_RDWR | O_CREAT | O_TRUNC, 0600));

	for (int i = 1; i <= 20; i++)
		wr("write", write(fd, data, (size_t)i * 11));
	wr("pwrite", pwrite(fd, data, 1000, 5000));
	wr("pwrite64", pwrite64(fd, data, 1001, 6000));
	wr("writev", writev(fd, part, 3));
	wr("pwritev", pwritev(fd, part, 2, 9000));
	wr("pwritev64", pwritev64(fd, part, 1, 9000));
	wr("pwritev2", pwritev2(fd, part, 3, 100, 0));
	wr("pwritev64v2", pwritev64v2(fd, part, 3, 200, 0));
	synced("fsync", fsync(fd));
	synced("fdatasync", fdatasync(fd));
	synced("fdatasync", fdatasync(-1));
	synced("fsync", fsync(-1));
	closed(fd);
}

static void reads(void)
{
	int fd = opened("open64", open64("written", O_RDONLY));

	for (int i = 1; i <= 20; i++)
		rd("read", read(fd, data, (size_t)i * 7));
	rd("pread", pread(fd, data, 1000, 100));
	rd("pread64", pread64(fd, data, 1001, 200));
	rd("readv", readv(fd, part, 3));
	rd("preadv", preadv(fd, part, 2, 30));
	rd("preadv64", preadv64(fd, part, 1, 30));
	rd("preadv2", preadv2(fd, part, 3, 30, 0));
	rd("preadv64v2", preadv64v2(fd, part, 3, 30, 0));
	closed(fd);
}

static void opens(void)
{
	int dir = opened("open", open(".", O_RDONLY | O_DIRECTORY));

	closed(opened("openat", openat(dir, "by_openat", O_CREAT | O_WRONLY, 0600)));
	closed(opened("openat64", openat64(dir, "by_openat", O_RDONLY)));
	closed(opened("openat", openat(AT_FDCWD, "by_openat", O_RDONLY)));
	closed(opened("creat", creat("by_creat", 0600)));
	closed(opened("creat64", creat64("by_creat", 0600)));
	closed(dir);
	opened("open", open("no/such/file", O_RDONLY));
	opened("open64", open64("no/such/file", O_RDONLY));
	opened("openat", openat(-7, "relative", O_RDONLY));
	opened("creat", creat("no/such/file", 0600));
}

static void failing(void)
{
	int fd = opened("open", open("written", O_RDONLY));

	rd("read", read(-1, data, 10));
	rd("read", read(fd, nowhere, 10));
	wr("write", write(fd, data, 10));
	wr("pwrite", pwrite(fd, data, 10, 0));
	rd("pread", pread(fd, data, 10, -5));
	rd("readv", readv(fd, part, minus_one));
	wr("writev", writev(-1, part, 1));
	closed(fd);
	closed(fd);
}

/* The only file whose traffic is small and known whole: 3 writes, 2 reads. */
static void named(void)
{
	int fd = opened("open", open("only_this", O_RDWR | O_CREAT, 0600));

	for (int i = 0; i < 3; i++)
		wr("write", write(fd, data, 1000));
	for (int i = 0; i < 2; i++)
		rd("pread", pread(fd, data, 500, 0));
	closed(fd);
}

#define MANY 1500

/* Each of MANY files is opened and gets a byte, one after the other, twice over. */
static void many(void)
{
	char name[] = "many.0000";

	for (int i = 0; i < 2 * MANY; i++) {
		int fd, n = i % MANY;

		for (int digit = 8; digit > 4; digit--, n /= 10)
			name[digit] = (char)('0' + n % 10);
		fd = open(name, O_WRONLY | O_CREAT | O_APPEND, 0600);
		wr("write", write(fd, data, 1));
		close(fd);
	}
}

int main(int argc, char **argv)
{
	int fd;

	if (argc > 1 && !strcmp(argv[1], "short")) {
		/* 4 reads that get less than they asked for, but something */
		fd = open("small", O_RDWR | O_CREAT | O_TRUNC, 0600);
		wr("write", write(fd, data, 10));
		for (int i = 0; i < 4; i++)
			rd("pread", pread(fd, data, 100, i));
		rd("pread", pread(fd, data, 5, 0));
		expect_add("io.totals.read.short", 4);
		expect_add("io.totals.write.short", 0);
		close(fd);
	} else if (argc > 1 && !strcmp(argv[1], "many")) {
		many();
	} else {
		writes();
		reads();
		opens();
		failing();
		named();
	}
	expect_print();
	return 0;
}
