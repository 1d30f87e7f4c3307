/* SPDX-License-Identifier: MIT */
/* build: -O1 -fno-builtin */
/*
 * Files reached in roundabout ways below the folder that is the argument: by open folders, links,
 * duplicated descriptors, after renames, and while a child that shares the memory has redirected
 * its own. Says how many bytes it has written, all with one call, under which name the system knows
 * each then.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int checked(int result)
{
	if (result < 0) {
		perror("io_folders");
		exit(1);
	}
	return result;
}

/* Another number of bytes each time. */
static void put(int fd)
{
	static char bytes[100];
	static size_t size;
	char link[40], name[4096];
	ssize_t n;

	size++;
	checked((int)write(fd, bytes, size));
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, name, sizeof(name) - 1);
	printf("%zu %.*s\n", size, (int)n, name);
}

static int folder(int in, const char *name, int flags)
{
	return checked(openat(in, name, O_RDONLY | O_DIRECTORY | flags));
}

static int file(int in, const char *name)
{
	return checked(openat(in, name, O_WRONLY | O_CREAT, 0600));
}

/* Puts the child's descriptor fd elsewhere, as shells do, and runs nothing. */
static void redirect_in_child(int fd, int how)
{
	pid_t child = vfork();

	if (child == 0) {
		int null;

		if (how == 0) {
			dup2(STDERR_FILENO, fd);
		} else {
			close(fd);
			null = open("/dev/null", O_WRONLY);
			if (null != fd)
				_exit(2);
		}
		_exit(0);
	}
	checked(child);
	waitpid(child, NULL, 0);
}

int main(int argc, char **argv)
{
	int base, sub, inner, linked, up, twin, f;

	checked(argc - 2);
	checked(chdir(argv[1]));
	checked(mkdir("sub", 0700));
	checked(mkdir("sub/inner", 0700));
	checked(symlink("sub", "link"));
	base = folder(AT_FDCWD, ".", O_NOFOLLOW);
	sub = folder(base, "sub", O_NOFOLLOW);
	inner = folder(sub, "inner", O_NOFOLLOW);
	f = file(inner, "plain");
	put(f);
	linked = folder(base, "link", 0);
	put(file(linked, "by-link"));
	up = folder(inner, "..", O_NOFOLLOW);
	put(file(up, "by-up"));
	twin = checked(dup(inner));
	put(file(twin, "by-twin"));
	twin = checked(fcntl(sub, F_DUPFD_CLOEXEC, 60));
	put(file(twin, "by-high"));
	put(file(dirfd(opendir("sub/inner")), "by-opendir"));
	put(file(dirfd(opendir("sub/inner")), "by-opendir-again"));
	put(file(dirfd(opendir("link/inner")), "by-linked-opendir"));
	/* the number is another folder's now */
	close(linked);
	if (folder(sub, "inner", O_NOFOLLOW) != linked)
		return 2;
	put(file(linked, "by-number"));

	twin = file(sub, "redirected");
	redirect_in_child(twin, 0);
	put(twin);
	twin = file(sub, "closed");
	redirect_in_child(twin, 1);
	put(twin);

	checked(rename("sub", "other"));
	put(file(inner, "renamed"));
	put(f);
	checked(fchdir(inner));
	put(file(AT_FDCWD, "by-cwd"));
	put(file(folder(AT_FDCWD, "..", 0), "above"));
	return 0;
}
