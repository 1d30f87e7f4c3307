/* SPDX-License-Identifier: MIT */
/* Two groups of runs compared; see run_diff.h. */
#include "run_diff.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "site_key.h"

/* What is compared of a run as a whole. */
static const char *const totals[][3] = {
	{ "heap", "allocations" },    { "heap", "allocated_bytes" }, { "heap", "peak_bytes" },
	{ "heap", "live_bytes" },     { "heap", "reallocations" },   { "heap", "frees" },
	{ "process", "duration_ns" },
};
#define TOTALS (sizeof(totals) / sizeof(*totals))

const char *diff_status_name(enum diff_status s)
{
	static const char *const name[DIFF_STATUSES] = { "same", "grown", "shrunk", "new", "gone" };

	return (unsigned)s < DIFF_STATUSES ? name[s] : "same";
}

static void band_add(struct diff_band *b, double v)
{
	b->min = b->runs && b->min < v ? b->min : v;
	b->max = b->runs && b->max > v ? b->max : v;
	b->sum += v;
	b->runs++;
}

/* The item of a key, made now if it is new. NULL = no memory. */
static struct diff_item *item_of(struct run_diff *d, const char *key, const json_t *site)
{
	json_t *known = json_object_get(d->index, key);
	struct diff_item *items;

	if (known)
		return &d->item[json_integer_value(known)];
	items = reallocarray(d->item, d->items + 1, sizeof(*items));
	if (!items)
		return NULL;
	d->item = items;
	if (json_object_set_new(d->index, key, json_integer(d->items)))
		return NULL;
	items += d->items++;
	*items = (struct diff_item){ .site = site };
	return items;
}

/* Sites of one key in one run are one: their figures are added up first. */
static int add_sites(struct run_diff *d, unsigned side, const json_t *report, double unit)
{
	const json_t *list = json_object_get(json_object_get(report, "heap"), "sites"), *site;
	json_t *sums = json_object();
	int err = sums ? 0 : -ENOMEM;
	char key[SITE_KEY];
	const char *k;
	json_t *sum;
	size_t i;

	json_array_foreach (list, i, site) {
		double v = json_number_value(json_object_get(site, d->metric));

		site_key(site, "", key, sizeof(key));
		v += json_real_value(json_object_get(sums, key));
		if (!item_of(d, key, site) || json_object_set_new(sums, key, json_real(v)))
			err = -ENOMEM;
	}
	json_object_foreach (sums, k, sum)
		band_add(&item_of(d, k, NULL)->side[side], json_real_value(sum) / unit);
	json_decref(sums);
	return err;
}

/* Figures that are of a part of the run, or estimates, say less than they seem to. */
static void note_doubts(struct run_diff *d, const json_t *report)
{
	const json_t *trace = json_object_get(report, "trace");
	const char *end =
		json_string_value(json_object_get(json_object_get(report, "process"), "end"));
	const char *reason = NULL;

	if (json_is_true(json_object_get(trace, "partial")))
		reason = "it is not whole: the figures are of a part of the run";
	else if (json_integer_value(json_object_get(trace, "sampled_bytes")))
		reason = "it is a sample: the heap's figures are estimates";
	else if (end && !strcmp(end, "running"))
		reason = "the program is still running";
	if (!reason)
		return;
	if (!d->doubts)
		d->doubts = json_array();
	json_array_append_new(
		d->doubts,
		json_pack("{s:O, s:s}", "trace", json_object_get(trace, "file"), "reason", reason));
}

int run_diff_add(struct run_diff *d, unsigned side, json_t *report, double unit)
{
	json_t **reports = reallocarray(d->report, d->reports + 1, sizeof(json_t *));

	if (!d->index)
		d->index = json_object();
	if (!d->total)
		d->total = calloc(TOTALS, sizeof(*d->total));
	if (reports)
		d->report = reports;
	if (!reports || !d->index || !d->total) {
		json_decref(report);
		return -ENOMEM;
	}
	d->report[d->reports++] = report;
	note_doubts(d, report);
	d->runs[side]++;
	d->totals = TOTALS;
	for (uint32_t i = 0; i < TOTALS; i++) {
		const json_t *v =
			json_object_get(json_object_get(report, totals[i][0]), totals[i][1]);

		d->total[i].name = totals[i][1];
		band_add(&d->total[i].side[side], json_number_value(v) / unit);
	}
	return add_sites(d, side, report, unit);
}

/* Where not all runs of a side have it, its band goes down to 0. */
static void item_finish(struct diff_item *item, const uint32_t *runs)
{
	const struct diff_band *a = &item->side[0], *b = &item->side[1];

	for (unsigned s = 0; s < 2; s++) {
		if (item->side[s].runs < runs[s])
			item->side[s].min = 0;
		item->mean[s] = runs[s] ? item->side[s].sum / runs[s] : 0;
	}
	item->status = b->min > a->max	 ? a->runs ? DIFF_GROWN : DIFF_NEW
		       : b->max < a->min ? b->runs ? DIFF_SHRUNK : DIFF_GONE
					 : DIFF_SAME;
}

static int by_change(const void *x, const void *y)
{
	const struct diff_item *a = x, *b = y;
	double p = fabs(a->mean[1] - a->mean[0]), q = fabs(b->mean[1] - b->mean[0]);

	if ((a->status == DIFF_SAME) != (b->status == DIFF_SAME))
		return a->status == DIFF_SAME ? 1 : -1;
	return (p < q) - (p > q);
}

void run_diff_finish(struct run_diff *d)
{
	for (uint32_t i = 0; i < d->totals; i++)
		item_finish(&d->total[i], d->runs);
	for (uint32_t i = 0; i < d->items; i++) {
		item_finish(&d->item[i], d->runs);
		d->count[d->item[i].status]++;
	}
	if (d->items)
		qsort(d->item, d->items, sizeof(*d->item), by_change);
}

void run_diff_fini(struct run_diff *d)
{
	for (uint32_t i = 0; i < d->reports; i++)
		json_decref(d->report[i]);
	json_decref(d->index);
	json_decref(d->doubts);
	free(d->report);
	free(d->item);
	free(d->total);
	memset(d, 0, sizeof(*d));
}
