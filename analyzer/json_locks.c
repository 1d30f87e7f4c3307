/* SPDX-License-Identifier: MIT */
/* The locks of a JSON report. */
#include <inttypes.h>
#include <string.h>

#include "lock_name.h"
#include "report_json.h"

/* A quantile of holds is of a bucket, their sum and longest are exact. */
static json_t *hold_json(const struct analysis *a, const struct lock_figures *f)
{
	uint64_t hold_ns = trace_span_ns(a->trace, f->hold_ticks);
	struct histogram h = f->held;
	json_t *o = json_object();

	h.max = f->hold_max_ticks;
	if (h.min > h.max)
		h.min = h.max;
	json_set_u64(o, "sum", hold_ns);
	json_set_u64(o, "count", h.count);
	json_set_u64(o, "mean", h.count ? hold_ns / h.count : 0);
	json_set_ticks(a, o, "min", h.min);
	json_set_ticks(a, o, "p50", histogram_quantile(&h, 500));
	json_set_ticks(a, o, "p90", histogram_quantile(&h, 900));
	json_set_ticks(a, o, "p99", histogram_quantile(&h, 990));
	json_set_ticks(a, o, "p999", histogram_quantile(&h, 999));
	json_set_ticks(a, o, "max", h.max);
	return o;
}

static void set_figures(const struct analysis *a, json_t *o, const struct lock_figures *f)
{
	json_set_u64(o, "acquisitions", f->acquisitions);
	json_set_u64(o, "contended", f->contended);
	json_set_u64(o, "failed_try", f->failed_try);
	json_set_u64(o, "timeouts", f->timeouts);
	json_set_u64(o, "errors", f->errors);
	json_set_u64(o, "cancelled", f->cancelled);
	json_set_u64(o, "owner_died", f->owner_died);
	json_set_u64(o, "waking_releases", f->waiters);
	json_set_u64(o, "owner_changes", f->owner_changes);
	json_set(o, "wait_ns", json_latency(a, &f->wait, true));
	json_set(o, "hold_ns", hold_json(a, f));
}

void json_set_lock_symbol(struct analysis *a, json_t *o, uint64_t address)
{
	char name[LOCK_NAME];

	json_set(o, "symbol",
		 lock_symbol(a->frames, address, name) ? json_text(name) : json_null());
}

void json_set_lock(struct analysis *a, json_t *o, const struct lock_one *l)
{
	char address[24];

	snprintf(address, sizeof(address), "0x%" PRIx64, l->address);
	json_set(o, "lock", json_string(address));
	json_set_lock_symbol(a, o, l->address);
	json_set(o, "kind", json_string(lock_kind(l->call)));
	json_set_u64(o, "instance", l->instance);
}

static json_t *site_json(struct analysis *a, uint32_t i)
{
	const struct lock_site *s = &a->locks->site[i];
	json_t *o = json_object();

	json_set_site(a, o, &a->locks->sites, i);
	json_set_lock(a, o, &a->locks->lock[s->lock]);
	json_set(o, "more_locks", json_boolean(s->more_locks));
	if (s->call && !strcmp(lock_kind(s->call), "rwlock"))
		json_set(o, "mode",
			 json_string(call_operation(s->call) == LAR_OP_RDLOCK ? "read" : "write"));
	set_figures(a, o, &s->f);
	json_set_u64(o, "caused_waits", s->caused);
	json_set_ticks(a, o, "caused_wait_ns", s->caused_ticks);
	json_set(o, "blamed", json_blamed(a, i));
	return o;
}

json_t *json_lock_cause(struct analysis *a, uint32_t i)
{
	const struct lock_site *s = &a->locks->site[i];
	json_t *o = json_object();

	json_set_site(a, o, &a->locks->sites, i);
	json_set_lock(a, o, &a->locks->lock[s->lock]);
	json_set_u64(o, "caused_waits", s->caused);
	json_set_ticks(a, o, "caused_wait_ns", s->caused_ticks);
	json_set(o, "hold_ns", hold_json(a, &s->f));
	return o;
}

