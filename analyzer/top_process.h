/* SPDX-License-Identifier: MIT */
/*
 * One process as the live view follows it: its models, which go on from refresh to refresh, and
 * totals of now and of the refresh before. One thread at a time.
 *
 * Only the file is read, and /proc/PID/stat: the process is never touched.
 */
#ifndef LARIAT_TOP_PROCESS_H
#define LARIAT_TOP_PROCESS_H

#include "analysis.h"

/* Sums from the start of the process: what they differ by between two refreshes, they rate. */
#define TOP_SUMS(X)                                                                                \
	X(events)                                                                                  \
	X(allocations)                                                                             \
	X(allocated_bytes)                                                                         \
	X(frees)                                                                                   \
	X(freed_bytes)                                                                             \
	X(io_calls)                                                                                \
	X(io_bytes)                                                                                \
	X(read_bytes)                                                                              \
	X(written_bytes)                                                                           \
	X(io_time_ns)                                                                              \
	X(acquisitions)                                                                            \
	X(contended)                                                                               \
	X(wait_ns)                                                                                 \
	X(threads_created)

struct top_totals {
	uint64_t at_ns; /* of the trace: up to when */
#define TOP_MEMBER(name) uint64_t name;
	TOP_SUMS(TOP_MEMBER)
#undef TOP_MEMBER
	/* as they are then */
	uint64_t live_blocks, live_bytes, peak_bytes, threads, threads_peak, rss_bytes;
};

/* What the cells of all threads have of a lock, beside its figures in the model. */
struct top_cell {
	uint64_t acquisitions, hold_ticks;
};

struct top_process {
	struct cmd_context context; /* for the analysis */
	char *path;
	struct analysis *a; /* NULL = the file could not be opened: see `trouble` */
	dev_t dev;
	ino_t ino;
	uint64_t opened;  /* how often: sites and such have other numbers then */
	uint64_t dropped; /* events, when it was opened last */
	uint64_t refreshes;
	bool ended;  /* and all of it has been read */
	bool broken; /* the last refresh failed: the models lack something */
	bool gone;   /* the file has no name any more; it is read on all the same */
	struct top_totals now, last, first;
	struct keymap cell_map; /* address of a lock -> index */
	struct top_cell *cell;
	uint32_t cell_size;
	struct event rest; /* where events behind the horizon are made */
	struct event *rest_place;
	struct trace_error trouble;
};

/* Nothing is opened before the first refresh. NULL = no memory. */
struct top_process *top_process_new(const struct cmd_context *c, const char *path);
void top_process_free(struct top_process *p);

/* Looks at the file again. 0, or -errno with p->trouble filled in; the figures then stay. */
int top_process_refresh(struct top_process *p);

/* The cells' share of a lock. */
struct top_cell top_process_cell(const struct top_process *p, uint64_t address);

/* "running", "exited with 3", ...: how it is, or how it ended. */
const char *top_process_state(const struct top_process *p, char *buf, size_t size);

#endif
