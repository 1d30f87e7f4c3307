/* SPDX-License-Identifier: MIT */
/* Puts the classes of a leak scan to the blocks in use; see reach_sites.h. */
#include "reach_sites.h"

#include <errno.h>
#include <stdlib.h>

struct sums {
	uint64_t blocks[REACH_CLASSES], bytes[REACH_CLASSES];
};

/* Of the sites that hold something: nearly all of many do not. */
struct holding {
	uint32_t *number; /* by site: of its sums, plus 1; 0 = it holds nothing */
	struct sums *sum;
	uint32_t sites;
};

static int holding_init(struct holding *h, const struct heap_model *m, const bool *left_out)
{
	uint32_t n = 0;

	h->sites = m->sites_ready;
	h->number = calloc((size_t)h->sites + 1, sizeof(*h->number));
	for (uint32_t i = 0; h->number && i < h->sites; i++)
		if (m->site[i].live_blocks && !(left_out && left_out[i]))
			h->number[i] = ++n;
	h->sum = h->number ? calloc((size_t)n + 1, sizeof(*h->sum)) : NULL;
	return h->sum ? 0 : -ENOMEM;
}

static void holding_fini(struct holding *h)
{
	free(h->number);
	free(h->sum);
}

static struct sums *sums_of(const struct holding *h, uint32_t site)
{
	return site < h->sites && h->number[site] ? &h->sum[h->number[site] - 1] : NULL;
}

static void classify(const struct holding *h, const struct heap_model *m, const struct reach *reach,
		     unsigned time_shift)
{
	for (uint64_t i = 0; m->live.count && i <= m->live.mask; i++) {
		const struct live_block *b = &m->live.slots[i];
		struct sums *sum = b->address ? sums_of(h, b->site) : NULL;
		enum reach_class class;

		if (!sum)
			continue;
		class = reach_class_of(reach, b->address, b->born_ticks, time_shift);
		sum->blocks[class]++;
		sum->bytes[class] += b->size_bytes;
	}
}

/* What a site holds beyond the blocks that are known one by one is in no class. */
static void add_rest(struct sums *s, const struct heap_site *site)
{
	uint64_t blocks = 0, bytes = 0;

	for (int class = REACH_UNKNOWN + 1; class < REACH_CLASSES; class ++) {
		blocks += s->blocks[class];
		bytes += s->bytes[class];
	}
	s->blocks[REACH_UNKNOWN] = site->live_blocks > blocks ? site->live_blocks - blocks : 0;
	s->bytes[REACH_UNKNOWN] = site->live_bytes > bytes ? site->live_bytes - bytes : 0;
}

static uint32_t classes_in(const struct sums *s)
{
	uint32_t n = 0;

	for (uint32_t class = 0; class < REACH_CLASSES; class ++)
		n += s->blocks[class] != 0;
	return n;
}

static void add_entries(struct leaks *l, uint32_t site, const struct sums *s)
{
	for (uint32_t class = 0; class < REACH_CLASSES; class ++) {
		if (!s->blocks[class])
			continue;
		l->entry[l->count++] =
			(struct leak_site){ s->bytes[class], s->blocks[class], site, class };
		l->total[class].blocks += s->blocks[class];
		l->total[class].bytes += s->bytes[class];
	}
}

static int list_sites(struct leaks *l, const struct holding *h, const struct heap_model *m)
{
	size_t n = 0;

	for (uint32_t i = 0; i < h->sites; i++) {
		struct sums *s = sums_of(h, i);

		if (!s)
			continue;
		add_rest(s, &m->site[i]);
		n += classes_in(s);
	}
	l->entry = calloc(n + 1, sizeof(*l->entry));
	if (!l->entry)
		return -ENOMEM;
	for (uint32_t i = 0; i < h->sites; i++)
		if (h->number[i])
			add_entries(l, i, sums_of(h, i));
	return 0;
}

int leaks_make(struct leaks *l, const struct heap_model *m, const struct reach *reach,
	       unsigned time_shift, const bool *left_out)
{
	struct holding h = { 0 };
	int err;

	*l = (struct leaks){ .reach = reach };
	err = holding_init(&h, m, left_out);
	if (!err && reach_done(reach) && !m->sampling.period)
		classify(&h, m, reach, time_shift);
	if (!err)
		err = list_sites(l, &h, m);
	holding_fini(&h);
	return err;
}

void leaks_fini(struct leaks *l)
{
	free(l->entry);
	*l = (struct leaks){ 0 };
}
