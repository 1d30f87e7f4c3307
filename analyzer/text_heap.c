/* SPDX-License-Identifier: MIT */
/* The heap and the leaks as text. */
#include <inttypes.h>
#include <string.h>

#include "report_text.h"

/* One line where the figures are not counts. */
static void say_sampled(struct analysis *a)
{
	char x[FORMAT_SIZE], y[FORMAT_SIZE];

	if (a->heap->sampling.period)
		text_say(a, "Estimates from sampling, about one in %s: %s recorded",
			 format_bytes(x, a->heap->sampling.period),
			 format_things(y, a->heap->total.samples, "allocation"));
}

static void say_totals(struct analysis *a)
{
	const struct heap_totals *t = &a->heap->total;
	char x[FORMAT_SIZE], y[FORMAT_SIZE], z[FORMAT_SIZE];

	text_say(a, "%s of %s in all, %s freed", format_things(x, t->allocations, "allocation"),
		 format_bytes(y, t->allocated_bytes), format_count(z, t->frees));
	text_say(a, "At most %s at a time, %s after the start", format_bytes(x, t->peak_bytes),
		 format_time(y, trace_ns(a->trace, t->peak_at_ticks)));
	if (t->temporary)
		text_say(a, "%s temporary (%s): freed by the thread's next heap call",
			 format_count(x, t->temporary),
			 format_percent(y, t->temporary, t->allocations));
	if (t->reallocations)
		text_say(a, "%s, each a free and an allocation in these counts",
			 format_things(x, t->reallocations, "reallocation"));
	if (t->failed)
		text_say(a, "%s failed", format_things(x, t->failed, "allocation"));
	if (t->unpaired_frees)
		text_say(a, "%s of what was not allocated in this record: left out",
			 format_things(x, t->unpaired_frees, "free"));
	if (t->unlisted)
		text_say(a,
			 "%s in use %s after the start were too many to be kept one by one: if "
			 "they were freed since, they still count as in use",
			 format_things(x, t->unlisted, "block"),
			 format_time(y, a->facts->folded_until_ns));
	if (t->implied_frees)
		text_say(a, "%s freed unseen: the address was given out again",
			 format_things(x, t->implied_frees, "block"));
}

static void say_mapped(struct analysis *a)
{
	const struct heap_mapped *m = &a->heap->mapped;
	char w[FORMAT_SIZE], x[FORMAT_SIZE], y[FORMAT_SIZE], z[FORMAT_SIZE];

	if (m->maps || m->unmaps)
		text_say(a, "Apart from the heap: %s of %s, %s unmapped (%s)",
			 format_things(w, m->maps, "mapping"), format_bytes(x, m->mapped_bytes),
			 format_count(y, m->unmaps), format_bytes(z, m->unmapped_bytes));
}

/* "16 B to 4.00 KiB each, half live less than 1.20 us, 35 % temporary" */
static void site_detail(struct analysis *a, struct table *t, const struct heap_site *s)
{
	char x[FORMAT_SIZE], y[FORMAT_SIZE], text[200];
	uint64_t median;
	size_t n;

	if (!s->allocations)
		return;
	if (s->size_min == s->size_max)
		n = (size_t)snprintf(text, sizeof(text), "%s each", format_bytes(x, s->size_min));
	else
		n = (size_t)snprintf(text, sizeof(text), "%s to %s", format_bytes(x, s->size_min),
				     format_bytes(y, s->size_max));
	if (s->temporary)
		n += (size_t)snprintf(text + n, sizeof(text) - n, ", %s temporary",
				      format_percent(x, s->temporary, s->allocations));
	median = trace_span_ns(a->trace, histogram_quantile(&s->lifetime, 500));
	if (s->lifetime.count && median < CLOCK_STEP_NS)
		snprintf(text + n, sizeof(text) - n, ", life < %s", format_time(x, CLOCK_STEP_NS));
	else if (s->lifetime.count)
		snprintf(text + n, sizeof(text) - n, ", life %s", format_time(x, median));
	table_words(t, text);
}

