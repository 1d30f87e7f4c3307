/* SPDX-License-Identifier: MIT */
/*
 * A report as JSON, schema lariat/1; also what CSV is made from. Integers are exact up to
 * INT64_MAX and stop there. One thread at a time.
 */
#ifndef LARIAT_REPORT_JSON_H
#define LARIAT_REPORT_JSON_H

#include <jansson.h>

#include "analysis.h"
#include "json_places.h"

/* The report of one trace with the parts asked for; NULL = no memory. The caller's. */
json_t *report_json(struct analysis *a);

/* { "processes", "totals" } of several traces; NULL = no memory. */
struct family;
json_t *json_family(const struct family *f);

/* One part's object; NULL = no memory. */
json_t *json_heap(struct analysis *a);
json_t *json_leaks(struct analysis *a);
json_t *json_growth(struct analysis *a);
json_t *json_io(struct analysis *a);
json_t *json_locks(struct analysis *a);
json_t *json_threads(struct analysis *a);

/* ---- helpers of the parts ---- */

json_t *json_u64(uint64_t v);

/* A string; bytes that are not UTF-8 become question marks. NULL becomes null. */
json_t *json_text(const char *s);

/* Sets `key`, which is of ours and thus UTF-8, taking the value over; NULL becomes null. */
void json_set(json_t *object, const char *key, json_t *value);
void json_set_u64(json_t *object, const char *key, uint64_t v);

/* "function", "file", "line", "module". */
void json_set_place(json_t *object, const struct json_place *p);

/* { "function", "file", "line", "module", "stack" } of a stack. */
void json_set_stack(struct analysis *a, json_t *object, uint32_t stack);

/* ... of a site, or what a folded site is called. */
void json_set_site(struct analysis *a, json_t *object, const struct sites *sites, uint32_t site);

/* { "min", "mean", "p50", "p90", "p99", "p999", "max" } in ns of durations in
 * ticks, with "sum" where asked for. */
json_t *json_latency(const struct analysis *a, const struct histogram *h, bool with_sum);

/* json_set_u64() of a length of time. */
void json_set_ticks(const struct analysis *a, json_t *object, const char *key, uint64_t ticks);

/* A list and how many entries it would have without --limit. */
void json_set_list(struct analysis *a, json_t *object, const char *key, const char *count_key,
		   int (*rank)(struct analysis *a, struct ranking *r),
		   json_t *(*make)(struct analysis *a, uint32_t i));

/* Adds the trends of the sites, and candidates for pools, arenas and reserves. */
void json_set_trends(struct analysis *a, json_t *object);
void json_set_leak_classes(struct analysis *a, json_t *object);
void json_set_churn(struct analysis *a, json_t *object);

/* Of a report that has all its parts: what they point out, the worst first. */
json_t *json_findings(json_t *report);

/* Wrong frees. */
json_t *json_misuse(struct analysis *a);

/* Adds "findings" of locks or threads; takes them over. */
struct work_findings;
void json_set_findings(struct analysis *a, json_t *object, struct work_findings *all);

/* CPU samples: totals, functions, call stacks; of a thread: the parts of its life. */
json_t *json_cpu(struct analysis *a);
void json_set_cpu_split(const struct analysis *a, json_t *object, const struct thread_figures *t);

/* "lock", "kind" of a lock. */
void json_set_lock(struct analysis *a, json_t *object, const struct lock_one *l);
/* "symbol": the variable that it is in, or null. */
void json_set_lock_symbol(struct analysis *a, json_t *object, uint64_t address);

/* The stacks that a site waited for, with the time: the longest first. */
json_t *json_blamed(struct analysis *a, uint32_t site);

/* A site by the waits of others that it has caused. */
json_t *json_lock_cause(struct analysis *a, uint32_t site);

/* Adds who waited for whom, the order of locks, who waits now, and circles of those. */
void json_set_lock_waits(struct analysis *a, json_t *object);

/* Of a target: the service that it is, and how it was used. Of all: heat map, threads, findings. */
struct io_errnos;
void json_set_errnos(json_t *object, const struct io_errnos *e); /* NULL = none */
void json_set_service(struct analysis *a, json_t *object, uint32_t id);
void json_set_pattern(struct analysis *a, json_t *object, uint32_t index);
void json_set_io_detail(struct analysis *a, json_t *object);

/* { "kind", "name" } of a target. */
void json_set_target(struct analysis *a, json_t *object, uint32_t id);

/* "file", "socket", ...: enum lar_target_kind. */
const char *target_kind_name(uint32_t kind);

#endif
