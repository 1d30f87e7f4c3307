/* SPDX-License-Identifier: MIT */
/* Paths met before; see path_memo.h. */
#include "path_memo.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

#define HUGE_PAGE ((uintptr_t)2 << 20)
#define ROWS_SIZE (sizeof(struct path_memo_row) << PATH_MEMO_BITS)

/*
 * Zeroed by the system when it is touched, and `more` bytes longer. Mapped, as memory of malloc's
 * of this size, given back, would make it keep the like from then on.
 */
static int rows_new(struct path_memo *m, size_t more)
{
	void *p = mmap(NULL, ROWS_SIZE + more, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	if (p == MAP_FAILED)
		return -ENOMEM;
	m->memory = p;
	m->size = ROWS_SIZE + more;
	m->row = p;
	return 0;
}

int path_memo_init(struct path_memo *m)
{
	m->remembered = 0;
	return rows_new(m, 0);
}

void path_memo_spread(struct path_memo *m)
{
	struct path_memo spread = { .remembered = m->remembered + 1 };
	uintptr_t before;

	m->remembered++; /* once */
	if (rows_new(&spread, HUGE_PAGE))
		return;
	before = -(uintptr_t)spread.memory & (HUGE_PAGE - 1);
	spread.row = (struct path_memo_row *)((char *)spread.memory + before);
	madvise(spread.row, ROWS_SIZE, MADV_HUGEPAGE); /* else it works all the same */
	path_memo_fini(m);
	*m = spread;
}

void path_memo_fini(struct path_memo *m)
{
	if (m->memory)
		munmap(m->memory, m->size);
	m->memory = NULL;
	m->row = NULL;
}
