/* SPDX-License-Identifier: MIT */
/*
 * Blocks of equal content, which a program could have shared: looked for in the snapshot among the
 * reachable blocks, when the result of the leak scan is written. What the contents are leaves the
 * process in no form. See reach.h.
 */
#include <string.h>

#include "peek.h"
#include "reach.h"

#define LEAST	     16u   /* bytes of a block: a smaller one saves next to nothing */
#define MOST	     4096u /* ... and a larger one is a buffer */
#define BLOCKS_MOST  (2u << 20)
#define BYTES_MOST   (256ull << 20)
#define GROUP_LISTED 16384u /* addresses of a group */
#define RAW_MOST     (1u << 20)
#define GROUP_LEAST  8u /* ... or all of a smaller one */
#define HEAD_MOST    16 /* bytes of a group without its addresses */
#define ADDRESS_MOST 7	/* ... of an address */
#define AHEAD	     8	/* blocks that are fetched before they are needed */
#define LINED_UP     16 /* ... and their places in the table */

struct group {
	uint64_t hash;
	uint32_t size, copies;
	uint32_t first, last; /* blocks, in the order of their addresses */
};

static struct {
	struct group *group;
	uint32_t count;
	uint32_t *place; /* by hash: number of a group + 1 */
	uint32_t mask;
	uint32_t *next; /* by block: the next one of its group */
	struct {
		uint64_t hash;
		uint32_t block;
	} lined[LINED_UP];
	uint32_t lined_first, lined_count;
	struct lar_equals found;
} e;

static bool suitable(const struct reach *r, uint32_t i)
{
	return r->block[i].size >= LEAST && r->block[i].size <= MOST &&
	       (r->state[i] & REACH_STATE) == REACH_HELD && !(r->state[i] & REACH_UNREADABLE);
}

static bool within_bounds(uint64_t size)
{
	return e.found.looked_blocks < BLOCKS_MOST && e.found.looked_bytes + size <= BYTES_MOST;
}

static uint64_t mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * 0x9fb21c651e98df25ull;
	return h ^ h >> 29;
}

/* Of the contents; *zero: there is nothing but zeros. */
static uint64_t hash_of(uint64_t start, uint32_t size, bool *zero)
{
	uint64_t h = size, any = 0, word;
	uint32_t at = 0;

	for (; at + 8 <= size; at += 8) {
		word = peek_word(start + at);
		any |= word;
		h = mix(h, word);
	}
	word = peek_part(start + at, size - at);
	*zero = !(any | word);
	return mix(mix(h, word), 0);
}

static uint64_t contents(const struct reach *r, uint32_t block)
{
	return r->block[block].start;
}

static bool equal(const struct reach *r, const struct group *g, uint64_t hash, uint32_t block)
{
	return g->hash == hash && g->size == r->block[block].size &&
	       peek_same(contents(r, g->first), contents(r, block), g->size);
}

static void put_in_group(struct reach *r, uint32_t block, uint64_t hash)
{
	uint32_t at = (uint32_t)(hash >> 32) & e.mask;
	struct group *g;

	for (; e.place[at]; at = (at + 1) & e.mask) {
		g = &e.group[e.place[at] - 1];
		if (!equal(r, g, hash, block))
			continue;
		e.next[g->last] = block;
		g->last = block;
		g->copies++;
		return;
	}
	g = &e.group[e.count++];
	e.place[at] = e.count;
	*g = (struct group){ hash, (uint32_t)r->block[block].size, 1, block, block };
}

static void put_first(struct reach *r)
{
	uint32_t at = e.lined_first;

	e.lined_first = (at + 1) % LINED_UP;
	e.lined_count--;
	put_in_group(r, e.lined[at].block, e.lined[at].hash);
}

/* Waits for its place in the table to come from memory, while others are looked at. */
static void line_up(struct reach *r, uint32_t block, uint64_t hash)
{
	uint32_t at;

	if (e.lined_count == LINED_UP)
		put_first(r);
	at = (e.lined_first + e.lined_count++) % LINED_UP;
	e.lined[at].block = block;
	e.lined[at].hash = hash;
	__builtin_prefetch(&e.place[(uint32_t)(hash >> 32) & e.mask]);
}

static void look_at(struct reach *r, uint32_t block)
{
	uint64_t size = r->block[block].size, hash;
	bool zero;

	if (!within_bounds(size)) {
		e.found.unlooked_blocks++;
		e.found.unlooked_bytes += size;
		return;
	}
	e.found.looked_blocks++;
	e.found.looked_bytes += size;
	hash = hash_of(contents(r, block), (uint32_t)size, &zero);
	if (zero) {
		e.found.zero_blocks++;
		e.found.zero_bytes += size;
	} else {
		line_up(r, block, hash);
	}
}

