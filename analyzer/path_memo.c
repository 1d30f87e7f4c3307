/* SPDX-License-Identifier: MIT */
/* Paths met before; see path_memo.h. */
#include "path_memo.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#define LINE	  64
#define HUGE_PAGE ((uintptr_t)2 << 20)
#define ROWS_SIZE (sizeof(struct path_memo_row) << PATH_MEMO_BITS)

/* Zeroed by the system when it is touched, and longer for the first row to begin an `align`. */
static int rows_new(struct path_memo *m, uintptr_t align)
{
	char *p = calloc(ROWS_SIZE + align, 1);

	if (!p)
		return -ENOMEM;
	m->memory = p;
	m->row = (struct path_memo_row *)(p + (align - (uintptr_t)p % align) % align);
	return 0;
}

int path_memo_init(struct path_memo *m)
{
	m->remembered = 0;
	return rows_new(m, LINE);
}

void path_memo_spread(struct path_memo *m)
{
	struct path_memo spread = { .remembered = m->remembered + 1 };

	m->remembered++; /* once */
	if (rows_new(&spread, HUGE_PAGE))
		return;
	madvise(spread.row, ROWS_SIZE, MADV_HUGEPAGE); /* else it works all the same */
	free(m->memory);
	*m = spread;
}

void path_memo_fini(struct path_memo *m)
{
	free(m->memory);
	m->memory = NULL;
	m->row = NULL;
}
