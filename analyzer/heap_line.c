/* SPDX-License-Identifier: MIT */
/* A checkpoint's timeline into a heap model's; see heap_line.h. */
#include "heap_line.h"

#include <errno.h>
#include <stdlib.h>

#define MAX_SAMPLES 256u
#define MAX_SLOTS   64u
#define NO_LINE	    UINT32_MAX

enum sample_column {
	LINE_LIVE,
	LINE_LEAST,
	LINE_MOST,
	LINE_ALLOCATIONS,
	LINE_ALLOCATED,
	LINE_FREES,
	LINE_FREED,
	LINE_UNPAIRED,
	LINE_MAPPED,
	LINE_RSS,
	LINE_HEAP,
	LINE_THREADS,
	LINE_IO_CALLS,
	LINE_IO_BYTES,
};
enum series_column { SERIES_NODE, SERIES_VALUE, SERIES_FIRST };

/* What a site held, as sums over the stacks that count as it. */
struct site_line {
	uint32_t site;
	uint64_t low[MAX_SLOTS], high[MAX_SLOTS];
};

struct lines {
	struct site_line *line;
	uint32_t count, room;
	uint32_t *of_site; /* index of the site's line, or NO_LINE */
	uint32_t sites;
	struct timeline_sample sample[MAX_SAMPLES];
	uint32_t samples;
	unsigned shift, per_slot;
	bool rss_is_peak;
};

static struct site_line *line_of(struct lines *l, uint32_t site)
{
	uint32_t at = site < l->sites ? l->of_site[site] : NO_LINE;

	if (site >= l->sites)
		return NULL;
	if (at != NO_LINE)
		return &l->line[at];
	if (l->count == l->room) {
		uint32_t room = l->room ? 2 * l->room : 64;
		struct site_line *p = realloc(l->line, room * sizeof(*p));

		if (!p)
			return NULL;
		l->line = p;
		l->room = room;
	}
	l->of_site[site] = l->count;
	l->line[l->count] = (struct site_line){ .site = site };
	return &l->line[l->count++];
}

static int read_series(struct lines *l, struct heap_model *m, const struct checkpoint *c)
{
	struct checkpoint_rows r;
	uint32_t site;

	checkpoint_rows(c, LAR_TABLE_SERIES, &r);
	while (checkpoint_next(&r)) {
		struct site_line *line;
		uint64_t before = 0;

		if (!heap_model_site(m, checkpoint_stack(c, r.value[SERIES_NODE]),
				     SITE_FOLDED_THREADS, &site))
			return -ENOMEM;
		if (site >= l->sites) /* it has no figures: the file is not right */
			continue;
		line = line_of(l, site);
		if (!line)
			return -ENOMEM;
		for (uint32_t i = 0; i < MAX_SLOTS; i++) {
			const uint64_t *v = &r.value[SERIES_FIRST + 2 * i];
			uint64_t low = before + (uint64_t)checkpoint_signed(v[0]);

			before = low + v[1];
			line->low[i] += low;
			line->high[i] += before;
		}
	}
	return 0;
}

static void read_samples(struct lines *l, const struct checkpoint *c)
{
	struct checkpoint_rows r;
	const uint64_t *v = r.value;

	checkpoint_rows(c, LAR_TABLE_TIMELINE, &r);
	while (l->samples < MAX_SAMPLES && checkpoint_next(&r)) {
		l->rss_is_peak = v[LINE_RSS] & 1;
		l->sample[l->samples++] =
			(struct timeline_sample){ .live_bytes = v[LINE_LIVE],
						  .live_min = v[LINE_LEAST],
						  .live_max = v[LINE_MOST],
						  .allocations = v[LINE_ALLOCATIONS],
						  .allocated_bytes = v[LINE_ALLOCATED],
						  .frees = v[LINE_FREES],
						  .freed_bytes = v[LINE_FREED],
						  .unpaired_frees = v[LINE_UNPAIRED],
						  .mapped_bytes = v[LINE_MAPPED],
						  .io_calls = v[LINE_IO_CALLS],
						  .io_bytes = v[LINE_IO_BYTES],
						  .rss_bytes = v[LINE_RSS] & ~1ull,
						  .heap_bytes = v[LINE_HEAP],
						  .threads = v[LINE_THREADS] };
	}
}

static void note_slot(const struct lines *l, struct heap_model *m, uint32_t slot)
{
	for (uint32_t i = 0; i < l->count; i++) {
		struct series *s = &m->site[l->line[i].site].line;

		series_note(s, m->line, l->line[i].high[slot]);
		series_note(s, m->line, l->line[i].low[slot]);
	}
}

/* As if the events were coming, in the order of time. */
static void replay(const struct lines *l, struct heap_model *m, const struct trace *t,
		   uint64_t until_ns)
{
	struct timeline_sample last = { 0 };

	for (uint32_t k = 0; k < l->samples; k++) {
		uint64_t at = trace_span_ns(t, (uint64_t)k << l->shift);

		if (at > until_ns)
			break;
		if (at >= m->line->end_ns)
			timeline_advance(m->line, at, &last);
		if (k % l->per_slot == 0 && k / l->per_slot < MAX_SLOTS)
			note_slot(l, m, k / l->per_slot);
		timeline_live(m->line, l->sample[k].live_min);
		timeline_live(m->line, l->sample[k].live_max);
		last = l->sample[k];
		m->io_calls = last.io_calls;
		m->io_bytes = last.io_bytes;
		m->tick.rss_bytes = last.rss_bytes;
		m->tick.rss_is_peak = l->rss_is_peak;
		m->tick.heap_bytes = last.heap_bytes;
		m->tick.threads = last.threads;
	}
	if (until_ns >= m->line->end_ns)
		timeline_advance(m->line, until_ns, &last);
	for (uint32_t i = 0; i < m->sites_ready; i++)
		series_note(&m->site[i].line, m->line, m->site[i].live_bytes);
}

int heap_line_load(struct heap_model *m, const struct checkpoint *c, const struct trace *t,
		   uint64_t until_ns)
{
	struct checkpoint_rows r;
	struct lines *l;
	int err = 0;

	checkpoint_rows(c, LAR_TABLE_TIME, &r);
	if (!checkpoint_next(&r) || r.value[0] > 56 || !r.value[1])
		return heap_model_start_line(m, until_ns);
	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->shift = (unsigned)r.value[0];
	l->per_slot = r.value[1] < MAX_SAMPLES ? (unsigned)r.value[1] : MAX_SAMPLES;
	l->sites = m->sites.count;
	l->of_site = malloc((l->sites + 1) * sizeof(*l->of_site));
	if (!l->of_site)
		err = -ENOMEM;
	for (uint32_t i = 0; !err && i < l->sites; i++)
		l->of_site[i] = NO_LINE;
	read_samples(l, c);
	if (!err)
		err = read_series(l, m, c);
	if (!err)
		replay(l, m, t, until_ns);
	free(l->of_site);
	free(l->line);
	free(l);
	return err;
}
