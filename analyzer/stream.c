/* SPDX-License-Identifier: MIT */
/*
 * Delivers the events of a trace, thread after thread or merged by time.
 *
 * Merging, each slot is a source: its blocks in the order they were sealed, then what the slot
 * still holds. A source's block is decoded when the merge comes to its first time and given back
 * when it is used up, so that memory grows with the slots in use at once.
 */
#include "trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cursor.h"
#include "readahead.h"
#include "sparetime.h"
#include "stream_cells.h"
#include "trace_impl.h"

#define MAX_OPEN_WORDS ((1024u << 20) / 8) /* decoded blocks held at once, all sources */
#define MAX_IDLE_NODES 65536u		   /* of a cursor that is not in use */

struct source {
	uint64_t key;			 /* time of the next event, or of the next block's first */
	bool not_free;			 /* second key: frees come first */
	uint32_t number;		 /* of the slot: third key */
	bool opened;			 /* `fill` and `taken` tell what was delivered of it */
	bool horizon;			 /* no source: the end of what can be put in order */
	uint32_t fill;			 /* of the slot, that is open or was the last */
	uint64_t taken;			 /* events of that, left out or delivered */
	struct cursor *cursor;		 /* NULL = nothing open */
	size_t block, block_end;	 /* left to open, in ring.by_slot */
	const struct staging_slot *slot; /* comes last; NULL = none */
};

struct stream {
	struct trace *t;
	struct readahead *ahead; /* NULL = each block is decoded when it is opened */
	bool all;		 /* those that are in the checkpoint, too */
	struct trace_taker to;
	uint32_t made, room; /* events from *to.place on, and how many there may be */
	struct cursor *free_cursors;
	struct source *heap;
	size_t heap_count;
	size_t open_words;
	uint64_t skipped;
	const struct trace_taker
		*rest; /* where what is behind the horizon goes; NULL = no horizon */
};

static struct cursor *cursor_take(struct stream *s)
{
	struct cursor *c = s->free_cursors;

	if (c) {
		s->free_cursors = c->next_free;
		return c;
	}
	c = malloc(sizeof(*c));
	if (c)
		cursor_init(c);
	return c;
}

/* The records go: what is held is what is open, whoever decoded it. */
static void drop_records(struct stream *s, struct cursor *c)
{
	s->open_words -= c->raw.capacity;
	free(c->raw.words);
	memset(&c->raw, 0, sizeof(c->raw));
}

static void cursor_give(struct stream *s, struct cursor *c)
{
	drop_records(s, c);
	/* no recorder makes so many: they are not held for others */
	if (c->node_room > MAX_IDLE_NODES) {
		free(c->nodes);
		c->nodes = NULL;
		c->node_room = 0;
	}
	c->next_free = s->free_cursors;
	s->free_cursors = c;
}

static bool passes(const struct stream *s, const struct ring_block *b)
{
	return b->lost || (!s->all && b->folded == b->events);
}

/* Leaves out the first events. */
static int skip_events(struct stream *s, struct cursor *c, uint64_t count)
{
	struct event e;
	int rc = 0;

	for (uint64_t i = 0; i < count && !s->all && !rc && !cursor_at_end(c); i++)
		rc = cursor_next(c, s->t, &e);
	return rc;
}

/* Decodes a block into the cursor; 1 = lost (counted), 0 or -ENOMEM. */
static int open_block(struct stream *s, struct cursor *c, struct ring_block *b)
{
	uint32_t skipped = 0;
	int rc;

	if (passes(s, b))
		return 1;
	drop_records(s, c);
	if (!s->ahead ||
	    !readahead_take(s->ahead, (uint32_t)(b - s->t->ring.blocks), &c->raw, &skipped, &rc))
		rc = unblock_read(&s->t->unblock, &s->t->file, b, &c->raw, &skipped);
	s->open_words += c->raw.capacity;
	if (rc == -ENOMEM)
		return rc;
	if (!rc && s->open_words > MAX_OPEN_WORDS)
		rc = -EFBIG;
	if (rc) {
		trace_count_lost_block(s->t, b, rc);
		drop_records(s, c);
		return 1;
	}
	s->skipped += skipped;
	rc = cursor_start(c, s->t, c->raw.words, c->raw.count, 0);
	return rc ? rc : skip_events(s, c, b->folded);
}

