/* SPDX-License-Identifier: MIT */
/* build: -fno-builtin -g0 */
/*
 * Much of one thing: what a recorder may keep something for. It keeps little itself.
 *
 *	bound_load stacks N	allocations, each with a call stack of its own
 *	bound_load threads N	threads that allocate and end, eight at a time
 *	bound_load files N	files made, written to and removed, each with a name of its own
 *	bound_load events N	allocations and frees, half each, in two threads
 *	bound_load crowd N	the same in a hundred threads
 *	bound_load live N	allocations that stay
 *	bound_load locks N	mutexes, each used once and not destroyed
 *	... peak		and at the end how much memory it had at most
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STAY(x) __asm__ volatile("" : "+r"(x)) /* no tail call */
#define APART	__attribute__((__noinline__))
#define BATCH	8
#define CROWD	100

static void *zero(unsigned long path, unsigned bits);
static void *one(unsigned long path, unsigned bits);

static APART void *step(unsigned long path, unsigned bits)
{
	void *p = !bits ? malloc(24) : path >> (bits - 1) & 1 ? one(path, bits) : zero(path, bits);

	STAY(p);
	return p;
}

static APART void *zero(unsigned long path, unsigned bits)
{
	void *p = step(path, bits - 1);

	STAY(p);
	return p;
}

static APART void *one(unsigned long path, unsigned bits)
{
	void *p = step(path, bits - 1);

	STAY(p);
	return p;
}

static void stacks(unsigned long n)
{
	unsigned bits = 1;

	while (n >> bits)
		bits++;
	for (unsigned long i = 0; i < n; i++)
		free(step(i, bits));
}

static void *brief(void *arg)
{
	for (int i = 0; i < 10; i++)
		free(malloc((size_t)i + 1));
	return arg;
}

static void threads(unsigned long n)
{
	pthread_t t[BATCH];

	for (unsigned long i = 0; i < n; i += BATCH) {
		for (unsigned k = 0; k < BATCH; k++)
			if (pthread_create(&t[k], NULL, brief, NULL))
				abort();
		for (unsigned k = 0; k < BATCH; k++)
			pthread_join(t[k], NULL);
	}
}

static void files(unsigned long n)
{
	char path[64];

	for (unsigned long i = 0; i < n; i++) {
		int fd;

		snprintf(path, sizeof(path), "a-file-with-a-name-of-its-own.%lu", i);
		fd = open(path, O_WRONLY | O_CREAT, 0600);
		if (write(fd, "text", 4) != 4 || close(fd) || unlink(path))
			abort();
	}
}

static void *churn(void *arg)
{
	unsigned long n = (unsigned long)arg;
	void *kept[64] = { 0 };

	for (unsigned long i = 0; i < n; i += 2) {
		free(kept[i / 2 % 64]);
		kept[i / 2 % 64] = malloc(i % 1000 + 1);
	}
	for (int i = 0; i < 64; i++)
		free(kept[i]);
	return NULL;
}

static void churn_all(unsigned long n, unsigned threads)
{
	pthread_t t[CROWD];

	for (unsigned i = 0; i < threads; i++)
		if (pthread_create(&t[i], NULL, churn, (void *)(n / threads)))
			abort();
	for (unsigned i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
}

static void events(unsigned long n)
{
	churn_all(n, 2);
}

static void crowd(unsigned long n)
{
	churn_all(n, CROWD);
}

static void live(unsigned long n)
{
	static void *volatile last;

	for (unsigned long i = 0; i < n; i++) {
		void **p = malloc(i % 40 + 8);

		*p = last;
		last = p;
	}
}

static void locks(unsigned long n)
{
	pthread_mutex_t *m = calloc(n, sizeof(*m));

	for (unsigned long i = 0; i < n; i++) {
		pthread_mutex_init(&m[i], NULL);
		pthread_mutex_lock(&m[i]);
		pthread_mutex_unlock(&m[i]);
	}
}

/* The most memory of its own that the process ever had, in bytes, on stdout. */
static void say_peak(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	unsigned long peak = 0, file = 0, shared = 0;
	char line[256];

	while (f && fgets(line, sizeof(line), f)) {
		sscanf(line, "VmHWM: %lu", &peak);
		sscanf(line, "RssFile: %lu", &file);
		sscanf(line, "RssShmem: %lu", &shared);
	}
	printf("%lu\n", (peak - file - shared) * 1024);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(unsigned long n);
	} table[] = { { "stacks", stacks }, { "threads", threads }, { "files", files },
		      { "events", events }, { "crowd", crowd },	    { "live", live },
		      { "locks", locks } };

	for (unsigned i = 0; argc >= 3 && i < sizeof(table) / sizeof(*table); i++)
		if (!strcmp(argv[1], table[i].name)) {
			table[i].run(strtoul(argv[2], NULL, 10));
			if (argc > 3)
				say_peak();
			return 0;
		}
	return 2;
}
