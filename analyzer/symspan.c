/* SPDX-License-Identifier: MIT */
/* Sorted address ranges: see symspan.h. */
#include "symspan.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

/* Ranges looked at in one search: only a damaged file has more than this around an address. */
#define SEARCH_STEPS 4096

int symspans_add(struct symspans *v, uint64_t low, uint64_t high, uint32_t rank, uint32_t item)
{
	if (low >= high)
		return 0;
	if (v->count == v->room) {
		uint32_t room = v->room ? v->room * 2 : 64;

		if (room <= v->room)
			return -ENOMEM;
		struct symspan *list = reallocarray(v->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		v->list = list;
		v->room = room;
	}
	v->list[v->count++] =
		(struct symspan){ .low = low, .high = high, .rank = rank, .item = item };
	return 0;
}

/* By start; the best of one start goes last, since a search runs backwards. */
static int compare(const void *a, const void *b)
{
	const struct symspan *x = a, *y = b;

	if (x->low != y->low)
		return x->low < y->low ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank > y->rank ? -1 : 1;
	return x->item > y->item ? -1 : x->item < y->item;
}

/* Many tables are in order, and what was taken out of one that is leaves it so. */
static bool in_order(const struct symspans *v)
{
	for (uint32_t i = 1; i < v->count; i++)
		if (compare(&v->list[i - 1], &v->list[i]) > 0)
			return false;
	return true;
}

void symspans_sort(struct symspans *v)
{
	uint64_t reach = 0;

	if (!in_order(v))
		qsort(v->list, v->count, sizeof(*v->list), compare);
	for (uint32_t i = 0; i < v->count; i++) {
		if (v->list[i].high > reach)
			reach = v->list[i].high;
		v->list[i].reach = reach;
	}
}

uint32_t symspans_find(const struct symspans *v, uint64_t address, uint32_t below)
{
	uint32_t low = 0, high = below < v->count ? below : v->count;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (v->list[mid].low <= address)
			low = mid + 1;
		else
			high = mid;
	}
	for (uint32_t steps = 0; low > 0 && steps < SEARCH_STEPS; steps++) {
		const struct symspan *s = &v->list[--low];

		if (address < s->high)
			return low;
		if (address >= s->reach)
			break;
	}
	return SYMSPAN_NONE;
}

void symspans_free(struct symspans *v)
{
	free(v->list);
	*v = (struct symspans){ 0 };
}
