/* SPDX-License-Identifier: MIT */
/* Errors by errno; see io_errnos.h. */
#include "io_errnos.h"

#include <errno.h>
#include <stdlib.h>

int io_errnos_add(struct io_errnos **at, uint32_t number, uint64_t count)
{
	struct io_errnos *e = *at;
	uint32_t i = 0;

	if (!e)
		e = *at = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	while (i < e->used && e->row[i].number != number)
		i++;
	if (i == IO_ERRNOS) {
		e->others += count;
		return 0;
	}
	e->used += i == e->used;
	e->row[i].number = number;
	e->row[i].count += count;
	return 0;
}
