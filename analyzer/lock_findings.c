/* SPDX-License-Identifier: MIT */
/* Findings about locks and threads; see lock_findings.h. */
#include "lock_findings.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format.h"

#define WAIT_SHARE	   10	/* percent of the run that threads waited for one lock */
#define CONVOY_CONTENDED   100	/* waits ... */
#define CONVOY_SHARE	   50	/* ... which are so many percent of the acquisitions ... */
#define CONVOY_HOLDS	   3	/* ... and in the median so many median holds long */
#define SPIN_TRIES	   1000 /* failed tries ... */
#define SPIN_TIMES	   10	/* ... for each acquisition */
#define CHURN_THREADS	   50	/* that lived less than THREAD_BRIEF_NS */
#define BUSY_PER_PROCESSOR 150	/* percent */

static struct work_finding *add(struct work_findings *all, const char *rule, const char *advice,
				bool warning)
{
	struct work_finding *f;

	if (all->count == WORK_FINDINGS_MOST) {
		all->left_out++;
		return NULL;
	}
	f = &all->finding[all->count++];
	f->rule = rule;
	f->advice = advice;
	f->warning = warning;
	return f;
}

static void __attribute__((format(printf, 2, 3)))
say(struct work_finding *f, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(f->evidence, sizeof(f->evidence), format, ap);
	va_end(ap);
}

static void at_stack(struct work_finding *f, uint32_t stack)
{
	f->has_stack = stack != 0;
	f->stack = stack;
}

static int heavier(const void *a, const void *b)
{
	const struct work_finding *x = a, *y = b;

	return x->weight < y->weight ? 1 : x->weight > y->weight ? -1 : 0;
}

/* The findings from `first` on are of one rule: the heaviest in front. */
static void sort_rule(struct work_findings *all, uint32_t first)
{
	qsort(all->finding + first, all->count - first, sizeof(*all->finding), heavier);
}

static uint64_t run_ns(const struct analysis *a)
{
	return a->facts->duration_ns ? a->facts->duration_ns : 1;
}

static const char *ticks(const struct analysis *a, char buf[FORMAT_SIZE], uint64_t t)
{
	return format_time(buf, trace_span_ns(a->trace, t));
}

/* ---- locks ---- */

static void contention(struct analysis *a, struct work_findings *all)
{
	const struct lock_model *m = a->locks;
	uint32_t first = all->count;

	for (uint32_t i = 0; i < m->lock_count; i++) {
		const struct lock_one *l = &m->lock[i];
		uint64_t wait_ns = trace_span_ns(a->trace, l->f.wait.sum);
		char w[FORMAT_SIZE], n[FORMAT_SIZE], r[FORMAT_SIZE];
		struct work_finding *f;

		if (wait_ns < run_ns(a) / 100 * WAIT_SHARE || l->f.contended < 2)
			continue;
		f = add(all, "lock-contention",
			"hold it for less, take it less often, or give each thread its own", true);
		if (!f)
			continue;
		f->weight = l->f.wait.sum;
		if (l->first_site != SITE_NONE)
			at_stack(f, m->sites.stack[l->first_site]);
		say(f, "threads waited %s for one %s, %s, in a run of %s",
		    ticks(a, w, l->f.wait.sum), lock_kind(l->call),
		    format_things(n, l->f.contended, "wait"), format_time(r, run_ns(a)));
	}
	sort_rule(all, first);
}

