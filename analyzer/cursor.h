/* SPDX-License-Identifier: MIT */
/*
 * Walks the raw records of one block or slot and makes events of them, stacks interned.
 */
#ifndef LARIAT_CURSOR_H
#define LARIAT_CURSOR_H

#include "trace_impl.h"

/* A node of the records: its place in the tree of all stacks. */
struct cursor_node {
	uint32_t node;
	uint32_t depth;
	uint32_t hash; /* of the path to it; known before the rest, see look_ahead() */
};

struct cursor {
	struct raw_records raw; /* memory of a decoded block; kept for the next one */
	const uint64_t *words;	/* records: raw.words or a slot's */
	size_t count, at;
	unsigned time_shift; /* bits that the times of a slot have more than those of blocks */
	uint32_t thread, tid;
	struct cursor_node *nodes; /* of the run of records; [0] is the empty stack */
	uint32_t node_count, node_room;
	uint32_t hashed;       /* nodes, of which node_count are known altogether */
	const uint32_t *paths; /* where in `words` PATH records are, as far as it is known */
	uint32_t path_count;
	uint32_t path_hashed, path_read; /* of `paths` */
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
static inline bool cursor_record_frees(const uint64_t *record)
{
	unsigned kind = lar_word0_kind(*record);

	return kind == LAR_EV_FREE || kind == LAR_EV_FREE_SIZED;
}
static inline bool cursor_frees(const struct cursor *c)
{
	return cursor_record_frees(c->words + c->at);
}

/* What another source has next: the order of events is by these, from the first on. */
struct cursor_limit {
	uint64_t key;	 /* time */
	bool not_free;	 /* frees come first */
	uint32_t number; /* of the slot */
};

#define CURSOR_NO_LIMIT ((struct cursor_limit){ UINT64_MAX, true, UINT32_MAX })

/* Does a record, whose time is `key` and whose slot `number`, come before the limit? */
static inline bool cursor_key_before(const uint64_t *record, uint64_t key, uint32_t number,
				     const struct cursor_limit *limit)
{
	bool not_free;

	if (__builtin_expect(key != limit->key, 1))
		return key < limit->key;
	not_free = !cursor_record_frees(record);
	return not_free != limit->not_free ? limit->not_free : number <= limit->number;
}

static inline bool cursor_before(const struct cursor *c, uint32_t number,
				 const struct cursor_limit *limit)
{
	return cursor_key_before(c->words + c->at, cursor_time(c), number, limit);
}

/*
 * Makes the next record an event, and those behind it up to the end, the limit, or when there are
 * `room` of them; only when not at the end. Returns how many; *rc: 0, or -ENOMEM behind the last.
 */
uint32_t cursor_fill(struct cursor *c, struct trace *t, uint32_t number,
		     const struct cursor_limit *limit, struct event *e, uint32_t room, int *rc);

/* Makes the next record an event; only when not at the end. 0 or -ENOMEM. */
static inline int cursor_next(struct cursor *c, struct trace *t, struct event *e)
{
	int rc = 0;

	cursor_fill(c, t, 0, &CURSOR_NO_LIMIT, e, 1, &rc);
	return rc;
}

void cursor_init(struct cursor *c);
void cursor_fini(struct cursor *c);

#endif