static void print_sites(struct analysis *a, const char *caption, const struct ranking *r,
			bool brief)
{
	static const char *const titles[] = { "ALLOCATED", "CALLS", "AT PEAK", "LEFT", NULL };
	struct table *t = table_new(a->context, titles, "SITE");
	uint32_t shown = text_shown(a, brief, r->count);
	unsigned callers = brief ? 2 : TEXT_CALLERS;
	struct alike *alike = text_alike(a, &a->heap->sites, r->index, shown, callers);

	text_caption(a, caption, shown, r->count);
	for (uint32_t i = 0; i < shown; i++) {
		const struct heap_site *s = &a->heap->site[r->index[i]];

		table_row(t);
		cell_bytes(t, s->allocated_bytes);
		cell_count(t, s->allocations);
		cell_bytes(t, s->at_peak_bytes);
		cell_bytes(t, s->live_bytes);
		text_site_apart(a, t, &a->heap->sites, r->index[i], callers, alike);
		if (!brief)
			site_detail(a, t, s);
	}
	alike_free(alike);
	table_drop_empty(t, 3);
	if (!brief)
		table_space_rows(t);
	table_print(t);
}

void text_heap(struct analysis *a, bool brief)
{
	struct ranking r;

	text_heading(a, "Heap");
	say_sampled(a);
	say_totals(a);
	if (!a->facts->bypassed_by && analysis_bypassed_by(a))
		text_say(a, "Not seen: malloc is that of %s.", basename(analysis_bypassed_by(a)));
	say_mapped(a);
	text_misuse(a, brief);
	if (heap_rank_sites(a, &r))
		return;
	if (r.count)
		print_sites(a, brief ? "Most allocated" : "Allocation sites", &r, brief);
	ranking_fini(&r);
	if (!brief)
		text_churn(a);
}

static void print_leaks(struct analysis *a, const struct ranking *r, bool brief)
{
	static const char *const titles[] = { "BYTES", "BLOCKS", "CLASS", NULL };
	static const char *const classes[REACH_CLASSES] = { "-", "lost", "indirect", "reachable" };
	uint32_t shown = text_shown(a, brief, r->count), first[ALIKE_ROWS], n = 0;
	unsigned callers = brief ? 1 : 2 * TEXT_CALLERS;
	struct alike *alike;
	struct table *t;

	for (; n < shown && n < ALIKE_ROWS; n++)
		first[n] = a->leaks.entry[r->index[n]].site;
	alike = text_alike(a, &a->heap->sites, first, n, callers);
	text_caption(a, "Where it was allocated", shown, r->count);
	t = table_new(a->context, titles, "SITE");
	for (uint32_t i = 0; i < shown; i++) {
		const struct leak_site *s = &a->leaks.entry[r->index[i]];

		table_row(t);
		cell_bytes(t, s->bytes);
		cell_count(t, s->blocks);
		table_cell(t, classes[s->class]);
		text_site_apart(a, t, &a->heap->sites, s->site, callers, alike);
	}
	alike_free(alike);
	table_drop_empty(t, 2);
	if (!brief)
		table_space_rows(t);
	table_print(t);
}

void text_leaks(struct analysis *a, bool brief)
{
	char x[FORMAT_SIZE], y[FORMAT_SIZE], z[FORMAT_SIZE];
	struct ranking r;

	text_heading(a, "Not freed");
	say_sampled(a);
	if (!leak_blocks(a))
		text_say(a, "Nothing: every %s was freed%s.",
			 a->heap->sampling.period  ? "recorded block"
			 : analysis_bypassed_by(a) ? "block that was seen"
						   : "block",
			 a->suppressed_total.blocks ? " or is suppressed" : "");
	else
		text_say(a, "%s in %s at the end, still in use or lost",
			 format_bytes(x, leak_bytes(a)), format_things(y, leak_blocks(a), "block"));
	text_leak_classes(a);
	if (a->suppressed_total.sites)
		text_say(a, "Suppressed: %s in %s of %s",
			 format_bytes(x, a->suppressed_total.bytes),
			 format_things(y, a->suppressed_total.blocks, "block"),
			 format_things(z, a->suppressed_total.sites, "site"));
	if (leak_blocks(a) && !leak_rank_sites(a, &r)) {
		print_leaks(a, &r, brief);
		ranking_fini(&r);
	}
	text_trends(a, brief);
}
