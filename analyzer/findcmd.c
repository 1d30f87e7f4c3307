/* SPDX-License-Identifier: MIT */
/* Looks commands up as execvp does, and the recorder as it is built or installed. */
#include "findcmd.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What glibc's execvp takes where PATH is not set. */
#define FALLBACK_PATH "/bin:/usr/bin"

/* 0, or -errno as execve would give for this file. */
static int check_executable(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || access(path, X_OK))
		return -EACCES;
	return 0;
}

/* "DIR/NAME" for the PATH element of `length` bytes at `dir`; an empty one is the current folder.
 */
static char *join_element(const char *dir, size_t length, const char *name)
{
	char *path = NULL;

	if (asprintf(&path, "%.*s%s%s", (int)length, dir, length ? "/" : "", name) < 0)
		return NULL;
	return path;
}

/* Errors after which execvp goes on to the next element. */
static int goes_on(int err)
{
	return err == -ENOENT || err == -ENOTDIR || err == -EACCES || err == -ESTALE ||
	       err == -ENODEV || err == -ETIMEDOUT;
}

int findcmd_path(const char *name, char **path)
{
	const char *dirs = getenv("PATH");
	char *denied = NULL;
	int err;

	*path = NULL;
	if (!*name)
		return -ENOENT;
	if (strchr(name, '/')) {
		*path = strdup(name);
		return *path ? check_executable(name) : -ENOMEM;
	}
	if (!dirs)
		dirs = FALLBACK_PATH;
	for (;;) {
		size_t length = strcspn(dirs, ":");
		char *candidate = join_element(dirs, length, name);

		if (!candidate) {
			free(denied);
			return -ENOMEM;
		}
		err = check_executable(candidate);
		if (!err || !goes_on(err)) {
			free(denied);
			*path = candidate;
			return err;
		}
		if (err == -EACCES && !denied)
			denied = candidate;
		else
			free(candidate);
		if (!dirs[length])
			break;
		dirs += length + 1;
	}
	*path = denied;
	return denied ? -EACCES : -ENOENT;
}

/* The library at DIR/below, absolute and without symbolic links; NULL and errno. */
static char *library_at(const char *dir, const char *below)
{
	char *found, *path = NULL;

	if (asprintf(&path, "%s/%s", dir, below) < 0) {
		errno = ENOMEM;
		return NULL;
	}
	found = realpath(path, NULL);
	free(path);
	return found;
}

int findcmd_library(char **path)
{
	static const char *const places[] = { "liblariat.so", "../lib/lariat/liblariat.so" };
	const char *named = getenv("LARIAT_LIB");
	char dir[PATH_MAX];
	ssize_t n;
	char *slash;

	if (named && *named) {
		*path = realpath(named, NULL);
		if (*path)
			return 0;
		n = -errno;
		*path = strdup(named);
		return (int)n;
	}
	*path = NULL;
	n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);
	if (n < 0)
		return -errno;
	dir[n] = '\0';
	slash = strrchr(dir, '/');
	if (!slash)
		return -ENOENT;
	*slash = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		*path = library_at(dir, places[i]);
		if (*path)
			return 0;
	}
	if (asprintf(path, "%s/liblariat.so", dir) < 0)
		*path = NULL;
	return -ENOENT;
}