static void source_opened(struct stream *s, struct source *src, uint32_t fill, uint64_t taken)
{
	src->opened = true;
	src->fill = fill;
	src->taken = taken;
	if (s->rest && !cursor_at_end(src->cursor) &&
	    cursor_time(src->cursor) < s->t->follow.reached)
		s->t->follow.late++;
}

static int open_slot(struct stream *s, struct cursor *c, const struct staging_slot *slot)
{
	int rc = cursor_start(c, s->t, slot->words, slot->word_count, s->t->file.header.time_shift);

	return rc ? rc : skip_events(s, c, slot->folded);
}

/* From now on to another taker. */
static void set_taker(struct stream *s, const struct trace_taker *to)
{
	s->to = *to;
	s->made = 0;
	s->room = to->many ? to->room(to->arg) : 1;
}

/* What is made goes on. */
static int hand_over(struct stream *s)
{
	uint32_t made = s->made;
	int rc;

	if (!made)
		return 0;
	s->made = 0;
	rc = s->to.many ? s->to.many(s->to.arg, made) : s->to.fn(s->to.arg, *s->to.place);
	if (s->to.many && !rc)
		s->room = s->to.room(s->to.arg);
	return rc;
}

/* Events of a cursor up to the limit or its end; returns how many. */
static uint64_t deliver_up_to(struct stream *s, struct cursor *c, uint32_t number,
			      const struct cursor_limit *limit, int *rc)
{
	uint64_t taken = 0;
	uint32_t n;

	do {
		n = cursor_fill(c, s->t, number, limit, *s->to.place + s->made, s->room - s->made,
				rc);
		taken += n;
		s->made += n;
		if (!*rc && s->made == s->room)
			*rc = hand_over(s);
	} while (!*rc && !cursor_at_end(c) && cursor_before(c, number, limit));
	return taken;
}

static int deliver_rest(struct stream *s, struct cursor *c)
{
	int rc = 0;

	if (!cursor_at_end(c))
		deliver_up_to(s, c, 0, &CURSOR_NO_LIMIT, &rc);
	return rc;
}

static int deliver_unordered(struct stream *s)
{
	struct trace *t = s->t;
	struct cursor *c = cursor_take(s);
	int rc = 0;

	if (!c)
		return -ENOMEM;
	for (size_t i = 0; i < t->ring.count && !rc; i++) {
		rc = open_block(s, c, &t->ring.blocks[i]);
		if (rc < 0)
			break;
		rc = rc ? 0 : deliver_rest(s, c);
	}
	for (size_t i = 0; i < t->staging.count && !rc; i++) {
		if (t->staging.slots[i].sealed)
			continue;
		rc = open_slot(s, c, &t->staging.slots[i]);
		if (!rc)
			rc = deliver_rest(s, c);
	}
	cursor_give(s, c);
	return rc;
}

static inline bool source_before(const struct source *a, const struct source *b)
{
	if (a->key != b->key)
		return a->key < b->key;
	if (a->not_free != b->not_free)
		return a->not_free < b->not_free;
	return a->number < b->number;
}

static void heap_sink(struct stream *s, size_t at)
{
	struct source moving = s->heap[at];

	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= s->heap_count)
			break;
		if (child + 1 < s->heap_count &&
		    source_before(&s->heap[child + 1], &s->heap[child]))
			child++;
		if (!source_before(&s->heap[child], &moving))
			break;
		s->heap[at] = s->heap[child];
		at = child;
	}
	s->heap[at] = moving;
}

static inline void source_look(struct source *src)
{
	src->key = cursor_time(src->cursor);
	src->not_free = !cursor_frees(src->cursor);
}

