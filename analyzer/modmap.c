/* SPDX-License-Identifier: MIT */
/* Addresses to modules by time; see modmap.h. */
#include "modmap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_GROUPS 64 /* different starts looked at below an address */

static int by_start(const void *a, const void *b)
{
	const struct modmap_entry *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	return x->module < y->module ? -1 : x->module > y->module;
}

static int by_time(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The first change is before all times. */
static int note_changes(struct modmap *map)
{
	map->changes = calloc(2 * (size_t)map->count + 1, sizeof(*map->changes));
	if (!map->changes)
		return -ENOMEM;
	map->change_count = 1;
	for (uint32_t i = 0; i < map->count; i++) {
		map->changes[map->change_count++] = map->entries[i].from;
		map->changes[map->change_count++] = map->entries[i].until;
	}
	qsort(map->changes, map->change_count, sizeof(*map->changes), by_time);
	return 0;
}

uint32_t modmap_epoch_find(struct modmap *map, uint64_t ticks)
{
	uint32_t low = 0, high = map->change_count;

	while (high - low > 1) {
		uint32_t mid = low + (high - low) / 2;

		if (map->changes[mid] <= ticks)
			low = mid;
		else
			high = mid;
	}
	map->epoch = low;
	map->epoch_from = map->changes[low];
	map->epoch_until = high < map->change_count ? map->changes[high] : UINT64_MAX;
	return low;
}

struct loaded {
	const struct trace_module *m;
	uint32_t index;
};

/* By the file that they are of; 0 = of the same, which only a build-id tells for certain. */
static int compare_files(const struct trace_module *x, const struct trace_module *y)
{
	int order = strcmp(x->path, y->path);

	if (order)
		return order;
	if (x->build_id_size != y->build_id_size)
		return x->build_id_size < y->build_id_size ? -1 : 1;
	if (x->flags != y->flags)
		return x->flags < y->flags ? -1 : 1;
	if (x->end - x->start != y->end - y->start)
		return x->end - x->start < y->end - y->start ? -1 : 1;
	return x->build_id_size ? memcmp(x->build_id, y->build_id, x->build_id_size) : 0;
}

static int by_file(const void *a, const void *b)
{
	const struct loaded *x = a, *y = b;
	int order = compare_files(x->m, y->m);

	return order ? order : x->index < y->index ? -1 : x->index > y->index;
}

static int note_same(struct modmap *map, const struct trace_module *modules, uint32_t count)
{
	struct loaded *l = calloc(count + 1, sizeof(*l));

	map->same = calloc(count + 1, sizeof(*map->same));
	if (!l || !map->same) {
		free(l);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < count; i++)
		l[i] = (struct loaded){ &modules[i], i };
	qsort(l, count, sizeof(*l), by_file);
	for (uint32_t i = 0, first = 0; i < count; i++) {
		if (!l[i].m->build_id_size || compare_files(l[i].m, l[first].m))
			first = i;
		map->same[l[i].index] =
			(struct modmap_same){ l[first].index, l[first].m->bias - l[i].m->bias };
	}
	free(l);
	return 0;
}

int modmap_init(struct modmap *map, const struct trace_module *modules, uint32_t count,
		unsigned time_shift)
{
	uint64_t max_end = 0;

	memset(map, 0, sizeof(*map));
	map->entries = malloc((count + 1) * sizeof(*map->entries));
	if (!map->entries || note_same(map, modules, count))
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++) {
		const struct trace_module *m = &modules[i];

		if (m->start >= m->end)
			continue;
		map->entries[map->count++] = (struct modmap_entry){
			.start = m->start,
			.end = m->end,
			.from = m->first_seen_ticks >> time_shift << time_shift,
			.until = m->unload_ticks,
			.module = i,
		};
	}
	qsort(map->entries, map->count, sizeof(*map->entries), by_start);
	for (uint32_t i = 0; i < map->count; i++) {
		if (map->entries[i].end > max_end)
			max_end = map->entries[i].end;
		map->entries[i].max_end = max_end;
	}
	return note_changes(map);
}

void modmap_fini(struct modmap *map)
{
	free(map->entries);
	free(map->changes);
	free(map->same);
	memset(map, 0, sizeof(*map));
}

/* How many of the entries before `high` sort before (start, from]. */
static uint32_t entries_up_to(const struct modmap *map, uint32_t high, uint64_t start,
			      uint64_t from)
{
	uint32_t low = 0;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		const struct modmap_entry *e = &map->entries[mid];

		if (e->start < start || (e->start == start && e->from <= from))
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* What a search found: the entry, how far from its time, and when the next one takes over. */
struct nearest {
	const struct modmap_entry *entry;
	uint64_t distance;
	uint64_t next_from;
};

static void consider(struct nearest *best, const struct modmap_entry *e, uint64_t address,
		     uint64_t ticks)
{
	uint64_t distance = 0;

	if (address >= e->end)
		return;
	if (ticks < e->from) {
		distance = e->from - ticks;
		if (e->from < best->next_from)
			best->next_from = e->from;
	} else if (ticks >= e->until) {
		distance = ticks - e->until + 1;
	}
	/* of two that overlap in time the later came without the earlier's end being noted */
	if (!best->entry || distance < best->distance ||
	    (distance == best->distance && e->from > best->entry->from)) {
		best->entry = e;
		best->distance = distance;
	}
}

static struct nearest search(const struct modmap *map, uint64_t address, uint64_t ticks)
{
	struct nearest best = { NULL, 0, UINT64_MAX };
	uint32_t behind = entries_up_to(map, map->count, address, UINT64_MAX);

	/* modules with one start after the other, downwards; in each the time decides */
	for (unsigned group = 0; behind && group < MAX_GROUPS; group++) {
		uint64_t start = map->entries[behind - 1].start;
		uint32_t at;

		if (map->entries[behind - 1].max_end <= address)
			break;
		at = entries_up_to(map, behind, start, ticks);
		if (at && map->entries[at - 1].start == start)
			consider(&best, &map->entries[at - 1], address, ticks);
		if (at < behind)
			consider(&best, &map->entries[at], address, ticks);
		behind = start ? entries_up_to(map, behind, start - 1, UINT64_MAX) : 0;
	}
	return best;
}

uint32_t modmap_find(struct modmap *map, uint64_t address, uint64_t ticks)
{
	uint32_t slot = (uint32_t)((address * 0x9e3779b97f4a7c15ull) >> 52);
	const struct modmap_entry *e;
	struct nearest best;

	if (map->cache[slot].address == address && ticks >= map->cache[slot].from &&
	    ticks < map->cache[slot].until) {
		map->was_there = true;
		return map->cache[slot].module;
	}
	best = search(map, address, ticks);
	e = best.entry;
	map->was_there = e && !best.distance;
	if (!e)
		return MODMAP_NONE;
	if (!best.distance) {
		map->cache[slot].address = address;
		map->cache[slot].from = e->from;
		map->cache[slot].until = e->until < best.next_from ? e->until : best.next_from;
		map->cache[slot].module = e->module;
	}
	return e->module;
}
