/* SPDX-License-Identifier: MIT */
/* Locks as text. */
#include <inttypes.h>

#include "lock_name.h"
#include "report_text.h"

/* Threads whose wait for a lock is not over. */
static uint32_t still_waiting(const struct lock_waits *w)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < w->threads.count; i++)
		n += w->waiting[i].waits && lar_op_locks(call_operation(w->waiting[i].call));
	return n;
}

static void say_acquisitions(struct analysis *a)
{
	uint32_t waiting = still_waiting(&a->locks->waits);
	const struct lock_model *m = a->locks;
	const struct lock_figures *f = &m->total;
	char w[FORMAT_SIZE], x[FORMAT_SIZE], y[FORMAT_SIZE], z[FORMAT_SIZE];

	text_say(a, "%s of %s, held for %s in all, %s at the longest",
		 format_things(w, f->acquisitions, "acquisition"),
		 format_things(x, m->lock_count, "lock"), text_ticks(a, y, f->hold_ticks),
		 text_ticks(a, z, f->hold_max_ticks));
	if (f->owner_changes)
		text_say(a, "%s a lock went to another thread than the one that had it before",
			 format_things(w, f->owner_changes, "time"));
	if (f->contended)
		text_say(a, "%s found the lock taken (%s) and waited %s in all",
			 format_count(w, f->contended),
			 format_percent(x, f->contended, f->acquisitions),
			 text_ticks(a, y, f->wait.sum));
	else if (!waiting)
		text_say(a, "No thread had to wait for a lock.");
	if (waiting)
		text_say(a, "%s for a lock at the end, not over",
			 format_things(w, waiting, "wait"));
}

static void say_conditions(struct analysis *a)
{
	const struct lock_model *m = a->locks;
	uint64_t cancelled = m->total.cancelled + m->condition_total.cancelled;
	char w[FORMAT_SIZE], x[FORMAT_SIZE];

	if (m->condition_total.waits)
		text_say(a, "%s on conditions, %s in all, apart from that",
			 format_things(w, m->condition_total.waits, "wait"),
			 text_ticks(a, x, m->condition_total.wait.sum));
	if (m->other_total.waits)
		text_say(a, "%s for barriers, futexes and what is done once, %s in all",
			 format_things(w, m->other_total.waits, "wait"),
			 text_ticks(a, x, m->other_total.wait.sum));
	if (cancelled)
		text_say(a, "%s of these ended since the thread was cancelled",
			 format_things(w, cancelled, "wait"));
	if (m->signals[LAR_SIGNAL_CONDITION])
		text_say(a, "%s of conditions, %s of them when nobody waited",
			 format_things(w, m->signals[LAR_SIGNAL_CONDITION], "signal"),
			 format_count(x, m->in_vain[LAR_SIGNAL_CONDITION]));
}

static void say_totals(struct analysis *a)
{
	const struct lock_model *m = a->locks;
	const struct lock_figures *f = &m->total;
	char w[FORMAT_SIZE], x[FORMAT_SIZE];

	if (m->lock_count)
		say_acquisitions(a);
	else
		text_say(a, "None of the C library's was taken.");
	if (f->failed_try || f->timeouts)
		text_say(a, "%s trylocks failed, %s waits timed out",
			 format_count(w, f->failed_try), format_count(x, f->timeouts));
	if (f->errors)
		text_say(a, "%s failed for other reasons",
			 format_things(w, f->errors, "lock call"));
	if (m->unowned_unlocks)
		text_say(a, "%s unlocks by a thread that did not hold the lock",
			 format_count(w, m->unowned_unlocks));
	if (m->abandoned)
		text_say(a, "%s held when %s thread ended", format_things(w, m->abandoned, "lock"),
			 m->abandoned == 1 ? "its" : "their");
	if (f->owner_died)
		text_say(a, "%s from an owner that had died",
			 format_things(w, f->owner_died, "acquisition"));
	say_conditions(a);
	if (a->context->since_ns || a->context->until_ns != UINT64_MAX)
		text_say(a, "Acquisitions and hold times are of the whole run.");
}

