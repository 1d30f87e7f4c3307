/* SPDX-License-Identifier: MIT */
/*
 * Programs whose memory grows, or seems to, in ways that are known. Runs the scenario that is
 * named for some seconds and prints a line "FUNCTION TRUTH" for each of its sites: "growing", or
 * what it does instead. tests/test_trends.sh compares. Each function with SITE is one site.
 *
 *	trend_corpus SCENARIO [SECONDS]
 *
 * The work of a scenario is a function of the share of the time that has passed, caught up with in
 * steps: a machine that is held up for a while makes the same allocations, only later.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SITE __attribute__((noipa))

static double seconds = 2.5;
static struct timespec began;
static void *volatile keep;

static double passed(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return ((double)(now.tv_sec - began.tv_sec) + (double)(now.tv_nsec - began.tv_nsec) / 1e9) /
	       seconds;
}

/* A step of a thousandth or more; returns the share of time passed, 1 at the end. */
static double step(double last)
{
	struct timespec nap = { 0, 500000 };
	double now = passed();

	while (now < last + 0.001 && now < 1) {
		nanosleep(&nap, NULL);
		now = passed();
	}
	return now < 1 ? now : 1;
}

/* Numbers that look random and are the same in each run. */
static unsigned long state = 88172645463325252ul;

static unsigned rnd(unsigned below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)(state >> 33) % below;
}

/* ---- linear leak of 1 KiB/s in 1 GB/s of churn ---- */

SITE static void *leak(size_t size)
{
	return keep = malloc(size);
}

SITE static void *churn(size_t size)
{
	return keep = malloc(size);
}

static void linear_leak(void)
{
	unsigned long churned = 0, leaked = 0;

	for (double t = 0; t < 1;) {
		t = step(t);
		for (; (double)churned < t * seconds * 1e9; churned += 65536)
			free(churn(65536));
		for (; (double)leaked + 16 < t * seconds * 1024; leaked += 16)
			leak(16);
	}
	puts("leak growing\nchurn steady");
}

/* The same from one site: a wrapper that all of a program goes through. */
static void shared_site(void)
{
	unsigned long churned = 0, leaked = 0;

	for (double t = 0; t < 1;) {
		t = step(t);
		for (; (double)churned < t * seconds * 2e8; churned += 65536)
			free(leak(65536));
		for (; (double)leaked + 16 < t * seconds * 1024; leaked += 16)
			leak(16);
	}
	puts("leak growing");
}

/* ---- caches ---- */

#define CACHE 20000

static void *cache[CACHE];

SITE static void *cache_entry(void)
{
	return keep = malloc(100);
}

/* Fills evenly, is full at 40 % of the time; then entries are replaced. */
static void full_cache(void)
{
	unsigned long used = 0;

	for (double t = 0; t < 1;) {
		t = step(t);
		for (; (double)used < t / 0.4 * CACHE; used++) {
			unsigned slot = (unsigned)(used % CACHE);

			free(cache[slot]);
			cache[slot] = cache_entry();
		}
	}
	puts("cache_entry plateau");
}

/* Random keys: fills fast, then ever more slowly, for six times its time constant. */
static void random_cache(void)
{
	unsigned long used = 0;

	for (double t = 0; t < 1;) {
		t = step(t);
		for (; (double)used < t * 6 * CACHE; used++) {
			unsigned slot = rnd(CACHE);

			if (!cache[slot])
				cache[slot] = cache_entry();
		}
	}
	puts("cache_entry plateau");
}

/* ---- start-up tables ---- */

SITE static void *table(size_t size)
{
	return keep = malloc(size);
}

SITE static void *request(size_t size)
{
	return keep = malloc(size);
}

static void startup_tables(void)
{
	unsigned long made = 0, served = 0;

	for (double t = 0; t < 1;) {
		t = step(t);
		for (; made < 2000 && (double)made < t / 0.08 * 2000; made++)
			table(100 + rnd(1000));
		for (; (double)served < t * 20000; served++)
			free(request(100 + rnd(1000)));
	}
	puts("table one-off\nrequest steady");
}

/* Start-up tables and a slow leak besides, at one site. */
static void startup_and_leak(void)
{
	unsigned long made = 0, leaked = 0;

	for (double t = 0; t < 1;) {
		t = step(t);
		for (; made < 2000 && (double)made < t / 0.08 * 2000; made++)
			table(1000);
		for (; (double)leaked < t * 300; leaked++)
			table(40);
	}
	puts("table growing");
}

/* ---- sawtooth: batches that are filled and released ---- */

#define BATCH 5000

static void *batch[BATCH];

SITE static void *batch_item(size_t size)
{
	return keep = malloc(size);
}

static void fill_batches(double batches, unsigned leak_each)
{
	unsigned long made = 0;
	unsigned leaked = 0;

	for (double t = 0; t < 1;) {
		t = step(t);
		for (; (double)made < t * batches * BATCH; made++) {
			unsigned i = (unsigned)(made % BATCH);

			if (!i)
				for (unsigned k = 0; k < BATCH; k++) {
					free(batch[k]);
					batch[k] = NULL;
				}
			batch[i] = batch_item(64);
			for (; leaked < leak_each * (made / BATCH); leaked++)
				batch_item(64);
		}
	}
}

static void sawtooth(void)
{
	fill_batches(6.7, 0);
	puts("batch_item sawtooth");
}

/* Two batches and a half: the last is not released before the end. */
static void few_teeth(void)
{
	fill_batches(2.6, 0);
	puts("batch_item sawtooth");
}

static void many_teeth(void)
{
	fill_batches(200, 0);
	puts("batch_item sawtooth");
}

/* From each batch a tenth is not released. */
static void leaky_teeth(void)
{
	fill_batches(12.5, BATCH / 10);
	puts("batch_item growing");
}

