/* SPDX-License-Identifier: MIT */
/*
 * Heap loads of the benchmark. The last line of output is `calls N`: how many calls of the malloc
 * family the load made.
 *
 * load_heap depth COUNT DEPTH FRESH THREADS: COUNT pairs of malloc and free in all, DEPTH frames
 * below main or the thread's start, of which the innermost FRESH are others from one pair to the
 * next.
 *
 * load_heap wander COUNT: a random recursion between depth 5 and 80.
 *
 * load_heap handover COUNT: one thread frees what another has allocated.
 *
 * load_heap grow COUNT: reallocs; buffers that grow.
 *
 * load_heap throng COUNT THREADS: two at a time of THREADS threads take turns.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define noinline __attribute__((noinline))
#define DEEPEST	 80
#define BATCH	 256
#define BATCHES	 16

static long pairs_per_thread;
static int depth, fresh;
static long calls, calls_wanted;

static uint64_t random_next(void)
{
	static uint64_t x = 88172645463325252ull;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x >> 11;
}

/* A block that the compiler cannot take away. */
static inline void *block_new(size_t size)
{
	char *p = malloc(size);

	*(volatile char *)p = 1;
	return p;
}

/*
 * Frames of four sizes; each calls the next by way of a table, so that none is inlined or becomes
 * a jump. At the bottom runs bottom().
 */
typedef long frame_function(int left, long arg, long (*bottom)(long));

static frame_function *const frames[4];

#define FRAME(name, bytes)                                                                         \
	static noinline long name(int left, long arg, long (*bottom)(long))                        \
	{                                                                                          \
		volatile char pad[bytes];                                                          \
		long r;                                                                            \
                                                                                                   \
		pad[0] = (char)left;                                                               \
		r = left > 1 ? frames[left & 3](left - 1, arg, bottom) : bottom(arg);              \
		return r + (pad[0] & 1);                                                           \
	}
FRAME(frame_small, 8)
FRAME(frame_middle, 40)
FRAME(frame_large, 200)
FRAME(frame_other, 24)
static frame_function *const frames[4] = { frame_small, frame_middle, frame_large, frame_other };

/* Two paths of the same frame sizes, taken in turn: every frame in them changes each time. */
static noinline long path(int left, long arg)
{
	volatile char pad[24];
	long r;

	pad[0] = (char)left;
	if (!left) {
		free(block_new(16 + (size_t)(arg * 37 & 511)));
		r = 0;
	} else if (arg & 1) {
		r = path(left - 1, arg) + 1;
	} else {
		r = path(left - 1, arg) + 2;
	}
	return r + pad[0];
}

static noinline long pairs_same(long n)
{
	for (long i = 0; i < n; i++)
		free(block_new(16 + (size_t)(i * 37 & 511)));
	return n;
}

static noinline long pairs_fresh(long n)
{
	long r = 0;

	for (long i = 0; i < n; i++)
		r += path(fresh - 1, i);
	return r;
}

static void *depth_thread(void *arg)
{
	int own = depth - 2 - fresh;
	long (*bottom)(long) = fresh ? pairs_fresh : pairs_same;

	(void)arg;
	if (own > 0)
		return (void *)frames[own & 3](own, pairs_per_thread, bottom);
	return (void *)bottom(pairs_per_thread);
}

static void run_depth(int argc, char **argv)
{
	long count = atol(argv[2]);
	int threads = argc > 5 ? atoi(argv[5]) : 1;
	pthread_t id[64];

	depth = atoi(argv[3]);
	fresh = atoi(argv[4]);
	if (threads < 1 || threads > 64 || fresh < 0 || depth < fresh)
		exit(2);
	pairs_per_thread = count / threads;
	calls = pairs_per_thread * threads * 2;
	if (threads == 1) {
		depth_thread(NULL);
		return;
	}
	for (int i = 0; i < threads; i++)
		if (pthread_create(&id[i], NULL, depth_thread, NULL))
			exit(1);
	for (int i = 0; i < threads; i++)
		pthread_join(id[i], NULL);
}

/* A node of a random tree: 1.06 children on average, which carries it down to the limit. */
static frame_function *const wanderers[4];

#define WANDERER(name, bytes)                                                                      \
	static noinline long name(int left, long arg, long (*bottom)(long))                        \
	{                                                                                          \
		volatile char pad[bytes];                                                          \
		uint64_t r = random_next();                                                        \
		void *p = block_new(16 + (r & 255));                                               \
		unsigned children = (r >> 8) % 100 < 53 ? 2 : 0;                                   \
                                                                                                   \
		pad[0] = (char)arg;                                                                \
		calls += 2;                                                                        \
		for (; children && left && calls < calls_wanted; children--)                       \
			wanderers[random_next() & 3](left - 1, arg, bottom);                       \
		free(p);                                                                           \
		return pad[0];                                                                     \
	}
