/* SPDX-License-Identifier: MIT */
/* Who waited for whom, who waits, and the order of locks, as text. */
#include <inttypes.h>
#include <stdlib.h>

#include "lock_findings.h"
#include "lock_name.h"
#include "report_text.h"

#define ORDER_CALLERS 3

static void lock_words(const struct analysis *a, char *to, size_t size, uint64_t address,
		       unsigned call, const char *before)
{
	char name[LOCK_NAME];

	if (address)
		snprintf(to, size, "%s%s %s", before, lock_kind(call),
			 lock_name(a->frames, address, name));
	else
		snprintf(to, size, "%sseveral locks", before);
}

/* Who waited, and below, in whose stead. */
static void print_blame(struct analysis *a, bool brief)
{
	static const char *const titles[] = { "WAITED", "WAITS", "LONGEST", NULL };
	const struct lock_model *m = a->locks;
	struct table *t;
	struct ranking r;
	uint32_t shown;

	if (!m->waits.blame_map.count || lock_rank_blame(a, &r))
		return;
	shown = text_shown(a, brief, r.count);
	text_caption(a, "Who waited for whom", shown, r.count);
	t = table_new(a->context, titles, "WAITED HERE, FOR WHAT WAS TAKEN THERE");
	for (uint32_t i = 0; i < shown; i++) {
		const struct lock_blame *b = &m->waits.blame[r.index[i]];
		char what[LOCK_NAME + 40];

		table_row(t);
		cell_ticks(a, t, b->ticks);
		cell_count(t, b->count);
		cell_ticks(a, t, b->most);
		text_site(a, t, &m->sites, b->waits, brief ? 0 : 2);
		lock_words(a, what, sizeof(what), m->lock[b->lock].address, m->lock[b->lock].call,
			   "for ");
		table_words(t, what);
		if (b->holds == SITE_NONE)
			table_words(t, "taken by somebody that is not known");
		else
			text_site(a, t, &m->sites, b->holds, brief ? 0 : 2);
	}
	table_space_rows(t);
	table_print(t);
	ranking_fini(&r);
}

static void print_causes(struct analysis *a)
{
	static const char *const titles[] = { "CAUSED", "WAITS", "HELD", "LONGEST", NULL };
	struct table *t;
	struct ranking r;
	uint32_t shown;

	if (lock_rank_causes(a, &r))
		return;
	shown = text_shown(a, false, r.count);
	if (r.count) {
		text_caption(a, "Where locks are taken that others wait for", shown, r.count);
		t = table_new(a->context, titles, "SITE");
		for (uint32_t i = 0; i < shown; i++) {
			const struct lock_site *s = &a->locks->site[r.index[i]];

			table_row(t);
			cell_ticks(a, t, s->caused_ticks);
			cell_count(t, s->caused);
			cell_ticks(a, t, s->f.hold_ticks);
			cell_ticks(a, t, s->f.hold_max_ticks);
			text_site(a, t, &a->locks->sites, r.index[i], 1);
		}
		table_print(t);
	}
	ranking_fini(&r);
}

static void thread_words(const struct analysis *a, char *to, size_t size, uint32_t thread)
{
	const char *name = analysis_thread(a, thread)->name;

	snprintf(to, size, "%" PRIu32 " %s", thread, *name ? name : thread == 1 ? "main" : "");
}

static void waiting_words(const struct analysis *a, const struct lock_waiting *w, char *to,
			  size_t size)
{
	const char *call = call_name(w->call);
	int n;

	if (!w->in_call) {
		lock_words(a, to, size, w->address, w->call, "waits for ");
	} else if (w->joins) {
		n = snprintf(to, size, "in %s of thread ", call);
		thread_words(a, to + n, size - (size_t)n, (uint32_t)w->address);
	} else if (w->address > INT32_MAX) {
		snprintf(to, size, "in %s", call);
	} else if (!w->target) {
		snprintf(to, size, "in %s of descriptor %" PRIu64, call, w->address);
	} else {
		snprintf(to, size, "in %s of descriptor %" PRIu64 ", %s", call, w->address,
			 text_target(a, w->target));
	}
}

static void waiting_row(struct analysis *a, struct table *t, const struct lock_waiting *w)
{
	const struct lock_waits *waits = &a->locks->waits;
	char what[400];

	table_row(t);
	thread_words(a, what, sizeof(what), w->thread);
	table_cell(t, what);
	cell_time(t, trace_ns(a->trace, w->since_ticks));
	waiting_words(a, w, what, sizeof(what));
	table_line(t, STYLE_BOLD, what, NULL);
	if (!w->in_call)
		text_callers(a, t, w->stack, ORDER_CALLERS);
	for (uint32_t i = 0; i < waits->holding_count; i++) {
		const struct lock_holding *h = &waits->holding[i];

		if (h->thread != w->thread)
			continue;
		lock_words(a, what, sizeof(what), h->address, h->call, "holds ");
		table_line(t, STYLE_BOLD, what, NULL);
		text_callers(a, t, h->stack, ORDER_CALLERS);
	}
}

