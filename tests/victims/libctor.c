/* SPDX-License-Identifier: MIT */
/* build: -fno-builtin */
/*
 * A library whose constructor and destructor allocate and print.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *held;

__attribute__((constructor)) static void loaded(void)
{
	held = strdup("library's own");
	printf("library constructor\n");
}

__attribute__((destructor)) static void unloaded(void)
{
	char *p = malloc(1000);

	sprintf(p, "library destructor, %s", held);
	puts(p);
	free(p);
	free(held);
}
