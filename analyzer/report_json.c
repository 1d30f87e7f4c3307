/* SPDX-License-Identifier: MIT */
/* The frame of a JSON report and what its parts share; see report_json.h. */
#include "report_json.h"

#include <stdlib.h>
#include <string.h>

#include "utf8.h"

json_t *json_u64(uint64_t v)
{
	return json_integer(v > INT64_MAX ? INT64_MAX : (json_int_t)v);
}

json_t *json_text(const char *s)
{
	json_t *plain = s ? json_string(s) : json_null();
	char *copy;

	if (plain || !s)
		return plain;
	copy = strdup(s);
	if (!copy)
		return NULL;
	utf8_repair(copy);
	plain = json_string(copy);
	free(copy);
	return plain;
}

void json_set(json_t *object, const char *key, json_t *value)
{
	/* a missing value is missing memory; the reader of the report must not see a gap */
	if (json_object_set_new_nocheck(object, key, value))
		json_object_set_new_nocheck(object, key, json_null());
}

void json_set_u64(json_t *object, const char *key, uint64_t v)
{
	json_set(object, key, json_u64(v));
}

void json_set_place(json_t *object, const struct json_place *p)
{
	json_set(object, "function", json_incref(p->function));
	json_set(object, "file", json_incref(p->file));
	json_set(object, "line", json_incref(p->line));
	json_set(object, "module", json_incref(p->module));
}

static void set_stack(struct json_places *places, json_t *object, const struct frame *frame,
		      uint32_t n)
{
	json_t *list = json_array();

	json_set_place(object, json_places_get(places, &frame[frames_lead(frame, n)]));
	for (uint32_t i = 0; i < n; i++)
		json_array_append(list, json_places_get(places, &frame[i])->frame);
	json_set(object, "stack", list);
}

void json_set_stack(struct analysis *a, json_t *object, uint32_t stack)
{
	struct json_places *places = a->places ? a->places : json_places_new();
	const struct frame *frame;
	uint32_t n = frames_of_stack(a->frames, stack, &frame);

	if (places) {
		set_stack(places, object, frame, n);
	} else {
		json_set_place(object, &(struct json_place){ 0 });
		json_set(object, "stack", NULL);
	}
	if (!a->places)
		json_places_free(places);
}

void json_set_site(struct analysis *a, json_t *object, const struct sites *sites, uint32_t site)
{
	const char *label = analysis_site_label(a, sites, site);

	if (!label) {
		json_set_stack(a, object, sites->stack[site]);
		return;
	}
	if (a->context->by == CMD_BY_THREAD) {
		const struct trace_thread *t = analysis_thread(a, sites->thread[site]);

		if (sites->thread[site] == SITE_FOLDED_THREADS) {
			json_set(object, "thread", json_null());
			json_set(object, "tid", json_null());
			json_set(object, "name", json_text(label));
			return;
		}
		json_set_u64(object, "thread", sites->thread[site]);
		json_set_u64(object, "tid", t->tid);
		json_set(object, "name", json_text(t->name));
		return;
	}
	json_set(object,
		 a->context->by == CMD_BY_FUNCTION ? "function"
		 : a->context->by == CMD_BY_FILE   ? "file"
						   : "module",
		 json_text(label));
}

void json_set_ticks(const struct analysis *a, json_t *object, const char *key, uint64_t ticks)
{
	json_set_u64(object, key, trace_span_ns(a->trace, ticks));
}

json_t *json_latency(const struct analysis *a, const struct histogram *h, bool with_sum)
{
	json_t *o = json_object();

	if (with_sum)
		json_set_ticks(a, o, "sum", h->sum);
	json_set_ticks(a, o, "min", h->min);
	json_set_u64(o, "mean", h->count ? trace_span_ns(a->trace, h->sum) / h->count : 0);
	json_set_ticks(a, o, "p50", histogram_quantile(h, 500));
	json_set_ticks(a, o, "p90", histogram_quantile(h, 900));
	json_set_ticks(a, o, "p99", histogram_quantile(h, 990));
	json_set_ticks(a, o, "p999", histogram_quantile(h, 999));
	json_set_ticks(a, o, "max", h->max);
	return o;
}

void json_set_list(struct analysis *a, json_t *o, const char *key, const char *count_key,
		   int (*rank)(struct analysis *a, struct ranking *r),
		   json_t *(*make)(struct analysis *a, uint32_t i))
{
	json_t *list = json_array();
	struct ranking r;

	if (!rank(a, &r)) {
		for (uint32_t i = 0; i < r.shown; i++)
			json_array_append_new(list, make(a, r.index[i]));
		json_set_u64(o, count_key, r.count);
		ranking_fini(&r);
	}
	json_set(o, key, list);
}

