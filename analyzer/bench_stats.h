/* SPDX-License-Identifier: MIT */
/* Figures of repeated runs of a command: their middle and spread. One thread at a time. */
#ifndef LARIAT_BENCH_STATS_H
#define LARIAT_BENCH_STATS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* FIGURE(id, name): the name has the unit in it, as in reports. */
#define BENCH_FIGURES(FIGURE)                                                                      \
	FIGURE(WALL, "wall_ns")                                                                    \
	FIGURE(CPU, "cpu_ns")                                                                      \
	FIGURE(ALLOCATIONS, "allocations")                                                         \
	FIGURE(ALLOCATED, "allocated_bytes")                                                       \
	FIGURE(TEMPORARY, "temporary_allocations")                                                 \
	FIGURE(REALLOCATIONS, "reallocations")                                                     \
	FIGURE(PEAK, "peak_bytes")                                                                 \
	FIGURE(LIVE, "live_bytes")                                                                 \
	FIGURE(IO_CALLS, "io_calls")                                                               \
	FIGURE(READ, "read_bytes")                                                                 \
	FIGURE(WRITTEN, "written_bytes")                                                           \
	FIGURE(PROCESSES, "processes")                                                             \
	FIGURE(RECORDED_WALL, "recorded_wall_ns")

enum bench_figure {
#define FIGURE(id, name) BENCH_##id,
	BENCH_FIGURES(FIGURE)
#undef FIGURE
		BENCH_COUNT
};

/* One figure over all runs; `value` is sorted once bench_spread() was asked for. */
struct bench_series {
	double *value;
	uint32_t count, room;
	bool sorted;
};

struct bench_spread {
	double median, mean, min, max;
	double low, high; /* quartiles */
};

/* A command's runs. */
struct bench_set {
	char *command; /* as people type it; owned */
	uint32_t runs, warmup;
	uint32_t partial; /* runs whose trace is not whole */
	struct bench_series series[BENCH_COUNT];
};

/* "wall_ns" */
const char *bench_figure_name(unsigned figure);

/* Adds a run's figures. Returns 0 or -ENOMEM. */
int bench_add(struct bench_set *s, const double value[BENCH_COUNT]);
void bench_set_fini(struct bench_set *s);

/* Of a series with no value all is 0. */
struct bench_spread bench_spread(struct bench_series *s);

/* 1 when all of b's values are above all of a's, -1 below, 0 where they meet: noise. */
int bench_compare(const struct bench_spread *a, const struct bench_spread *b);

/* { "command", "runs", "warmup", "partial_runs", "figures" }; NULL = no memory. */
json_t *bench_json(struct bench_set *s);

/*
 * The first command of what bench wrote as JSON. Returns 0, -errno of the file, -EINVAL: no such
 * file of ours, -ENOMEM. On success *s is the caller's, for bench_set_fini().
 */
int bench_load(struct bench_set *s, const char *path);

#endif
