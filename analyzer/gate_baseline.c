/* SPDX-License-Identifier: MIT */
/* Baselines by site; see gate_baseline.h. */
#include "gate_baseline.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "site_key.h"

static int64_t number(const json_t *o, const char *key)
{
	return (int64_t)json_integer_value(json_object_get(o, key));
}

/* Not a number, or one that is none of a count. */
static bool is_wrong(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return v && (!json_is_integer(v) || json_integer_value(v) < 0);
}

static const char *command_of(const json_t *report)
{
	const char *s =
		json_string_value(json_object_get(json_object_get(report, "process"), "command"));

	return s ? s : "";
}

static const char *const misuses[] = { "double_free", "foreign_free", "mismatched_free",
				       "dead_reallocation", "missized_free" };

static bool is_misuse(const char *class)
{
	for (size_t i = 0; i < sizeof(misuses) / sizeof(*misuses); i++)
		if (!strcmp(class, misuses[i]))
			return true;
	return false;
}

/* Blocks of an entry; a trend has none and counts as one, of wrong frees it is how many. */
static int64_t blocks_of(const json_t *site, const char *class)
{
	if (is_misuse(class))
		return number(site, "count");
	return strcmp(class, "growing") ? number(site, "blocks") : 1;
}

static int64_t bytes_of(const json_t *site, const char *class)
{
	return number(site, strcmp(class, "growing") ? "bytes" : "live_bytes");
}

/* Is the list's entry of this class? */
static bool of_class(const json_t *site, const char *class)
{
	const char *kind = json_string_value(json_object_get(site, "kind"));
	bool trends = !strcmp(class, "growing");
	const char *own = json_string_value(json_object_get(site, trends ? "verdict" : "class"));

	if (is_misuse(class))
		return kind && !strcmp(kind, class);
	return own && (!strcmp(class, "unfreed") || !strcmp(own, class));
}

/* The key under which figures of a class are kept, whatever the process's number. */
static const char *key_of(const json_t *report, const json_t *site, const char *class, char *buf)
{
	char prefix[256];

	snprintf(prefix, sizeof(prefix), "%s|%s|", class, command_of(report));
	return site_key(site, prefix, buf, SITE_KEY);
}

static const json_t *list_of(const json_t *report, const char *class)
{
	if (is_misuse(class))
		return json_object_get(json_object_get(json_object_get(report, "heap"), "misuse"),
				       "sites");
	return json_object_get(json_object_get(report, "leaks"),
			       strcmp(class, "growing") ? "sites" : "trends");
}

static int add_class(json_t *sums, const json_t *report, const char *class)
{
	const json_t *site;
	char key[SITE_KEY];
	size_t i;

	json_array_foreach (list_of(report, class), i, site) {
		json_t *sum;

		if (!of_class(site, class))
			continue;
		if (is_wrong(site, "blocks") || is_wrong(site, "bytes") ||
		    is_wrong(site, "live_bytes") || is_wrong(site, "count"))
			return -EINVAL;
		key_of(report, site, class, key);
		sum = json_object_get(sums, key);
		if (!sum) {
			sum = json_pack("{s:i, s:i}", "blocks", 0, "bytes", 0);
			if (!sum || json_object_set_new(sums, key, sum))
				return -ENOMEM;
		}
		if (json_object_set_new(
			    sum, "blocks",
			    json_integer(number(sum, "blocks") + blocks_of(site, class))) ||
		    json_object_set_new(sum, "bytes",
					json_integer(number(sum, "bytes") + bytes_of(site, class))))
			return -ENOMEM;
	}
	return 0;
}

/* Sites that a report counts and does not list. */
static int64_t unlisted_in(const json_t *report)
{
	const json_t *leaks = json_object_get(report, "leaks");
	int64_t sites = number(leaks, "site_count") -
			(int64_t)json_array_size(json_object_get(leaks, "sites"));
	int64_t trends = number(leaks, "trend_count") -
			 (int64_t)json_array_size(json_object_get(leaks, "trends"));

	return (sites > 0 ? sites : 0) + (trends > 0 ? trends : 0);
}