static bool prepare(struct reach *r)
{
	uint32_t suited = 0, places = 64;

	for (uint32_t i = 0; i < r->count; i++)
		suited += suitable(r, i);
	if (suited > BLOCKS_MOST)
		suited = BLOCKS_MOST;
	while (places < 2 * suited)
		places *= 2;
	e.mask = places - 1;
	e.group = reach_memory(r, suited * sizeof(*e.group));
	e.place = reach_memory(r, places * sizeof(*e.place));
	e.next = reach_memory(r, r->count * sizeof(*e.next));
	return e.group && e.place && e.next;
}

static uint64_t saved_by(const struct group *g)
{
	return (uint64_t)(g->copies - 1) * g->size;
}

/* Groups of two and more come to the front. */
static void keep_groups(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < e.count; i++) {
		struct group *g = &e.group[i];

		if (g->copies < 2)
			continue;
		e.found.groups++;
		e.found.copies += g->copies;
		e.found.saved_bytes += saved_by(g);
		e.group[n++] = *g;
	}
	e.count = n;
}

/* Is a to be listed before b? By its first block where they save the same. */
static bool before(const struct group *a, const struct group *b)
{
	uint64_t x = saved_by(a), y = saved_by(b);

	return x != y ? x > y : a->first < b->first;
}

/* Moves the group at a place of a heap down to where it belongs: the first is to be listed first.
 */
static void sift(uint32_t at)
{
	struct group g = e.group[at];

	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child >= e.count)
			break;
		if (child + 1 < e.count && before(&e.group[child + 1], &e.group[child]))
			child++;
		if (before(&g, &e.group[child]))
			break;
		e.group[at] = e.group[child];
		at = child;
	}
	e.group[at] = g;
}

/* Of so many addresses, every which one is to be listed for the list to fit; 0 = none. */
static uint32_t step_for(uint32_t copies, size_t room)
{
	size_t most = room > HEAD_MOST ? (room - HEAD_MOST) / ADDRESS_MOST : 0;

	if (most > GROUP_LISTED)
		most = GROUP_LISTED;
	if (!most || (most < copies && most < GROUP_LEAST))
		return 0;
	return (uint32_t)((copies - 1) / most + 1);
}

static size_t list_group(const struct reach *r, const struct group *g, uint8_t *to, size_t room)
{
	uint32_t step = step_for(g->copies, room), shift = r->result.address_shift;
	uint32_t block = g->first, listed = step ? (g->copies - 1) / step + 1 : 0;
	uint64_t last = 0;
	size_t n = 0;

	if (!step)
		return 0;
	n += reach_put_varint(to + n, g->size);
	n += reach_put_varint(to + n, g->copies);
	n += reach_put_varint(to + n, listed);
	for (uint32_t i = 0; i < g->copies; i++, block = e.next[block]) {
		if (i % step)
			continue;
		n += reach_put_varint(to + n, (r->block[block].start - last) >> shift);
		last = r->block[block].start;
	}
	return n;
}

/* The groups that save the most, as many as there is room for. */
static size_t make_list(const struct reach *r, uint8_t *to, size_t room)
{
	size_t n = 0, more;

	for (uint32_t i = e.count / 2; i-- > 0;)
		sift(i);
	while (e.count) {
		more = list_group(r, &e.group[0], to + n, room - n);
		if (!more)
			break;
		n += more;
		e.found.listed++;
		e.group[0] = e.group[--e.count];
		if (e.count)
			sift(0);
	}
	return n;
}

static void write_down(struct reach *r)
{
	uint64_t at = lar_equals_offset(&r->result) + sizeof(e.found);
	uint64_t room = at < r->area_size ? (r->area_size - at) / 9 * 8 : 0;
	uint8_t *list = NULL, *frame = NULL;
	size_t raw = 0;

	if (room > RAW_MOST)
		room = RAW_MOST;
	if (e.count && room)
		list = reach_memory(r, room);
	if (list)
		raw = make_list(r, list, room);
	if (raw)
		frame = reach_compress(r, list, raw, &e.found.comp_size);
	if (frame)
		e.found.raw_size = (uint32_t)raw;
	else
		e.found.listed = e.found.comp_size = 0;
	reach_write_equals(r, &e.found, frame);
}

void reach_equals(struct reach *r)
{
	if (!r->area)
		return;
	memset(&e, 0, sizeof(e));
	e.found.least = LEAST;
	e.found.most = MOST;
	if (r->count && !prepare(r))
		return;
	for (uint32_t i = 0; i < r->count; i++) {
		if (i + AHEAD < r->count)
			__builtin_prefetch((const void *)contents(r, i + AHEAD));
		if (suitable(r, i))
			look_at(r, i);
	}
	while (e.lined_count)
		put_first(r);
	keep_groups();
	write_down(r);
}
