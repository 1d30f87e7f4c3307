/* SPDX-License-Identifier: MIT */
/*
 * Trends of the live bytes of each site and of the process, from the timeline of a heap model. One
 * thread at a time.
 */
#ifndef LARIAT_TRENDS_H
#define LARIAT_TRENDS_H

#include <stdbool.h>
#include <stdint.h>

#include "heap_model.h"
#include "trend.h"

struct site_trend {
	struct trend t;
	uint64_t order;	 /* for lists: growing ones first, then by slope */
	uint64_t listed; /* 1 = it held something for a while, and there is a verdict */
	uint64_t growth_bytes;
	uint64_t live_bytes;
	double eta_s; /* until the limit is reached at this slope; < 0 = never, or unknown */
	uint32_t site;
};

struct trends_options {
	bool ended;	      /* the process came to its end by itself: it may have cleaned up */
	uint64_t duration_ns; /* of its life, to its end or the last sign of it */
	uint64_t lost_events; /* that may have been frees */
	uint64_t limit_bytes; /* for eta_s; 0 = none */
};

struct trends {
	/* of the sites that held something from one slot to the next; by site, ascending */
	struct site_trend *site;
	uint32_t count;
	uint32_t verdicts[TREND_VERDICTS];
	uint32_t doubtful; /* sites that would be growing, had no history been lost */
	double growing_per_s;
	struct site_trend process;
	uint32_t slots;	     /* that trends are judged on */
	uint64_t slot_ns;    /* width of one */
	uint64_t held_bytes; /* what counts against the limit now */
};

/* Under this length of life nothing is said of trends. */
#define TRENDS_LEAST_NS 1000000000ull

/* After heap_model_finish(). Returns 0 or -ENOMEM; the result is to be given to trends_fini(). */
int trends_make(struct trends *t, const struct heap_model *m, const struct trends_options *o);
void trends_fini(struct trends *t);

/* NULL = the site has none. */
struct site_trend *trends_of_site(const struct trends *t, uint32_t site);

#endif
