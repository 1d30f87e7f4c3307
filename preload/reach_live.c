/* SPDX-License-Identifier: MIT */
/*
 * The blocks in use: from the tables of what was sealed (inuse.h) and the slots, or, once the ring
 * is half full and there are no such tables, from checkpoint and blocks of the ring (reach_ring.c)
 * and slots. See reach.h.
 *
 * The process goes on and writes to the trace. What slots held is in the snapshot; blocks of a fill
 * that was not sealed then are left alone, as the snapshot has what counts of it.
 */
#include "reach_live.h"

#include <string.h>

#define TABLE_FIRST    (1u << 8)
#define TABLE_GUESS    (1u << 16) /* entries for events that are counted before */
#define INPLACE_EVENTS (1u << 16)

static uint64_t place_of(const struct live *l, uint64_t address)
{
	return lar_address_hash(address) >> 20 & l->mask;
}

/* Its places are hashed into all over. */
static bool widen(struct live *l)
{
	uint64_t room = l->table ? 2 * (l->mask + 1) : l->first, old = l->table ? l->mask + 1 : 0;
	struct inuse_block *wide = reach_memory_filled(l->r, room * sizeof(*wide)),
			   *from = l->table;

	if (!wide)
		return false;
	l->table = wide;
	l->mask = room - 1;
	for (uint64_t i = 0; i < old; i++) {
		uint64_t at;

		if (!from[i].key)
			continue;
		for (at = place_of(l, from[i].key & INUSE_ADDRESS); wide[at].key;
		     at = (at + 1) & l->mask)
			;
		wide[at] = from[i];
	}
	reach_memory_free(from, old * sizeof(*from));
	return true;
}

static struct inuse_block *look_up(struct live *l, uint64_t address)
{
	uint64_t at;

	if ((!l->table || l->count > l->mask / 4 * 3) && !widen(l))
		return NULL;
	for (at = place_of(l, address); l->table[at].key; at = (at + 1) & l->mask)
		if ((l->table[at].key & INUSE_ADDRESS) == address)
			return &l->table[at];
	l->count++;
	return &l->table[at];
}

/* The tables of what was sealed are only read: what comes on top of it is in one of our own. */
static const struct inuse_block *sealed(const struct live *l, uint64_t address)
{
	return l->tables ? inuse_find(l->r->s->table, address) : NULL;
}

static void apply(struct live *l, uint32_t slot, const struct lar_net *e)
{
	const struct inuse_block *before;
	struct inuse_block *x;
	bool fresh;

	if (!inuse_address_fits(e->address) || !(x = look_up(l, e->address)))
		return;
	fresh = !x->key;
	before = fresh ? sealed(l, e->address) : NULL;
	if (before) {
		*x = *before;
		fresh = false;
	}
	inuse_apply(x, fresh, slot, e, l->shift);
}

/* The table is larger than any cache: what a batch needs is fetched at once. */
void live_flush(struct live *l, uint32_t slot)
{
	for (unsigned i = 0; l->table && i < l->batched; i++)
		__builtin_prefetch(&l->table[place_of(l, l->batch[i].address)], 1);
	for (unsigned i = 0; i < l->batched; i++)
		apply(l, slot, &l->batch[i]);
	l->batched = 0;
}

void live_add(struct live *l, uint32_t slot, uint64_t address, uint64_t ticks, uint64_t size,
	      bool is_free)
{
	l->batch[l->batched++] =
		(struct lar_net){ address, ticks, size, is_free ? -1 : 1, is_free };
	if (l->batched == LIVE_BATCH)
		live_flush(l, slot);
}

void live_add_net(void *arg, const struct lar_net *net)
{
	struct live *l = arg;

	l->batch[l->batched++] = *net;
	if (l->batched == LIVE_BATCH)
		live_flush(l, l->slot);
}

