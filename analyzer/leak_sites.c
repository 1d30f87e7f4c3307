/* SPDX-License-Identifier: MIT */
/* Suppressions put to the sites of a trace; see analysis.h. */
#include <errno.h>
#include <stdlib.h>

#include "analysis.h"

static struct suppression *match_site(struct analysis *a, struct suppressions *s, uint32_t site)
{
	const struct frame *frame;
	uint32_t n = frames_of_stack(a->frames, a->heap->sites.stack[site], &frame);
	struct suppression *found = NULL;

	for (uint32_t i = 0; i < n && !found; i++) {
		found = suppressions_match(s, frame[i].function);
		if (!found)
			found = suppressions_match(s, frame[i].file);
		if (!found)
			found = suppressions_match(s, frame[i].module_path);
	}
	return found;
}

static void take_out_trend(struct trends *t, uint32_t site)
{
	struct site_trend *st = trends_of_site(t, site);

	if (!st || !st->listed)
		return;
	st->listed = 0;
	t->verdicts[st->t.verdict]--;
	if (st->t.verdict == TREND_GROWING)
		t->growing_per_s -= st->t.slope_per_s;
}

int analysis_suppress(struct analysis *a, struct suppressions *s)
{
	const struct heap_model *m = a->heap;

	a->suppressed = calloc((size_t)m->sites.count + 1, sizeof(*a->suppressed));
	if (!a->suppressed)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->sites_ready; i++) {
		const struct site_trend *st = trends_of_site(&a->trends, i);
		struct suppression *found;

		if (!m->site[i].live_blocks && !(st && st->listed))
			continue;
		found = match_site(a, s, i);
		if (!found)
			continue;
		found->hits++;
		a->suppressed[i] = true;
		a->suppressed_total.sites++;
		a->suppressed_total.blocks += m->site[i].live_blocks;
		a->suppressed_total.bytes += m->site[i].live_bytes;
		take_out_trend(&a->trends, i);
	}
	return 0;
}

uint64_t leak_blocks(const struct analysis *a)
{
	return a->heap->total.live_blocks - a->suppressed_total.blocks;
}

uint64_t leak_bytes(const struct analysis *a)
{
	return a->heap->total.live_bytes - a->suppressed_total.bytes;
}