const char *target_kind_name(uint32_t kind)
{
	static const char *const name[] = {
		[LAR_TARGET_UNKNOWN] = "unknown", [LAR_TARGET_FILE] = "file",
		[LAR_TARGET_DIR] = "directory",	  [LAR_TARGET_PIPE] = "pipe",
		[LAR_TARGET_SOCKET] = "socket",	  [LAR_TARGET_TTY] = "terminal",
		[LAR_TARGET_CHARDEV] = "device",  [LAR_TARGET_ANON] = "anonymous",
	};

	return kind < sizeof(name) / sizeof(*name) ? name[kind] : "unknown";
}

void json_set_target(struct analysis *a, json_t *object, uint32_t id)
{
	const struct trace_target *t = id < a->facts->target_count ? &a->facts->targets[id] : NULL;

	json_set(object, "kind", json_text(target_kind_name(t ? t->kind : LAR_TARGET_UNKNOWN)));
	json_set(object, "name", json_text(t ? t->name : ""));
	if (id == IO_OTHERS)
		json_set(object, "others", json_true());
}

static json_t *process_json(struct analysis *a)
{
	const struct trace_facts *f = a->facts;
	const struct lar_header *h = f->header;
	const char *end = analysis_end_name(a);
	json_t *o = json_object(), *argv = json_array();

	json_set_u64(o, "pid", h->pid);
	json_set_u64(o, "parent_pid", h->parent_pid);
	json_set(o, "command", json_text(f->command));
	json_set(o, "executable", json_text(f->executable));
	for (uint32_t i = 0; i < f->argc; i++)
		json_array_append_new(argv, json_text(f->argv[i]));
	json_set(o, "arguments", argv);
	json_set(o, "host", json_text(f->host));
	json_set_u64(o, "start_unix_ns", h->start_unix_ns);
	json_set_u64(o, "duration_ns", f->duration_ns);
	json_set(o, "end", json_text(end));
	if (!strcmp(end, "exit") || !strcmp(end, "signal"))
		json_set(o, "exit_code", json_integer(h->exit_code));
	else
		json_set(o, "exit_code", json_null());
	return o;
}

static json_t *trace_json(struct analysis *a)
{
	const struct trace_facts *f = a->facts;
	const char *bypassed_by = analysis_bypassed_by(a);
	json_t *o = json_object();

	json_set(o, "file", json_text(f->path));
	json_set_u64(o, "size_bytes", f->file_bytes);
	json_set_u64(o, "disk_bytes", f->disk_bytes);
	json_set_u64(o, "events_written", f->events_written);
	json_set_u64(o, "events_kept", f->events_kept);
	json_set_u64(o, "events_folded", f->events_folded);
	json_set_u64(o, "events_overwritten", f->events_overwritten);
	json_set_u64(o, "events_dropped", f->events_dropped);
	json_set_u64(o, "blocks_damaged", f->damage.blocks);
	json_set_u64(o, "records_damaged", f->damage.records);
	json_set_u64(o, "sampled_bytes", f->header->sample_bytes);
	json_set(o, "partial", json_boolean(analysis_partial(a)));
	json_set(o, "bypassed_by", bypassed_by ? json_text(bypassed_by) : json_null());
	json_set_u64(o, "first_event_ns", a->first_ns);
	json_set(o, "folded_until_ns",
		 f->events_folded ? json_u64(f->folded_until_ns) : json_null());
	return o;
}

json_t *report_json(struct analysis *a)
{
	static const struct {
		unsigned part;
		const char *key;
		json_t *(*make)(struct analysis *a);
	} parts[] = {
		{ PART_HEAP, "heap", json_heap },	{ PART_LEAKS, "leaks", json_leaks },
		{ PART_GROWTH, "growth", json_growth }, { PART_IO, "io", json_io },
		{ PART_LOCKS, "locks", json_locks },	{ PART_THREADS, "threads", json_threads },
	};
	json_t *o = json_object();

	if (!o)
		return NULL;
	a->places = json_places_new();
	json_set(o, "schema", json_string("lariat/1"));
	json_set(o, "process", process_json(a));
	json_set(o, "trace", trace_json(a));
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (a->recorded & parts[i].part)
			json_set(o, parts[i].key, parts[i].make(a));
	if (a->parts & (a->parts - 1))
		json_set(o, "findings", json_findings(o));
	json_places_free(a->places);
	a->places = NULL;
	return o;
}