/* ---- late ---- */

static void late_leak(void)
{
	unsigned long served = 0, leaked = 0;

	for (double t = 0; t < 1;) {
		t = step(t);
		for (; (double)served < t * 20000; served++)
			free(request(100 + rnd(1000)));
		for (; t > 0.6 && (double)leaked < (t - 0.6) * 2000; leaked++)
			leak(48);
	}
	puts("leak growing\nrequest steady");
}

/* ---- below noise: what is in use goes up and down by far more than what leaks ---- */

#define QUEUE 4000

static void *queue[QUEUE];

SITE static void *message(size_t size)
{
	return keep = malloc(size);
}

static void noisy_queue(double leaks)
{
	unsigned long turns = 0, leaked = 0;
	unsigned length = 0;

	for (double t = 0; t < 1;) {
		t = step(t);
		for (; (double)turns < t * 1000; turns++) {
			unsigned want = rnd(QUEUE);

			while (length < want)
				queue[length++] = message(100);
			while (length > want)
				free(queue[--length]);
		}
		for (; (double)leaked < t * leaks; leaked++)
			message(100);
	}
}

/* The leak comes to 600 blocks, the queue moves by 4000. */
static void below_noise(void)
{
	noisy_queue(600);
	puts("message growing");
}

static void noise(void)
{
	noisy_queue(0);
	puts("message steady");
}

/* A queue whose length wanders slowly about a level. */
static void wandering(void)
{
	unsigned long turns = 0;
	unsigned length = 0;
	double level = 0;

	for (double t = 0; t < 1;) {
		t = step(t);
		for (; (double)turns < t * 2000; turns++) {
			unsigned want;

			level = level * 0.97 + ((double)rnd(2001) - 1000) * 0.2;
			want = (unsigned)(level < -1900 ? 100 : level > 1900 ? 3900 : 2000 + level);
			while (length < want)
				queue[length++] = message(100);
			while (length > want)
				free(queue[--length]);
		}
	}
	puts("message steady");
}

/* ---- two sites that cancel out ---- */

#define STORE 6000

static void *store[STORE];

SITE static void *drained(void)
{
	return keep = malloc(128);
}

static void cancelling(void)
{
	unsigned long moved = 0;

	for (unsigned i = 0; i < STORE; i++)
		store[i] = drained();
	for (double t = 0; t < 1;) {
		t = step(t);
		for (; (double)moved < t * STORE && moved < STORE; moved++) {
			free(store[moved]);
			leak(128);
		}
	}
	puts("leak growing\ndrained falling");
}

/* ---- steps: tables that are made now and then; and one that doubles ---- */

static void steps(void)
{
	static const double when[] = { 0.21, 0.47, 0.8 };
	unsigned made = 0;

	for (double t = 0; t < 1;) {
		t = step(t);
		for (; made < 3 && t > when[made]; made++)
			table(1 << 20);
	}
	puts("table step");
}

/* What leaks is released at the very end, as destructors do: LeakSanitizer sees nothing. */
static void freed_at_exit(void)
{
	static void *all[100000];
	unsigned long made = 0;

	for (double t = 0; t < 1;) {
		t = step(t);
		for (; (double)made < t * 100000 && made < 100000; made++)
			all[made] = leak(80);
	}
	while (made)
		free(all[--made]);
	puts("leak growing");
}

/*
 * More events than a small ring holds. A cache is full from the start, and its oldest entries are
 * replaced: who sees only the end sees entries made and others freed of which nothing is known.
 */
static void busy(double replaced, double leaks)
{
	unsigned long served = 0, used = 0, leaked = 0;

	for (; used < CACHE; used++)
		cache[used] = cache_entry();
	used = 0;
	for (double t = 0; t < 1;) {
		t = step(t);
		for (; (double)served < t * 350000; served++)
			free(request(16 + rnd(4000)));
		for (; (double)used < t * replaced; used++) {
			free(cache[used % CACHE]);
			cache[used % CACHE] = cache_entry();
		}
		for (; (double)leaked < t * leaks; leaked++)
			leak(48);
	}
}

static void busy_cache(void)
{
	busy(1.5 * CACHE, 0);
	puts("cache_entry one-off\nrequest steady");
}

static void busy_leak(void)
{
	busy(0, 2000);
	puts("leak growing\ncache_entry one-off\nrequest steady");
}

static const struct {
	const char *name;
	void (*run)(void);
} scenarios[] = {
	{ "linear_leak", linear_leak },
	{ "shared_site", shared_site },
	{ "full_cache", full_cache },
	{ "random_cache", random_cache },
	{ "startup_tables", startup_tables },
	{ "startup_and_leak", startup_and_leak },
	{ "sawtooth", sawtooth },
	{ "few_teeth", few_teeth },
	{ "many_teeth", many_teeth },
	{ "leaky_teeth", leaky_teeth },
	{ "late_leak", late_leak },
	{ "below_noise", below_noise },
	{ "noise", noise },
	{ "wandering", wandering },
	{ "cancelling", cancelling },
	{ "steps", steps },
	{ "freed_at_exit", freed_at_exit },
	{ "busy_cache", busy_cache },
	{ "busy_leak", busy_leak },
};
#define SCENARIOS (sizeof(scenarios) / sizeof(*scenarios))

int main(int argc, char **argv)
{
	if (argc > 2)
		seconds = atof(argv[2]);
	clock_gettime(CLOCK_MONOTONIC, &began);
	for (size_t i = 0; i < SCENARIOS; i++) {
		if (argc < 2) {
			puts(scenarios[i].name);
		} else if (!strcmp(argv[1], scenarios[i].name)) {
			scenarios[i].run();
			return 0;
		}
	}
	return argc < 2 ? 0 : 2;
}
