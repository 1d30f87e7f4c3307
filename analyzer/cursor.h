/* SPDX-License-Identifier: MIT */
/*
 * Walks the raw records of one block or slot and makes events of them, stacks interned.
 */
#ifndef LARIAT_CURSOR_H
#define LARIAT_CURSOR_H

#include "trace_impl.h"

struct cursor {
	struct raw_records raw; /* memory of a decoded block; kept for the next one */
	const uint64_t *words;	/* records: raw.words or a slot's */
	size_t count, at;
	unsigned time_shift; /* bits that the times of a slot have more than those of blocks */
	uint32_t thread, tid;
	struct stacks_path path[LAR_MAX_DEPTH + 1]; /* by depth; [0] is the empty stack */
	struct cursor *next_free;
};

/* Starts on `count` words of whole records. */
void cursor_start(struct cursor *c, const uint64_t *words, size_t count, unsigned time_shift);

static inline bool cursor_at_end(const struct cursor *c)
{
	return c->at == c->count;
}

/* Time and kind of the next record; only when not at the end. */
static inline uint64_t cursor_time(const struct cursor *c)
{
	return c->words[c->at + 1] >> c->time_shift << c->time_shift;
}
static inline unsigned cursor_kind(const struct cursor *c)
{
	return lar_word0_kind(c->words[c->at]);
}

/* Makes the next record an event; only when not at the end. */
void cursor_next(struct cursor *c, struct trace *t, struct event *e);

#endif
