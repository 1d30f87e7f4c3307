/* SPDX-License-Identifier: MIT */
/*
 * The newest leak scan of a trace: see preload/format/leakscan.h. Checked as a whole when it is
 * read. Any thread may look.
 */
#ifndef LARIAT_REACH_SCAN_H
#define LARIAT_REACH_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../preload/format/leakscan.h"
#include "ringfile.h"

struct reach {
	struct lar_leakscan scan; /* seq 0: there is none */
	uint64_t *lost;		  /* addresses in order * 2, + 1 = indirectly */
	size_t lost_count;
	uint32_t damaged;	  /* areas that are not whole, though they say so */
	struct lar_equals equals; /* seq 0: no equal contents were looked for, or not to the end */
	uint8_t *equals_list;	  /* equals.raw_size bytes; NULL = none */
};

enum reach_class {
	REACH_UNKNOWN, /* not classified: no scan, or the block is younger than it */
	REACH_DEFINITE,
	REACH_INDIRECT,
	REACH_REACHABLE,
	REACH_CLASSES
};

/* Fills *r, which the caller owns in any case and frees with reach_fini(). 0 or -ENOMEM. */
int reach_init(struct reach *r, const struct ringfile *rf);
void reach_fini(struct reach *r);

static inline bool reach_done(const struct reach *r)
{
	return r->scan.status == LAR_LEAKSCAN_DONE;
}

/* The class of a block that is still in use. Times without their low time_shift bits. */
enum reach_class reach_class_of(const struct reach *r, uint64_t address, uint64_t born_ticks,
				unsigned time_shift);

/* How a scan that was not done ended, for the reader: "the system refused ...". */
const char *reach_failure(const struct reach *r, char *buf, size_t size);

/* As in reports; "unfreed" for REACH_UNKNOWN. */
extern const char *const reach_class_names[REACH_CLASSES];

#endif
