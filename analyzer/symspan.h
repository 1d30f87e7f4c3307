/* SPDX-License-Identifier: MIT */
/*
 * A sorted list of address ranges that may nest, overlap or share a start: symbols, functions and
 * compilation units alike are looked up in one. Not for several threads at a time.
 */
#ifndef LARIAT_SYMSPAN_H
#define LARIAT_SYMSPAN_H

#include <stdint.h>

struct symspan {
	uint64_t low, high; /* [low, high) */
	uint64_t reach;	    /* greatest high of this and all before it */
	uint32_t rank;	    /* of those with one low, the least is found first */
	uint32_t item;	    /* the caller's */
};

struct symspans {
	struct symspan *list;
	uint32_t count, room;
};

#define SYMSPAN_NONE UINT32_MAX

/* Adds a range; an empty one is ignored. Returns 0 or -ENOMEM. */
int symspans_add(struct symspans *v, uint64_t low, uint64_t high, uint32_t rank, uint32_t item);

/* To be called once after the last symspans_add(). */
void symspans_sort(struct symspans *v);

/*
 * Index of the range with the highest start that holds `address`, among those below index `below`
 * (SYMSPAN_NONE = all): pass the last answer to get the next range around it. SYMSPAN_NONE = none.
 */
uint32_t symspans_find(const struct symspans *v, uint64_t address, uint32_t below);

void symspans_free(struct symspans *v);

#endif