/* Closes what is open and sets the key to what comes next; false when nothing does. */
static bool source_advance(struct stream *s, struct source *src)
{
	const struct ringindex *ring = &s->t->ring;

	if (src->cursor)
		cursor_give(s, src->cursor);
	src->cursor = NULL;
	src->not_free = false;
	while (src->block < src->block_end && passes(s, &ring->blocks[ring->by_slot[src->block]]))
		src->block++;
	if (src->block < src->block_end) {
		src->key = ring->blocks[ring->by_slot[src->block]].first_ticks;
		return true;
	}
	if (!src->slot || !src->slot->word_count)
		return false;
	src->key = 0; /* costs nothing to open: look at once */
	return true;
}

/* Opens the next block or the slot; false when the source is used up. *rc gets -ENOMEM. */
static bool source_open(struct stream *s, struct source *src, int *rc)
{
	const struct ringindex *ring = &s->t->ring;
	struct cursor *c = cursor_take(s);

	if (!c) {
		*rc = -ENOMEM;
		return false;
	}
	src->cursor = c;
	if (src->block < src->block_end) {
		struct ring_block *b = &ring->blocks[ring->by_slot[src->block++]];

		*rc = open_block(s, c, b);
		if (!*rc)
			source_opened(s, src, b->slot_seq, b->folded);
		if (*rc || cursor_at_end(c)) {
			*rc = *rc < 0 ? *rc : 0;
			return !*rc && source_advance(s, src);
		}
	} else {
		*rc = open_slot(s, c, src->slot);
		if (!*rc)
			source_opened(s, src, src->slot->seq, src->slot->folded);
		src->slot = NULL;
		if (*rc || cursor_at_end(c))
			return !*rc && source_advance(s, src);
	}
	source_look(src);
	return true;
}

static int source_note(struct stream *s, const struct source *src)
{
	return follow_note(&s->t->follow, src->number, src->fill, src->taken);
}

/* The first source is used up. */
static void source_end(struct stream *s, const struct source *src, int *rc)
{
	if (!*rc && s->rest && src->opened)
		*rc = source_note(s, src);
	s->heap[0] = s->heap[--s->heap_count];
}

/* Delivers from the first source while it stays first. */
static int deliver_run(struct stream *s, struct source *src)
{
	struct source *next = NULL;
	struct cursor_limit limit = CURSOR_NO_LIMIT;
	int rc = 0;

	if (s->heap_count > 1)
		next = &s->heap[1];
	if (s->heap_count > 2 && source_before(&s->heap[2], next))
		next = &s->heap[2];
	if (next)
		limit = (struct cursor_limit){ next->key, next->not_free, next->number };
	src->taken += deliver_up_to(s, src->cursor, src->number, &limit, &rc);
	if (!cursor_at_end(src->cursor))
		source_look(src);
	else if (!source_advance(s, src))
		source_end(s, src, &rc);
	return rc;
}

/*
 * All that can be put in order has been delivered: keeps how far each source is. What follows goes
 * elsewhere, and will be delivered again.
 */
static int pass_horizon(struct stream *s)
{
	int rc = 0;

	for (size_t i = 1; i < s->heap_count && !rc; i++)
		if (s->heap[i].opened)
			rc = source_note(s, &s->heap[i]);
	if (!rc)
		follow_reached(&s->t->follow, &s->t->ring, s->heap[0].key);
	s->heap[0] = s->heap[--s->heap_count];
	if (!rc)
		rc = hand_over(s);
	set_taker(s, s->rest);
	s->rest = NULL;
	return rc;
}

static int merge_sources(struct stream *s)
{
	int rc = 0;

	for (size_t i = s->heap_count / 2; i-- > 0;)
		heap_sink(s, i);
	while (s->heap_count && !rc) {
		if (s->heap[0].horizon)
			rc = pass_horizon(s);
		else if (s->heap[0].cursor)
			rc = deliver_run(s, &s->heap[0]);
		else if (!source_open(s, &s->heap[0], &rc) && !rc)
			source_end(s, &s->heap[0], &rc);
		if (s->heap_count)
			heap_sink(s, 0);
	}
	for (size_t i = 0; i < s->heap_count; i++)
		if (s->heap[i].cursor)
			cursor_give(s, s->heap[i].cursor);
	return rc;
}

