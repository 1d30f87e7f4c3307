/* SPDX-License-Identifier: MIT */
/* build: -Wl,-z,now -fno-builtin */
/* Functions that are chosen while the program is loaded, by one that allocates. */
#include <stdio.h>
#include <stdlib.h>

static int one(void)
{
	return 1;
}

static int two(void)
{
	return 2;
}

static int (*choose(void))(void)
{
	char *volatile p = malloc(50), *volatile zeros = calloc(5, 20);
	int none = zeros && !zeros[99];

	p = realloc(p, 5000);
	free(zeros);
	free(p);
	return p && none ? two : one;
}

int chosen(void) __attribute__((ifunc("choose")));

int main(void)
{
	free(malloc(10));
	printf("%d\n", chosen());
	return 0;
}