static void take(struct live *l, uint32_t slot, const uint64_t *w)
{
	switch (lar_word0_kind(*w)) {
	case LAR_EV_ALLOC:
		if (w[2])
			live_add(l, slot, w[2], w[1], w[3], false);
		break;
	case LAR_EV_FREE:
	case LAR_EV_FREE_SIZED:
		live_add(l, slot, w[2], w[1], 0, true);
		break;
	case LAR_EV_REALLOC:
		/* one that failed leaves the old block alone; to size 0 it is a free */
		if (w[3] && (w[4] || !w[5]))
			live_add(l, slot, w[3], w[2] < w[1] ? w[1] - w[2] : 0, 0, true);
		if (w[4])
			live_add(l, slot, w[4], w[1], w[5], false);
		break;
	default:
		break;
	}
}

void live_take_records(struct live *l, uint32_t slot, const uint64_t *w, size_t words,
		       uint32_t skip)
{
	for (size_t at = 0; at < words;) {
		uint32_t n = lar_record_words(w[at]);

		if (!n || n > words - at) {
			l->bad = true;
			break;
		}
		if (lar_word0_kind(w[at]) != LAR_EV_PATH) {
			if (skip)
				skip--;
			else
				take(l, slot, w + at);
		}
		at += n;
	}
	if (skip) /* the checkpoint is younger than the snapshot */
		l->bad = true;
	live_flush(l, slot);
}

const struct lar_section *live_section(const struct reach *r, enum lar_section_type type)
{
	for (uint32_t i = 0; i < r->header->section_count; i++)
		if (r->header->sections[i].type == type)
			return &r->header->sections[i];
	return NULL;
}

/* What the checkpoint has of a slot must have been there at the snapshot. */
static void take_slots(struct live *l)
{
	const struct snapshot *s = l->r->s;

	for (uint32_t i = 0; i < l->slots; i++) {
		const struct snapshot_slot *slot = i < s->slots ? &s->slot[i] : NULL;

		if (l->tables && slot && slot->sealed)
			continue;
		if (!slot || !slot->used)
			l->bad |= l->fill[i] != 0;
		else if ((int32_t)(slot->fill - l->fill[i]) < 0)
			l->bad = true;
		else
			live_take_records(l, i, slot->record, slot->words,
					  slot->fill == l->fill[i] ? l->taken[i] : 0);
	}
}

/* ---- the result ---- */

#define RADIX_BITS 11

static void radix_sort(struct reach_block *block, struct reach_block *other, uint32_t count)
{
	uint32_t start[1 << RADIX_BITS];

	for (unsigned shift = 4; shift < 4 + 4 * RADIX_BITS; shift += RADIX_BITS) {
		struct reach_block *swap;
		uint32_t sum = 0;

		memset(start, 0, sizeof(start));
		for (uint32_t i = 0; i < count; i++)
			start[block[i].start >> shift & ((1 << RADIX_BITS) - 1)]++;
		for (uint32_t i = 0; i < 1 << RADIX_BITS; i++) {
			uint32_t n = start[i];

			start[i] = sum;
			sum += n;
		}
		for (uint32_t i = 0; i < count; i++)
			other[start[block[i].start >> shift & ((1 << RADIX_BITS) - 1)]++] =
				block[i];
		swap = block;
		block = other;
		other = swap;
	}
}

/* Few: the tables of a radix sort would cost more than the blocks. */
static void insertion_sort(struct reach_block *block, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++) {
		struct reach_block b = block[i];
		uint32_t at = i;

		for (; at && block[at - 1].start > b.start; at--)
			block[at] = block[at - 1];
		block[at] = b;
	}
}

/* Is more known of an address than the tables have? */
static bool is_changed(const struct live *l, uint64_t address)
{
	uint64_t at;

	if (!l->table)
		return false;
	for (at = place_of(l, address); l->table[at].key; at = (at + 1) & l->mask)
		if ((l->table[at].key & INUSE_ADDRESS) == address)
			return true;
	return false;
}

