/* SPDX-License-Identifier: MIT */
/*
 * Allocates, loses something that a recorder may need, allocates on, and so does a child.
 *	hostile BEFORE AFTER CHILD ACTION [PATH]
 * ACTION: none, chroot PATH, user (gives up the rights of root), remove PATH (the folder and what
 * is in it), nofile, fsize, as, streams (closes descriptors 0 to 2), fill PATH (writes a file until
 * the disk is full). Ends with 0 when all allocations succeeded.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void *volatile sink;
static int failed;

/* Blocks of sizes that do not compress away, so that a buffer fills up now and then. */
__attribute__((noipa)) static void allocate(long n)
{
	static unsigned long state = 1;

	for (long i = 0; i < n; i++) {
		state = state * 6364136223846793005ul + 1442695040888963407ul;
		sink = malloc(1 + (state >> 50));
		failed += !sink;
		free(sink);
	}
}

static void limit_to(int what, rlim_t most)
{
	struct rlimit limit = { most, most };

	if (setrlimit(what, &limit))
		exit(3);
}

static void folder_remove(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;

	while (d && (e = readdir(d)))
		unlinkat(dirfd(d), e->d_name, 0);
	if (!d || closedir(d) || rmdir(path))
		exit(3);
}

static void disk_fill(const char *path)
{
	static const char data[4096] = { 1 };
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	while (write(fd, data, sizeof(data)) == sizeof(data))
		;
	close(fd);
}

static void act(const char *action, const char *path)
{
	if (!strcmp(action, "chroot") && (chroot(path) || chdir("/")))
		exit(3);
	if (!strcmp(action, "user") && (setgid(65534) || setuid(65534)))
		exit(3);
	if (!strcmp(action, "remove"))
		folder_remove(path);
	if (!strcmp(action, "nofile"))
		limit_to(RLIMIT_NOFILE, 3);
	if (!strcmp(action, "fsize"))
		limit_to(RLIMIT_FSIZE, 4096);
	if (!strcmp(action, "as"))
		limit_to(RLIMIT_AS, 64 << 20);
	for (int fd = 0; !strcmp(action, "streams") && fd < 3; fd++)
		close(fd);
	if (!strcmp(action, "fill"))
		disk_fill(path);
}

int main(int argc, char **argv)
{
	int status = 0;
	pid_t pid;

	if (argc < 5)
		return 2;
	allocate(atol(argv[1]));
	act(argv[4], argc > 5 ? argv[5] : "");
	allocate(atol(argv[2]));
	if (atol(argv[3])) {
		pid = fork();
		if (!pid) {
			allocate(atol(argv[3]));
			exit(failed > 0);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			return 4;
	}
	return failed || status;
}
