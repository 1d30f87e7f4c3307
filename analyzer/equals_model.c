/* SPDX-License-Identifier: MIT */
/* Equal contents by site; see equals_model.h. */
#include "equals_model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SAVED_LEAST  4096 /* bytes at a site that are worth a line */
#define COPIES_MOST  UINT32_MAX
#define SIZE_MOST    (1u << 24)
#define ADDRESS_MOST (1ull << 48)

struct reader {
	const uint8_t *at, *end;
	bool bad;
};

struct work {
	const struct heap_model *heap;
	const struct reach *reach;
	unsigned time_shift;
	uint32_t *of_site; /* by site: blocks of this group */
	uint32_t *touched; /* sites that have some */
	uint32_t touched_count;
};

static uint64_t varint(struct reader *r)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 63 && r->at < r->end; shift += 7) {
		uint8_t b = *r->at++;

		v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80))
			return v;
	}
	r->bad = true;
	return 0;
}

/* The site of a block that is still the one that was looked at. */
static uint32_t site_at(const struct work *w, uint64_t address)
{
	const struct live_block *b = live_find(&w->heap->live, address);

	if (!b || b->site >= w->heap->sites.count ||
	    b->born_ticks >> w->time_shift > w->reach->scan.ticks >> w->time_shift)
		return SITE_NONE;
	return b->site;
}

static void take_addresses(struct work *w, struct reader *r, struct equals_group *g)
{
	unsigned shift = w->reach->scan.address_shift;
	uint64_t address = 0;

	w->touched_count = 0;
	for (uint64_t i = 0; i < g->listed && !r->bad; i++) {
		uint64_t step = varint(r);
		uint32_t site;

		if (!step || step > ADDRESS_MOST || address + (step << shift) > ADDRESS_MOST) {
			r->bad = true;
			return;
		}
		address += step << shift;
		site = site_at(w, address);
		if (site == SITE_NONE)
			g->unknown++;
		else if (!w->of_site[site]++)
			w->touched[w->touched_count++] = site;
	}
}

/* In proportion, where not all addresses are known. */
static uint64_t scaled(const struct equals_group *g, uint32_t blocks)
{
	return (uint64_t)((unsigned __int128)blocks * g->copies / g->listed);
}

static void name_site(struct equals_group *g, uint32_t site, uint64_t blocks)
{
	uint32_t at = g->sites < EQUALS_SITES ? g->sites : EQUALS_SITES;

	for (; at > 0 && g->site[at - 1].blocks < blocks; at--)
		if (at < EQUALS_SITES)
			g->site[at] = g->site[at - 1];
	if (at < EQUALS_SITES) {
		g->site[at].site = site;
		g->site[at].blocks = blocks;
	}
	g->sites++;
}

static void take_sites(struct equals *e, struct work *w, struct equals_group *g)
{
	for (uint32_t i = 0; i < w->touched_count; i++) {
		uint32_t number = w->touched[i];
		struct equals_site *s = &e->site[number];
		uint64_t blocks = scaled(g, w->of_site[number]);

		w->of_site[number] = 0;
		name_site(g, number, blocks);
		if (blocks < 2)
			continue;
		s->blocks += blocks;
		s->contents++;
		s->saved_bytes += (blocks - 1) * g->size_bytes;
	}
}

static void take_group(struct equals *e, struct work *w, struct reader *r)
{
	struct equals_group *g = &e->group[e->groups];

	g->size_bytes = varint(r);
	g->copies = varint(r);
	g->listed = varint(r);
	if (!g->size_bytes || g->size_bytes > SIZE_MOST || g->copies < 2 ||
	    g->copies > COPIES_MOST || !g->listed || g->listed > g->copies)
		r->bad = true;
	if (r->bad)
		return;
	take_addresses(w, r, g);
	take_sites(e, w, g);
	g->order = (g->copies - 1) * g->size_bytes;
	e->groups++;
}

static void take_list(struct equals *e, struct work *w)
{
	struct reader r = { w->reach->equals_list, NULL, false };

	r.end = r.at + e->found->raw_size;
	while (e->groups < e->found->listed && !r.bad)
		take_group(e, w, &r);
	if (!r.bad && r.at == r.end) {
		for (uint32_t i = 0; i < e->site_count; i++)
			if (e->site[i].saved_bytes >= SAVED_LEAST)
				e->site[i].order = e->site[i].saved_bytes;
		return;
	}
	e->damaged = true;
	e->groups = 0;
	memset(e->site, 0, e->site_count * sizeof(*e->site));
}

int equals_make(struct equals *e, const struct heap_model *m, const struct reach *reach,
		unsigned time_shift)
{
	struct work w = { .heap = m, .reach = reach, .time_shift = time_shift };
	uint32_t sites = m->sites.count;
	bool memory;

	*e = (struct equals){ .found = &reach->equals };
	if (!reach->equals_list)
		return 0;
	w.of_site = calloc((size_t)sites + 1, sizeof(*w.of_site));
	w.touched = calloc((size_t)sites + 1, sizeof(*w.touched));
	e->site = calloc((size_t)sites + 1, sizeof(*e->site));
	e->group = calloc(reach->equals.listed + 1, sizeof(*e->group));
	memory = w.of_site && w.touched && e->site && e->group;
	e->site_count = memory ? sites : 0;
	if (memory)
		take_list(e, &w);
	free(w.of_site);
	free(w.touched);
	return memory ? 0 : -ENOMEM;
}

void equals_fini(struct equals *e)
{
	free(e->group);
	free(e->site);
	*e = (struct equals){ 0 };
}
