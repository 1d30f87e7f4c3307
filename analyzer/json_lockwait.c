/* SPDX-License-Identifier: MIT */
/* Who waited for whom, who waits, and the order of locks, of a JSON report. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lock_findings.h"
#include "report_json.h"

#define BLAMED_MOST 10 /* of one site */

static json_t *stack_json(struct analysis *a, uint32_t stack)
{
	json_t *o = json_object();

	json_set_stack(a, o, stack);
	return o;
}

static json_t *holder_json(struct analysis *a, const struct lock_blame *b)
{
	json_t *o = json_object();

	if (b->holds != SITE_NONE)
		json_set_site(a, o, &a->locks->sites, b->holds);
	json_set_ticks(a, o, "wait_ns", b->ticks);
	json_set_u64(o, "waits", b->count);
	json_set_ticks(a, o, "max_ns", b->most);
	return o;
}

/* Enters one into the list of those that were waited for longest; returns how many are in it. */
static unsigned blame_enter(const struct lock_blame *all, uint32_t *best, unsigned count,
			    uint32_t i)
{
	unsigned at = count < BLAMED_MOST ? count : BLAMED_MOST;

	while (at && all[best[at - 1]].ticks < all[i].ticks)
		at--;
	if (at == BLAMED_MOST)
		return count;
	count += count < BLAMED_MOST;
	memmove(&best[at + 1], &best[at], (count - 1 - at) * sizeof(*best));
	best[at] = i;
	return count;
}

json_t *json_blamed(struct analysis *a, uint32_t site)
{
	const struct lock_waits *w = &a->locks->waits;
	uint32_t best[BLAMED_MOST];
	json_t *list = json_array();
	unsigned count = 0;

	if (!a->locks->site[site].f.contended)
		return list;
	for (uint32_t i = 0; i < w->blame_map.count; i++)
		if (w->blame[i].waits == site)
			count = blame_enter(w->blame, best, count, i);
	for (unsigned i = 0; i < count; i++)
		json_array_append_new(list, holder_json(a, &w->blame[best[i]]));
	return list;
}

static json_t *blame_json(struct analysis *a, uint32_t i)
{
	const struct lock_blame *b = &a->locks->waits.blame[i];
	json_t *o = json_object(), *waits = json_object();

	json_set_site(a, waits, &a->locks->sites, b->waits);
	json_set(o, "waiter", waits);
	if (b->holds != SITE_NONE) {
		json_t *holds = json_object();

		json_set_site(a, holds, &a->locks->sites, b->holds);
		json_set(o, "holder", holds);
	} else {
		json_set(o, "holder", json_null());
	}
	json_set_lock(a, o, &a->locks->lock[b->lock]);
	json_set_u64(o, "waits", b->count);
	json_set_ticks(a, o, "wait_ns", b->ticks);
	json_set_ticks(a, o, "max_ns", b->most);
	return o;
}

static json_t *side_json(struct analysis *a, uint32_t lock, uint32_t stack)
{
	json_t *o = stack_json(a, stack);

	json_set_lock(a, o, &a->locks->lock[lock]);
	return o;
}

static json_t *inversion_json(struct analysis *a, const struct lock_order_circle *c)
{
	const struct lock_order *order = &a->locks->order;
	json_t *o = json_object(), *edges = json_array();

	for (uint32_t i = 0; i < c->count; i++) {
		const struct lock_edge *e = &order->edge[c->edge[i]];
		json_t *edge = json_object();

		json_set_u64(edge, "thread", e->thread);
		json_set_u64(edge, "at_ns", trace_ns(a->trace, e->ticks));
		json_set(edge, "held", side_json(a, e->from, e->held_stack));
		json_set(edge, "acquired", side_json(a, e->to, e->stack));
		json_array_append_new(edges, edge);
	}
	json_set_u64(o, "locks", c->count);
	json_set(o, "edges", edges);
	return o;
}

static void set_address(struct analysis *a, json_t *o, uint64_t address, unsigned call)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%" PRIx64, address);
	json_set(o, "lock", json_string(text));
	json_set_lock_symbol(a, o, address);
	json_set(o, "kind", json_string(lock_kind(call)));
}

static json_t *held_json(struct analysis *a, const struct lock_holding *h)
{
	json_t *o = stack_json(a, h->stack);

	set_address(a, o, h->address, h->call);
	json_set_ticks(a, o, "held_ns", h->ticks);
	return o;
}

