/* SPDX-License-Identifier: MIT */
/*
 * Two groups of runs compared, each figure with the band in which it lay within its group. One
 * thread at a time.
 */
#ifndef LARIAT_RUN_DIFF_H
#define LARIAT_RUN_DIFF_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* A figure of a site or of all in the runs of a group; absent is 0. */
struct diff_band {
	double sum, min, max;
	uint32_t runs; /* in which it was there */
};

enum diff_status {
	DIFF_SAME, /* the bands meet */
	DIFF_GROWN,
	DIFF_SHRUNK,
	DIFF_NEW,
	DIFF_GONE,
	DIFF_STATUSES
};

struct diff_item {
	const json_t *site; /* of the first run that has it; NULL of a total */
	const char *name;   /* of a total */
	struct diff_band side[2];
	double mean[2];
	enum diff_status status;
};

struct run_diff {
	const char *metric; /* of the sites: a key of theirs */
	json_t *index;	    /* site key -> number of its item */
	struct diff_item *item;
	uint32_t items;
	struct diff_item *total;
	uint32_t totals;
	uint32_t runs[2];
	json_t *doubts;	 /* { "trace", "reason" } of runs whose figures are not all there */
	json_t **report; /* what items point into */
	uint32_t reports;
	uint32_t count[DIFF_STATUSES]; /* of the sites */
};

/*
 * Adds a run to a side (0, 1) and takes its report over. All figures are divided by `unit`, > 0.
 * Returns 0 or -ENOMEM.
 */
int run_diff_add(struct run_diff *d, unsigned side, json_t *report, double unit);

/* After the last run: means, status, and the sites by size of change. */
void run_diff_finish(struct run_diff *d);
void run_diff_fini(struct run_diff *d);

/* "same", "grown", "shrunk", "new", "gone" */
const char *diff_status_name(enum diff_status s);

#endif
