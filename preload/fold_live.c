/* SPDX-License-Identifier: MIT */
/* The table of blocks in use; see fold_live.h. */
#include "fold_live.h"

#include <string.h>
#include <sys/mman.h>

#include "fold_impl.h"
#include "pool.h"
#include "sys.h"

#define LIVE_FIRST 4096u
#define LIVE_ROOMY (1u << 16) /* 2 MiB */

bool fold_live_widen(struct fold *f, struct fold_live *t)
{
	uint64_t room = t->table.entry ? addrtable_wider(&t->table) : LIVE_FIRST;

	t->table.roomy = LIVE_ROOMY;
	if (addrtable_rebuild(&t->table, FOLD_LIVE_EACH, FOLD_LIVE_BITS, room, NULL, 0))
		return true;
	f->failed = true;
	return false;
}

#define RADIX_BITS 11

uint32_t *fold_live_order(const struct fold_live *t)
{
	uint32_t *order = pool_map(2 * t->table.count * sizeof(*order)), *other, *swap;
	uint32_t n = 0, start[1 << RADIX_BITS];

	if (!order)
		return NULL;
	other = order + t->table.count;
	for (uint64_t i = 0; i < t->table.room; i++)
		if (fold_live_at(t, i)->address)
			order[n++] = (uint32_t)i;
	for (unsigned shift = 4; shift < 4 + 4 * RADIX_BITS; shift += RADIX_BITS) {
		uint32_t sum = 0;

		memset(start, 0, sizeof(start));
		for (uint32_t i = 0; i < n; i++)
			start[fold_live_at(t, order[i])->address >> shift &
			      ((1 << RADIX_BITS) - 1)]++;
		for (uint32_t i = 0; i < 1 << RADIX_BITS; i++) {
			uint32_t count = start[i];

			start[i] = sum;
			sum += count;
		}
		for (uint32_t i = 0; i < n; i++) {
			uint64_t digit = fold_live_at(t, order[i])->address >> shift;

			other[start[digit & ((1 << RADIX_BITS) - 1)]++] = order[i];
		}
		swap = order;
		order = other;
		other = swap;
	}
	return order; /* after an even number of passes where it was mapped */
}
