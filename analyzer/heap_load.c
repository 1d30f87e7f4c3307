/* SPDX-License-Identifier: MIT */
/* A checkpoint's heap tables into a heap model; see heap_load.h. */
#include "heap_load.h"

#include <errno.h>

/* Columns of the tables, as format/checkpoint.h has them. */
enum site_column {
	SITE_NODE,
	SITE_ALLOCATIONS,
	SITE_ALLOCATED,
	SITE_FREES,
	SITE_FREED,
	SITE_TEMPORARY,
	SITE_FAILED,
	SITE_LEAST,
	SITE_LARGEST,
	SITE_PEAK,
	SITE_AT_PEAK,
	SITE_AT_PEAK_BLOCKS,
};
enum heap_column {
	HEAP_ALLOCATIONS,
	HEAP_ALLOCATED,
	HEAP_FREES,
	HEAP_FREED,
	HEAP_TEMPORARY,
	HEAP_REALLOCATIONS,
	HEAP_FAILED,
	HEAP_LIVE,
	HEAP_LIVE_BYTES,
	HEAP_PEAK,
	HEAP_PEAK_AT,
	HEAP_UNPAIRED,
	HEAP_IMPLIED,
	HEAP_UNLISTED,
	HEAP_SAMPLES,
};
enum live_column { LIVE_ADDRESS, LIVE_SIZE, LIVE_BORN, LIVE_NODE, LIVE_THREAD };
enum open_column { OPEN_ADDRESS, OPEN_TIME, OPEN_KIND, OPEN_MORE, OPEN_THREAD, OPEN_NODE };
enum map_column { MAPS, MAPPED, UNMAPS, UNMAPPED, REMAPS, BREAKS, MAPS_FAILED };

static void raise(uint64_t *most, uint64_t v)
{
	if (v > *most)
		*most = v;
}

static void load_site(struct heap_model *m, struct heap_site *s, struct checkpoint_rows *r)
{
	const uint64_t *v = r->value;

	s->allocations += v[SITE_ALLOCATIONS];
	s->allocated_bytes += v[SITE_ALLOCATED];
	s->frees += v[SITE_FREES];
	s->freed_bytes += v[SITE_FREED];
	s->temporary += v[SITE_TEMPORARY];
	s->failed += v[SITE_FAILED];
	if (v[SITE_ALLOCATIONS] && v[SITE_LEAST] < s->size_min)
		s->size_min = v[SITE_LEAST];
	raise(&s->size_max, v[SITE_LARGEST]);
	/* what stacks that count as one site held together is known for one time only: the peak's
	 */
	raise(&s->peak_bytes, v[SITE_PEAK]);
	s->at_peak_bytes += v[SITE_AT_PEAK];
	s->at_peak_blocks += v[SITE_AT_PEAK_BLOCKS];
	raise(&s->peak_bytes, s->at_peak_bytes);
	s->peak_number = m->peak_number;
	if (v[SITE_FREES])
		checkpoint_histogram(r, &s->lifetime, 1);
}

static int load_sites(struct heap_model *m, const struct checkpoint *c)
{
	struct checkpoint_rows r;
	uint32_t number;

	checkpoint_rows(c, LAR_TABLE_HEAP_SITES, &r);
	while (checkpoint_next(&r)) {
		struct heap_site *s = heap_model_site(m, checkpoint_stack(c, r.value[SITE_NODE]),
						      SITE_FOLDED_THREADS, &number);

		if (!s)
			return -ENOMEM;
		load_site(m, s, &r);
	}
	return 0;
}

static void load_totals(struct heap_model *m, const struct checkpoint *c)
{
	struct heap_totals *t = &m->total;
	struct checkpoint_rows r;
	const uint64_t *v = r.value;

	checkpoint_rows(c, LAR_TABLE_HEAP, &r);
	if (!checkpoint_next(&r))
		return;
	t->samples = m->sampling.period ? v[HEAP_SAMPLES] : v[HEAP_ALLOCATIONS];
	t->allocations = v[HEAP_ALLOCATIONS];
	t->allocated_bytes = v[HEAP_ALLOCATED];
	t->frees = v[HEAP_FREES];
	t->freed_bytes = v[HEAP_FREED];
	t->implied_frees = v[HEAP_IMPLIED];
	t->unpaired_frees = v[HEAP_UNPAIRED];
	t->temporary = v[HEAP_TEMPORARY];
	t->reallocations = v[HEAP_REALLOCATIONS];
	t->failed = v[HEAP_FAILED];
	t->peak_bytes = v[HEAP_PEAK];
	t->peak_at_ticks = v[HEAP_PEAK_AT];
	t->unlisted = v[HEAP_UNLISTED];
}

uint64_t heap_load_unlisted(const struct checkpoint *c)
{
	struct checkpoint_rows r;

	checkpoint_rows(c, LAR_TABLE_HEAP, &r);
	return checkpoint_next(&r) ? r.value[HEAP_UNLISTED] : 0;
}

