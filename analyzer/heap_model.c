/* SPDX-License-Identifier: MIT */
/* Heap figures; see heap_model.h. */
#include "heap_model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Threads above this number are too many to watch for temporary allocations. */
#define MAX_WATCHED_THREADS (1u << 20)

void heap_model_init(struct heap_model *m, const struct site_rule *rule, uint64_t since_ns)
{
	memset(m, 0, sizeof(*m));
	sites_init(&m->sites, rule);
	sites_init(&m->map_sites, rule);
	m->since_ns = since_ns;
}

void heap_model_fini(struct heap_model *m)
{
	for (uint32_t i = 0; i < m->sites.count && i < m->site_size; i++)
		histogram_fini(&m->site[i].lifetime_ns);
	free(m->site);
	free(m->map_site);
	free(m->last_allocation);
	live_fini(&m->live);
	sites_fini(&m->sites);
	sites_fini(&m->map_sites);
}

static inline void last_allocation_set(struct heap_model *m, uint32_t thread, uint64_t address)
{
	if (thread >= m->thread_size &&
	    (thread >= MAX_WATCHED_THREADS ||
	     array_reserve((void **)&m->last_allocation, &m->thread_size, thread,
			   sizeof(*m->last_allocation))))
		return;
	m->last_allocation[thread] = address;
}

static struct heap_site *site_get(struct heap_model *m, const struct event *e, uint32_t *number)
{
	uint32_t n = sites_number(&m->sites, e->stack, e->thread);
	struct heap_site *s;

	if (n == SITE_NONE)
		return NULL;
	*number = n;
	if (n >= m->site_size &&
	    array_reserve((void **)&m->site, &m->site_size, n, sizeof(*m->site)))
		return NULL;
	s = &m->site[n];
	if (!s->lifetime_ns.bits) {
		histogram_init(&s->lifetime_ns, HISTOGRAM_COARSE);
		s->size_min = UINT64_MAX;
	}
	return s;
}

/*
 * What a site holds only changes behind a call of this, so what it held at the last peak is what
 * it holds at the first such call after that peak.
 */
static inline void site_keep_peak(const struct heap_model *m, struct heap_site *s)
{
	if (s->peak_number == m->peak_number)
		return;
	s->at_peak_bytes = s->live_bytes;
	s->at_peak_blocks = s->live_blocks;
	s->peak_number = m->peak_number;
}

static void count_birth(struct heap_model *m, struct heap_site *s, uint64_t size, uint64_t now)
{
	struct heap_totals *t = &m->total;

	site_keep_peak(m, s);
	s->allocations++;
	s->allocated_bytes += size;
	s->live_blocks++;
	s->live_bytes += size;
	if (s->live_bytes > s->peak_bytes)
		s->peak_bytes = s->live_bytes;
	if (size < s->size_min)
		s->size_min = size;
	if (size > s->size_max)
		s->size_max = size;
	t->allocations++;
	t->allocated_bytes += size;
	t->live_blocks++;
	t->live_bytes += size;
	if (t->live_bytes > t->peak_bytes) {
		t->peak_bytes = t->live_bytes;
		t->peak_at_ns = now;
		m->peak_number++;
	}
}

/* A block from before the window has no site. */
static void count_death(struct heap_model *m, const struct live_block *b, uint64_t now)
{
	struct heap_site *s;

	m->total.freed_bytes += b->size_bytes;
	m->total.frees++;
	if (b->site == SITE_NONE)
		return;
	s = &m->site[b->site];
	site_keep_peak(m, s);
	s->frees++;
	s->freed_bytes += b->size_bytes;
	s->live_blocks--;
	s->live_bytes -= b->size_bytes;
	m->total.live_blocks--;
	m->total.live_bytes -= b->size_bytes;
	histogram_add(&s->lifetime_ns, now > b->born_ns ? now - b->born_ns : 0);
}

/*
 * The address is given out again while we think it is in use. A realloc is recorded when it is
 * done, so another thread can have got its old block, and be recorded, before. If no such realloc
 * follows, the free was never recorded.
 */
static void block_given_out_again(struct heap_model *m, struct live_block *b, const struct event *e)
{
	struct heap_early *early = &m->early[m->early_count++ % HEAP_EARLY];

	early->address = b->address;
	early->time_ns = e->time_ns;
	early->freed_bytes = b->size_bytes;
	count_death(m, b, e->time_ns);
	m->total.frees--;
	m->total.freed_bytes -= b->size_bytes;
	m->total.implied_frees++;
	live_remove(&m->live, b);
}

