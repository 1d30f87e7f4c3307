/* SPDX-License-Identifier: MIT */
/* Candidates for other ways to allocate, in a JSON report. */
#include "report_json.h"

static json_t *pool_json(struct analysis *a, uint32_t i)
{
	const struct churn_site *s = &a->churn->site[i];
	unsigned best = churn_best_pool(s);
	json_t *o = json_object(), *tried = json_array();

	json_set_site(a, o, &a->heap->sites, i);
	json_set_u64(o, "size_bytes", s->size_bytes);
	json_set_u64(o, "allocations", s->of_size);
	json_set_u64(o, "lifetime_p50_ns",
		     trace_span_ns(a->trace, histogram_quantile(&a->heap->site[i].lifetime, 500)));
	json_set_u64(o, "pool_blocks", churn_pool_blocks[best]);
	json_set_u64(o, "allocations_saved", s->hits[best]);
	for (unsigned p = 0; p < CHURN_POOLS; p++) {
		json_t *t = json_object();

		json_set_u64(t, "blocks", churn_pool_blocks[p]);
		json_set_u64(t, "hits", s->hits[p]);
		json_set(t, "hit_rate", json_real((double)s->hits[p] / (double)s->of_size));
		json_array_append_new(tried, t);
	}
	json_set(o, "tried", tried);
	return o;
}

static json_t *arena_json(struct analysis *a, uint32_t i)
{
	const struct churn_site *s = &a->churn->site[i];
	json_t *o = json_object();

	json_set_site(a, o, &a->heap->sites, i);
	json_set_u64(o, "batches", s->batches);
	json_set_u64(o, "blocks", s->batch_blocks);
	json_set_u64(o, "frees_saved", s->batch_blocks - s->batches);
	return o;
}

static json_t *reserve_json(struct analysis *a, uint32_t i)
{
	const struct churn_site *s = &a->churn->site[i];
	json_t *o = json_object();

	json_set_site(a, o, &a->heap->sites, i);
	json_set_u64(o, "reallocations", s->grown);
	json_set_u64(o, "moved", s->moved);
	json_set_u64(o, "copied_bytes", s->copied_bytes);
	return o;
}

static json_t *sharing_json(struct analysis *a, uint32_t i)
{
	const struct sharing_site *s = &a->sharing->site[i];
	json_t *o = json_object(), *other = json_object();

	json_set_site(a, o, &a->heap->sites, i);
	json_set_u64(o, "blocks", s->blocks);
	json_set_ticks(a, o, "together_ns", s->together_ticks);
	json_set_u64(o, "padding_bytes", s->padding_bytes);
	json_set_u64(o, "thread", s->thread);
	json_set_u64(o, "other_thread", s->other_thread);
	json_set_site(a, other, &a->heap->sites, s->other_site);
	json_set(o, "other", other);
	return o;
}

static json_t *interning_json(struct analysis *a, uint32_t i)
{
	const struct equals_site *s = &a->equals.site[i];
	json_t *o = json_object();

	json_set_site(a, o, &a->heap->sites, i);
	json_set_u64(o, "blocks", s->blocks);
	json_set_u64(o, "contents", s->contents);
	json_set_u64(o, "saved_bytes", s->saved_bytes);
	return o;
}

static json_t *group_json(struct analysis *a, uint32_t i)
{
	const struct equals_group *g = &a->equals.group[i];
	json_t *o = json_object(), *sites = json_array();

	json_set_u64(o, "size_bytes", g->size_bytes);
	json_set_u64(o, "copies", g->copies);
	json_set_u64(o, "saved_bytes", g->order);
	json_set_u64(o, "addresses", g->listed);
	json_set_u64(o, "unknown_addresses", g->unknown);
	json_set_u64(o, "site_count", g->sites);
	for (uint32_t k = 0; k < g->sites && k < EQUALS_SITES; k++) {
		json_t *site = json_object();

		json_set_site(a, site, &a->heap->sites, g->site[k].site);
		json_set_u64(site, "blocks", g->site[k].blocks);
		json_array_append_new(sites, site);
	}
	json_set(o, "sites", sites);
	return o;
}

/* Null where no leak scan was made, or none to its end. */
static void set_equals(struct analysis *a, json_t *o)
{
	const struct lar_equals *f = a->equals.found;
	json_t *e;

	if (!f || !f->seq) {
		json_set(o, "equal_contents", json_null());
		return;
	}
	e = json_object();
	json_set_u64(e, "least_bytes", f->least);
	json_set_u64(e, "most_bytes", f->most);
	json_set_u64(e, "looked_blocks", f->looked_blocks);
	json_set_u64(e, "looked_bytes", f->looked_bytes);
	json_set_u64(e, "unlooked_blocks", f->unlooked_blocks);
	json_set_u64(e, "unlooked_bytes", f->unlooked_bytes);
	json_set_u64(e, "zero_blocks", f->zero_blocks);
	json_set_u64(e, "zero_bytes", f->zero_bytes);
	json_set_u64(e, "groups", f->groups);
	json_set_u64(e, "copies", f->copies);
	json_set_u64(e, "saved_bytes", f->saved_bytes);
	json_set_list(a, e, "list", "listed", equals_rank_groups, group_json);
	json_set(o, "equal_contents", e);
}

void json_set_churn(struct analysis *a, json_t *o)
{
	if (!a->churn)
		return;
	set_equals(a, o);
	json_set_list(a, o, "interning", "interning_count", equals_rank_sites, interning_json);
	json_set_list(a, o, "pools", "pool_count", pool_rank_sites, pool_json);
	json_set_list(a, o, "arenas", "arena_count", arena_rank_sites, arena_json);
	json_set_list(a, o, "line_sharing", "line_sharing_count", sharing_rank_sites, sharing_json);
	json_set_list(a, o, "reserves", "reserve_count", reserve_rank_sites, reserve_json);
}
