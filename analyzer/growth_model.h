/* SPDX-License-Identifier: MIT */
/*
 * How the memory that holds the heap grew: calls that extended it, and the pages on which live
 * blocks lie. Looks on at a heap model's blocks. One thread at a time.
 *
 * The C library extends its heap by calls of its own that no recorder of library calls sees. When
 * and by whose allocation it did follows from the addresses: a block beyond all that was used of
 * its region needed more of it. Sizes are those that glibc's malloc asks the system for (malloc.c:
 * sysmalloc(), M_TOP_PAD of 128 KiB, heaps of threads on multiples of 64 MiB, a mapping of its own
 * for what is M_MMAP_THRESHOLD and larger), and so are estimates, marked as such.
 */
#ifndef LARIAT_GROWTH_MODEL_H
#define LARIAT_GROWTH_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "heap_model.h"
#include "keymap.h"
#include "page_counts.h"

enum growth_kind {
	GROWTH_BRK,   /* the main heap, or a call of brk or sbrk */
	GROWTH_ARENA, /* a heap of threads */
	GROWTH_MMAP,  /* a mapping */
	GROWTH_KINDS
};

struct growth_event {
	uint64_t at_ns;
	uint64_t bytes;
	uint64_t took_ns; /* of a recorded call; else at most: since the thread's last heap event */
	uint64_t heap_bytes; /* live bytes then */
	uint32_t stack, thread;
	uint8_t kind;
	bool recorded; /* a call of the program; else from addresses */
};

struct growth_totals {
	uint64_t events, bytes, took_ns, longest_ns;
};

#define GROWTH_EVENTS 1024 /* kept; of more, the largest */

struct growth_model {
	struct heap_model *heap;
	struct page_counts pages;
	uint64_t inner_pages;	  /* that one block has for itself */
	uint64_t held_peak_bytes; /* most that pages with live blocks came to */
	uint64_t main_pages;	  /* with live blocks, below the break */
	uint64_t mapped_bytes;	  /* live blocks in mappings of their own */
	uint64_t unmapped_bytes;  /* of such blocks that were freed, in all */
	uint64_t *last_ns;	  /* per thread: its last heap event */
	uint32_t last_size;
	struct keymap regions; /* of addresses */
	uint64_t *reach;       /* per region: end of what is used of it */
	uint64_t near_key;     /* the region looked at last, and its number */
	uint32_t near;
	uint32_t reach_size;
	uint64_t main_start;			     /* where the break began; 0 = not known */
	uint64_t break_bytes;			     /* above it, as it was last looked at */
	struct growth_totals total[GROWTH_KINDS][2]; /* [recorded] */
	struct growth_event *event;
	uint32_t count, room;
	uint64_t left_out; /* events that are no longer in the list */
	uint64_t least;	   /* smaller ones do not get in any more */
};

/* Begins to look on at `heap`, which must outlive the model's use. Returns 0 or -EBUSY. */
int growth_model_init(struct growth_model *g, struct heap_model *heap);
void growth_model_fini(struct growth_model *g);

/* A block that is in use before the first event. Returns 0 or -ENOMEM. */
int growth_model_know(struct growth_model *g, const struct live_block *b);

/* Takes a MAP event, its duration in ns. Returns 0 or -ENOMEM. */
int growth_model_event(struct growth_model *g, const struct event *e);

/* Puts the list in the order of time. */
void growth_model_finish(struct growth_model *g);

/* Bytes of the pages on which live blocks lie. */
uint64_t growth_held_bytes(const struct growth_model *g);

/* "brk", "arena", "mmap" */
const char *growth_kind_name(unsigned kind);

#endif
