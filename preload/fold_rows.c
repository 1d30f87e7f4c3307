/* SPDX-License-Identifier: MIT */
/* Rows of figures by key; see fold_rows.h. */
#include "fold_rows.h"

#include <string.h>

#include "fold_impl.h"
#include "recorder.h"

#define ROWS_FIRST 64u
#define ROWS_LEAST 64u
#define ROWS_MOST  4096u

/* A quarter of a checkpoint's area where all tables are full and a row takes 40 bytes of it. */
#define AREA_OF_ROW 1024u

uint32_t fold_rows_most(void)
{
	uint64_t rows = lar->accounts_size / 2 / AREA_OF_ROW;

	return rows < ROWS_LEAST ? ROWS_LEAST : rows < ROWS_MOST ? (uint32_t)rows : ROWS_MOST;
}

uint32_t fold_row(struct fold *f, struct fold_rows *r, size_t size, uint64_t key, uint32_t most)
{
	uint32_t n = fold_map_get(&r->map, key);

	if (n != FOLD_NONE)
		return n;
	if (r->map.count >= most) {
		f->rows_left_out++;
		return FOLD_NONE;
	}
	if (r->map.count >= r->room) {
		uint32_t room = r->room ? 2 * r->room : ROWS_FIRST;
		uint8_t *row = fold_grow(f, r->row, r->room * size, room * size);

		if (!row)
			return FOLD_NONE;
		r->row = row;
		r->room = room;
	}
	return fold_map_number(f, &r->map, key);
}

static uint32_t index_place(const struct fold_index *x, uint64_t key)
{
	return (uint32_t)((key * 0x9e3779b97f4a7c15ull) >> 32) & x->mask;
}

/* Where the key is or would be. */
static uint32_t index_find(const struct fold_index *x, uint64_t key)
{
	uint32_t at = index_place(x, key);

	while (x->key[at] && x->key[at] != key)
		at = (at + 1) & x->mask;
	return at;
}

uint32_t fold_index_get(const struct fold_index *x, uint64_t key)
{
	uint32_t at;

	if (!x->mask)
		return FOLD_NONE;
	at = index_find(x, key);
	return x->key[at] ? x->number[at] : FOLD_NONE;
}

bool fold_index_put(struct fold *f, struct fold_index *x, uint64_t key, uint32_t number,
		    uint32_t most)
{
	uint32_t at;

	if (!x->mask) {
		uint32_t size = ROWS_FIRST;

		while (size < 2 * most)
			size *= 2;
		x->key = fold_alloc(f, size * sizeof(*x->key));
		x->number = fold_alloc(f, size * sizeof(*x->number));
		if (!x->key || !x->number)
			return false;
		x->mask = size - 1;
	}
	at = index_find(x, key);
	if (!x->key[at]) {
		if (x->count >= most)
			return false;
		x->count++;
		x->key[at] = key;
	}
	x->number[at] = number;
	return true;
}

/* Those behind it in its run move up, so that no hole ends a search too early. */
void fold_index_remove(struct fold_index *x, uint64_t key)
{
	uint32_t hole, at;

	if (!x->mask)
		return;
	hole = at = index_find(x, key);
	if (!x->key[at])
		return;
	for (at = (at + 1) & x->mask; x->key[at]; at = (at + 1) & x->mask) {
		uint32_t want = index_place(x, x->key[at]);

		if (((at - want) & x->mask) < ((at - hole) & x->mask))
			continue;
		x->key[hole] = x->key[at];
		x->number[hole] = x->number[at];
		hole = at;
	}
	x->key[hole] = 0;
	x->count--;
}

unsigned fold_operation(unsigned call)
{
	static const uint8_t operation[LAR_CALL_MAX] = {
#define CALL(symbol, number, family, op) [number] = LAR_OP_##op,
#define PART				 CALL
#include "format/calls.def"
#undef CALL
	};

	return call < LAR_CALL_MAX ? operation[call] : LAR_OP_NONE;
}

void fold_put_site(struct fold_out *o, uint64_t site, uint64_t *last)
{
	fold_put_signed(o, (int64_t)(site - *last));
	*last = site;
}
