/* SPDX-License-Identifier: MIT */
/* The locks of a JSON report. */
#include <inttypes.h>

#include "report_json.h"

static void set_figures(const struct analysis *a, json_t *o, const struct lock_figures *f)
{
	uint64_t hold_ns = trace_span_ns(a->trace, f->hold_ticks);
	json_t *hold = json_object();

	json_set_u64(o, "acquisitions", f->acquisitions);
	json_set_u64(o, "contended", f->contended);
	json_set_u64(o, "failed_try", f->failed_try);
	json_set_u64(o, "timeouts", f->timeouts);
	json_set_u64(o, "errors", f->errors);
	json_set(o, "wait_ns", json_latency(a, &f->wait, true));
	json_set_u64(hold, "sum", hold_ns);
	json_set_u64(hold, "mean", f->acquisitions ? hold_ns / f->acquisitions : 0);
	json_set_ticks(a, hold, "max", f->hold_max_ticks);
	json_set(o, "hold_ns", hold);
}

static void set_lock(json_t *o, const struct lock_one *l)
{
	char address[24];

	snprintf(address, sizeof(address), "0x%" PRIx64, l->address);
	json_set(o, "lock", json_string(address));
	json_set(o, "kind", json_string(lock_kind(l->call)));
}

static json_t *site_json(struct analysis *a, uint32_t i)
{
	const struct lock_site *s = &a->locks->site[i];
	json_t *o = json_object();

	json_set_site(a, o, &a->locks->sites, i);
	set_lock(o, &a->locks->lock[s->lock]);
	json_set(o, "more_locks", json_boolean(s->more_locks));
	set_figures(a, o, &s->f);
	return o;
}

static json_t *lock_json(struct analysis *a, uint32_t i)
{
	const struct lock_one *l = &a->locks->lock[i];
	json_t *o = json_object(), *site = json_object();

	set_lock(o, l);
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
	json_set_u64(o, "waits", c->waits);
	json_set_u64(o, "timeouts", c->timeouts);
	json_set_u64(o, "errors", c->errors);
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
	json_set_ticks(a, o, "wait_ns", f->wait.sum);
	json_set_ticks(a, o, "hold_ns", f->hold_ticks);
	json_set_ticks(a, o, "hold_max_ns", f->hold_max_ticks);
	json_set_u64(o, "unowned_unlocks", m->unowned_unlocks);
	json_set_u64(o, "condition_waits", m->condition_total.waits);
	json_set_ticks(a, o, "condition_wait_ns", m->condition_total.wait.sum);
	return o;
}

json_t *json_locks(struct analysis *a)
{
	json_t *o = json_object();

	json_set(o, "totals", totals_json(a));
	json_set_list(a, o, "sites", "site_count", lock_rank_sites, site_json);
	json_set_list(a, o, "locks", "lock_count", lock_rank_locks, lock_json);
	json_set_list(a, o, "conditions", "condition_count", lock_rank_conditions, condition_json);
	return o;
}
