/* SPDX-License-Identifier: MIT */
/*
 * A copy of the staging slots: the raw records that no block of the ring holds yet.
 *
 * Taken once when the trace is opened, before the ring is indexed: a slot that is sealed in
 * between is then found twice (and its copy dropped), never missed. Functions return 0 or -Exxx.
 */
#ifndef LARIAT_STAGING_H
#define LARIAT_STAGING_H

#include <stddef.h>
#include <stdint.h>

#include "ringfile.h"

struct staging_slot {
	uint32_t index;
	uint32_t seq;	      /* low 32 bits */
	uint32_t thread, tid; /* of the owner, for the lock cells; 0 = none */
	uint64_t *words;      /* whole records only; behind them those made of the stream cells */
	size_t word_count;
	size_t cell_words;
	uint64_t events;
	uint64_t folded; /* events at its start that the checkpoint has */
	uint64_t last_ticks;
	uint32_t nodes;		      /* of stacks, in the records */
	struct lar_lock_cell *locks;  /* used cells only */
	struct lar_lock_holds *holds; /* of each; NULL = the trace does not have them */
	uint32_t lock_count;
	/* a call that is not over: 0 = none is known; else since when, of what (struct lar_slot) */
	uint32_t call;
	int32_t call_fd;
	uint32_t call_target;
	uint64_t call_since;
	uint64_t cpu_ns; /* of the owner, as of some moment; 0 = not known */
	bool sealed;	 /* the ring has these records too */
};

struct staging {
	struct staging_slot *slots; /* those that hold something */
	size_t count, capacity;
	uint64_t skipped; /* records of kinds unknown to this version */
	uint64_t damaged; /* slots that are not whole, or whose records end in something else */
};

/* Fills *staging, which the caller owns in any case and frees with staging_fini(). */
int staging_init(struct staging *staging, const struct ringfile *rf);
void staging_fini(struct staging *staging);

#endif
