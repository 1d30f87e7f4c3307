/* SPDX-License-Identifier: MIT */
/* How often calls failed, by errno. */
#ifndef LARIAT_IO_ERRNOS_H
#define LARIAT_IO_ERRNOS_H

#include <stdint.h>

#define IO_ERRNOS 16 /* told apart of one site or target */

struct io_errnos {
	uint32_t used;
	struct {
		uint32_t number; /* 0 = none that is known */
		uint64_t count;
	} row[IO_ERRNOS];
	uint64_t others; /* of further errnos */
};

/* Makes *e at the first; the caller frees it. 0 or -ENOMEM. */
int io_errnos_add(struct io_errnos **e, uint32_t number, uint64_t count);

#endif
