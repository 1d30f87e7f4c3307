/* SPDX-License-Identifier: MIT */
/* build: -fno-builtin */
/*
 * Descriptors and folders pulled away: "closefrom", "close_range", "loop" close all but the
 * standard three and go on working; "standard" closes those, too; "cwd" changes the folder, deletes
 * it and forks there; "data" has a file of its own for standard error; "daemon" becomes one and
 * leaves a file behind. The numbers that open() gives out are shown: they are part of what a
 * program sees.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void work(const char *where)
{
	int fd[3];

	for (int i = 0; i < 3; i++)
		fd[i] = open("/dev/null", O_RDWR);
	printf("%s: %d %d %d\n", where, fd[0], fd[1], fd[2]);
	fflush(stdout);
	for (int i = 0; i < 20000; i++) {
		free(realloc(malloc(100), 200));
		if (i % 50 == 0 && write(fd[0], where, 1) != 1)
			abort();
	}
	for (int i = 0; i < 3; i++)
		close(fd[i]);
}

static void cwd(void)
{
	pid_t pid;
	int status;

	mkdir("doomed", 0700);
	if (chdir("doomed") || rmdir("../doomed"))
		exit(2);
	work("in a deleted folder");
	pid = fork();
	if (!pid) {
		work("child");
		exit(9);
	}
	waitpid(pid, &status, 0);
	printf("child %d\n", WEXITSTATUS(status));
	if (chdir("/"))
		exit(3);
	work("in the root");
}

static void daemonize(void)
{
	FILE *f;

	if (daemon(1, 0))
		exit(2);
	work("nobody reads this");
	f = fopen("daemon.new", "w");
	fprintf(f, "the daemon was here, %d\n", fileno(f));
	fclose(f);
	rename("daemon.new", "daemon.out");
}

/* Standard error has become a file of data; a child for which there can be no trace. */
static void data(void)
{
	struct rlimit little = { 8 << 20, 8 << 20 };
	char path[] = "/tmp/harm_fds.XXXXXX", text[400] = "";
	int fd;

	close(STDERR_FILENO);
	fd = mkstemp(path);
	setrlimit(RLIMIT_AS, &little);
	if (!fork()) {
		if (write(fd, "child\n", 6) != 6)
			_exit(1);
		_exit(0);
	}
	wait(NULL);
	if (write(fd, "data\n", 5) != 5)
		abort();
	lseek(fd, 0, SEEK_SET);
	if (read(fd, text, sizeof(text) - 1) < 0)
		abort();
	printf("%d: %s", fd, text);
	unlink(path);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "closefrom";

	work("at first");
	if (!strcmp(mode, "closefrom")) {
		closefrom(3);
	} else if (!strcmp(mode, "close_range")) {
		close_range(3, ~0u, 0);
	} else if (!strcmp(mode, "loop")) {
		for (int fd = 3; fd < 2000; fd++)
			close(fd);
	} else if (!strcmp(mode, "standard")) {
		fclose(stdin);
		close(2);
		work("without two of three");
		fclose(stdout);
		for (int i = 0; i < 10; i++)
			work("without any");
		return 5;
	} else if (!strcmp(mode, "cwd")) {
		cwd();
		return 0;
	} else if (!strcmp(mode, "data")) {
		data();
		return 0;
	} else {
		daemonize();
		return 0;
	}
	work("after closing all");
	return 0;
}
