/* SPDX-License-Identifier: MIT */
/* Memory, maps, histograms and the tree of frames of folding; see fold.h. */
#include <string.h>

#include "fold_impl.h"
#include "pool.h"
#include "recorder.h"

#define CHUNK (256u << 10)

void *fold_alloc(struct fold *f, size_t size)
{
	void *p;

	size = (size + 15) & ~(size_t)15;
	if (size > CHUNK / 4) {
		p = pool_map(size);
		f->failed |= !p;
		return p;
	}
	if (size > f->chunk_left) {
		f->chunk = pool_map(CHUNK);
		f->chunk_left = f->chunk ? CHUNK : 0;
		if (!f->chunk) {
			f->failed = true;
			return NULL;
		}
	}
	p = f->chunk;
	f->chunk += size;
	f->chunk_left -= size;
	return p;
}

void *fold_grow(struct fold *f, void *old, size_t used, size_t size)
{
	void *p = fold_alloc(f, size);

	if (p && used)
		memcpy(p, old, used);
	/* a large piece is a mapping of its own */
	if (p && ((used + 15) & ~(size_t)15) > CHUNK / 4)
		pool_unmap(old, (used + 15) & ~(size_t)15);
	return p;
}

static bool histogram_widen(struct fold *f, struct fold_histogram *h, uint32_t bucket)
{
	uint32_t spare = 2u << h->bits, first = h->first, end = h->first + h->length;
	uint32_t *grown, *high = NULL;

	if (!h->length) {
		first = bucket > spare ? bucket - spare : 0;
		end = bucket + spare;
	} else if (bucket < first) {
		first = bucket > spare ? bucket - spare : 0;
	} else {
		end = bucket + spare;
	}
	grown = fold_alloc(f, (end - first) * sizeof(*grown));
	if (grown && h->high)
		high = fold_alloc(f, (end - first) * sizeof(*high));
	if (!grown || (h->high && !high))
		return false;
	if (h->length)
		memcpy(grown + (h->first - first), h->bucket, h->length * sizeof(*grown));
	if (high)
		memcpy(high + (h->first - first), h->high, h->length * sizeof(*high));
	h->bucket = grown;
	h->high = high;
	h->first = (uint16_t)first;
	h->length = (uint16_t)(end - first);
	return true;
}

uint64_t fold_histogram_count(const struct fold_histogram *h, uint32_t i)
{
	return h->bucket[i] + (h->high ? (uint64_t)h->high[i] << 32 : 0);
}

void fold_histogram_add_many(struct fold *f, struct fold_histogram *h, uint64_t value,
			     uint64_t count)
{
	uint32_t bucket = lar_histogram_bucket(value, h->bits);
	uint64_t sum;

	if (!h->count || value < h->min)
		h->min = value;
	if (value > h->max)
		h->max = value;
	h->count += count;
	if (__builtin_mul_overflow(value, count, &sum) ||
	    __builtin_add_overflow(h->sum, sum, &h->sum))
		h->sum = UINT64_MAX;
	/* below `first` wraps around and is too large as well */
	if (bucket - h->first >= h->length && !histogram_widen(f, h, bucket))
		return;
	bucket -= h->first;
	count += fold_histogram_count(h, bucket);
	if (count > UINT32_MAX && !h->high) {
		h->high = fold_alloc(f, h->length * sizeof(*h->high));
		if (!h->high)
			return;
	}
	h->bucket[bucket] = (uint32_t)count;
	if (h->high)
		h->high[bucket] = (uint32_t)(count >> 32);
}

static uint32_t map_place(const struct fold_map *m, uint64_t key)
{
	return (uint32_t)((key * 0x9e3779b97f4a7c15ull) >> 32) & m->mask;
}

uint32_t fold_map_get(const struct fold_map *m, uint64_t key)
{
	uint32_t at;

	if (!m->count)
		return FOLD_NONE;
	for (at = map_place(m, key); m->key[at]; at = (at + 1) & m->mask)
		if (m->key[at] == key)
			return m->number[at];
	return FOLD_NONE;
}

static bool map_widen(struct fold *f, struct fold_map *m)
{
	struct fold_map wide = { .count = m->count, .mask = m->count ? 2 * m->mask + 1 : 63 };

	wide.key = fold_alloc(f, (wide.mask + 1ull) * sizeof(*wide.key));
	wide.number = fold_alloc(f, (wide.mask + 1ull) * sizeof(*wide.number));
	if (!wide.key || !wide.number)
		return false;
	for (uint32_t i = 0; m->count && i <= m->mask; i++) {
		uint32_t at;

		if (!m->key[i])
			continue;
		for (at = map_place(&wide, m->key[i]); wide.key[at]; at = (at + 1) & wide.mask)
			;
		wide.key[at] = m->key[i];
		wide.number[at] = m->number[i];
	}
	*m = wide;
	return true;
}

