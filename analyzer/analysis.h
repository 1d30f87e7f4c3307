/* SPDX-License-Identifier: MIT */
/*
 * One trace run through the models that a command asks for, and lists of what they found. One
 * thread at a time.
 */
#ifndef LARIAT_ANALYSIS_H
#define LARIAT_ANALYSIS_H

#include "churn_model.h"
#include "concurrency.h"
#include "cpu_model.h"
#include "equals_model.h"
#include "frames.h"
#include "growth_model.h"
#include "heap_feed.h"
#include "heap_model.h"
#include "io_model.h"
#include "lock_model.h"
#include "memlimit.h"
#include "misuse_model.h"
#include "opts.h"
#include "reach_sites.h"
#include "sharing_model.h"
#include "suppress.h"
#include "thread_model.h"
#include "trace.h"
#include "trends.h"

enum analysis_part {
	PART_HEAP = 1,
	PART_LEAKS = 2, /* from the heap model */
	PART_IO = 4,
	PART_LOCKS = 8,
	PART_THREADS = 16,
	PART_GROWTH = 32, /* from the heap model */
	PART_ALL = 63,
};

struct json_places;

struct analysis_group {
	const char *label; /* function, file or module path */
	const char *module;
};

struct analysis {
	const struct cmd_context *context;
	struct trace *trace;
	const struct trace_facts *facts;
	struct frames *frames;
	unsigned parts;		 /* mask of enum analysis_part: asked for */
	unsigned recorded;	 /* ... of which the trace can tell something */
	struct keymap group_map; /* hash of a label -> group */
	struct analysis_group *group;
	uint32_t group_size;
	struct heap_model *heap; /* NULL = not asked for */
	struct growth_model *growth;
	struct churn_model *churn;
	struct sharing_model *sharing; /* with churn */
	struct misuse_model *misuse;   /* with PART_HEAP */
	struct trends trends;	       /* with PART_LEAKS and PART_GROWTH */
	struct memlimit limit;	       /* for them */
	struct leaks leaks;	       /* with PART_LEAKS */
	struct equals equals;	       /* with churn */
	/* per site of the heap: is it left out of leaks and trends? NULL = none is */
	bool *suppressed;
	struct {
		uint64_t sites, blocks, bytes;
	} suppressed_total;
	struct io_model *io;
	struct lock_model *locks;
	struct thread_model *threads;
	struct concurrency concurrency; /* with PART_THREADS */
	struct cpu_model *cpu;		/* with PART_THREADS, where there are samples */
	bool following;	   /* the trace grows: no model of what is known at the start only */
	bool sums;	   /* the figures have those of the checkpoint in them */
	bool window_cut;   /* the window has a part of which only such figures are known */
	uint64_t events;   /* given to the models */
	uint64_t first_ns; /* time of the first */
	/*
	 * Of the event behind the first hundredth: where the ring has wrapped, the buffer of an
	 * idle thread can still hold events from long before what the ring has.
	 */
	uint64_t dense_ns;
	struct heap_feed *feed; /* to the heap model, while events come */
	struct sparetime spare; /* of whoever feeds it, likewise */
	struct heap_feed_batch *batch;
	struct event *own;	 /* where events are made when there is no batch */
	struct event *place;	 /* ... and where the next one is */
	struct event *place_end; /* behind the last of the batch */
	uint64_t look_at;	 /* number of the event at which there is more to do */
	bool plain;		 /* allocations and frees concern no models but heap and threads */
	struct json_places *places; /* NULL = no report is made as JSON */
	uint64_t progress_next, progress_at_ns;
	bool progress_shown;
};

/*
 * Opens `path` and reads all of it. On success the analysis is the caller's, for analysis_free().
 * Returns -errno; *error is filled as by trace_open().
 */
int analysis_new(const struct cmd_context *c, const char *path, unsigned parts,
		 struct analysis **out, struct trace_error *error);
void analysis_free(struct analysis *a);

/*
 * The same in steps, for a trace that is still written: opens it without reading events; takes
 * those that are there, as trace_follow(); looks at the file again, as trace_refresh(). The models
 * are as before their _finish(): whoever looks at them does without. -ESTALE: events were
 * overwritten before they were read, a new analysis knows their figures from a checkpoint.
 */
int analysis_new_following(const struct cmd_context *c, const char *path, unsigned parts,
			   struct analysis **out, struct trace_error *error);
