/* SPDX-License-Identifier: MIT */
/* Figures of repeated runs; see bench_stats.h. */
#include "bench_stats.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"

#define LOAD_MOST 1000000 /* values of a file */

const char *bench_figure_name(unsigned figure)
{
	static const char *const name[BENCH_COUNT] = {
#define FIGURE(id, text) [BENCH_##id] = text,
		BENCH_FIGURES(FIGURE)
#undef FIGURE
	};

	return figure < BENCH_COUNT ? name[figure] : "";
}

static int series_add(struct bench_series *s, double v)
{
	if (s->count == s->room) {
		uint32_t room = s->room ? s->room * 2 : 16;
		double *grown = reallocarray(s->value, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		s->value = grown;
		s->room = room;
	}
	s->value[s->count++] = v;
	s->sorted = false;
	return 0;
}

int bench_add(struct bench_set *s, const double value[BENCH_COUNT])
{
	int err = 0;

	for (unsigned f = 0; f < BENCH_COUNT && !err; f++)
		err = series_add(&s->series[f], value[f]);
	s->runs += !err;
	return err;
}

void bench_set_fini(struct bench_set *s)
{
	for (unsigned f = 0; f < BENCH_COUNT; f++)
		free(s->series[f].value);
	free(s->command);
	memset(s, 0, sizeof(*s));
}

static int by_value(const void *x, const void *y)
{
	double a = *(const double *)x, b = *(const double *)y;

	return (a > b) - (a < b);
}

/* Between two values that are in order, by their distance from the place. */
static double quantile(const struct bench_series *s, double q)
{
	double at = q * (double)(s->count - 1);
	uint32_t i = (uint32_t)at;

	if (i + 1 >= s->count)
		return s->value[s->count - 1];
	return s->value[i] + (at - i) * (s->value[i + 1] - s->value[i]);
}

struct bench_spread bench_spread(struct bench_series *s)
{
	struct bench_spread out = { 0 };
	double sum = 0;

	if (!s->count)
		return out;
	if (!s->sorted)
		qsort(s->value, s->count, sizeof(*s->value), by_value);
	s->sorted = true;
	for (uint32_t i = 0; i < s->count; i++)
		sum += s->value[i];
	out.median = quantile(s, 0.5);
	out.low = quantile(s, 0.25);
	out.high = quantile(s, 0.75);
	out.min = s->value[0];
	out.max = s->value[s->count - 1];
	out.mean = sum / s->count;
	return out;
}

int bench_compare(const struct bench_spread *a, const struct bench_spread *b)
{
	return b->min > a->max ? 1 : b->max < a->min ? -1 : 0;
}

static json_t *series_json(struct bench_series *s)
{
	struct bench_spread p = bench_spread(s);
	json_t *values = json_array();

	for (uint32_t i = 0; i < s->count; i++)
		json_array_append_new(values, json_real(s->value[i]));
	return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:o}", "median", p.median, "mean", p.mean,
			 "min", p.min, "max", p.max, "p25", p.low, "p75", p.high, "values", values);
}

json_t *bench_json(struct bench_set *s)
{
	json_t *figures = json_object();
	char *command = strdup(s->command);

	if (!figures || !command) {
		json_decref(figures);
		free(command);
		return NULL;
	}
	utf8_repair(command);
	for (unsigned f = 0; f < BENCH_COUNT; f++)
		if (s->series[f].count)
			json_object_set_new(figures, bench_figure_name(f),
					    series_json(&s->series[f]));
	figures = json_pack("{s:s, s:i, s:i, s:i, s:o}", "command", command, "runs", (int)s->runs,
			    "warmup", (int)s->warmup, "partial_runs", (int)s->partial, "figures",
			    figures);
	free(command);
	return figures;
}

static int load_series(struct bench_series *s, const json_t *figure)
{
	const json_t *list = json_object_get(figure, "values"), *v;
	size_t i;
	int err = 0;

	if (json_array_size(list) > LOAD_MOST)
		return -EINVAL;
	json_array_foreach (list, i, v)
		if (!err)
			err = json_is_number(v) ? series_add(s, json_number_value(v)) : -EINVAL;
	return err;
}

static int load_set(struct bench_set *s, const json_t *set)
{
	const char *command = json_string_value(json_object_get(set, "command"));
	const json_t *figures = json_object_get(set, "figures");
	int err = 0;

	if (!command || !json_is_object(figures))
		return -EINVAL;
	s->command = strdup(command);
	if (!s->command)
		return -ENOMEM;
	s->warmup = (uint32_t)json_integer_value(json_object_get(set, "warmup"));
	s->partial = (uint32_t)json_integer_value(json_object_get(set, "partial_runs"));
	for (unsigned f = 0; f < BENCH_COUNT && !err; f++)
		err = load_series(&s->series[f], json_object_get(figures, bench_figure_name(f)));
	s->runs = s->series[0].count;
	return err || s->runs ? err : -EINVAL;
}

int bench_load(struct bench_set *s, const char *path)
{
	FILE *file = fopen(path, "re");
	json_t *root;
	int err;

	memset(s, 0, sizeof(*s));
	if (!file)
		return -errno;
	root = json_loadf(file, 0, NULL);
	fclose(file);
	err = load_set(
		s, json_array_get(json_object_get(json_object_get(root, "bench"), "commands"), 0));
	json_decref(root);
	if (err)
		bench_set_fini(s);
	return err;
}
