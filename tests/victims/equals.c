/* SPDX-License-Identifier: MIT */
/*
 * Blocks of equal and of nearly equal content, all held until the end. Prints what keeping one of
 * each would save: the sums, then a line for each content: bytes of a block, blocks, blocks of the
 * site that made the most.
 */
/* build: -O0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HELD 20000

void *volatile held[HELD];
static unsigned count;
static unsigned long looked, looked_bytes, groups, copies, saved;

static void keep(void *p, size_t size, int suitable)
{
	held[count++] = p;
	looked += suitable;
	looked_bytes += suitable ? size : 0;
}

static void tell(size_t size, unsigned long blocks, unsigned long of_one_site)
{
	groups++;
	copies += blocks;
	saved += (blocks - 1) * size;
	printf("%zu %lu %lu\n", size, blocks, of_one_site);
}

static __attribute__((noinline)) void *make(size_t size, unsigned seed)
{
	unsigned char *p = malloc(size);

	for (size_t i = 0; i < size; i++)
		p[i] = (unsigned char)(seed + i * 7 + 1);
	return p;
}

static __attribute__((noinline)) void *make_elsewhere(size_t size, unsigned seed)
{
	unsigned char *p = calloc(1, size);

	for (size_t i = 0; i < size; i++)
		p[i] = (unsigned char)(seed + i * 7 + 1);
	return p;
}

/* The blocks are of one content, but for the last, which differs in its last byte. */
static void near_misses(size_t size, unsigned blocks)
{
	unsigned char *p = NULL;

	for (unsigned i = 0; i <= blocks; i++) {
		p = make(size, 3);
		keep(p, size, 1);
	}
	p[size - 1] ^= 1;
	tell(size, blocks, blocks);
}

/* Memory that was used before is given out again: what is behind the text is what was there. */
static void unclean_tails(unsigned blocks)
{
	for (unsigned i = 0; i < blocks; i++) {
		char *p = malloc(200);

		for (unsigned k = 0; k < 200; k++)
			p[k] = (char)(i * 31 + k * k * (i + 1));
		memcpy(p + 100, &i, sizeof(i));
		strcpy(p, "the same text in all of them");
		keep(p, 200, 1);
	}
}

static void *in_two_sites(size_t size, unsigned here, unsigned there)
{
	for (unsigned i = 0; i < here; i++)
		keep(make(size, 9), size, 1);
	for (unsigned i = 0; i < there; i++)
		keep(make_elsewhere(size, 9), size, 1);
	tell(size, here + there, here > there ? here : there);
	return NULL;
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0); /* no block of its own */
	near_misses(16, 700);
	near_misses(333, 5000);
	near_misses(4096, 2);
	in_two_sites(48, 300, 500);
	/* the same bytes, but fewer of them, are another content */
	keep(make(49, 9), 49, 1);
	unclean_tails(100);
	for (unsigned i = 0; i < 400; i++) /* zeros are no content */
		keep(calloc(1, 64), 64, 1);
	for (unsigned i = 0; i < 50; i++) /* too small, and too large */
		keep(make(15, 1), 15, 0);
	for (unsigned i = 0; i < 50; i++)
		keep(make(4097, 1), 4097, 0);
	for (unsigned i = 0; i < 60; i++) /* lost ones are to be freed, not shared */
		held[HELD - 1] = make(77, 5);
	held[HELD - 1] = NULL;
	keep(make(333, 250), 333, 1); /* alone */
	printf("%lu %lu %lu %lu %lu %d %d\n", looked, looked_bytes, groups, copies, saved, 400,
	       400 * 64);
	return 0;
}