static json_t *holding_json(struct analysis *a, const struct lock_holding *h)
{
	json_t *o = held_json(a, h);

	json_set_u64(o, "thread", h->thread);
	json_set(o, "name", json_text(analysis_thread(a, h->thread)->name));
	return o;
}

/* What a call that is not over is about. */
static void set_call(struct analysis *a, json_t *o, const struct lock_waiting *w)
{
	json_set(o, "call", json_string(call_name(w->call)));
	if (w->joins) {
		json_set_u64(o, "joined_thread", w->address);
		return;
	}
	if (w->address <= INT32_MAX)
		json_set_u64(o, "fd", w->address);
	if (w->target && w->target < a->facts->target_count)
		json_set(o, "target", json_text(a->facts->targets[w->target].name));
}

static json_t *waiting_json(struct analysis *a, const struct lock_waiting *w)
{
	const struct lock_waits *waits = &a->locks->waits;
	json_t *o = stack_json(a, w->stack), *held = json_array();

	json_set_u64(o, "thread", w->thread);
	json_set(o, "name", json_text(analysis_thread(a, w->thread)->name));
	if (w->in_call)
		set_call(a, o, w);
	else
		set_address(a, o, w->address, w->call);
	json_set_u64(o, "since_ns", trace_ns(a->trace, w->since_ticks));
	for (uint32_t i = 0; i < waits->holding_count; i++) {
		const struct lock_holding *h = &waits->holding[i];
		json_t *one;

		if (h->thread != w->thread)
			continue;
		one = held_json(a, h);
		json_array_append_new(held, one);
	}
	json_set(o, "holds", held);
	return o;
}

static json_t *circle_json(struct analysis *a, const struct lock_circle *c)
{
	const struct lock_waits *waits = &a->locks->waits;
	json_t *list = json_array();

	for (uint32_t i = 0; i < c->count; i++)
		json_array_append_new(
			list, waiting_json(a, &waits->waiting[waits->circle_thread[c->first + i]]));
	return list;
}

static json_t *finding_json(struct analysis *a, const struct work_finding *f)
{
	json_t *o = json_object();

	json_set(o, "rule", json_string(f->rule));
	json_set(o, "severity", json_string(f->warning ? "warning" : "note"));
	json_set(o, "evidence", json_text(f->evidence));
	json_set(o, "advice", json_string(f->advice));
	json_set(o, "site", f->has_stack ? stack_json(a, f->stack) : json_null());
	return o;
}

void json_set_findings(struct analysis *a, json_t *o, struct work_findings *all)
{
	json_t *list = json_array();

	for (uint32_t i = 0; all && i < all->count; i++)
		json_array_append_new(list, finding_json(a, &all->finding[i]));
	json_set_u64(o, "findings_left_out", all ? all->left_out : 0);
	json_set(o, "findings", list);
	free(all);
}

void json_set_lock_waits(struct analysis *a, json_t *o)
{
	const struct lock_order *order = &a->locks->order;
	const struct lock_waits *waits = &a->locks->waits;
	json_t *inversions = json_array(), *waiting = json_array(), *deadlocks = json_array(),
	       *held = json_array();

	json_set_list(a, o, "blame", "blame_count", lock_rank_blame, blame_json);
	json_set_list(a, o, "causes", "cause_count", lock_rank_causes, json_lock_cause);
	for (uint32_t i = 0; i < order->circles; i++)
		json_array_append_new(inversions, inversion_json(a, &order->circle[i]));
	json_set(o, "inversions", inversions);
	json_set(o, "inversions_complete", json_boolean(!order->given_up && !order->left_out));
	for (uint32_t i = 0; i < waits->threads.count; i++)
		if (waits->waiting[i].waits)
			json_array_append_new(waiting, waiting_json(a, &waits->waiting[i]));
	json_set(o, "waiting", waiting);
	for (uint32_t i = 0; i < waits->holding_count; i++)
		json_array_append_new(held, holding_json(a, &waits->holding[i]));
	json_set(o, "held_at_end", held);
	for (uint32_t i = 0; i < waits->circle_count; i++)
		json_array_append_new(deadlocks, circle_json(a, &waits->circle[i]));
	json_set(o, "deadlocks", deadlocks);
	json_set_findings(a, o, lock_findings_new(a));
}