static json_t *lock_json(struct analysis *a, uint32_t i)
{
	const struct lock_one *l = &a->locks->lock[i];
	json_t *o = json_object(), *site = json_object();

	json_set_lock(a, o, l);
	json_set_u64(o, "further_instances", l->more_lives);
	json_set(o, "owner_known", json_boolean(l->life != 0));
	if (!strcmp(lock_kind(l->call), "rwlock"))
		json_set_u64(o, "read_acquisitions", l->shared);
	set_figures(a, o, &l->f);
	if (l->first_site != SITE_NONE)
		json_set_site(a, site, &a->locks->sites, l->first_site);
	json_set(o, "first_site", site);
	return o;
}

static json_t *condition_json(struct analysis *a, uint32_t i)
{
	const struct condition_site *c = &a->locks->condition[i];
	json_t *o = json_object();

	json_set_site(a, o, &a->locks->condition_sites, i);
	json_set(o, "kind", json_string(lock_kind(c->call)));
	json_set_u64(o, "waits", c->waits);
	json_set_u64(o, "timeouts", c->timeouts);
	json_set_u64(o, "errors", c->errors);
	json_set_u64(o, "cancelled", c->cancelled);
	json_set_u64(o, "signals", c->signals);
	json_set_u64(o, "signals_in_vain", c->in_vain);
	json_set(o, "wait_ns", json_latency(a, &c->wait, true));
	return o;
}

static json_t *totals_json(const struct analysis *a)
{
	const struct lock_model *m = a->locks;
	const struct lock_figures *f = &m->total;
	json_t *o = json_object();

	json_set_u64(o, "acquisitions", f->acquisitions);
	json_set_u64(o, "contended", f->contended);
	json_set_u64(o, "failed_try", f->failed_try);
	json_set_u64(o, "timeouts", f->timeouts);
	json_set_u64(o, "errors", f->errors);
	json_set_u64(o, "cancelled", f->cancelled);
	json_set_ticks(a, o, "wait_ns", f->wait.sum);
	json_set_ticks(a, o, "hold_ns", f->hold_ticks);
	json_set_ticks(a, o, "hold_max_ns", f->hold_max_ticks);
	json_set_u64(o, "read_acquisitions", m->shared);
	json_set_u64(o, "owner_died", f->owner_died);
	json_set_u64(o, "waking_releases", f->waiters);
	json_set_u64(o, "owner_changes", f->owner_changes);
	json_set_u64(o, "abandoned", m->abandoned);
	json_set_u64(o, "unowned_unlocks", m->unowned_unlocks);
	json_set_u64(o, "condition_waits", m->condition_total.waits);
	json_set_u64(o, "condition_timeouts", m->condition_total.timeouts);
	json_set_u64(o, "condition_cancelled", m->condition_total.cancelled);
	json_set_ticks(a, o, "condition_wait_ns", m->condition_total.wait.sum);
	json_set_u64(o, "signals", m->signals[LAR_SIGNAL_CONDITION]);
	json_set_u64(o, "signals_in_vain", m->in_vain[LAR_SIGNAL_CONDITION]);
	json_set_u64(o, "posts", m->signals[LAR_SIGNAL_SEMAPHORE]);
	json_set_u64(o, "futex_wakes", m->signals[LAR_SIGNAL_FUTEX]);
	json_set_u64(o, "futex_wakes_in_vain", m->in_vain[LAR_SIGNAL_FUTEX]);
	json_set_u64(o, "other_waits", m->other_total.waits);
	json_set_ticks(a, o, "other_wait_ns", m->other_total.wait.sum);
	return o;
}

json_t *json_locks(struct analysis *a)
{
	json_t *o = json_object();

	json_set(o, "totals", totals_json(a));
	json_set_list(a, o, "sites", "site_count", lock_rank_sites, site_json);
	json_set_list(a, o, "locks", "lock_count", lock_rank_locks, lock_json);
	json_set_list(a, o, "conditions", "condition_count", lock_rank_conditions, condition_json);
	json_set_lock_waits(a, o);
	return o;
}