/*
 * Behind all whose time is before the horizon. Times lack their low bits: of those that the horizon
 * is among, not all can be known yet.
 */
static uint64_t horizon_key(const struct trace *t)
{
	unsigned shift = t->file.header.time_shift;
	uint64_t whole = t->follow.horizon >> shift << shift;

	if (t->follow.horizon == UINT64_MAX || !shift)
		return t->follow.horizon;
	return whole ? (whole - (UINT64_C(1) << shift)) | 1 : 0;
}

/* One source for each slot that has blocks in the ring or records of its own. */
static int deliver_ordered(struct stream *s)
{
	const struct ringindex *ring = &s->t->ring;
	const struct staging *staging = &s->t->staging;
	size_t block = 0, slot = 0;
	int rc;

	s->heap = calloc(ring->count + staging->count + 2, sizeof(*s->heap));
	if (!s->heap)
		return -ENOMEM;
	if (s->rest)
		s->heap[s->heap_count++] =
			(struct source){ .horizon = true, .key = horizon_key(s->t) };
	while (block < ring->count || slot < staging->count) {
		struct source *src = &s->heap[s->heap_count];
		uint32_t number = slot < staging->count ? staging->slots[slot].index : UINT32_MAX;

		memset(src, 0, sizeof(*src));
		src->block = block;
		if (block < ring->count && ring->blocks[ring->by_slot[block]].slot < number)
			number = ring->blocks[ring->by_slot[block]].slot;
		while (block < ring->count && ring->blocks[ring->by_slot[block]].slot == number)
			block++;
		src->block_end = block;
		src->number = number;
		if (slot < staging->count && staging->slots[slot].index == number) {
			if (!staging->slots[slot].sealed)
				src->slot = &staging->slots[slot];
			slot++;
		}
		if (source_advance(s, src))
			s->heap_count++;
	}
	rc = merge_sources(s);
	free(s->heap);
	return rc;
}

static int deliver(struct trace *t, bool ordered, bool all, const struct trace_taker *to,
		   const struct trace_taker *rest)
{
	struct stream s = { .t = t, .all = all, .rest = rest };
	int rc;

	set_taker(&s, to);

	s.ahead = readahead_start(&t->file, &t->ring, ordered, all, to->spare);
	if (s.ahead && to->spare)
		sparetime_offer(to->spare, readahead_help, s.ahead);
	rc = ordered ? deliver_ordered(&s) : deliver_unordered(&s);
	if (s.ahead && to->spare)
		sparetime_withdraw(to->spare);
	readahead_stop(s.ahead);
	if (!rc)
		rc = hand_over(&s);
	if (!rc)
		rc = stream_cells(t, s.to.place, s.to.fn, s.to.arg);
	t->facts.damage.skipped = s.skipped + t->staging.skipped;
	t->facts.stacks_folded = t->stacks.folded;
	while (s.free_cursors) {
		struct cursor *c = s.free_cursors;

		s.free_cursors = c->next_free;
		cursor_fini(c);
		free(c);
	}
	return rc;
}

int trace_events(struct trace *t, bool ordered, trace_event_fn *fn, void *arg)
{
	struct event e, *place = &e;
	struct trace_taker to = { .fn = fn, .arg = arg, .place = &place };

	return deliver(t, ordered, false, &to, NULL);
}

int trace_all_events(struct trace *t, bool ordered, trace_event_fn *fn, void *arg)
{
	struct event e, *place = &e;
	struct trace_taker to = { .fn = fn, .arg = arg, .place = &place };

	return deliver(t, ordered, true, &to, NULL);
}

int trace_events_to(struct trace *t, bool ordered, const struct trace_taker *to)
{
	return deliver(t, ordered, false, to, NULL);
}

int trace_follow(struct trace *t, const struct trace_taker *to, const struct trace_taker *rest)
{
	int rc = follow_begin(&t->follow, &t->checkpoint);

	return rc ? rc : deliver(t, true, false, to, rest);
}
