/* SPDX-License-Identifier: MIT */
/* When calls took how long; see fold_heat.h. */
#include "fold_heat.h"

#include <string.h>

#define FIRST_SHIFT 18 /* about 0.1 ms */

static void widen(struct fold_heat *h)
{
	for (uint32_t r = 0; r < FOLD_HEAT_ROWS; r++) {
		uint32_t *calls = h->calls[r];

		for (uint32_t c = 0; c < FOLD_HEAT_COLUMNS / 2; c++)
			calls[c] = calls[2 * c] + calls[2 * c + 1];
		memset(&calls[FOLD_HEAT_COLUMNS / 2], 0, FOLD_HEAT_COLUMNS / 2 * sizeof(calls[0]));
	}
	h->shift++;
}

void fold_heat_add(struct fold_heat *h, uint64_t at, uint64_t took)
{
	uint32_t row = took ? 64 - (uint32_t)__builtin_clzll(took) : 0;

	if (!h->shift)
		h->shift = FIRST_SHIFT;
	while (at >> h->shift >= FOLD_HEAT_COLUMNS)
		widen(h);
	h->calls[row < FOLD_HEAT_ROWS ? row : FOLD_HEAT_ROWS - 1][at >> h->shift]++;
}

void fold_heat_write(struct fold_out *o, const struct fold_heat *h)
{
	uint32_t rows = 0;

	for (uint32_t i = 0; h && i < FOLD_HEAT_ROWS * FOLD_HEAT_COLUMNS; i++)
		rows += h->calls[i / FOLD_HEAT_COLUMNS][i % FOLD_HEAT_COLUMNS] != 0;
	fold_table(o, LAR_TABLE_IO_HEAT, rows, 3);
	for (uint32_t i = 0; rows && i < FOLD_HEAT_ROWS * FOLD_HEAT_COLUMNS; i++) {
		uint32_t row = i / FOLD_HEAT_COLUMNS, column = i % FOLD_HEAT_COLUMNS;

		if (!h->calls[row][column])
			continue;
		fold_put(o, (2 * (uint64_t)column + 1) << (h->shift - 1));
		fold_put(o, row);
		fold_put(o, h->calls[row][column]);
	}
}
