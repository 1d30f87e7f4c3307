/* SPDX-License-Identifier: MIT */
/* build: -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 */
/*
 * The checked twins that programs built with -D_FORTIFY_SOURCE=2 call: sizes and flags that the
 * compiler cannot see make it choose them. The test looks for their names in this program.
 */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "expect.h"

static volatile size_t ten = 10;
static volatile int reading = O_RDONLY;

static int opened(const char *name, int fd)
{
	expect_call(name, "calls", 1);
	expect_call(name, "errors", fd < 0);
	return fd;
}

int main(void)
{
	char buf[64];
	int fd, pair[2];

	fd = open("fortified", O_RDWR | O_CREAT | O_TRUNC, 0600);
	expect_io("write", write(fd, "0123456789abcdef", 16));
	expect_io("__pread_chk", pread(fd, buf, ten, 2));
	expect_io("__pread64_chk", pread64(fd, buf, ten, 12));
	close(fd);
	fd = opened("__open_2", open("fortified", reading));
	for (int i = 0; i < 3; i++)
		expect_io("__read_chk", read(fd, buf, ten));
	expect_io("__read_chk", read(-1, buf, ten));
	close(fd);
	close(opened("__open64_2", open64("fortified", reading)));
	close(opened("__openat_2", openat(AT_FDCWD, "fortified", reading)));
	close(opened("__openat64_2", openat64(AT_FDCWD, "fortified", reading)));
	opened("__open_2", open("no/such/file", reading));
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	expect_io("send", send(pair[0], "0123456789abcdef", 16, 0));
	expect_io("__recv_chk", recv(pair[1], buf, ten, 0));
	expect_io("__recvfrom_chk", recvfrom(pair[1], buf, ten, 0, NULL, NULL));
	expect_io("__recv_chk", recv(pair[1], buf, ten, MSG_DONTWAIT));
	expect_print();
	return 0;
}
