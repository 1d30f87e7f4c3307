/* SPDX-License-Identifier: MIT */
/*
 * Wrong frees: what the recorder saw, joined with where the block was made and first given back, as
 * far as the trace still has these events. Looks at what a heap model is given. One thread at a
 * time.
 */
#ifndef LARIAT_MISUSE_MODEL_H
#define LARIAT_MISUSE_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "heap_model.h"

/* What happened to a block, and when. */
struct misuse_act {
	bool known;
	bool has_stack;
	uint16_t call; /* enum lar_call, 0 = not known */
	uint32_t thread, stack;
	uint64_t time_ns;
	uint64_t size_bytes; /* of an allocation */
};

/* A place of wrong frees: a kind and a stack, and the first time that it happened there. */
struct misuse_place {
	const struct trace_misuse *record;
	enum lar_misuse kind; /* NONE: it was nothing wrong */
	uint64_t count;
	uint32_t stack;
	uint32_t freed_stack;	       /* 0 = not known */
	struct misuse_act made, freed; /* the block, before */
	uint64_t inside_bytes;	       /* where in the block `made` the address is */
	bool settled;
	bool awaited; /* whether the thread goes on behind the free is yet to be seen */
	bool went_on;
};

/* What the events say of an address so far. */
struct misuse_track {
	struct misuse_act made, freed;
	bool in_use;
};

struct misuse_model {
	struct heap_model *heap;
	struct trace *trace;
	struct keymap addresses; /* of wrong frees -> track */
	struct misuse_track *track;
	uint32_t track_size;
	struct misuse_place *place;
	uint32_t places;
	uint32_t awaited;
	uint32_t time_shift;
	uint64_t total[LAR_MISUSE_KINDS]; /* after misuse_model_finish() */
	bool counts_exact;		  /* else there may have been more */
};

/*
 * Begins to look on at `heap`, which must outlive the model's use. Where the trace tells of no
 * wrong free there is nothing to look at. Returns 0 or -ENOMEM.
 */
int misuse_model_init(struct misuse_model *m, struct heap_model *heap, struct trace *trace);
void misuse_model_fini(struct misuse_model *m);

/* After the last event: settles what is open. misuse_model_weigh() is to follow. */
void misuse_model_finish(struct misuse_model *m);

/*
 * Drops what was nothing wrong, and counts the rest. `allocator(arg, stack)` is "operator new" and
 * kin where the innermost frames of a stack are such functions, else NULL: a program may hide its
 * operators from the recorder, which then saw what they call.
 */
void misuse_model_weigh(struct misuse_model *m, const char *(*allocator)(void *arg, uint32_t stack),
			void *arg);

/* "double_free", ... */
const char *misuse_name(enum lar_misuse kind);

#endif
