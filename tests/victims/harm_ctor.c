/* SPDX-License-Identifier: MIT */
/* build: -fno-builtin -ldl */
/*
 * Allocates, reads, writes and locks before main (.preinit_array, constructors) and after it
 * (atexit, destructors), in the program and in a library loaded with dlopen and never closed.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char *kept;

static void use(const char *where)
{
	char *p = malloc(100), *q;
	int fd;

	pthread_mutex_lock(&mutex);
	q = realloc(p, 5000);
	strcpy(q, where);
	fd = open("/dev/null", O_WRONLY);
	if (write(fd, q, strlen(q)) != (ssize_t)strlen(q))
		abort();
	close(fd);
	printf("%s\n", q);
	fflush(stdout);
	free(q);
	pthread_mutex_unlock(&mutex);
}

static void preinit(void)
{
	/* no stdio yet: libc's constructors have run, the program's have not */
	kept = malloc(64);
	strcpy(kept, "kept since preinit");
}
__attribute__((section(".preinit_array"), used)) static void (*preinit_entry)(void) = preinit;

__attribute__((constructor(101))) static void early(void)
{
	use("early constructor");
}

__attribute__((constructor)) static void normal(void)
{
	use("constructor");
}

__attribute__((destructor)) static void late(void)
{
	use("destructor");
}

__attribute__((destructor(101))) static void latest(void)
{
	use("last destructor");
	free(kept);
}

static void at_exit(void)
{
	use("atexit");
}

int main(int argc, char **argv)
{
	void *handle;

	(void)argc;
	atexit(at_exit);
	use("main");
	printf("%s\n", kept);
	*strrchr(argv[0], '/') = 0;
	chdir(argv[0]);
	handle = dlopen("./libctor.so", RTLD_NOW);
	printf("library %s\n", handle ? "loaded" : dlerror());
	return 0;
}
