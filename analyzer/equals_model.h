/* SPDX-License-Identifier: MIT */
/*
 * Blocks of equal content that a leak scan found, with the sites that made them: what a program
 * would save that kept one of each. Contents themselves are not in a trace.
 */
#ifndef LARIAT_EQUALS_MODEL_H
#define LARIAT_EQUALS_MODEL_H

#include "heap_model.h"
#include "reach_scan.h"

#define EQUALS_SITES 4 /* of a group that are named */

struct equals_group {
	uint64_t size_bytes, copies;
	uint64_t listed;  /* copies whose addresses the trace has */
	uint64_t unknown; /* of these, in use no more, or not by this trace */
	uint64_t order;	  /* bytes that one copy instead of all would save */
	uint32_t sites;	  /* that made the others */
	struct {
		uint32_t site;
		uint64_t blocks;
	} site[EQUALS_SITES]; /* the first ones by blocks */
};

/* Of the groups that are listed. Where a group has more copies than addresses, in proportion. */
struct equals_site {
	uint64_t blocks;   /* with the content of another one of the site */
	uint64_t contents; /* that these have */
	uint64_t saved_bytes;
	uint64_t order; /* for lists: saved_bytes where it is worth a line */
};

struct equals {
	const struct lar_equals *found; /* seq 0 = nothing is known */
	struct equals_group *group;	/* the first saves the most */
	uint32_t groups;
	struct equals_site *site; /* by the heap model's numbers; NULL = none */
	uint32_t site_count;
	bool damaged; /* the list made no sense: there is none */
};

/*
 * Fills *e, which the caller frees with equals_fini(). After the last event. Returns 0 or -ENOMEM.
 */
int equals_make(struct equals *e, const struct heap_model *m, const struct reach *reach,
		unsigned time_shift);
void equals_fini(struct equals *e);

#endif