static void print_sites(struct analysis *a, bool brief)
{
	static const char *const titles[] = { "WAITED", "CONTENDED", "ACQUIRED", "P99 WAIT", NULL };
	unsigned callers = brief ? 0 : TEXT_CALLERS;
	struct alike *alike;
	struct table *t;
	struct ranking r;
	uint32_t shown;

	if (lock_rank_sites(a, &r))
		return;
	shown = text_shown(a, brief, r.count);
	text_caption(a, "Where locks are taken", shown, r.count);
	alike = text_alike(a, &a->locks->sites, r.index, shown, callers);
	t = table_new(a->context, titles, "SITE");
	for (uint32_t i = 0; i < shown; i++) {
		const struct lock_site *s = &a->locks->site[r.index[i]];
		char what[LOCK_NAME + 40], name[LOCK_NAME];

		table_row(t);
		cell_ticks(a, t, s->f.wait.sum);
		cell_count(t, s->f.contended);
		cell_count(t, s->f.acquisitions);
		cell_ticks(a, t, histogram_quantile(&s->f.wait, 990));
		text_site_apart(a, t, &a->locks->sites, r.index[i], callers, alike);
		if (brief)
			continue;
		snprintf(what, sizeof(what), "%s %s%s%s", lock_kind(a->locks->lock[s->lock].call),
			 lock_short_name(a->frames, a->locks->lock[s->lock].address, name),
			 call_operation(s->call) == LAR_OP_RDLOCK ? " for reading" : "",
			 s->more_locks ? " and others" : "");
		table_words(t, what);
	}
	alike_free(alike);
	table_drop_empty(t, 0);
	table_drop_empty(t, 1);
	table_drop_empty(t, 3);
	if (!brief)
		table_space_rows(t);
	table_print(t);
	ranking_fini(&r);
}

static void one_words(struct analysis *a, const struct lock_one *l, char *to, size_t size)
{
	char name[LOCK_NAME];
	int n;

	if (!l->address) {
		snprintf(to, size, "(others, of the time that the ring gave up)");
		return;
	}
	n = snprintf(to, size, "%s %s", lock_kind(l->call), lock_name(a->frames, l->address, name));
	if (l->more_lives)
		snprintf(to + n, size - (size_t)n, ", %" PRIu64 " and %" PRIu64 " later ones there",
			 (uint64_t)l->instance, l->more_lives);
	else if (l->instance > 1)
		snprintf(to + n, size - (size_t)n, ", number %" PRIu32 " there", l->instance);
}

static void print_locks(struct analysis *a)
{
	static const char *const titles[] = { "WAITED", "CONTENDED", "ACQUIRED", "CHANGED",
					      "HELD",	"LONGEST",   NULL };
	struct table *t;
	struct ranking r;
	uint32_t shown;

	if (lock_rank_locks(a, &r))
		return;
	shown = text_shown(a, false, r.count);
	text_caption(a, "Locks", shown, r.count);
	t = table_new(a->context, titles, "LOCK");
	for (uint32_t i = 0; i < shown; i++) {
		const struct lock_one *l = &a->locks->lock[r.index[i]];
		char what[LOCK_NAME + 80];

		table_row(t);
		cell_ticks(a, t, l->f.wait.sum);
		cell_count(t, l->f.contended);
		cell_count(t, l->f.acquisitions);
		cell_count(t, l->f.owner_changes);
		cell_ticks(a, t, l->f.hold_ticks);
		cell_ticks(a, t, l->f.hold_max_ticks);
		one_words(a, l, what, sizeof(what));
		table_line(t, STYLE_BOLD, what, NULL);
	}
	table_drop_empty(t, 3);
	table_drop_empty(t, 0);
	table_drop_empty(t, 1);
	table_print(t);
	ranking_fini(&r);
}

static void print_conditions(struct analysis *a)
{
	static const char *const titles[] = { "WAITED",	 "WAITS",   "TIMEOUTS", "P99",
					      "SIGNALS", "IN VAIN", NULL };
	struct table *t;
	struct ranking r;
	uint32_t shown;

	if (!a->locks->condition_sites.count || lock_rank_conditions(a, &r))
		return;
	shown = text_shown(a, false, r.count);
	text_caption(a, "Waits for conditions and the like, and their signals", shown, r.count);
	t = table_new(a->context, titles, "SITE");
	for (uint32_t i = 0; i < shown; i++) {
		const struct condition_site *s = &a->locks->condition[r.index[i]];

		table_row(t);
		cell_ticks(a, t, s->wait.sum);
		cell_count(t, s->waits);
		cell_count(t, s->timeouts);
		cell_ticks(a, t, histogram_quantile(&s->wait, 990));
		cell_count(t, s->signals);
		cell_count(t, s->in_vain);
		text_site(a, t, &a->locks->condition_sites, r.index[i], 2);
	}
	table_drop_empty(t, 5);
	table_drop_empty(t, 4);
	table_drop_empty(t, 2);
	table_print(t);
	ranking_fini(&r);
}

void text_locks(struct analysis *a, bool brief)
{
	text_heading(a, "Locks");
	if (!a->locks->lock_count && !a->locks->condition_sites.count) {
		text_say(a, "None taken.");
		text_lock_waits(a, brief);
		return;
	}
	say_totals(a);
	if (a->locks->lock_count && (!brief || a->locks->total.contended))
		print_sites(a, brief);
	text_lock_waits(a, brief);
	if (brief)
		return;
	if (a->locks->lock_count)
		print_locks(a);
	print_conditions(a);
}
