/* SPDX-License-Identifier: MIT */
/*
 * The checkpoint of a trace: figures of the events that the ring has given up, as tables. See
 * preload/format/checkpoint.h.
 *
 * It is checked as a whole when it is opened, so that reading its tables cannot fail. Its numbers
 * are as hostile as the rest of the file: whoever takes them checks what they stand for. Any
 * thread may read.
 */
#ifndef LARIAT_ANALYZER_CHECKPOINT_H
#define LARIAT_ANALYZER_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../preload/format/checkpoint.h"
#include "histogram.h"
#include "ringfile.h"

struct checkpoint_table {
	size_t at; /* of its first row; 0 = the table is not there */
	uint64_t rows, columns;
};

struct checkpoint {
	struct lar_checkpoint header; /* seq 0: there is none */
	uint8_t *bytes;
	size_t size;
	struct checkpoint_table table[LAR_TABLE_MAX];
	uint32_t damaged;    /* areas that are not whole, though they say so */
	uint32_t *stack;     /* by node: id for trace_stack(); filled in by trace_open() */
	uint32_t node_count; /* elements of stack */
};

/* Fills *c, which the caller owns in any case and frees with checkpoint_fini(). 0 or -ENOMEM. */
int checkpoint_init(struct checkpoint *c, const struct ringfile *rf);
void checkpoint_fini(struct checkpoint *c);

static inline bool checkpoint_has(const struct checkpoint *c, enum lar_table table)
{
	return c->table[table].at != 0;
}

/* The stack of a node; of a node that there is not, the empty one. */
static inline uint32_t checkpoint_stack(const struct checkpoint *c, uint64_t node)
{
	return node < c->node_count ? c->stack[node] : 0;
}

#define CHECKPOINT_COLUMNS 144 /* that a reader can look at */

/* The rows of a table. */
struct checkpoint_rows {
	uint64_t value[CHECKPOINT_COLUMNS]; /* of this row; 0 where it has no such column */
	uint64_t left;			    /* rows behind this one */
	uint64_t columns;		    /* that the table has */
	const uint8_t *at;
	uint64_t differences; /* mask: columns, of the first 64, that are stored as differences */
	unsigned histograms;  /* of this row that have not been read */
	unsigned per_row;
	uint8_t bits;
};

/* Before the first row of a table; of one that is not there, there are no rows. */
void checkpoint_rows(const struct checkpoint *c, enum lar_table table, struct checkpoint_rows *r);

/* A column that is stored zigzag and is no difference. */
static inline int64_t checkpoint_signed(uint64_t v)
{
	return (int64_t)(v >> 1 ^ -(v & 1));
}

/* The next row, in r->value; false at the end. */
bool checkpoint_next(struct checkpoint_rows *r);

/*
 * Adds the row's next histogram to *h, which was made with the table's bits, each value `times`
 * times; h NULL leaves it out. Nothing when the row has no more.
 */
void checkpoint_histogram(struct checkpoint_rows *r, struct histogram *h, uint64_t times);

#endif
