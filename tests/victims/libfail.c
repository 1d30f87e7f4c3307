/* SPDX-License-Identifier: MIT */
/* A malloc of somebody's, to be preloaded: some of the calls for one size fail. */
#include <errno.h>
#include <stddef.h>

#define SIZE 7777

void *__libc_malloc(size_t size);

void *malloc(size_t size)
{
	static long calls;

	/* the third, and from the fifth on every other one up to the eleventh */
	if (size == SIZE && ++calls < 12 && (calls == 3 || (calls >= 5 && (calls & 1)))) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_malloc(size);
}
