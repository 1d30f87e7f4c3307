/* SPDX-License-Identifier: MIT */
/* Trends, growth and churn of a JSON report. */
#include "heap_cycles.h"
#include "report_json.h"

#define SECONDS_PER_HOUR 3600

static void set_trend(json_t *o, const struct site_trend *st)
{
	const struct trend *t = &st->t;

	json_set(o, "verdict", json_string(trend_verdict_name(t->verdict)));
	json_set(o, "slope_bytes_per_s", json_real(t->slope_per_s));
	json_set(o, "growth_bytes_per_hour", json_real(t->slope_per_s * SECONDS_PER_HOUR));
	json_set(o, "r2", json_real(t->r2));
	json_set(o, "p_value", json_real(t->p_value));
	json_set(o, "eta_s", st->eta_s >= 0 ? json_real(st->eta_s) : json_null());
	json_set_u64(o, "growth_bytes", st->growth_bytes);
	json_set_u64(o, "live_bytes", st->live_bytes);
	json_set_u64(o, "releases", t->releases);
}

static json_t *site_trend_json(struct analysis *a, uint32_t i)
{
	json_t *o = json_object();

	json_set_site(a, o, &a->heap->sites, a->trends.site[i].site);
	set_trend(o, &a->trends.site[i]);
	return o;
}

void json_set_trends(struct analysis *a, json_t *o)
{
	const struct trends *t = &a->trends;
	json_t *verdicts = json_object(), *growing = json_object();

	json_set_u64(growing, "sites", t->verdicts[TREND_GROWING]);
	json_set(growing, "slope_bytes_per_s", json_real(t->growing_per_s));
	json_set_u64(growing, "undecided_sites", t->doubtful);
	json_set(o, "growing", growing);
	for (unsigned v = 0; v < TREND_VERDICTS; v++)
		if (v != TREND_UNKNOWN)
			json_set_u64(verdicts, trend_verdict_name(v), t->verdicts[v]);
	json_set(o, "trend_verdicts", verdicts);
	json_set_list(a, o, "trends", "trend_count", trend_rank_sites, site_trend_json);
}

static json_t *sample_json(const struct timeline *line, uint32_t i, bool held)
{
	const struct timeline_sample *s = &line->sample[i], *before = i ? s - 1 : NULL;
	json_t *o = json_object();

	json_set_u64(o, "at_ns", line->start_ns + ((uint64_t)(i + 1) << line->shift));
	json_set_u64(o, "live_bytes", s->live_bytes);
	json_set_u64(o, "live_min_bytes", s->live_min);
	json_set_u64(o, "live_max_bytes", s->live_max);
	json_set_u64(o, "allocations", s->allocations - (before ? before->allocations : 0));
	json_set_u64(o, "allocated_bytes",
		     s->allocated_bytes - (before ? before->allocated_bytes : 0));
	json_set(o, "held_bytes", held ? json_u64(s->held_bytes) : json_null());
	json_set(o, "heap_bytes", s->heap_bytes ? json_u64(s->heap_bytes) : json_null());
	json_set(o, "system_bytes", s->heap_bytes ? json_u64(s->system_bytes) : json_null());
	json_set(o, "trim_bytes", held && s->heap_bytes ? json_u64(s->trim_bytes) : json_null());
	json_set_u64(o, "mapped_bytes", s->mapped_bytes);
	json_set_u64(o, "io_calls", s->io_calls - (before ? before->io_calls : 0));
	json_set_u64(o, "io_bytes", s->io_bytes - (before ? before->io_bytes : 0));
	json_set(o, "rss_bytes", s->rss_bytes ? json_u64(s->rss_bytes) : json_null());
	json_set(o, "threads", s->threads ? json_u64(s->threads) : json_null());
	return o;
}