static int add_report(json_t *sums, const json_t *report)
{
	static const char *const classes[] = { "unfreed", "definitely_lost", "indirectly_lost",
					       "still_reachable", "growing" };
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(classes) / sizeof(*classes); i++)
		err = add_class(sums, report, classes[i]);
	for (size_t i = 0; !err && i < sizeof(misuses) / sizeof(*misuses); i++)
		err = add_class(sums, report, misuses[i]);
	return err;
}

int gate_baseline_load(struct gate_baseline *b, const char *path)
{
	json_t *file, *traces, *report;
	json_error_t error;
	int err = 0;
	FILE *f;
	size_t i;

	memset(b, 0, sizeof(*b));
	f = fopen(path, "re");
	if (!f)
		return -errno;
	file = json_loadf(f, 0, &error);
	fclose(f);
	b->sites = json_object();
	traces = json_object_get(file, "traces");
	if (!file || !json_object_get(file, "schema") ||
	    (!traces && !json_object_get(file, "leaks")))
		err = -EINVAL;
	else if (!traces)
		err = add_report(b->sites, file);
	b->unlisted = err ? 0 : unlisted_in(file);
	json_array_foreach (traces, i, report) {
		b->unlisted += unlisted_in(report);
		if (!err)
			err = add_report(b->sites, report);
	}
	json_decref(file);
	if (err)
		gate_baseline_fini(b);
	return err;
}

void gate_baseline_fini(struct gate_baseline *b)
{
	json_decref(b->sites);
	b->sites = NULL;
}

static int by_new_bytes(const void *x, const void *y)
{
	const struct gate_site *a = x, *b = y;

	if (a->new_bytes != b->new_bytes)
		return a->new_bytes > b->new_bytes ? -1 : 1;
	if (a->new_blocks != b->new_blocks)
		return a->new_blocks > b->new_blocks ? -1 : 1;
	return a->index < b->index ? -1 : 1;
}

/* Takes from the allowance of a key; what is beyond is new. */
static int64_t beyond(json_t *allowed, const char *what, int64_t amount)
{
	int64_t left = number(allowed, what), used = amount < left ? amount : left;

	if (used > 0)
		json_object_set_new(allowed, what, json_integer(left - used));
	return amount - (used > 0 ? used : 0);
}

/* The classes of one site are one where all of it counts: the entry to which another is added. */
static struct gate_site *same_site(struct gate_site *found, int n, const json_t *site)
{
	const json_t *id = json_object_get(site, "site");

	for (int i = 0; id && i < n; i++)
		if (json_equal(json_object_get(found[i].site, "site"), id))
			return &found[i];
	return NULL;
}

static void add_site(struct gate_site *to, const struct gate_site *s)
{
	to->blocks += s->blocks;
	to->bytes += s->bytes;
	to->new_blocks += s->new_blocks;
	to->new_bytes += s->new_bytes;
}

int gate_sites(const json_t *report, const char *class, const struct gate_baseline *b,
	       struct gate_site **out)
{
	const json_t *list = list_of(report, class), *site;
	struct gate_site *found = calloc(json_array_size(list) + 1, sizeof(*found));
	json_t *left = b && b->sites ? json_deep_copy(b->sites) : json_object();
	bool trends = !strcmp(class, "growing");
	char key[SITE_KEY];
	int n = 0;
	size_t i;

	if (!found || !left) {
		free(found);
		json_decref(left);
		return -ENOMEM;
	}
	json_array_foreach (list, i, site) {
		struct gate_site s = { .site = site, .index = i }, *same;
		json_t *allowed;

		if (!of_class(site, class))
			continue;
		allowed = json_object_get(left, key_of(report, site, class, key));
		s.blocks = blocks_of(site, class);
		s.bytes = bytes_of(site, class);
		s.new_blocks = beyond(allowed, "blocks", s.blocks);
		s.new_bytes =
			trends ? (s.new_blocks ? s.bytes : 0) : beyond(allowed, "bytes", s.bytes);
		if (!s.new_blocks && !s.new_bytes)
			continue;
		same = strcmp(class, "unfreed") ? NULL : same_site(found, n, site);
		if (same)
			add_site(same, &s);
		else
			found[n++] = s;
	}
	qsort(found, (size_t)n, sizeof(*found), by_new_bytes);
	json_decref(left);
	*out = found;
	return n;
}
