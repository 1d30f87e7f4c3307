/* SPDX-License-Identifier: MIT */
/* build: -fno-builtin */
/*
 * Forks 60 times while three threads allocate, free, lock and write; each child does the same
 * itself and leaves through exit(), so that everything registered to run at exit runs there too.
 * "grand": each child forks a grandchild as well.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int stop;
static int null_fd;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void some_work(unsigned seed)
{
	for (int i = 0; i < 50; i++) {
		char *p = malloc(seed % 500 + 1);

		p = realloc(p, seed % 900 + 1);
		memset(p, 1, seed % 900 + 1);
		if (write(null_fd, p, 1) != 1)
			abort();
		free(p);
		seed = seed * 1103515245 + 12345;
	}
}

static void *churn(void *arg)
{
	while (!stop) {
		pthread_mutex_lock(&mutex);
		some_work((unsigned)(long)arg);
		pthread_mutex_unlock(&mutex);
		some_work((unsigned)(long)arg + 1);
	}
	return NULL;
}

static void at_exit(void)
{
	free(malloc(10));
}

static int child(int grand)
{
	pthread_t thread;
	int status;

	some_work(99);
	pthread_create(&thread, NULL, churn, (void *)5);
	if (grand) {
		pid_t pid = fork();

		if (!pid) {
			some_work(7);
			exit(17);
		}
		if (waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != 17)
			return 1;
	}
	return 23;
}

int main(int argc, char **argv)
{
	pthread_t thread[3];
	int good = 0, status, grand = argc > 1 && !strcmp(argv[1], "grand");

	null_fd = open("/dev/null", O_WRONLY);
	atexit(at_exit);
	for (long i = 0; i < 3; i++)
		pthread_create(&thread[i], NULL, churn, (void *)(i * 100));
	for (int i = 0; i < 60; i++) {
		pid_t pid = fork();

		if (!pid)
			exit(child(grand));
		if (waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
		    WEXITSTATUS(status) == 23)
			good++;
	}
	stop = 1;
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	printf("%d of 60 children came back\n", good);
	return good != 60;
}
