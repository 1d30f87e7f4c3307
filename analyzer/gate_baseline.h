/* SPDX-License-Identifier: MIT */
/* What an accepted run had at each site, from its JSON report. One thread at a time. */
#ifndef LARIAT_GATE_BASELINE_H
#define LARIAT_GATE_BASELINE_H

#include <jansson.h>
#include <stdint.h>

struct gate_baseline {
	json_t *sites;	  /* key -> { "blocks", "bytes" } */
	int64_t unlisted; /* sites and trends that its reports count and leave out */
};

/* Returns 0, -errno of the file, or -EINVAL: no report of ours. */
int gate_baseline_load(struct gate_baseline *b, const char *path);
void gate_baseline_fini(struct gate_baseline *b);

/* A site of a leak class, or with class "growing" of a trend, beyond what the baseline has. */
struct gate_site {
	const json_t *site;
	int64_t blocks, bytes;	       /* now */
	int64_t new_blocks, new_bytes; /* beyond the baseline */
	size_t index;		       /* in the report's list */
};

/*
 * The sites of a report that have more than the baseline (NULL = nothing) allows, the most bytes
 * first. `class` is one of the leak sites' or "unfreed" for all, or "growing". On success *out is
 * the caller's to free. Returns their number or -ENOMEM.
 */
int gate_sites(const json_t *report, const char *class, const struct gate_baseline *b,
	       struct gate_site **out);

#endif
