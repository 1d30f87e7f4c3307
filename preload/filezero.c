/* SPDX-License-Identifier: MIT */
/* Disk for the trace ahead of its use; see filezero.h. */
#include "filezero.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/single_threaded.h>
#include <sys/stat.h>

#include "sys.h"

#define PAGE  4096ull
#define PARTS 128 /* pages in one call */

int filezero_put(int fd, uint64_t offset, uint64_t size)
{
	static const uint8_t zeros[PAGE];
	struct iovec part[PARTS];

	while (size) {
		uint64_t parts = size / PAGE < PARTS ? size / PAGE : PARTS;
		ssize_t n;

		for (uint64_t i = 0; i < parts; i++)
			part[i] = (struct iovec){ (void *)zeros, PAGE };
		n = sys_pwritev(fd, part, (unsigned)parts, offset);
		if (n < 0)
			return (int)n;
		if ((uint64_t)n != parts * PAGE)
			return -ENOSPC;
		offset += parts * PAGE;
		size -= parts * PAGE;
	}
	return 0;
}

void filezero_know(struct filezero *z, int fd, const char *path)
{
	struct stat st;

	*z = (struct filezero){ .path = path, .lost = true };
	if (sys_call3(SYS_fstat, fd, (long)&st, 0))
		return;
	z->dev = st.st_dev;
	z->ino = st.st_ino;
	z->pid = sys_getpid();
	z->lost = false;
}

/* A name can be taken away, or given to another file. */
static bool is_it(const struct filezero *z, int fd)
{
	struct stat st;

	return !sys_call3(SYS_fstat, fd, (long)&st, 0) && S_ISREG(st.st_mode) &&
	       st.st_dev == z->dev && st.st_ino == z->ino;
}

/* What is written beyond the largest size of a file costs a signal. */
static bool is_within_limit(uint64_t end)
{
	struct rlimit limit;

	return !sys_call6(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, (long)&limit, 0, 0) &&
	       end <= limit.rlim_cur;
}

static bool is_alone(const struct filezero *z)
{
	return __libc_single_threaded && sys_gettid() == z->pid;
}

bool filezero_write(struct filezero *z, uint64_t offset, uint64_t size)
{
	bool done;
	int fd;

	if (size < FILEZERO_LEAST || z->lost || !is_alone(z) || !is_within_limit(offset + size))
		return false;
	fd = sys_openat(AT_FDCWD, z->path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
			0);
	if (fd < 0) {
		z->lost = fd != -EMFILE && fd != -ENFILE;
		return false;
	}
	z->lost = !is_it(z, fd);
	done = !z->lost && !filezero_put(fd, offset, size);
	sys_close(fd);
	return done;
}
