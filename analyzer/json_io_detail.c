/* SPDX-License-Identifier: MIT */
/* The I/O of a JSON report: patterns of use, heat map, time of threads, findings. */
#include <stdlib.h>

#include "io_findings.h"
#include "io_service.h"
#include "io_thresholds.h"
#include "report_json.h"

void json_set_service(struct analysis *a, json_t *object, uint32_t id)
{
	const struct trace_target *t = id < a->facts->target_count ? &a->facts->targets[id] : NULL;
	const struct io_service *service = t ? io_service_of(t) : NULL;

	if (service)
		json_set(object, "service", json_string(service->name));
}

static json_t *way_json(const struct io_way_pattern *w)
{
	static const unsigned parts[] = { 500, 900, 990 };
	static const char *const names[] = { "p50", "p90", "p99" };
	json_t *o = json_object(), *size = json_object();

	json_set_u64(o, "consecutive", w->consecutive);
	json_set_u64(o, "sequential", w->sequential);
	json_set_u64(o, "strided", w->strided);
	json_set_u64(o, "random", w->random);
	json_set_u64(o, "unaligned", w->unaligned);
	json_set_u64(o, "one_byte", w->one_byte);
	json_set_u64(size, "min", w->size.count ? w->size.min : 0);
	json_set_u64(size, "mean", histogram_mean(&w->size));
	for (unsigned i = 0; i < 3; i++)
		json_set_u64(size, names[i], histogram_quantile(&w->size, parts[i]));
	json_set_u64(size, "max", w->size.count ? w->size.max : 0);
	json_set(o, "size_bytes", size);
	return o;
}

void json_set_errnos(json_t *object, const struct io_errnos *e)
{
	json_t *list = json_array();

	for (uint32_t i = 0; e && i < e->used; i++) {
		json_t *o = json_object();

		json_set(o, "error", json_text(io_error_name(e->row[i].number)));
		json_set_u64(o, "errno", e->row[i].number);
		json_set_u64(o, "count", e->row[i].count);
		json_array_append_new(list, o);
	}
	json_set(object, "errors_by_errno", list);
	if (e && e->others)
		json_set_u64(object, "errors_of_other_errnos", e->others);
}

void json_set_pattern(struct analysis *a, json_t *object, uint32_t index)
{
	const struct io_pattern *p = io_patterns_of(&a->io->patterns, index);
	uint64_t writes = a->io->target[index].op[IO_TARGET_WRITE].calls;
	json_t *o;

	if (!p)
		return;
	o = json_object();
	json_set_u64(o, "first_at_ns", trace_ns(a->trace, p->first_ticks));
	json_set_u64(o, "last_at_ns", trace_ns(a->trace, p->last_ticks));
	json_set_u64(o, "most_in_flight", p->most_in_flight);
	json_set_u64(o, "opens", p->opens);
	json_set_u64(o, "syncs", p->syncs);
	if (p->syncs)
		json_set(o, "writes_per_sync", json_real((double)writes / (double)p->syncs));
	json_set_u64(o, "seeks", p->seeks);
	json_set_u64(o, "seeks_before_read", p->seeks_before_read);
	json_set_u64(o, "read_again_bytes", p->read_again_bytes);
	if (p->read_again_at_least)
		json_set(o, "read_again_at_least", json_true());
	json_set_u64(o, "cache_hits", p->cache_hits);
	json_set_u64(o, "cache_pages", p->cache_pages);
	json_set(o, "read", way_json(&p->way[IO_WAY_READ]));
	json_set(o, "write", way_json(&p->way[IO_WAY_WRITE]));
	json_set(object, "pattern", o);
}

/* Rows from the quickest calls to the slowest; `from_ns` is the least that one of them took. */
static json_t *heat_json(const struct analysis *a)
{
	const struct io_heat *h = &a->io->wall.heat;
	json_t *o = json_object(), *rows = json_array();

	json_set_u64(o, "column_ns", h->column_ns);
	json_set_u64(o, "columns", h->columns);
	for (unsigned r = 0; r < IO_HEAT_ROWS; r++) {
		json_t *row = json_object(), *calls = json_array();
		uint64_t sum = 0;

		for (unsigned c = 0; c < h->columns; c++) {
			sum += h->calls[r][c];
			json_array_append_new(calls, json_u64(h->calls[r][c]));
		}
		json_set_u64(row, "from_ns", trace_span_ns(a->trace, r ? 1ull << (r - 1) : 0));
		json_set(row, "calls", calls);
		if (sum)
			json_array_append(rows, row);
		json_decref(row);
	}
	json_set(o, "rows", rows);
	return o;
}

static json_t *thread_json(const struct analysis *a, const struct io_wall_thread *t)
{
	static const char *const names[] = {
#define IO_TIME(name, id) #name "_ns",
		IO_TIMES(IO_TIME)
#undef IO_TIME
	};
	uint64_t wall = io_thread_wall_ns(a, t), waits = 0;
	json_t *o = json_object();

	json_set_u64(o, "thread", t->number);
	json_set_u64(o, "wall_ns", wall);
	for (unsigned i = 0; i < IO_TIME_COUNT; i++)
		waits += trace_span_ns(a->trace, t->ticks[i]);
	json_set_u64(o, "running_ns", wall > waits ? wall - waits : 0);
	for (unsigned i = 0; i < IO_TIME_COUNT; i++)
		json_set_ticks(a, o, names[i], t->ticks[i]);
	return o;
}

static json_t *finding_json(struct analysis *a, const struct io_finding *f)
{
	json_t *o = json_object(), *target = json_object(), *site = json_object();

	json_set(o, "rule", json_string(f->rule));
	json_set(o, "severity", json_string(f->warning ? "warning" : "info"));
	json_set(o, "evidence", json_text(f->evidence));
	json_set(o, "advice", json_string(f->advice));
	if (f->target != KEYMAP_NONE) {
		json_set_target(a, target, a->io->target[f->target].id);
		json_set(o, "target", json_incref(target));
	}
	if (f->site != KEYMAP_NONE) {
		json_set_site(a, site, &a->io->sites, f->site);
		json_set(o, "site", json_incref(site));
	}
	json_decref(target);
	json_decref(site);
	return o;
}

static json_t *thresholds_json(void)
{
	json_t *o = json_object();

	for (unsigned i = 0; i < IO_THRESHOLD_COUNT; i++)
		json_set_u64(o, io_threshold_rows[i].name, io_threshold((enum io_threshold)i));
	return o;
}

void json_set_io_detail(struct analysis *a, json_t *object)
{
	json_t *threads = json_array(), *list = json_array();
	struct io_findings *all = io_findings_new(a);

	for (uint32_t i = 0; i < a->io->wall.map.count; i++)
		json_array_append_new(threads, thread_json(a, &a->io->wall.thread[i]));
	for (uint32_t i = 0; all && i < all->count; i++)
		json_array_append_new(list, finding_json(a, &all->finding[i]));
	/* what needs the order of the calls is of those that are in the trace */
	json_set_u64(object, "ordered_calls_from_ns",
		     a->facts->events_folded ? a->facts->folded_until_ns : 0);
	json_set(object, "heatmap", heat_json(a));
	json_set(object, "threads", threads);
	json_set(object, "findings", list);
	json_set(object, "thresholds", thresholds_json());
	free(all);
}
