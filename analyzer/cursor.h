/* SPDX-License-Identifier: MIT */
/*
 * Walks the raw records of one block or slot and makes events of them, stacks interned.
 */
#ifndef LARIAT_CURSOR_H
#define LARIAT_CURSOR_H

#include "trace_impl.h"

/* A node of the records: its place in the tree of all stacks, as stacks_path has it. */
struct cursor_node {
	uint64_t hash;
	uint32_t node;
	uint32_t depth;
};

struct cursor {
	struct raw_records raw; /* memory of a decoded block; kept for the next one */
	const uint64_t *words;	/* records: raw.words or a slot's */
	size_t count, at;
	unsigned time_shift; /* bits that the times of a slot have more than those of blocks */
	uint32_t thread, tid;
	struct cursor_node *nodes; /* of the run of records; [0] is the empty stack */
	uint32_t node_count, node_room;
	struct cursor *next_free;
};

/* Starts on `count` words of whole records, whose nodes have been checked. 0 or -ENOMEM. */
int cursor_start(struct cursor *c, struct trace *t, const uint64_t *words, size_t count,
		 unsigned time_shift);

static inline bool cursor_at_end(const struct cursor *c)
{
	return c->at == c->count;
}

/* Time of the next record and whether it is a free; only when not at the end. */
static inline uint64_t cursor_time(const struct cursor *c)
{
	return c->words[c->at + 1] >> c->time_shift << c->time_shift;
}
static inline bool cursor_frees(const struct cursor *c)
{
	unsigned kind = lar_word0_kind(c->words[c->at]);

	return kind == LAR_EV_FREE || kind == LAR_EV_FREE_SIZED;
}

/* Makes the next record an event; only when not at the end. 0 or -ENOMEM. */
int cursor_next(struct cursor *c, struct trace *t, struct event *e);

void cursor_init(struct cursor *c);
void cursor_fini(struct cursor *c);

#endif
