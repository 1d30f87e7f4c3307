/* SPDX-License-Identifier: MIT */
/*
 * What a whole report points out, in one list: wrong frees, what is lost, what keeps growing, and
 * the findings of I/O, locks and threads. Made from the parts of the report that are there.
 */
#include <string.h>

#include "format.h"
#include "report_json.h"

#define LEAKS_MOST 10

static const char *const severities[] = { "error", "warning" };

static const struct {
	const char *kind, *rule, *severity, *what, *advice;
} wrong_frees[] = {
	{ "double_free", "double-free", "error", "freed twice",
	  "let one owner free it, and set the pointer to NULL there" },
	{ "foreign_free", "foreign-free", "error", "freed, and no block of the heap",
	  "free only what an allocation has returned" },
	{ "dead_reallocation", "dead-reallocation", "error", "resized after it was freed",
	  "use the pointer that realloc returned, and no copy of the old one" },
	{ "mismatched_free", "mismatched-free", "warning", "given back by another family",
	  "pair new with delete, new[] with delete[], malloc with free" },
	{ "missized_free", "missized-free", "warning", "given back as one of another size",
	  "give the base class a virtual destructor, and delete arrays by delete[]" },
};

static json_t *site_of(const json_t *from)
{
	static const char *const keys[] = { "function", "file", "line", "module", "stack" };
	json_t *site = json_object();

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		json_object_set(site, keys[i], json_object_get(from, keys[i]));
	return site;
}

static void add(json_t *list, const char *part, const char *rule, const char *severity,
		const char *evidence, const char *advice, const json_t *from)
{
	json_t *o = json_object();

	json_set(o, "part", json_string(part));
	json_set(o, "rule", json_string(rule));
	json_set(o, "severity", json_string(severity));
	json_set(o, "evidence", json_text(evidence));
	json_set(o, "advice", json_string(advice));
	json_set(o, "site", site_of(from));
	json_array_append_new(list, o);
}

static const char *string_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static uint64_t number_of(const json_t *o, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(o, key));
}

static void add_wrong_frees(json_t *list, const json_t *report)
{
	const json_t *misuse = json_object_get(json_object_get(report, "heap"), "misuse");
	const json_t *sites = json_object_get(misuse, "sites"), *site;
	char evidence[200], x[FORMAT_SIZE];
	size_t i;

	json_array_foreach (sites, i, site) {
		for (size_t k = 0; k < sizeof(wrong_frees) / sizeof(*wrong_frees); k++) {
			if (strcmp(string_of(site, "kind"), wrong_frees[k].kind))
				continue;
			snprintf(evidence, sizeof(evidence), "%s: %s",
				 format_things(x, number_of(site, "count"), "time"),
				 wrong_frees[k].what);
			add(list, "heap", wrong_frees[k].rule, wrong_frees[k].severity, evidence,
			    wrong_frees[k].advice, site);
		}
	}
}

static void add_leaks(json_t *list, const json_t *report)
{
	const json_t *leaks = json_object_get(report, "leaks"), *site;
	char evidence[200], x[FORMAT_SIZE], y[FORMAT_SIZE];
	unsigned count = 0;
	size_t i;

	json_array_foreach (json_object_get(leaks, "sites"), i, site) {
		if (strcmp(string_of(site, "class"), "definitely_lost") || count++ == LEAKS_MOST)
			continue;
		snprintf(evidence, sizeof(evidence), "%s in %s that nothing points to",
			 format_bytes(x, number_of(site, "bytes")),
			 format_things(y, number_of(site, "blocks"), "block"));
		add(list, "leaks", "definitely-lost", "warning", evidence,
		    "free it before the last pointer to it goes", site);
	}
	json_array_foreach (json_object_get(leaks, "trends"), i, site) {
		if (strcmp(string_of(site, "verdict"), "growing"))
			continue;
		snprintf(evidence, sizeof(evidence), "%s and growing",
			 format_bytes(x, number_of(site, "live_bytes")));
		add(list, "leaks", "growing", "warning", evidence,
		    "see what keeps these blocks, and what should let go of them", site);
	}
}

static void add_of_part(json_t *list, json_t *report, const char *part)
{
	json_t *findings = json_object_get(json_object_get(report, part), "findings"), *one, *o;
	size_t i;

	json_array_foreach (findings, i, one) {
		o = json_object();
		json_set(o, "part", json_string(part));
		json_object_update(o, one);
		json_array_append_new(list, o);
	}
}

static void append_severity(json_t *to, json_t *from, size_t rank)
{
	size_t i, ranks = sizeof(severities) / sizeof(*severities);
	json_t *one;

	json_array_foreach (from, i, one) {
		size_t own = 0;

		while (own < ranks && strcmp(string_of(one, "severity"), severities[own]))
			own++;
		if (own == rank)
			json_array_append(to, one);
	}
}

json_t *json_findings(json_t *report)
{
	json_t *all = json_array(), *sorted = json_array();

	add_wrong_frees(all, report);
	add_leaks(all, report);
	add_of_part(all, report, "io");
	add_of_part(all, report, "locks");
	add_of_part(all, report, "threads");
	for (size_t rank = 0; rank <= sizeof(severities) / sizeof(*severities); rank++)
		append_severity(sorted, all, rank);
	json_decref(all);
	return sorted;
}