static void print_deadlocks(struct analysis *a)
{
	static const char *const titles[] = { "<THREAD", "SINCE", NULL };
	const struct lock_waits *w = &a->locks->waits;

	for (uint32_t i = 0; i < w->circle_count; i++) {
		const struct lock_circle *c = &w->circle[i];
		char n[FORMAT_SIZE];
		struct table *t;

		if (c->count == 1)
			text_say(a, "Deadlock: a thread waits for itself.");
		else
			text_say(a, "Deadlock: %s wait for each other, and none of them can go on.",
				 format_things(n, c->count, "thread"));
		t = table_new(a->context, titles, "WAITS FOR, HOLDS");
		for (uint32_t k = 0; k < c->count; k++)
			waiting_row(a, t, &w->waiting[w->circle_thread[c->first + k]]);
		table_space_rows(t);
		table_print(t);
	}
}

static void print_held(struct analysis *a)
{
	static const char *const titles[] = { "<THREAD", "FOR", NULL };
	const struct lock_waits *w = &a->locks->waits;
	uint32_t shown = text_shown(a, false, w->holding_count);
	struct table *t;

	if (!w->holding_count)
		return;
	text_caption(a, "Locks held at the end", shown, w->holding_count);
	t = table_new(a->context, titles, "LOCK, TAKEN THERE");
	for (uint32_t i = 0; i < shown; i++) {
		const struct lock_holding *h = &w->holding[i];
		char what[LOCK_NAME + 40];

		table_row(t);
		thread_words(a, what, sizeof(what), h->thread);
		table_cell(t, what);
		cell_ticks(a, t, h->ticks);
		lock_words(a, what, sizeof(what), h->address, h->call, "");
		table_line(t, STYLE_BOLD, what, NULL);
		text_callers(a, t, h->stack, ORDER_CALLERS);
	}
	table_space_rows(t);
	table_print(t);
}

static void print_waiting(struct analysis *a)
{
	static const char *const titles[] = { "<THREAD", "SINCE", NULL };
	const struct lock_waits *w = &a->locks->waits;
	uint32_t count = 0, shown, n = 0;
	struct table *t;

	for (uint32_t i = 0; i < w->threads.count; i++)
		count += w->waiting[i].waits;
	if (!count)
		return;
	shown = text_shown(a, false, count);
	text_caption(a, "Threads that wait at the end", shown, count);
	t = table_new(a->context, titles, "WAITS FOR, HOLDS");
	for (uint32_t i = 0; i < w->threads.count && n < shown; i++) {
		if (!w->waiting[i].waits)
			continue;
		waiting_row(a, t, &w->waiting[i]);
		n++;
	}
	table_space_rows(t);
	table_print(t);
}

static void print_circle(struct analysis *a, const struct lock_order_circle *c)
{
	static const char *const titles[] = { "<THREAD", NULL };
	const struct lock_model *m = a->locks;
	struct table *t = table_new(a->context, titles, "TAKES, WHILE IT HOLDS");

	for (uint32_t i = 0; i < c->count; i++) {
		const struct lock_edge *e = &m->order.edge[c->edge[i]];
		char what[LOCK_NAME + 40];

		table_row(t);
		thread_words(a, what, sizeof(what), e->thread);
		table_cell(t, what);
		lock_words(a, what, sizeof(what), m->lock[e->to].address, m->lock[e->to].call, "");
		table_line(t, STYLE_BOLD, what, NULL);
		text_callers(a, t, e->stack, ORDER_CALLERS);
		lock_words(a, what, sizeof(what), m->lock[e->from].address, m->lock[e->from].call,
			   "while it holds ");
		table_line(t, STYLE_BOLD, what, NULL);
		text_callers(a, t, e->held_stack, ORDER_CALLERS);
	}
	table_space_rows(t);
	table_print(t);
}

static void print_order(struct analysis *a)
{
	const struct lock_order *o = &a->locks->order;
	uint32_t shown = text_shown(a, false, o->circles);

	if (!o->circles)
		return;
	text_caption(a, "Locks taken in different orders, which can end in a deadlock", shown,
		     o->circles);
	for (uint32_t i = 0; i < shown; i++)
		print_circle(a, &o->circle[i]);
	if (o->given_up || o->left_out)
		text_say(a, "There may be more of these: not all could be looked at.");
}

void text_findings(struct analysis *a, bool brief, struct work_findings *all)
{
	static const char *const titles[] = { "<FINDING", NULL };
	uint32_t count = all ? all->count : 0, shown = text_shown(a, brief, count);
	struct table *t;

	if (!count) {
		free(all);
		return;
	}
	text_caption(a, "Findings", shown, count);
	t = table_new(a->context, titles, "EVIDENCE, ADVICE");
	for (uint32_t i = 0; i < shown; i++) {
		const struct work_finding *f = &all->finding[i];

		table_row(t);
		table_cell(t, f->rule);
		table_words(t, f->evidence);
		if (f->has_stack)
			text_callers(a, t, f->stack, brief ? 1 : 2);
		if (!brief)
			table_words(t, f->advice);
	}
	if (!brief)
		table_space_rows(t);
	table_print(t);
	free(all);
}

void text_lock_waits(struct analysis *a, bool brief)
{
	const struct lock_model *m = a->locks;
	char n[FORMAT_SIZE];

	if (!brief) {
		print_deadlocks(a);
		text_findings(a, false, lock_findings_new(a));
		print_blame(a, false);
		print_causes(a);
		print_order(a);
		print_waiting(a);
		print_held(a);
		return;
	}
	if (m->waits.circle_count)
		text_say(a, "DEADLOCK: threads wait for each other; see lariat locks");
	if (m->order.circles)
		text_say(a,
			 "%s in the order in which locks are taken can end in a deadlock; see "
			 "lariat locks",
			 format_things(n, m->order.circles, "circle"));
	text_findings(a, true, lock_findings_new(a));
}
