/* SPDX-License-Identifier: MIT */
/* build: -fno-builtin -g0 */
/*
 * Several threads allocate, free, grow, write, open, lock and fork, and say in a file that outlives
 * them what they have begun and what has returned: to be killed at any moment.
 *
 *	kill_counted STATE THREADS TURNS FORKS
 *
 * STATE is made and mapped; see struct slot. TURNS 0 = until killed. Each of FORKS children does
 * some turns itself and leaves through exit(). Every kind of operation of every worker has a
 * function of its own, so that a report by call stack tells them apart.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOTS	   32768
#define KEPT	   48
#define MUTEXES	   62 /* of worker 0: more than a thread has lock cells */
#define FEW	   6  /* of the others */
#define SHORT_LIFE 6  /* workers of threads that do little */
#define IN_CHILD   7

enum what { ALLOC, FREE, GROW, FREE_GROWN, PUT, MAKE, LOCK, SAY, KINDS };

/* A worker's own words: begun[k] - returned[k] is at most 1. */
struct slot {
	_Atomic uint32_t pid; /* 0 = not used; set before the first operation */
	uint32_t worker;
	volatile uint64_t begun[KINDS], returned[KINDS];
};

static struct state {
	_Atomic uint32_t used;
	uint32_t unused[15];
	struct slot slot[SLOTS];
} * state;

static int null_fd;
static FILE *null_stream;
static pthread_mutex_t everybodys = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t mutexes[IN_CHILD + 1][MUTEXES]; /* by worker */

#define STAY(x) __asm__ volatile("" : "+r"(x)) /* no tail call */
#define APART	static __attribute__((__noinline__))

#define WORKER(n)                                                                                  \
	APART void *alloc_##n(size_t size)                                                         \
	{                                                                                          \
		void *p = malloc(size);                                                            \
		STAY(p);                                                                           \
		return p;                                                                          \
	}                                                                                          \
	APART void *grow_##n(void *old, size_t size)                                               \
	{                                                                                          \
		void *p = realloc(old, size);                                                      \
		STAY(p);                                                                           \
		return p;                                                                          \
	}                                                                                          \
	APART long put_##n(int fd)                                                                 \
	{                                                                                          \
		long done = write(fd, "text", 4);                                                  \
		STAY(done);                                                                        \
		return done;                                                                       \
	}                                                                                          \
	APART int make_##n(const char *path)                                                       \
	{                                                                                          \
		int fd = open(path, O_RDWR | O_CREAT, 0600);                                       \
		STAY(fd);                                                                          \
		return fd;                                                                         \
	}                                                                                          \
	APART int lock_##n(pthread_mutex_t *m)                                                     \
	{                                                                                          \
		int result = pthread_mutex_lock(m);                                                \
		STAY(result);                                                                      \
		return result;                                                                     \
	}                                                                                          \
	APART int say_##n(FILE *f)                                                                 \
	{                                                                                          \
		int result = fputs("text", f);                                                     \
		STAY(result);                                                                      \
		return result;                                                                     \
	}
WORKER(0)
WORKER(1)
WORKER(2)
WORKER(3)
WORKER(6)
WORKER(7)

static const struct functions {
	void *(*alloc)(size_t size);
	void *(*grow)(void *old, size_t size);
	long (*put)(int fd);
	int (*make)(const char *path);
	int (*lock)(pthread_mutex_t *m);
	int (*say)(FILE *f);
} function_table[] = {
#define FUNCTIONS(n) [n] = { alloc_##n, grow_##n, put_##n, make_##n, lock_##n, say_##n }
	FUNCTIONS(0), FUNCTIONS(1), FUNCTIONS(2), FUNCTIONS(3), FUNCTIONS(6), FUNCTIONS(7),
};

#define BEGIN(s, k)  ((s)->begun[k]++)
#define RETURN(s, k) ((s)->returned[k]++)

struct block {
	void *p;
	int grown;
};

static void drop(struct slot *s, struct block *b)
{
	int kind = b->grown ? FREE_GROWN : FREE;

	if (!b->p)
		return;
	BEGIN(s, kind);
	free(b->p);
	RETURN(s, kind);
	b->p = NULL;
}