static int block_born(struct heap_model *m, const struct event *e, uint64_t address, uint64_t size)
{
	struct live_block *b = live_find(&m->live, address);
	struct heap_site *s = NULL;
	uint32_t site = SITE_NONE;

	if (b)
		block_given_out_again(m, b, e);
	if (e->time_ns >= m->since_ns) {
		s = site_get(m, e, &site);
		if (!s)
			return -ENOMEM;
	}
	b = live_insert(&m->live, address);
	if (!b)
		return -ENOMEM;
	b->size_bytes = size;
	b->born_ns = e->time_ns;
	b->site = site;
	b->thread = e->thread;
	if (s)
		count_birth(m, s, size, e->time_ns);
	last_allocation_set(m, e->thread, address);
	return 0;
}

/* Was the block's end announced by block_given_out_again()? Then it is counted already. */
static bool death_was_early(struct heap_model *m, uint64_t address, uint64_t start_ns)
{
	uint32_t n = m->early_count < HEAP_EARLY ? m->early_count : HEAP_EARLY;

	for (uint32_t i = 0; i < n; i++) {
		struct heap_early *early = &m->early[(m->early_count - 1 - i) % HEAP_EARLY];

		if (early->address != address || early->time_ns < start_ns)
			continue;
		early->address = 0;
		m->total.frees++;
		m->total.freed_bytes += early->freed_bytes;
		m->total.implied_frees--;
		return true;
	}
	return false;
}

static void block_died(struct heap_model *m, const struct event *e, uint64_t address, uint64_t now)
{
	struct live_block *b = live_find(&m->live, address);
	bool in_window = e->time_ns >= m->since_ns;

	if (e->kind == LAR_EV_REALLOC && (!b || b->born_ns > now) &&
	    death_was_early(m, address, now))
		return;
	if (!b) {
		m->total.unpaired_frees += in_window;
		return;
	}
	if (in_window) {
		if (b->site != SITE_NONE && b->thread == e->thread && e->thread < m->thread_size &&
		    m->last_allocation[e->thread] == address) {
			m->site[b->site].temporary++;
			m->total.temporary++;
		}
		count_death(m, b, now);
	}
	live_remove(&m->live, b);
}

static int count_failure(struct heap_model *m, const struct event *e)
{
	struct heap_site *s;
	uint32_t site;

	last_allocation_set(m, e->thread, 0);
	if (e->time_ns < m->since_ns)
		return 0;
	s = site_get(m, e, &site);
	if (!s)
		return -ENOMEM;
	s->failed++;
	m->total.failed++;
	return 0;
}

static int take_realloc(struct heap_model *m, const struct event *e)
{
	uint64_t took = e->field[1], old = e->field[2], now = e->field[3], size = e->field[4];

	if (!now && (size || !old))
		return count_failure(m, e);
	if (old)
		block_died(m, e, old, e->time_ns > took ? e->time_ns - took : 0);
	if (old && now && e->time_ns >= m->since_ns)
		m->total.reallocations++;
	if (now)
		return block_born(m, e, now, size);
	last_allocation_set(m, e->thread, 0);
	return 0;
}

static int take_map(struct heap_model *m, const struct event *e)
{
	struct heap_mapped *t = &m->mapped;
	uint32_t site;

	if (e->time_ns < m->since_ns)
		return 0;
	if ((int64_t)e->field[6] < 0) {
		t->failed++;
		return 0;
	}
	switch (e->call) {
	case LAR_CALL_munmap:
		t->unmaps++;
		t->unmapped_bytes += e->field[5];
		return 0;
	case LAR_CALL_mremap:
		t->remaps++;
		return 0;
	case LAR_CALL_brk:
	case LAR_CALL_sbrk:
		t->breaks++;
		return 0;
	default:
		break;
	}
	t->maps++;
	t->mapped_bytes += e->field[3];
	site = sites_number(&m->map_sites, e->stack, e->thread);
	if (site == SITE_NONE ||
	    array_reserve((void **)&m->map_site, &m->map_site_size, site, sizeof(*m->map_site)))
		return -ENOMEM;
	m->map_site[site].maps++;
	m->map_site[site].mapped_bytes += e->field[3];
	return 0;
}

int heap_model_event(struct heap_model *m, const struct event *e)
{
	switch (e->kind) {
	case LAR_EV_ALLOC:
		if (!e->field[1])
			return e->field[2] ? count_failure(m, e) : 0;
		return block_born(m, e, e->field[1], e->field[2]);
	case LAR_EV_FREE:
		block_died(m, e, e->field[1], e->time_ns);
		last_allocation_set(m, e->thread, 0);
		return 0;
	case LAR_EV_REALLOC:
		return take_realloc(m, e);
	case LAR_EV_MAP:
		return take_map(m, e);
	default:
		return 0;
	}
}

void heap_model_finish(struct heap_model *m)
{
	for (uint32_t i = 0; i < m->sites.count && i < m->site_size; i++)
		site_keep_peak(m, &m->site[i]);
}
