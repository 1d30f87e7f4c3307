/* SPDX-License-Identifier: MIT */
/* Paths met before; see path_memo.h. */
#include "path_memo.h"

#include <errno.h>
#include <stdlib.h>

#define LINE 64

int path_memo_init(struct path_memo *m)
{
	/* zeroed by the system when it is touched, and a line longer for the first to begin one */
	char *p = calloc((sizeof(*m->row) << PATH_MEMO_BITS) + LINE, 1);

	if (!p)
		return -ENOMEM;
	m->memory = p;
	m->row = (struct path_memo_row *)(p + (LINE - (uintptr_t)p % LINE) % LINE);
	return 0;
}

void path_memo_fini(struct path_memo *m)
{
	free(m->memory);
	m->memory = NULL;
	m->row = NULL;
}
