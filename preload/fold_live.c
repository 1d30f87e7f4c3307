/* SPDX-License-Identifier: MIT */
/* The table of blocks in use; see fold_live.h. */
#include "fold_live.h"

#include <string.h>
#include <sys/mman.h>

#include "fold_impl.h"
#include "pool.h"
#include "sys.h"

#define LIVE_FIRST     4096u
#define LIVE_GIVE_BACK (32u << 10) /* places, a MiB */

/*
 * Places are in the order of the hashes, whatever the size of the table: one that grows by three
 * eighths can be moved from front to back, its old pages given back on the way, so that with at
 * most 13 of 16 places taken a block never takes more than 55 bytes.
 */
static uint64_t live_place(const struct fold_live *t, uint64_t address)
{
	return ((address * 0x9e3779b97f4a7c15ull) >> 32) * t->room >> 32;
}

static uint64_t live_next(const struct fold_live *t, uint64_t at)
{
	return at + 1 < t->room ? at + 1 : 0;
}

/* Places from `from` to `to`, upwards and around. */
static uint64_t live_distance(const struct fold_live *t, uint64_t from, uint64_t to)
{
	return to >= from ? to - from : to + t->room - from;
}

struct fold_block_live *fold_live_find(const struct fold_live *t, uint64_t address)
{
	if (!t->count)
		return NULL;
	for (uint64_t at = live_place(t, address);; at = live_next(t, at)) {
		if (t->block[at].address == address)
			return &t->block[at];
		if (!t->block[at].address)
			return NULL;
	}
}

static uint64_t live_free_place(const struct fold_live *t, uint64_t address)
{
	uint64_t at = live_place(t, address);

	while (t->block[at].address)
		at = live_next(t, at);
	return at;
}

static bool live_widen(struct fold *f, struct fold_live *t)
{
	uint64_t room = t->block ? t->room / 8 * 11 : LIVE_FIRST;
	struct fold_block_live *old = t->block, *wide = pool_map(room * sizeof(*wide));
	uint64_t old_room = t->block ? t->room : 0, given_back = 0;

	if (!wide) {
		f->failed = true;
		return false;
	}
	t->block = wide;
	t->room = room;
	for (uint64_t i = 0; i < old_room; i++) {
		if (old[i].address)
			wide[live_free_place(t, old[i].address)] = old[i];
		if (i - given_back == LIVE_GIVE_BACK) {
			sys_madvise(old + given_back, LIVE_GIVE_BACK * sizeof(*old), MADV_DONTNEED);
			given_back = i;
		}
	}
	pool_unmap(old, old_room * sizeof(*old));
	return true;
}

struct fold_block_live *fold_live_add(struct fold *f, struct fold_live *t, uint64_t address)
{
	uint64_t at;

	if ((!t->block || t->count >= t->room / 16 * 13) && !live_widen(f, t))
		return NULL;
	at = live_free_place(t, address);
	t->block[at].address = address;
	t->count++;
	return &t->block[at];
}

/* Those behind it in its run move up, so that no hole ends a search too early. */
void fold_live_remove(struct fold_live *t, struct fold_block_live *b)
{
	uint64_t hole = (uint64_t)(b - t->block), at = hole;

	for (;;) {
		uint64_t want;

		at = live_next(t, at);
		if (!t->block[at].address)
			break;
		want = live_place(t, t->block[at].address);
		if (live_distance(t, want, at) < live_distance(t, hole, at))
			continue;
		t->block[hole] = t->block[at];
		hole = at;
	}
	t->block[hole].address = 0;
	t->count--;
}

#define RADIX_BITS 11

uint32_t *fold_live_order(const struct fold_live *t)
{
	uint32_t *order = pool_map(2 * t->count * sizeof(*order)), *other, *swap;
	uint32_t n = 0, start[1 << RADIX_BITS];

	if (!order)
		return NULL;
	other = order + t->count;
	for (uint64_t i = 0; i < t->room; i++)
		if (t->block[i].address)
			order[n++] = (uint32_t)i;
	for (unsigned shift = 4; shift < 4 + 4 * RADIX_BITS; shift += RADIX_BITS) {
		uint32_t sum = 0;

		memset(start, 0, sizeof(start));
		for (uint32_t i = 0; i < n; i++)
			start[t->block[order[i]].address >> shift & ((1 << RADIX_BITS) - 1)]++;
		for (uint32_t i = 0; i < 1 << RADIX_BITS; i++) {
			uint32_t count = start[i];

			start[i] = sum;
			sum += count;
		}
		for (uint32_t i = 0; i < n; i++) {
			uint64_t digit = t->block[order[i]].address >> shift;

			other[start[digit & ((1 << RADIX_BITS) - 1)]++] = order[i];
		}
		swap = order;
		order = other;
		other = swap;
	}
	return order; /* after an even number of passes where it was mapped */
}