static void convoys(struct analysis *a, struct work_findings *all)
{
	const struct lock_model *m = a->locks;
	uint32_t first = all->count;

	for (uint32_t i = 0; i < m->lock_count; i++) {
		const struct lock_figures *l = &m->lock[i].f;
		uint64_t wait = histogram_quantile(&l->wait, 500);
		uint64_t hold = histogram_quantile(&l->held, 500);
		char w[FORMAT_SIZE], h[FORMAT_SIZE], s[FORMAT_SIZE];
		struct work_finding *f;

		if (l->contended < CONVOY_CONTENDED ||
		    l->contended < l->acquisitions / 100 * CONVOY_SHARE || !hold ||
		    wait / CONVOY_HOLDS < hold)
			continue;
		f = add(all, "lock-convoy",
			"threads stand in line for it: do more under it at a time, or less often",
			true);
		if (!f)
			continue;
		f->weight = l->wait.sum;
		if (m->lock[i].first_site != SITE_NONE)
			at_stack(f, m->sites.stack[m->lock[i].first_site]);
		say(f, "%s of its acquisitions waited, %s in the median, for holds of %s",
		    format_percent(s, l->contended, l->acquisitions), ticks(a, w, wait),
		    ticks(a, h, hold));
	}
	sort_rule(all, first);
}

static void held_across_io(struct analysis *a, struct work_findings *all)
{
	const struct lock_model *m = a->locks;
	uint32_t first = all->count;

	for (uint32_t i = 0; i < m->sites.count && i < m->site_size; i++) {
		const struct lock_site *s = &m->site[i];
		char n[FORMAT_SIZE], h[FORMAT_SIZE], l[FORMAT_SIZE];
		struct work_finding *f;

		if (!s->io_holds)
			continue;
		f = add(all, "held-across-io",
			"give the lock back before it, or hand the work over", s->caused != 0);
		if (!f)
			continue;
		f->weight = s->caused_ticks + s->io_hold_ticks / 1000;
		at_stack(f, m->sites.stack[i]);
		say(f, "%s of a %s taken here had %s() in it, %s in all, %s at the longest%s",
		    format_things(n, s->io_holds, "long hold"), lock_kind(m->lock[s->lock].call),
		    call_name(s->io_call), ticks(a, h, s->io_hold_ticks),
		    ticks(a, l, s->io_hold_max_ticks), s->caused ? "; others waited" : "");
	}
	sort_rule(all, first);
}

static void spinning(struct analysis *a, struct work_findings *all)
{
	const struct lock_model *m = a->locks;
	uint32_t first = all->count;

	for (uint32_t i = 0; i < m->sites.count && i < m->site_size; i++) {
		const struct lock_figures *l = &m->site[i].f;
		char n[FORMAT_SIZE], k[FORMAT_SIZE];
		struct work_finding *f;

		if (l->failed_try < SPIN_TRIES || l->failed_try / SPIN_TIMES < l->acquisitions)
			continue;
		f = add(all, "trylock-spinning", "wait for the lock instead of asking again", true);
		if (!f)
			continue;
		f->weight = l->failed_try;
		at_stack(f, m->sites.stack[i]);
		say(f, "%s failed for %s", format_things(n, l->failed_try, "try"),
		    format_things(k, l->acquisitions, "acquisition"));
	}
	sort_rule(all, first);
}

static void circles(struct analysis *a, struct work_findings *all)
{
	const struct lock_model *m = a->locks;
	struct work_finding *f;

	for (uint32_t i = 0; i < m->waits.circle_count; i++) {
		const struct lock_circle *c = &m->waits.circle[i];

		f = add(all, "deadlock", "take the locks in one order everywhere", true);
		if (!f)
			continue;
		at_stack(f, m->waits.waiting[m->waits.circle_thread[c->first]].stack);
		say(f, "%" PRIu32 " threads wait for each other", c->count);
	}
	for (uint32_t i = 0; i < m->order.circles; i++) {
		const struct lock_order_circle *c = &m->order.circle[i];

		f = add(all, "lock-order", "take the locks in one order everywhere", true);
		if (!f)
			continue;
		at_stack(f, m->order.edge[c->edge[0]].stack);
		say(f, "%" PRIu32 " locks are taken in a circle by as many threads", c->count);
	}
}