/* A block in use; one that an address has twice cannot be, and is left out. */
static int load_block(struct heap_model *m, const struct checkpoint *c, const uint64_t *v,
		      bool sums)
{
	struct lar_weight w = sampling_weigh(&m->sampling, v[LIVE_SIZE]);
	uint32_t site = SITE_NONE;
	struct heap_site *s;
	struct live_block *b;

	if (!v[LIVE_ADDRESS] || live_find(&m->live, v[LIVE_ADDRESS]))
		return 0;
	if (sums) {
		s = heap_model_site(m, checkpoint_stack(c, v[LIVE_NODE]), SITE_FOLDED_THREADS,
				    &site);
		if (!s)
			return -ENOMEM;
		s->live_blocks += w.blocks;
		s->live_bytes += w.bytes;
		raise(&s->peak_bytes, s->live_bytes);
		m->total.live_blocks += w.blocks;
		m->total.live_bytes += w.bytes;
	}
	b = live_insert(&m->live, v[LIVE_ADDRESS]);
	if (!b)
		return -ENOMEM;
	b->size_bytes = v[LIVE_SIZE];
	b->born_ticks = v[LIVE_BORN];
	b->site = site;
	b->thread = (uint32_t)v[LIVE_THREAD];
	return 0;
}

/* Where there was no room for the blocks themselves, their sums are known. */
static void add_unlisted(struct heap_model *m)
{
	for (uint32_t i = 0; i < m->sites_ready; i++) {
		struct heap_site *s = &m->site[i];
		uint64_t blocks = s->allocations - s->frees;
		uint64_t bytes = s->allocated_bytes - s->freed_bytes;

		if (s->frees > s->allocations || s->freed_bytes > s->allocated_bytes ||
		    blocks < s->live_blocks || bytes < s->live_bytes)
			continue;
		m->total.live_blocks += blocks - s->live_blocks;
		m->total.live_bytes += bytes - s->live_bytes;
		s->live_blocks = blocks;
		s->live_bytes = bytes;
	}
}

static int load_live(struct heap_model *m, const struct checkpoint *c, bool sums)
{
	struct checkpoint_rows r;
	int err = 0;

	checkpoint_rows(c, LAR_TABLE_LIVE, &r);
	while (!err && checkpoint_next(&r))
		err = load_block(m, c, r.value, sums);
	if (m->total.unlisted)
		add_unlisted(m);
	raise(&m->total.peak_bytes, m->total.live_bytes);
	checkpoint_rows(c, LAR_TABLE_LAST_ALLOCATIONS, &r);
	while (checkpoint_next(&r))
		if (r.value[0] < UINT32_MAX)
			heap_model_last(m, (uint32_t)r.value[0], r.value[1]);
	return err;
}

/* A moment has one time: of frees at others, which cannot be, the last ones stay. */
static void load_free(struct heap_moment *m, const uint64_t *v)
{
	if (m->ticks != v[OPEN_TIME])
		m->count = 0;
	m->ticks = v[OPEN_TIME];
	if (m->count == HEAP_MOMENT)
		return;
	m->free[m->count].address = v[OPEN_ADDRESS];
	m->free[m->count++].thread = (uint32_t)v[OPEN_MORE];
}

/* What the next events can still have to do with. */
static int load_early(struct heap_model *m, const struct checkpoint *c, const uint64_t *v)
{
	struct heap_early *early = &m->early[m->early_count];

	if (!heap_model_site(m, checkpoint_stack(c, v[OPEN_NODE]), SITE_FOLDED_THREADS,
			     &early->site))
		return -ENOMEM;
	early->address = v[OPEN_ADDRESS];
	early->ticks = v[OPEN_TIME];
	early->weight = sampling_weigh(&m->sampling, v[OPEN_MORE]);
	early->thread = (uint32_t)v[OPEN_THREAD];
	m->early_count++;
	return 0;
}

static int load_open(struct heap_model *m, const struct checkpoint *c)
{
	int err = 0;
	struct checkpoint_rows r;
	const uint64_t *v = r.value;

	checkpoint_rows(c, LAR_TABLE_HEAP_OPEN, &r);
	while (!err && checkpoint_next(&r)) {
		if (v[OPEN_KIND] == 1)
			load_free(&m->stray, v);
		else if (v[OPEN_KIND] == 2)
			load_free(&m->freed, v);
		else if (!v[OPEN_KIND] && m->early_count < HEAP_EARLY)
			err = load_early(m, c, v);
	}
	return err;
}

static int load_maps(struct heap_model *m, const struct checkpoint *c)
{
	struct checkpoint_rows r;
	const uint64_t *v = r.value;

	checkpoint_rows(c, LAR_TABLE_MAPS, &r);
	if (!checkpoint_next(&r))
		return 0;
	m->mapped = (struct heap_mapped){ .maps = v[MAPS],
					  .mapped_bytes = v[MAPPED],
					  .unmaps = v[UNMAPS],
					  .unmapped_bytes = v[UNMAPPED],
					  .remaps = v[REMAPS],
					  .breaks = v[BREAKS],
					  .failed = v[MAPS_FAILED] };
	m->mapped_now = v[MAPPED] > v[UNMAPPED] ? v[MAPPED] - v[UNMAPPED] : 0;
	checkpoint_rows(c, LAR_TABLE_MAP_SITES, &r);
	while (checkpoint_next(&r)) {
		uint32_t site =
			sites_number(&m->map_sites, checkpoint_stack(c, v[0]), SITE_FOLDED_THREADS);

		if (site == SITE_NONE || array_reserve((void **)&m->map_site, &m->map_site_size,
						       site, sizeof(*m->map_site)))
			return -ENOMEM;
		m->map_site[site].maps += v[1];
		m->map_site[site].mapped_bytes += v[2];
	}
	return 0;
}

int heap_load(struct heap_model *m, const struct checkpoint *c, bool sums)
{
	int err = 0;

	if (sums) {
		m->peak_number = 1;
		err = load_sites(m, c);
		if (!err)
			load_totals(m, c);
		if (!err)
			err = load_maps(m, c);
		if (!err)
			err = load_open(m, c);
	}
	return err ? err : load_live(m, c, sums);
}
