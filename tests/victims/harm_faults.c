/* SPDX-License-Identifier: MIT */
/* build: -Wno-stringop-overflow -Wno-stringop-overread */
/*
 * Calls that fail for what they were given: pointers to nothing, arrays and paths that run into
 * nothing, more than there may be. Each prints its result and errno.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE 4096

#define TELL(call)                                                                                 \
	do {                                                                                       \
		errno = 0;                                                                         \
		long result = (long)(call);                                                        \
		printf("%s: %ld, errno %d\n", #call, result, errno);                               \
	} while (0)

static char *page, *edge; /* behind it there is nothing */

static void paths(void)
{
	for (long bad = 0; bad < 9; bad++) {
		TELL(open((char *)bad, O_RDONLY));
		TELL(access((char *)bad, R_OK));
	}
	memset(page, 'a', PAGE);
	TELL(open(edge - 3, O_RDONLY));
	TELL(open(edge - 3, -1));
	TELL(openat(-7, edge - 20, O_RDONLY));
	TELL(unlink(edge - 9));
}

static void vectors(void)
{
	struct iovec *last = (struct iovec *)(edge - sizeof(*last));

	*last = (struct iovec){ page, 1 };
	TELL(writev(1, last, 100000));
	TELL(writev(-1, last, 2));
	TELL(writev(1, last, -5));
	TELL(readv(-1, (struct iovec *)8, 3));
	TELL(preadv(-1, last, 3, 0));
}

static void messages(void)
{
	struct iovec part = { page, 3 };
	struct mmsghdr two[2], *last = (struct mmsghdr *)(edge - sizeof(*last));
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair))
		return;
	memset(two, 0, sizeof(two));
	two[0].msg_hdr.msg_iov = &part;
	two[0].msg_hdr.msg_iovlen = 1;
	two[1].msg_hdr.msg_iov = (struct iovec *)8;
	two[1].msg_hdr.msg_iovlen = 2;
	TELL(sendmsg(-1, (struct msghdr *)8, 0));
	TELL(recvmsg(-1, (struct msghdr *)8, 0));
	TELL(sendmsg(pair[0], (struct msghdr *)(edge - 8), 0));
	TELL(sendmmsg(pair[0], two, 2, 0));
	TELL(sendmmsg(-1, (struct mmsghdr *)8, 2, 0));
	TELL(recvmmsg(-1, (struct mmsghdr *)8, 2, 0, NULL));
	memcpy(last, two, sizeof(*last));
	TELL(sendmmsg(pair[0], last, 2, 0));
}

int main(void)
{
	page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return 1;
	edge = page + PAGE;
	munmap(edge, PAGE);
	paths();
	vectors();
	messages();
	return 0;
}
