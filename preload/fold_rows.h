/* SPDX-License-Identifier: MIT */
/*
 * What the parts of folding share: rows of figures by key, and how many of them there may be. All
 * under the ring's lock.
 */
#ifndef LARIAT_FOLD_ROWS_H
#define LARIAT_FOLD_ROWS_H

#include "fold.h"

/*
 * Most rows of a table: what a checkpoint of this trace has room for. Further keys share one row,
 * so that sums stay whole.
 */
uint32_t fold_rows_most(void);

/* Rows that stay, in order of first use. Zeroed memory is no rows. */
struct fold_rows {
	struct fold_map map;
	uint8_t *row;
	uint32_t room;
};

/*
 * The number of a key's row, of `size` bytes, zeroed when it is new; the key is not 0. FOLD_NONE
 * when there are `most` rows of other keys, or no memory.
 */
uint32_t fold_row(struct fold *f, struct fold_rows *r, size_t size, uint64_t key, uint32_t most);

/* An index of rows that come and go: key -> number. Zeroed memory is an empty one. */
struct fold_index {
	uint64_t *key; /* by place; 0 = free */
	uint32_t *number;
	uint32_t mask, count;
};

uint32_t fold_index_get(const struct fold_index *x, uint64_t key); /* FOLD_NONE = not there */

/* The key is there, or there was room for fewer than `most`; else false. `most` never changes. */
bool fold_index_put(struct fold *f, struct fold_index *x, uint64_t key, uint32_t number,
		    uint32_t most);
void fold_index_remove(struct fold_index *x, uint64_t key);

/* enum lar_operation of a call. */
unsigned fold_operation(unsigned call);

/* A site in a table: 0 = one of those that share a row, else its node + 1. */
void fold_put_site(struct fold_out *o, uint64_t site, uint64_t *last);

#endif
