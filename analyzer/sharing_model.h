/* SPDX-License-Identifier: MIT */
/*
 * Small blocks of different threads on one cache line: where their threads write to them, each
 * write takes the line away from the other. Seen from addresses: who writes is not known. Looks on
 * at a heap model's blocks; of a program with one thread there is nothing to do, and nothing is
 * kept. One thread at a time.
 */
#ifndef LARIAT_SHARING_MODEL_H
#define LARIAT_SHARING_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "heap_model.h"

#define SHARING_LINE   64 /* bytes */
#define SHARING_BLOCKS 4  /* of a line that are kept: malloc's least chunk takes half a line */

/* Figures of the site of a block that was put next to another thread's. */
struct sharing_site {
	uint64_t blocks;	 /* that came onto a line with another thread's live block */
	uint64_t together_ticks; /* for how long, all pairs added up */
	uint64_t padding_bytes;	 /* what it would take to give each of them its own line */
	uint32_t thread, other_thread, other_site; /* the last pair */
	uint64_t order;				   /* for lists */
};

struct sharing_line {
	uint32_t count, next_free;
	struct {
		uint64_t address, born_ticks;
		uint32_t site, thread;
	} block[SHARING_BLOCKS];
};

struct sharing_model {
	struct heap_model *heap;
	struct live_table lines; /* number of a line + 1 -> its place, as size_bytes */
	struct sharing_line *line;
	uint32_t line_count, line_room, free_line; /* free_line: a place + 1 */
	struct sharing_site *site;		   /* by the heap model's numbers */
	uint32_t site_size;
	uint64_t last_ticks;
};

int sharing_model_init(struct sharing_model *s, struct heap_model *heap);
void sharing_model_fini(struct sharing_model *s);

/* After the last event. Returns 0 or -ENOMEM. */
int sharing_model_finish(struct sharing_model *s);

#endif