static json_t *cycles_json(const struct timeline *line, bool held)
{
	struct heap_cycle cycle[HEAP_CYCLES];
	uint32_t n = heap_cycles(line, cycle);
	json_t *list = json_array();

	for (uint32_t i = 0; i < n; i++) {
		const struct heap_cycle *c = &cycle[i];
		json_t *o = json_object();

		json_set_u64(o, "start_ns", c->start_ns);
		json_set_u64(o, "peak_ns", c->peak_ns);
		json_set_u64(o, "trough_ns", c->trough_ns);
		json_set_u64(o, "duration_ns", c->trough_ns - c->start_ns);
		json_set_u64(o, "start_bytes", c->start_bytes);
		json_set_u64(o, "peak_bytes", c->peak_bytes);
		json_set_u64(o, "retained_bytes", c->retained_bytes);
		json_set_u64(o, "released_bytes", c->peak_bytes - c->retained_bytes);
		json_set_u64(o, "allocated_bytes", c->allocated_bytes);
		json_set(o, "given_back_bytes", held ? json_u64(c->given_back_bytes) : json_null());
		json_set(o, "trim_bytes", held ? json_u64(c->trim_bytes) : json_null());
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *extension_json(struct analysis *a, const struct growth_event *e)
{
	json_t *o = json_object();

	json_set_u64(o, "at_ns", e->at_ns);
	json_set(o, "kind", json_string(growth_kind_name(e->kind)));
	json_set_u64(o, "bytes", e->bytes);
	json_set(o, "recorded", json_boolean(e->recorded));
	json_set(o, "took_ns", e->recorded ? json_u64(e->took_ns) : json_null());
	json_set(o, "took_at_most_ns", e->took_ns ? json_u64(e->took_ns) : json_null());
	json_set_u64(o, "live_bytes", e->heap_bytes);
	json_set_u64(o, "thread", e->thread);
	json_set_stack(a, o, e->stack);
	return o;
}

static void set_extensions(struct analysis *a, json_t *o)
{
	const struct growth_model *g = a->growth;
	json_t *list = json_array(), *totals = json_array();

	for (uint32_t i = 0; i < g->count && i < a->context->limit; i++)
		json_array_append_new(list, extension_json(a, &g->event[i]));
	for (unsigned k = 0; k < 2 * GROWTH_KINDS; k++) {
		const struct growth_totals *t = &g->total[k / 2][k % 2];
		json_t *total = json_object();

		json_set(total, "kind", json_string(growth_kind_name(k / 2)));
		json_set(total, "recorded", json_boolean(k % 2));
		json_set_u64(total, "count", t->events);
		json_set_u64(total, "bytes", t->bytes);
		json_set(total, "took_ns", k % 2 ? json_u64(t->took_ns) : json_null());
		json_set(total, "longest_ns", k % 2 ? json_u64(t->longest_ns) : json_null());
		json_set_u64(total, "took_at_most_ns", t->took_ns);
		json_array_append_new(totals, total);
	}
	json_set_u64(o, "extension_count", g->count + g->left_out);
	json_set(o, "extensions", list);
	json_set(o, "extension_totals", totals);
}

/* What the heap holds and does not need; of the break as samples tell it. */
static json_t *trim_json(const struct analysis *a)
{
	const struct timeline *line = a->heap->line;
	json_t *o = json_object();
	uint64_t most = 0, at = 0;

	if (!a->growth || !a->heap->tick.heap_bytes) {
		json_decref(o);
		return json_null();
	}
	for (uint32_t i = 0; i < line->count; i++)
		if (line->sample[i].trim_bytes > most) {
			most = line->sample[i].trim_bytes;
			at = line->start_ns + ((uint64_t)(i + 1) << line->shift);
		}
	json_set_u64(o, "bytes", a->heap->tick.trim_bytes);
	json_set_u64(o, "most_bytes", most);
	json_set_u64(o, "most_at_ns", at);
	return o;
}

/* Bytes that went back to the system. */
static json_t *given_back_json(const struct analysis *a)
{
	json_t *o = json_object();

	json_set(o, "own_mappings_bytes",
		 a->growth ? json_u64(a->growth->unmapped_bytes) : json_null());
	json_set_u64(o, "break_bytes", a->heap->break_fell_bytes);
	json_set_u64(o, "unmapped_bytes", a->heap->mapped.unmapped_bytes);
	return o;
}

static json_t *fragmentation_json(const struct analysis *a)
{
	uint64_t held = growth_held_bytes(a->growth), live = a->heap->total.live_bytes;

	return held ? json_real(live < held ? 1 - (double)live / (double)held : 0) : json_null();
}

json_t *json_growth(struct analysis *a)
{
	const struct timeline *line = a->heap->line;
	json_t *o = json_object(), *samples = json_array(), *trend = json_object();
	json_t *limit = json_object();

	json_set_u64(o, "interval_ns", timeline_sample_ns(line));
	json_set_u64(o, "live_bytes", a->heap->total.live_bytes);
	json_set_u64(o, "peak_bytes", a->heap->total.peak_bytes);
	json_set(o, "held_bytes", a->growth ? json_u64(growth_held_bytes(a->growth)) : json_null());
	json_set(o, "held_peak_bytes",
		 a->growth ? json_u64(a->growth->held_peak_bytes) : json_null());
	json_set(o, "rss_is_peak", json_boolean(a->heap->tick.rss_is_peak));
	json_set(o, "fragmentation", a->growth ? fragmentation_json(a) : json_null());
	json_set(o, "heap_bytes",
		 a->heap->tick.heap_bytes ? json_u64(a->heap->tick.heap_bytes) : json_null());
	json_set(o, "rss_bytes",
		 a->heap->tick.rss_bytes ? json_u64(a->heap->tick.rss_bytes) : json_null());
	json_set(o, "trim", trim_json(a));
	json_set(o, "given_back", given_back_json(a));
	json_set_u64(limit, "bytes", a->limit.bytes);
	json_set(limit, "source", json_string(a->limit.source));
	json_set(o, "limit", limit);
	set_trend(trend, &a->trends.process);
	json_set(o, "trend", trend);
	json_set(o, "cycles", cycles_json(line, a->growth != NULL));
	for (uint32_t i = 0; i < line->count; i++)
		json_array_append_new(samples, sample_json(line, i, a->growth != NULL));
	json_set(o, "samples", samples);
	if (a->growth)
		set_extensions(a, o);
	json_set_list(a, o, "sites", "site_count", trend_rank_sites, site_trend_json);
	return o;
}
