/* SPDX-License-Identifier: MIT */
/* build: -fno-builtin -pthread */
/*
 * Locks all of its memory: FLAGS of mlockall(), and the MiB that may be locked, 0 = what it is
 * started with; "threads" while two others allocate. Prints what of its memory is resident then;
 * that all of it is little; and that a child, which has nothing locked, goes on.
 */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGES 256
#define SIZE  (PAGES * 4096ul)

static long status_kib(const char *name)
{
	char line[256];
	long v = -1;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)))
			v = atol(line + strlen(name));
	if (f)
		fclose(f);
	return v;
}

static void *map(void)
{
	return mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void print_resident(const char *what, void *p)
{
	unsigned char in[PAGES];
	int n = 0;

	if (p == MAP_FAILED) {
		printf("%s: %s\n", what, strerror(errno));
		return;
	}
	mincore(p, SIZE, in);
	for (int i = 0; i < PAGES; i++)
		n += in[i] & 1;
	printf("%s: %d pages of %d\n", what, n, PAGES);
}

static void *churn(void *barrier)
{
	if (barrier)
		pthread_barrier_wait(barrier);
	for (int i = 0; i < 400000; i++) {
		char *p = malloc(i % 1000);

		if (p)
			*p = 1;
		free(p);
	}
	return NULL;
}

static void limit_to(long mib)
{
	struct rlimit limit = { (rlim_t)mib << 20, (rlim_t)mib << 20 };

	if (!mib)
		return;
	setrlimit(RLIMIT_MEMLOCK, &limit);
	if (!getuid() && setuid(65534))
		exit(2);
}

static void lock_all(int flags)
{
	int result;

	errno = 0;
	result = mlockall(flags);
	printf("mlockall(%d): %d %s\n", flags, result, strerror(errno));
}

static void in_child(void)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		churn(NULL);
		print_resident("a child's", map());
		printf("locked in a child: %ld KiB\n", status_kib("VmLck:"));
		exit(0);
	}
	waitpid(pid, NULL, 0);
}

int main(int argc, char **argv)
{
	int flags = argc > 1 ? atoi(argv[1]) : 0;
	int threads = argc > 3 && !strcmp(argv[3], "threads") ? 2 : 0;
	pthread_barrier_t barrier;
	pthread_t thread[2];
	pthread_attr_t attr;
	void *before = map();

	limit_to(argc > 2 ? atol(argv[2]) : 0);
	if (threads) /* heaps of threads are more than many a limit */
		mallopt(M_ARENA_MAX, 1);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 << 10);
	pthread_barrier_init(&barrier, NULL, 3);
	for (int i = 0; i < threads; i++)
		pthread_create(&thread[i], &attr, churn, &barrier);
	if (threads)
		pthread_barrier_wait(&barrier);
	lock_all(flags);
	for (int i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	print_resident("what was there", before);
	print_resident("what is new", map());
	churn(NULL);
	printf("resident: %s\n", status_kib("VmRSS:") < 32 << 10 ? "little" : "much");
	printf("locked: %s\n", status_kib("VmLck:") < 16 << 10 ? "little" : "much");
	in_child();
	if (flags & MCL_FUTURE) {
		lock_all(MCL_CURRENT);
		print_resident("not asked for", map());
	}
	printf("munlockall: %d", munlockall());
	printf(" %ld KiB\n", status_kib("VmLck:"));
	return 0;
}