int analysis_follow(struct analysis *a, const struct trace_taker *rest);
int analysis_refresh(struct analysis *a);

/*
 * Are the figures of a part of the run only: was something overwritten, dropped or damaged, or is
 * it not known what of it was in the window?
 */
bool analysis_partial(const struct analysis *a);

/* Who allocates out of the recorder's sight, as far as is known; NULL = nobody. */
const char *analysis_bypassed_by(const struct analysis *a);

/* "exit", "signal", "exec", "running" or "unknown". */
const char *analysis_end_name(const struct analysis *a);

/* A list in order: indices into an array of figures. */
struct ranking {
	uint32_t *index;
	uint32_t count; /* entries that match --filter and are worth listing */
	uint32_t shown; /* of which `index` has the first --limit */
};

/* An array of figures to rank. */
struct rankable {
	const void *array;
	size_t stride;
	uint32_t count;
	const struct sort_key *keys; /* for --sort; the first is used when it names none of them */
	const struct sites *sites;   /* of the array's elements, for --filter; NULL = no filter */
	size_t site_of;		     /* offset of a uint32_t: an element's site; 0 = its index */
	size_t needed;		     /* offset of a uint64_t; elements with 0 there are left out */
};
#define RANK_ALL SIZE_MAX

/* Sorts, the largest first; equal ones by index. Returns 0 or -ENOMEM. */
int analysis_rank(struct analysis *a, const struct rankable *what, struct ranking *out);
void ranking_fini(struct ranking *r);

/* Does a site match --filter? */
bool analysis_site_matches(struct analysis *a, const struct sites *sites, uint32_t site);

/*
 * Marks the sites that the suppressions match, and takes them out of the trends. After the last
 * event. Returns 0 or -ENOMEM.
 */
int analysis_suppress(struct analysis *a, struct suppressions *s);

/* Blocks and bytes that are left, suppressed ones not counted. */
uint64_t leak_blocks(const struct analysis *a);
uint64_t leak_bytes(const struct analysis *a);

/* What a folded site is called; by stack NULL. Valid until the next call. */
const char *analysis_site_label(struct analysis *a, const struct sites *sites, uint32_t site);

/* thread_model_pools() of the trace. */
struct thread_pool *analysis_pools(const struct analysis *a, uint32_t *count);

/* A thread's name and kernel number from the trace. */
const struct trace_thread *analysis_thread(const struct analysis *a, uint32_t number);

extern const struct sort_key heap_sort_keys[], leak_sort_keys[], trend_sort_keys[], io_sort_keys[],
	lock_sort_keys[], thread_sort_keys[], diff_sort_keys[], top_sort_keys[];

/* The lists of the parts, as analysis_rank(). */
int heap_rank_sites(struct analysis *a, struct ranking *r);
int leak_rank_sites(struct analysis *a, struct ranking *r);
int trend_rank_sites(struct analysis *a, struct ranking *r);
int pool_rank_sites(struct analysis *a, struct ranking *r);
int arena_rank_sites(struct analysis *a, struct ranking *r);
int reserve_rank_sites(struct analysis *a, struct ranking *r);
int sharing_rank_sites(struct analysis *a, struct ranking *r);
int equals_rank_sites(struct analysis *a, struct ranking *r);
int equals_rank_groups(struct analysis *a, struct ranking *r);
int io_rank_sites(struct analysis *a, struct ranking *r);
int io_rank_targets(struct analysis *a, struct ranking *r);
int lock_rank_sites(struct analysis *a, struct ranking *r);
int lock_rank_locks(struct analysis *a, struct ranking *r);
int lock_rank_conditions(struct analysis *a, struct ranking *r);
int lock_rank_blame(struct analysis *a, struct ranking *r);
int lock_rank_causes(struct analysis *a, struct ranking *r);
int thread_rank(struct analysis *a, struct ranking *r);

/*
 * Bytes that were seen of those that the kernel counts, with the beginnings of libraries that the
 * loader is known to have read.
 */
uint64_t io_seen_bytes(const struct analysis *a);

/* From a thread's start to its end, as far as the trace tells; the first one's are the process's.
 * Where events were folded, from the first that was not. */
uint64_t io_thread_wall_ns(const struct analysis *a, const struct io_wall_thread *t);

/* ENOENT and kin; "unknown". */
const char *io_error_name(uint32_t number);

#endif
