/* SPDX-License-Identifier: MIT */
/* Who waits for whom; see lock_wait.h. */
#include "lock_wait.h"

#include <errno.h>
#include <stdlib.h>

#include "lock_order.h"

void lock_waits_fini(struct lock_waits *w)
{
	keymap_fini(&w->blame_map);
	keymap_fini(&w->threads);
	free(w->blame);
	free(w->waiting);
	free(w->holding);
	free(w->circle_thread);
	free(w->circle);
}

struct lock_waiting *lock_waits_thread(struct lock_waits *w, uint32_t thread)
{
	uint32_t n = keymap_number(&w->threads, thread);

	if (n == KEYMAP_NONE ||
	    array_reserve((void **)&w->waiting, &w->waiting_size, n, sizeof(*w->waiting)))
		return NULL;
	w->waiting[n].thread = thread;
	return &w->waiting[n];
}

int lock_waits_blame(struct lock_waits *w, const struct lock_blame *b)
{
	uint64_t key = lock_mix(lock_mix(lock_mix(1, b->waits), b->holds), b->lock);
	uint32_t n = keymap_number(&w->blame_map, key);
	struct lock_blame *to;

	if (n == KEYMAP_NONE ||
	    array_reserve((void **)&w->blame, &w->blame_size, n, sizeof(*w->blame)))
		return -ENOMEM;
	to = &w->blame[n];
	to->waits = b->waits;
	to->holds = b->holds;
	to->lock = b->lock;
	to->count += b->count;
	to->ticks += b->ticks;
	if (b->most > to->most)
		to->most = b->most;
	return 0;
}

int lock_waits_hold(struct lock_waits *w, const struct lock_holding *h)
{
	if (array_reserve((void **)&w->holding, &w->holding_size, w->holding_count,
			  sizeof(*w->holding)))
		return -ENOMEM;
	w->holding[w->holding_count++] = *h;
	return 0;
}

static int by_address(const void *a, const void *b)
{
	const struct lock_holding *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return x->thread < y->thread ? -1 : x->thread > y->thread;
}

/* The first of those that hold a lock; they are sorted by address. */
static uint32_t first_holder(const struct lock_waits *w, uint64_t address)
{
	uint32_t low = 0, high = w->holding_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (w->holding[middle].address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct lock_holding *lock_waits_holder(const struct lock_waits *w,
					     const struct lock_waiting *waiting)
{
	uint32_t n = first_holder(w, waiting->address);

	return n < w->holding_count && w->holding[n].address == waiting->address ? &w->holding[n]
										 : NULL;
}

/* The thread that is joined, if it waits too. Of the holders of a lock, one that waits; where there
 * are several (readers), the first such. */
static uint32_t next_of(const struct lock_waits *w, uint32_t at)
{
	uint64_t address = w->waiting[at].address;

	if (w->waiting[at].in_call) {
		uint32_t n = w->waiting[at].joins ? keymap_find(&w->threads, (uint32_t)address)
						  : KEYMAP_NONE;

		return n != KEYMAP_NONE && w->waiting[n].waits ? n : KEYMAP_NONE;
	}
	for (uint32_t i = first_holder(w, address);
	     i < w->holding_count && w->holding[i].address == address; i++) {
		uint32_t n = keymap_find(&w->threads, w->holding[i].thread);

		if (n != KEYMAP_NONE && w->waiting[n].waits)
			return n;
	}
	return KEYMAP_NONE;
}

/* Each thread waits for one lock or thread: following it from each leads into a circle or to an
 * end. */
int lock_waits_finish(struct lock_waits *w)
{
	uint32_t count = w->threads.count, used = 0;
	uint32_t *walk = calloc(count + 1, sizeof(*walk));

	w->circle_thread = calloc(count + 1, sizeof(*w->circle_thread));
	w->circle = calloc(count + 1, sizeof(*w->circle));
	if (!walk || !w->circle_thread || !w->circle) {
		free(walk);
		return -ENOMEM;
	}
	if (w->holding_count)
		qsort(w->holding, w->holding_count, sizeof(*w->holding), by_address);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t at = i;

		while (at != KEYMAP_NONE && w->waiting[at].waits && !walk[at]) {
			walk[at] = i + 1;
			at = next_of(w, at);
		}
		if (at == KEYMAP_NONE || !w->waiting[at].waits || walk[at] != i + 1)
			continue;
		w->circle[w->circle_count].first = used;
		for (uint32_t k = at; used == w->circle[w->circle_count].first || k != at;
		     k = next_of(w, k))
			w->circle_thread[used++] = k;
		w->circle[w->circle_count].count = used - w->circle[w->circle_count].first;
		w->circle_count++;
	}
	free(walk);
	return 0;
}