static void lock_one(struct slot *s, const struct functions *f, pthread_mutex_t *m)
{
	BEGIN(s, LOCK);
	f->lock(m);
	RETURN(s, LOCK);
	pthread_mutex_unlock(m);
}

static void open_one(struct slot *s, const struct functions *f, long turn)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%d.%ld.%ld", getpid(), (long)(s - state->slot), turn);
	BEGIN(s, MAKE);
	fd = f->make(path);
	RETURN(s, MAKE);
	close(fd);
	unlink(path);
}

static void turn(struct slot *s, const struct functions *f, long i, struct block *kept,
		 pthread_mutex_t *mutex)
{
	struct block *b = &kept[i * 7 % KEPT];

	drop(s, b);
	BEGIN(s, ALLOC);
	b->p = f->alloc((size_t)(i * 37 % 900 + 1));
	RETURN(s, ALLOC);
	b->grown = 0;
	if (i % 5 == 0) {
		BEGIN(s, GROW);
		BEGIN(s, FREE);
		b->p = f->grow(b->p, (size_t)(i * 53 % 2000 + 1));
		RETURN(s, FREE);
		RETURN(s, GROW);
		b->grown = 1;
	}
	if (i % 3 == 0)
		lock_one(s, f, &mutex[i / 3 % (s->worker ? FEW : MUTEXES)]);
	if (i % 4 == 0) {
		BEGIN(s, PUT);
		f->put(null_fd);
		RETURN(s, PUT);
	}
	if (i % 8 == 0) {
		BEGIN(s, SAY);
		f->say(null_stream);
		RETURN(s, SAY);
	}
	if (i % 97 == 0)
		open_one(s, f, i);
	if (i % 11 == 0) {
		pthread_mutex_lock(&everybodys);
		pthread_mutex_unlock(&everybodys);
	}
}

static void work(int worker, long turns)
{
	struct slot *s = &state->slot[atomic_fetch_add(&state->used, 1) % SLOTS];
	struct block kept[KEPT] = { 0 };

	s->worker = (uint32_t)worker;
	s->pid = (uint32_t)getpid();
	for (long i = 0; !turns || i < turns; i++)
		turn(s, &function_table[worker], i, kept, mutexes[worker]);
	for (int i = 0; i < KEPT; i++)
		drop(s, &kept[i]);
}

static long all_turns;

static void *long_life(void *number)
{
	work((int)(long)number, all_turns);
	return NULL;
}

static void *short_life(void *unused)
{
	work(SHORT_LIFE, 20);
	return unused;
}

static void child(void)
{
	pthread_t t;

	/* their holders may not be in this process */
	pthread_mutex_init(&everybodys, NULL);
	memset(mutexes, 0, sizeof(mutexes));
	if (pthread_create(&t, NULL, short_life, NULL))
		exit(3);
	work(IN_CHILD, 100);
	pthread_join(t, NULL);
	exit(0);
}

int main(int argc, char **argv)
{
	long threads = argc > 4 ? atol(argv[2]) : 0, forks = argc > 4 ? atol(argv[4]) : 0;
	int fd = argc > 4 ? open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0600) : -1;
	pthread_t t[4], brief;

	if (threads < 1 || threads > 4 || fd < 0 || ftruncate(fd, sizeof(*state)))
		return 2;
	state = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (state == MAP_FAILED)
		return 2;
	all_turns = atol(argv[3]);
	null_fd = open("/dev/null", O_WRONLY);
	null_stream = fopen("/dev/null", "w");
	for (long i = 0; i < threads; i++)
		if (pthread_create(&t[i], NULL, long_life, (void *)i))
			return 2;
	for (long i = 0; !all_turns || i < all_turns / 100; i++) {
		if (pthread_create(&brief, NULL, short_life, NULL))
			return 2;
		if (i < forks && !fork())
			child();
		pthread_join(brief, NULL);
	}
	for (long i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	while (wait(NULL) > 0)
		;
	return 0;
}