static void owners(struct analysis *a, struct work_findings *all)
{
	const struct lock_model *m = a->locks;
	char n[FORMAT_SIZE];
	struct work_finding *f;

	if (m->forks_held && (f = add(all, "held-across-fork",
				      "in the child nobody gives it back: exec at once, or take it "
				      "in a handler of pthread_atfork",
				      true))) {
		at_stack(f, m->fork_stack);
		say(f, "%s while the thread held a lock", format_things(n, m->forks_held, "fork"));
	}
	if (m->unowned_unlocks &&
	    (f = add(all, "unlock-by-another", "who takes a lock gives it back", true))) {
		at_stack(f, m->unowned_stack);
		say(f, "%s by a thread that did not hold it",
		    format_things(n, m->unowned_unlocks, "unlock"));
	}
	if (m->abandoned && (f = add(all, "lock-abandoned",
				     "give it back on every way out; whoever takes it now waits "
				     "for ever, unless it "
				     "is robust",
				     true))) {
		at_stack(f, m->abandoned_stack);
		say(f, "%s held when %s thread ended", format_things(n, m->abandoned, "lock"),
		    m->abandoned == 1 ? "its" : "their");
	}
}

struct work_findings *lock_findings_new(struct analysis *a)
{
	struct work_findings *all = calloc(1, sizeof(*all));

	if (!all)
		return NULL;
	circles(a, all);
	contention(a, all);
	convoys(a, all);
	held_across_io(a, all);
	spinning(a, all);
	owners(a, all);
	return all;
}

/* ---- threads ---- */

static void churn(struct analysis *a, struct work_findings *all)
{
	uint32_t count, first = all->count;
	struct thread_pool *pool = analysis_pools(a, &count);

	for (uint32_t i = 0; i < count; i++) {
		const struct thread_pool *p = &pool[i];
		char n[FORMAT_SIZE], k[FORMAT_SIZE];
		struct work_finding *f;

		if (p->brief < CHURN_THREADS || p->brief < p->threads / 2)
			continue;
		f = add(all, "thread-churn", "keep threads, and give them the work", true);
		if (!f)
			continue;
		f->weight = p->brief;
		at_stack(f, p->stack);
		say(f, "%s of %s created here lived less than 10 ms", format_count(n, p->brief),
		    format_things(k, p->threads, "thread"));
	}
	free(pool);
	sort_rule(all, first);
}

/* Threads that are not idle, on the average over the run, against what there is to run them. */
static void oversubscription(struct analysis *a, struct work_findings *all)
{
	const struct thread_model *m = a->threads;
	uint64_t busy = 0, processors = a->facts->header->processors;
	char n[FORMAT_SIZE];
	struct work_finding *f;

	for (uint32_t i = 0; i < m->map.count; i++) {
		const struct thread_figures *t = &m->thread[i];
		uint64_t life = t->end_ticks > t->start_ticks ? t->end_ticks - t->start_ticks : 0;
		uint64_t idle = t->idle_ticks + t->lock_wait_ticks + t->io_ticks;

		busy += life > idle ? life - idle : 0;
	}
	busy = trace_span_ns(a->trace, busy);
	if (!processors || m->peak <= processors || run_ns(a) < 100000000 ||
	    busy / processors < run_ns(a) / 100 * BUSY_PER_PROCESSOR)
		return;
	f = add(all, "oversubscription", "no more threads that compute than processors", false);
	if (!f)
		return;
	say(f, "%.1f threads had work at a time, %s at most, for %s",
	    (double)busy / (double)run_ns(a), format_count(n, m->peak),
	    processors == 1 ? "one processor" : "fewer processors");
}

static void unjoined(struct analysis *a, struct work_findings *all)
{
	uint64_t count = thread_model_unjoined(a->threads);
	struct work_finding *f;
	char n[FORMAT_SIZE];

	if (!count)
		return;
	f = add(all, "threads-not-joined", "join or detach them: until then their stacks stay",
		false);
	if (f)
		say(f, "%s neither joined nor detached", format_things(n, count, "thread"));
}

struct work_findings *thread_findings_new(struct analysis *a)
{
	struct work_findings *all = calloc(1, sizeof(*all));

	if (!all)
		return NULL;
	churn(a, all);
	oversubscription(a, all);
	unjoined(a, all);
	return all;
}