uint32_t fold_map_number(struct fold *f, struct fold_map *m, uint64_t key)
{
	uint32_t number = fold_map_get(m, key), at;

	if (number != FOLD_NONE)
		return number;
	if ((!m->count || m->count > m->mask / 2) && !map_widen(f, m))
		return FOLD_NONE;
	for (at = map_place(m, key); m->key[at]; at = (at + 1) & m->mask)
		;
	m->key[at] = key;
	m->number[at] = m->count;
	return m->count++;
}

#define TREE_FIRST 1024u

void fold_tree_init(struct fold *f)
{
	struct fold_tree *t = &f->tree;
	uint64_t fit = lar->accounts_size / 2 / FOLD_NODE_BYTES;
	size_t most;

	t->most = fit > FOLD_NODES_MOST	   ? FOLD_NODES_MOST
		  : fit < FOLD_NODES_LEAST ? FOLD_NODES_LEAST
					   : (uint32_t)fit;
	most = t->most + 1ull;

	/* taken as far as used */
	t->ra = pool_map_apart(most * sizeof(*t->ra));
	t->seen = pool_map_apart(most * sizeof(*t->seen));
	t->parent = pool_map_apart(most * sizeof(*t->parent));
	t->epoch = pool_map_apart(most * sizeof(*t->epoch));
	t->table = pool_map_apart(2ull * FOLD_NODES_MOST * sizeof(*t->table));
	t->mask = TREE_FIRST - 1;
	f->failed |= !t->ra || !t->seen || !t->parent || !t->epoch || !t->table;
}

static uint32_t tree_place(const struct fold_tree *t, uint32_t parent, uint64_t ra, uint32_t epoch)
{
	uint64_t h = (ra ^ (uint64_t)epoch << 48) * 0x9e3779b97f4a7c15ull;

	/* many children of one address differ in their parents alone */
	h = (h ^ h >> 32 ^ parent) * 0x9e3779b97f4a7c15ull;
	return (uint32_t)(h >> 32) & t->mask;
}

static void tree_enter(struct fold_tree *t, uint32_t id)
{
	uint32_t at = tree_place(t, t->parent[id], t->ra[id], t->epoch[id]);

	while (t->table[at])
		at = (at + 1) & t->mask;
	t->table[at] = id;
}

/* Code that went away before this time: the same addresses may be other code since. */
static uint32_t epoch_at(uint64_t ticks)
{
	uint32_t n = atomic_load(&lar->unloads), epoch = 0;

	if (n > RECORDER_UNLOADS)
		n = RECORDER_UNLOADS;
	while (epoch < n && lar->unload_ticks[epoch] <= ticks)
		epoch++;
	return epoch;
}

uint32_t fold_tree_node(struct fold *f, uint32_t parent, uint64_t ra, uint64_t ticks)
{
	struct fold_tree *t = &f->tree;
	uint32_t epoch = epoch_at(ticks), at = tree_place(t, parent, ra, epoch), id;

	for (; (id = t->table[at]) != 0; at = (at + 1) & t->mask)
		if (t->ra[id] == ra && t->parent[id] == parent && t->epoch[id] == epoch)
			return id;
	if (t->count == t->most) {
		f->frames_left_out++;
		return parent;
	}
	id = ++t->count;
	t->ra[id] = ra;
	t->parent[id] = parent;
	t->seen[id] = ticks;
	t->epoch[id] = epoch;
	if (2 * id > t->mask && t->mask < 2 * FOLD_NODES_MOST - 1) {
		memset(t->table, 0, (t->mask + 1ull) * sizeof(*t->table));
		t->mask = 2 * t->mask + 1;
		for (uint32_t i = 1; i < id; i++)
			tree_enter(t, i);
	}
	tree_enter(t, id);
	return id;
}

void fold_tree_write(struct fold_out *o, const struct fold_tree *t)
{
	fold_table(o, LAR_TABLE_NODES, t->count, 3);
	for (uint32_t i = 1; i <= t->count; i++) {
		fold_put_signed(o, (int64_t)(t->ra[i] - (i > 1 ? t->ra[i - 1] : 0)));
		fold_put(o, i - t->parent[i]);
		fold_put_signed(o, (int64_t)(t->seen[i] - (i > 1 ? t->seen[i - 1] : 0)));
	}
}
