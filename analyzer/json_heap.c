/* SPDX-License-Identifier: MIT */
/* The heap and the leaks of a JSON report. */
#include "report_json.h"

/* Of a sampled trace it is not known what came between an allocation and its free. */
static json_t *temporary_json(const struct analysis *a, uint64_t count)
{
	return a->heap->sampling.period ? json_null() : json_u64(count);
}

static json_t *site_json(struct analysis *a, uint32_t i)
{
	const struct heap_site *s = &a->heap->site[i];
	json_t *o = json_object(), *size = json_object(), *life = json_object();

	json_set_site(a, o, &a->heap->sites, i);
	json_set_u64(o, "allocations", s->allocations);
	json_set_u64(o, "allocated_bytes", s->allocated_bytes);
	json_set_u64(o, "frees", s->frees);
	json_set_u64(o, "freed_bytes", s->freed_bytes);
	json_set_u64(o, "live_blocks", s->live_blocks);
	json_set_u64(o, "live_bytes", s->live_bytes);
	json_set_u64(o, "peak_bytes", s->peak_bytes);
	json_set_u64(o, "at_peak_bytes", s->at_peak_bytes);
	json_set(o, "temporary_allocations", temporary_json(a, s->temporary));
	json_set_u64(o, "failed", s->failed);
	json_set_u64(size, "min", s->allocations ? s->size_min : 0);
	json_set_u64(size, "mean", s->allocations ? s->allocated_bytes / s->allocations : 0);
	json_set_u64(size, "max", s->size_max);
	json_set(o, "size_bytes", size);
	json_set_u64(life, "p50", trace_span_ns(a->trace, histogram_quantile(&s->lifetime, 500)));
	json_set_u64(life, "p90", trace_span_ns(a->trace, histogram_quantile(&s->lifetime, 900)));
	json_set_u64(life, "p99", trace_span_ns(a->trace, histogram_quantile(&s->lifetime, 990)));
	json_set(o, "lifetime_ns", s->lifetime.count ? json_incref(life) : json_null());
	json_decref(life);
	return o;
}

static json_t *leak_json(struct analysis *a, uint32_t i)
{
	const struct leak_site *l = &a->leaks.entry[i];
	const struct heap_site *s = &a->heap->site[l->site];
	json_t *o = json_object();

	json_set_site(a, o, &a->heap->sites, l->site);
	json_set(o, "class", json_string(reach_class_names[l->class]));
	json_set_u64(o, "site", l->site); /* entries of one site have the same */
	json_set_u64(o, "blocks", l->blocks);
	json_set_u64(o, "bytes", l->bytes);
	json_set_u64(o, "allocations", s->allocations);
	json_set_u64(o, "allocated_bytes", s->allocated_bytes);
	return o;
}

static json_t *mapped_json(const struct heap_mapped *m)
{
	json_t *o = json_object();

	json_set_u64(o, "maps", m->maps);
	json_set_u64(o, "mapped_bytes", m->mapped_bytes);
	json_set_u64(o, "unmaps", m->unmaps);
	json_set_u64(o, "unmapped_bytes", m->unmapped_bytes);
	json_set_u64(o, "remaps", m->remaps);
	json_set_u64(o, "breaks", m->breaks);
	json_set_u64(o, "failed", m->failed);
	return o;
}

json_t *json_heap(struct analysis *a)
{
	const struct heap_totals *t = &a->heap->total;
	json_t *o = json_object();

	json_set_u64(o, "samples", t->samples);
	json_set_u64(o, "allocations", t->allocations);
	json_set_u64(o, "frees", t->frees);
	json_set_u64(o, "allocated_bytes", t->allocated_bytes);
	json_set_u64(o, "freed_bytes", t->freed_bytes);
	json_set_u64(o, "live_blocks", t->live_blocks);
	json_set_u64(o, "live_bytes", t->live_bytes);
	json_set_u64(o, "peak_bytes", t->peak_bytes);
	/* with history lost, or of a sample, there is no bound to the error */
	json_set(o, "peak_error_bytes",
		 analysis_partial(a) || a->heap->sampling.period ? json_null() : json_u64(0));
	json_set_u64(o, "peak_at_ns", trace_ns(a->trace, t->peak_at_ticks));
	json_set(o, "temporary_allocations", temporary_json(a, t->temporary));
	json_set_u64(o, "reallocations", t->reallocations);
	json_set_u64(o, "failed_allocations", t->failed);
	json_set_u64(o, "unpaired_frees", t->unpaired_frees);
	json_set_u64(o, "implied_frees", t->implied_frees);
	json_set_u64(o, "unlisted_blocks", t->unlisted);
	json_set(o, "mapped", mapped_json(&a->heap->mapped));
	json_set(o, "misuse", json_misuse(a));
	json_set_list(a, o, "sites", "site_count", heap_rank_sites, site_json);
	json_set_churn(a, o);
	return o;
}

static json_t *blocks_json(uint64_t blocks, uint64_t bytes)
{
	json_t *o = json_object();

	json_set_u64(o, "blocks", blocks);
	json_set_u64(o, "bytes", bytes);
	return o;
}

json_t *json_leaks(struct analysis *a)
{
	json_t *o = json_object();

	json_set(o, "unfreed", blocks_json(leak_blocks(a), leak_bytes(a)));
	json_set_leak_classes(a, o);
	json_set(o, "suppressed",
		 blocks_json(a->suppressed_total.blocks, a->suppressed_total.bytes));
	json_set_list(a, o, "sites", "site_count", leak_rank_sites, leak_json);
	json_set_trends(a, o);
	return o;
}