WANDERER(wander_small, 8)
WANDERER(wander_middle, 56)
WANDERER(wander_large, 120)
WANDERER(wander_other, 24)
static frame_function *const wanderers[4] = { wander_small, wander_middle, wander_large,
					      wander_other };

static long wander_on(long arg)
{
	while (calls < calls_wanted)
		wander_small(DEEPEST - 5, arg, NULL);
	return 0;
}

/* Batches of blocks from one thread to the other. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	void *block[BATCHES][BATCH];
	long filled, emptied;
} queue = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static void batch_wait(long limit, const long *count)
{
	pthread_mutex_lock(&queue.lock);
	while (*count < limit)
		pthread_cond_wait(&queue.changed, &queue.lock);
	pthread_mutex_unlock(&queue.lock);
}

static void batch_done(long *count)
{
	pthread_mutex_lock(&queue.lock);
	++*count;
	pthread_cond_signal(&queue.changed);
	pthread_mutex_unlock(&queue.lock);
}

static void *consume(void *arg)
{
	long batches = (long)arg;

	for (long b = 0; b < batches; b++) {
		batch_wait(b + 1, &queue.filled);
		for (int i = 0; i < BATCH; i++)
			free(queue.block[b % BATCHES][i]);
		batch_done(&queue.emptied);
	}
	return NULL;
}

static void run_handover(long count)
{
	long batches = count / BATCH;
	pthread_t id;

	if (pthread_create(&id, NULL, consume, (void *)batches))
		exit(1);
	for (long b = 0; b < batches; b++) {
		batch_wait(b + 1 - BATCHES, &queue.emptied);
		for (int i = 0; i < BATCH; i++)
			queue.block[b % BATCHES][i] = block_new(16 + (size_t)(i * 37 & 511));
		batch_done(&queue.filled);
	}
	pthread_join(id, NULL);
	calls = batches * BATCH * 2;
}

/* Lines appended to buffers that double, as most containers do, and some that creep. */
static void run_grow(long count)
{
	while (calls < count) {
		size_t size = 8 + (random_next() & 31);
		int creep = (calls & 15) == 0;
		char *p = NULL;

		for (int i = 0; i < 14 && calls < count; i++, calls++) {
			p = realloc(p, size);
			p[size - 1] = 1;
			size = creep ? size + 24 : size * 2;
		}
		free(p);
		calls++;
	}
}

/* A server's threads: all there, few at work. Each hands its turn to the next but one. */
#define TURN 500 /* calls */
#define HELD 64	 /* blocks of a thread */
static sem_t *turns;
static int thread_count;

static void *take_turns(void *arg)
{
	long self = (long)arg;
	uint32_t random = (uint32_t)self;
	void *held[HELD] = { NULL };

	for (long i = 0; i < pairs_per_thread; i++) {
		uint32_t k;

		if (i % (TURN / 2) == 0)
			sem_wait(&turns[self]);
		random = random * 1103515245 + 12345;
		k = random >> 16 & (HELD - 1);
		free(held[k]);
		held[k] = block_new(16 + (random >> 20 & 255));
		if ((i + 1) % (TURN / 2) == 0)
			sem_post(&turns[(self + 2) % thread_count]);
	}
	for (int k = 0; k < HELD; k++)
		free(held[k]);
	return NULL;
}

static void run_throng(long count, int threads)
{
	pthread_t *id = calloc((size_t)threads, sizeof(*id));

	if (!id)
		exit(1);
	thread_count = threads;
	turns = calloc((size_t)threads, sizeof(*turns));
	if (!turns)
		exit(1);
	pairs_per_thread = count / 2 / threads / (TURN / 2) * (TURN / 2);
	for (int i = 0; i < threads; i++)
		sem_init(&turns[i], 0, i < 2);
	for (int i = 0; i < threads; i++)
		if (pthread_create(&id[i], NULL, take_turns, (void *)(long)i))
			exit(1);
	for (int i = 0; i < threads; i++)
		pthread_join(id[i], NULL);
	calls = pairs_per_thread * 2 * threads;
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";

	calls_wanted = argc > 2 ? atol(argv[2]) : 0;
	if (!strcmp(what, "depth") && argc > 4)
		run_depth(argc, argv);
	else if (!strcmp(what, "wander"))
		frames[3](3, 0, wander_on);
	else if (!strcmp(what, "handover"))
		run_handover(calls_wanted / 2);
	else if (!strcmp(what, "grow"))
		run_grow(calls_wanted);
	else if (!strcmp(what, "throng") && argc > 3 && atoi(argv[3]) > 1)
		run_throng(calls_wanted, atoi(argv[3]));
	else
		return 2;
	printf("calls %ld\n", calls);
	return 0;
}
