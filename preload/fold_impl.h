/* SPDX-License-Identifier: MIT */
/* What the files of folding share among themselves; see fold.h. */
#ifndef LARIAT_FOLD_IMPL_H
#define LARIAT_FOLD_IMPL_H

#include "fold.h"

/* Distinct frames of all stacks that were folded, bounded by what a checkpoint can hold: further
 * ones count as their parent. */
#define FOLD_NODES_MOST	 (1u << 18)
#define FOLD_NODES_LEAST (1u << 11)
#define FOLD_NODE_BYTES	 24 /* of a checkpoint, for a node that is a site */

struct fold_tree {
	uint64_t *ra, *seen; /* by node; seen: time of the first event */
	uint32_t *parent;
	uint32_t *epoch; /* unloads of code before it was seen */
	uint32_t *table; /* open addressing; 0 = free */
	uint32_t mask, count, most;
};

struct fold_block {
	uint64_t offset; /* in the ring */
	uint64_t first_ticks;
	uint32_t slot, fill;
	uint32_t next; /* of the same slot, index in the queue + 1; 0 = none yet */
};

/* A slot's events on their way into the figures. */
struct fold_source {
	bool open;	 /* `words` holds records; else the next block is not decoded yet */
	bool from_slot;	 /* they are copied from the slot itself */
	uint32_t next;	 /* its oldest block that is not decoded: index in the queue + 1 */
	uint32_t newest; /* and its newest */
	uint32_t noted;	 /* lower fills have come as blocks */
	uint32_t fill;	 /* that the position is of */
	uint32_t taken;	 /* events of that fill in the figures */
	uint32_t skip;	 /* events to leave out, taken earlier from the slot */
	uint32_t from_slot_words; /* that the last copy of the slot had */
	uint64_t *words;
	size_t at, count;
	size_t ahead;	/* record whose block is asked for next, before its turn comes */
	uint32_t *node; /* the fill's nodes as nodes of the tree */
	uint32_t nodes;
	uint32_t thread, tid, creator;
	uint64_t key; /* time of the next event */
};

struct fold {
	bool failed;
	uint8_t *chunk; /* memory that is left of the last one taken */
	size_t chunk_left;
	struct fold_tree tree;
	struct fold_block *queue; /* a ring of the blocks that are not decoded yet */
	uint32_t queue_mask, queue_head, queue_tail;
	struct fold_source *source; /* by slot */
	uint32_t *heap;		    /* slots with events, by key */
	uint32_t heap_count;
	uint64_t *free_words; /* buffers of decoded fills, chained by their first word */
	uint8_t *encoded;
	uint64_t *scratch;
	size_t encoded_size;
	void *dctx, *cctx;
	struct fold_out *out;
	uint64_t events, last_ticks; /* in the figures */
	uint64_t frames_left_out, rows_left_out;
	uint64_t checkpoints;
	unsigned left_out;	  /* FOLD_LEFT_* and all less than it */
	uint32_t *committed_fill; /* by slot: blocks of lower fills are in a checkpoint, + 1 */
	void *heap_state, *io_state, *lock_state, *thread_state, *cpu_state;
};

void fold_tree_init(struct fold *f);

/* The node of a frame below a parent at a time; the parent when there is no room. */
uint32_t fold_tree_node(struct fold *f, uint32_t parent, uint64_t ra, uint64_t ticks);
void fold_tree_write(struct fold_out *o, const struct fold_tree *t);

/* Writes a checkpoint of what is in the figures. */
bool fold_checkpoint(struct fold *f);

#endif
