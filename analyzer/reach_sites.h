/* SPDX-License-Identifier: MIT */
/* What a leak scan says about the blocks that a trace's heap still has, by site and class. */
#ifndef LARIAT_REACH_SITES_H
#define LARIAT_REACH_SITES_H

#include "heap_model.h"
#include "reach_scan.h"

/* The blocks of a site that are in one class. */
struct leak_site {
	uint64_t bytes, blocks;
	uint32_t site;
	uint32_t class; /* enum reach_class */
};

struct leaks {
	const struct reach *reach;
	struct leak_site *entry;
	uint32_t count;
	struct {
		uint64_t blocks, bytes;
	} total[REACH_CLASSES]; /* of `entry` */
};

/*
 * Fills *l, which the caller frees with leaks_fini(). After the last event. Sites that `left_out`
 * names (NULL = none) are left out. Returns 0 or -ENOMEM.
 */
int leaks_make(struct leaks *l, const struct heap_model *m, const struct reach *reach,
	       unsigned time_shift, const bool *left_out);
void leaks_fini(struct leaks *l);

#endif
