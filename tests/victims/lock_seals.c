/* SPDX-License-Identifier: MIT */
/*
 * How often its trace gets a block while it holds a lock (that is when a thread encodes and writes
 * what it has recorded), read from the trace's header: one line, "inside outside".
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define TIMES	    80000
#define RING_BLOCKS 584 /* offset of the number of blocks ever sealed */

int main(int argc, char **argv)
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	int fd = argc > 1 ? open(argv[1], O_RDONLY) : -1;
	const uint8_t *header = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	const volatile uint64_t *blocks = (const volatile uint64_t *)(header + RING_BLOCKS);
	uint64_t inside = 0, all;

	if (header == MAP_FAILED)
		return 1;
	all = *blocks;
	for (int i = 0; i < TIMES; i++) {
		uint64_t before;
		void *p[8];

		pthread_mutex_lock(&mutex);
		before = *blocks;
		for (int k = 0; k < 8; k++)
			p[k] = malloc((size_t)(16 + (i * 7 + k) % 500));
		for (int k = 0; k < 8; k++)
			free(p[k]);
		inside += *blocks - before;
		pthread_mutex_unlock(&mutex);
	}
	printf("%d %d\n", (int)inside, (int)(*blocks - all - inside));
	return 0;
}
