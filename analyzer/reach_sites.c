/* SPDX-License-Identifier: MIT */
/* Puts the classes of a leak scan to the blocks in use; see reach_sites.h. */
#include "reach_sites.h"

#include <errno.h>
#include <stdlib.h>

struct sums {
	uint64_t blocks[REACH_CLASSES], bytes[REACH_CLASSES];
};

static void classify(struct sums *sum, uint32_t sites, const struct heap_model *m,
		     const struct reach *reach, unsigned time_shift)
{
	for (uint64_t i = 0; m->live.count && i <= m->live.mask; i++) {
		const struct live_block *b = &m->live.slots[i];
		enum reach_class class;

		if (!b->address || b->site >= sites)
			continue;
		class = reach_class_of(reach, b->address, b->born_ticks, time_shift);
		sum[b->site].blocks[class]++;
		sum[b->site].bytes[class] += b->size_bytes;
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

int leaks_make(struct leaks *l, const struct heap_model *m, const struct reach *reach,
	       unsigned time_shift, const bool *left_out)
{
	uint32_t sites = m->sites.count < m->site_size ? m->sites.count : m->site_size;
	struct sums *sum = calloc((size_t)sites + 1, sizeof(*sum));

	*l = (struct leaks){ .reach = reach };
	l->entry = calloc((size_t)sites * REACH_CLASSES + 1, sizeof(*l->entry));
	if (!sum || !l->entry) {
		free(sum);
		return -ENOMEM;
	}
	if (reach_done(reach) && !m->sampling.period)
		classify(sum, sites, m, reach, time_shift);
	for (uint32_t i = 0; i < sites; i++) {
		if (left_out && left_out[i])
			continue;
		add_rest(&sum[i], &m->site[i]);
		add_entries(l, i, &sum[i]);
	}
	free(sum);
	return 0;
}

void leaks_fini(struct leaks *l)
{
	free(l->entry);
	*l = (struct leaks){ 0 };
}
