/* SPDX-License-Identifier: MIT */
/* build: -fno-builtin */
/*
 * One of two libraries of the same shape and size that take each other's place.
 */
#include <stdlib.h>

int made_by_a(int n);

static void *volatile kept;

int made_by_a(int n)
{
	for (int i = 0; i < n; i++)
		kept = malloc(100);
	return n;
}
