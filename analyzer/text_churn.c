/* SPDX-License-Identifier: MIT */
/* Candidates for other ways to allocate, as text. */
#include <inttypes.h>

#include "report_text.h"

#define SHOWN 5 /* of each kind, unless --limit says more */

static uint32_t shown_of(const struct analysis *a, uint32_t count)
{
	uint64_t limit = a->context->limit_given ? a->context->limit : SHOWN;

	return count < limit ? count : (uint32_t)limit;
}

/* The median life of a site's blocks. */
static void cell_life(const struct analysis *a, struct table *t, uint32_t site)
{
	uint64_t ticks = histogram_quantile(&a->heap->site[site].lifetime, 500);
	uint64_t ns = trace_span_ns(a->trace, ticks);
	char text[FORMAT_SIZE + 2], x[FORMAT_SIZE];

	snprintf(text, sizeof(text), "%s%s", ns < CLOCK_STEP_NS ? "< " : "",
		 format_time(x, ns < CLOCK_STEP_NS ? CLOCK_STEP_NS : ns));
	table_cell(t, text);
}

static void print_pools(struct analysis *a, const struct ranking *r)
{
	static const char *const titles[] = { "SIZE", "CALLS", "LIFE", "POOL OF", "ANSWERS", NULL };
	uint32_t shown = shown_of(a, r->count);
	struct table *t;

	if (!r->count)
		return;
	text_caption(a, "A pool of free blocks would have answered", shown, r->count);
	t = table_new(a->context, titles, "SITE");
	for (uint32_t i = 0; i < shown; i++) {
		const struct churn_site *s = &a->churn->site[r->index[i]];
		unsigned best = churn_best_pool(s);
		char x[FORMAT_SIZE];

		table_row(t);
		cell_bytes(t, s->size_bytes);
		cell_count(t, s->of_size);
		cell_life(a, t, r->index[i]);
		cell_count(t, churn_pool_blocks[best]);
		table_cell(t, format_percent(x, s->hits[best], s->of_size));
		text_site(a, t, &a->heap->sites, r->index[i], 1);
	}
	table_print(t);
}

static void print_arenas(struct analysis *a, const struct ranking *r)
{
	static const char *const titles[] = { "BLOCKS", "BATCHES", NULL };
	uint32_t shown = shown_of(a, r->count);
	struct table *t;

	if (!r->count)
		return;
	text_caption(a, "Made together and freed together: an arena has one free a batch", shown,
		     r->count);
	t = table_new(a->context, titles, "SITE");
	for (uint32_t i = 0; i < shown; i++) {
		const struct churn_site *s = &a->churn->site[r->index[i]];

		table_row(t);
		cell_count(t, s->batch_blocks);
		cell_count(t, s->batches);
		text_site(a, t, &a->heap->sites, r->index[i], 1);
	}
	table_print(t);
}

static void print_reserves(struct analysis *a, const struct ranking *r)
{
	static const char *const titles[] = { "COPIED", "MOVES", "REALLOCS", NULL };
	uint32_t shown = shown_of(a, r->count);
	struct table *t;

	if (!r->count)
		return;
	text_caption(a, "Grown again and again: room reserved at first saves the copies", shown,
		     r->count);
	t = table_new(a->context, titles, "SITE");
	for (uint32_t i = 0; i < shown; i++) {
		const struct churn_site *s = &a->churn->site[r->index[i]];

		table_row(t);
		cell_bytes(t, s->copied_bytes);
		cell_count(t, s->moved);
		cell_count(t, s->grown);
		text_site(a, t, &a->heap->sites, r->index[i], 1);
	}
	table_print(t);
}

static void print_sharing(struct analysis *a, const struct ranking *r)
{
	static const char *const titles[] = { "BLOCKS", "TOGETHER", "PADDING", NULL };
	uint32_t shown = shown_of(a, r->count);
	struct table *t;

	if (!r->count)
		return;
	text_caption(a, "On a cache line with a block that another thread allocated", shown,
		     r->count);
	t = table_new(a->context, titles, "SITE");
	for (uint32_t i = 0; i < shown; i++) {
		const struct sharing_site *s = &a->sharing->site[r->index[i]];
		char text[80];

		table_row(t);
		cell_count(t, s->blocks);
		cell_ticks(a, t, s->together_ticks);
		cell_bytes(t, s->padding_bytes);
		text_site(a, t, &a->heap->sites, r->index[i], 1);
		snprintf(text, sizeof(text),
			 "thread %" PRIu32 ", and thread %" PRIu32 " with:", s->thread,
			 s->other_thread);
		table_words(t, text);
		text_site(a, t, &a->heap->sites, s->other_site, 1);
	}
	table_print(t);
}

static void say_equals(struct analysis *a)
{
	const struct lar_equals *f = a->equals.found;
	char x[FORMAT_SIZE], y[FORMAT_SIZE], z[FORMAT_SIZE];

	text_say(a,
		 "In all %s saved in %s: of %s of %" PRIu32 " to %" PRIu32
		 " bytes that the leak scan found reachable",
		 format_bytes(x, f->saved_bytes), format_things(y, f->copies, "block"),
		 format_things(z, f->looked_blocks, "block"), f->least, f->most);
	if (f->zero_blocks)
		text_say(a, "%s in %s of nothing but zeros not counted",
			 format_bytes(x, f->zero_bytes), format_things(y, f->zero_blocks, "block"));
	if (f->unlooked_blocks)
		text_say(a, "%s in %s more not looked at: too many",
			 format_bytes(x, f->unlooked_bytes),
			 format_things(y, f->unlooked_blocks, "block"));
	if (f->listed < f->groups)
		text_say(a, "Sites know of the %s of %s that save the most",
			 format_count(x, f->listed), format_things(y, f->groups, "content"));
}

static void print_equals(struct analysis *a, const struct ranking *r)
{
	static const char *const titles[] = { "SAVES", "BLOCKS", "CONTENTS", NULL };
	uint32_t shown = shown_of(a, r->count);
	struct table *t;

	if (!r->count)
		return;
	text_caption(a, "Of equal content: one of each instead of all", shown, r->count);
	t = table_new(a->context, titles, "SITE");
	for (uint32_t i = 0; i < shown; i++) {
		const struct equals_site *s = &a->equals.site[r->index[i]];

		table_row(t);
		cell_bytes(t, s->saved_bytes);
		cell_count(t, s->blocks);
		cell_count(t, s->contents);
		text_site(a, t, &a->heap->sites, r->index[i], 1);
	}
	table_print(t);
	say_equals(a);
}

void text_churn(struct analysis *a)
{
	static const struct {
		int (*rank)(struct analysis *a, struct ranking *r);
		void (*print)(struct analysis *a, const struct ranking *r);
	} lists[] = {
		{ pool_rank_sites, print_pools },	{ arena_rank_sites, print_arenas },
		{ reserve_rank_sites, print_reserves }, { sharing_rank_sites, print_sharing },
		{ equals_rank_sites, print_equals },
	};

	for (size_t i = 0; a->churn && i < sizeof(lists) / sizeof(*lists); i++) {
		struct ranking r;

		if (lists[i].rank(a, &r))
			continue;
		lists[i].print(a, &r);
		ranking_fini(&r);
	}
}