static void gather(struct live *l, const struct inuse_block *x)
{
	struct reach *r = l->r;

	if (!x->key || !inuse_is_live(x))
		return;
	/* of one slot all events come in their order */
	l->doubtful |= r->s->slots > 1 && inuse_is_doubtful(x);
	r->block[r->count++] = (struct reach_block){ x->key & INUSE_ADDRESS, x->size };
}

static void gather_sealed(struct live *l, const struct addrtable *t)
{
	const struct inuse_block *x = t->entry;

	for (uint64_t i = 0; i < t->room && t->entry; i++)
		if (x[i].key && !is_changed(l, x[i].key & INUSE_ADDRESS))
			gather(l, &x[i]);
}

static bool collect(struct live *l)
{
	struct reach *r = l->r;
	struct reach_block *other;
	uint64_t most = l->count;
	uint32_t n;

	for (unsigned i = 0; l->tables && i < INUSE_SHARDS; i++)
		most += r->s->table[i].count;
	if (most > UINT32_MAX / 2)
		return false;
	r->block = reach_memory_filled(r, (most + 1) * sizeof(*r->block));
	if (!r->block)
		return false;
	for (uint64_t i = 0; l->table && i <= l->mask; i++)
		gather(l, &l->table[i]);
	for (unsigned i = 0; l->tables && i < INUSE_SHARDS; i++)
		gather_sealed(l, &r->s->table[i]);
	n = r->count;
	reach_memory_free(l->table, (l->mask + 1) * sizeof(*l->table));
	l->table = NULL;
	if (n < 64) {
		insertion_sort(r->block, n);
		return true;
	}
	other = reach_memory_filled(r, n * sizeof(*other));
	if (!other)
		return false;
	radix_sort(r->block, other, n);
	reach_memory_free(other, n * sizeof(*other));
	/* the radix leaves the lowest bits alone; an allocator with finer blocks is rare */
	insertion_sort(r->block, n);
	return true;
}

/*
 * A quarter of all events: nearly each address is freed again, and most are used several times. A
 * table that is too small is made anew, which costs less than memory that is never needed.
 */
static uint64_t first_places(const struct live *l)
{
	const struct snapshot *s = l->r->s;
	uint64_t events = l->tables ? 0 : l->r->header->ring_events, places = TABLE_FIRST;

	for (uint32_t i = 0; i < s->slots; i++)
		events += s->slot[i].words / 3;
	while (places < events / 4 && places < TABLE_GUESS)
		places *= 2;
	return places;
}

static bool live_from(struct reach *r, uint32_t slots, bool tables, bool *doubtful)
{
	struct live l = {
		.r = r, .shift = r->header->time_shift, .slots = slots, .tables = tables
	};
	bool done;

	l.fill = reach_memory(r, l.slots * 2 * sizeof(*l.fill));
	if (!l.fill)
		return false;
	l.taken = l.fill + l.slots;
	l.first = first_places(&l);
	if (!tables && !live_take_trace(&l))
		return false;
	take_slots(&l);
	done = !l.bad && !r->failed && collect(&l);
	*doubtful = l.doubtful;
	return done;
}

/* In the process itself there is no time for a long ring. */
static bool ring_is_long(const struct reach *r)
{
	return r->s->inplace && r->header->ring_events > INPLACE_EVENTS;
}

bool reach_live(struct reach *r)
{
	uint32_t slots = r->s->slot_count;
	bool doubtful = false;

	if (!live_section(r, LAR_SECTION_RING))
		return false;
	if (!r->s->slots && !r->s->ring_used && !r->s->folded)
		return true; /* nothing was ever recorded */
	if (r->s->tables) {
		if (!live_from(r, slots, true, &doubtful))
			return false;
		if (!doubtful)
			return true;
		r->count = 0;
	}
	r->needs_copy |= ring_is_long(r);
	return !r->needs_copy && live_from(r, slots, false, &doubtful);
}
