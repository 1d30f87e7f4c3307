/* SPDX-License-Identifier: MIT */
/* Events of cells; see stream_cells.h. Cells of locks have no stack, those of streams do. */
#include "stream_cells.h"

#include <string.h>

#include "cursor.h"

struct taker {
	struct trace *t;
	struct event **place;
	trace_event_fn *fn;
	void *arg;
};

static int deliver_made(struct taker *s, const struct event *e)
{
	**s->place = *e;
	return s->fn(s->arg, *s->place);
}

static int deliver_holds(struct taker *s, struct event e, const struct lar_lock_cell *cell,
			 const struct lar_lock_holds *holds)
{
	uint64_t waiters = cell->waiters;
	int rc = 0;

	e.kind = LAR_EV_LOCKHOLDS;
	for (unsigned i = 0; i < LAR_HOLD_BUCKETS && !rc; i += 12) {
		unsigned n = LAR_HOLD_BUCKETS - i < 12 ? LAR_HOLD_BUCKETS - i : 12;

		memset(&e.field[4], 0, 3 * sizeof(e.field[4]));
		memcpy(&e.field[4], &holds->bucket[i], n * sizeof(holds->bucket[i]));
		if (!(e.field[4] | e.field[5] | e.field[6] | waiters))
			continue;
		e.field[1] = cell->addr;
		e.field[2] = cell->caller;
		e.field[3] = i | waiters << 16;
		waiters = 0;
		rc = deliver_made(s, &e);
	}
	return rc;
}

static int deliver_cell(struct taker *s, struct event e, const struct lar_lock_cell *cell,
			const struct lar_lock_holds *holds)
{
	int rc = 0;

	e.call = cell->call;
	if (holds)
		rc = deliver_holds(s, e, cell, holds);
	if (rc)
		return rc;
	if (cell->held_since) {
		e.flags |= TRACE_CELL_HELD;
		e.field[0] = cell->held_since;
	}
	e.field[1] = cell->addr;
	e.field[2] = cell->acquisitions;
	e.field[3] = cell->hold_ticks;
	e.field[4] = cell->hold_max_ticks;
	e.field[5] = cell->failed_try | (uint64_t)cell->owners << 32;
	e.field[6] = cell->caller;
	return deliver_made(s, &e);
}

/* What the lock cells hold and no event has said. */
static int deliver_locks(struct taker *s)
{
	const struct staging *staging = &s->t->staging;
	struct event e = { .kind = LAR_EV_LOCKSUM,
			   .flags = TRACE_FROM_CELL,
			   .ticks = s->t->last_ticks };
	int rc = 0;

	e.time_ns = tickclock_ns(&s->t->clock, e.ticks);
	e.field[0] = e.ticks;
	for (size_t i = 0; i < staging->count; i++) {
		const struct staging_slot *slot = &staging->slots[i];

		e.thread = slot->thread;
		e.tid = slot->tid;
		for (uint32_t k = 0; k < slot->lock_count && !rc; k++)
			rc = deliver_cell(s, e, &slot->locks[k],
					  slot->holds ? &slot->holds[k] : NULL);
	}
	return rc;
}

/* CPU time of threads that have not ended. */
static int deliver_cpu(struct taker *s)
{
	const struct staging *staging = &s->t->staging;
	struct event e = { .kind = LAR_EV_CPU,
			   .flags = LAR_CPU_CLOCK | TRACE_FROM_CELL,
			   .ticks = s->t->last_ticks };
	int rc = 0;

	e.time_ns = tickclock_ns(&s->t->clock, e.ticks);
	e.field[0] = e.ticks;
	for (size_t i = 0; i < staging->count && !rc; i++) {
		if (!staging->slots[i].cpu_ns)
			continue;
		e.thread = staging->slots[i].thread;
		e.tid = staging->slots[i].tid;
		e.field[1] = staging->slots[i].cpu_ns;
		rc = deliver_made(s, &e);
	}
	return rc;
}

/* Calls that are not over: as if their threads had begun to wait. */
static int deliver_calls(struct taker *s)
{
	const struct staging *staging = &s->t->staging;
	struct event e = { .kind = LAR_EV_LOCKWAIT, .flags = TRACE_FROM_CELL };
	int rc = 0;

	for (size_t i = 0; i < staging->count && !rc; i++) {
		const struct staging_slot *slot = &staging->slots[i];

		if (!slot->call)
			continue;
		e.call = (uint16_t)slot->call;
		e.thread = slot->thread;
		e.tid = slot->tid;
		e.ticks = slot->call_since;
		e.time_ns = tickclock_ns(&s->t->clock, e.ticks);
		e.field[0] = e.ticks;
		e.field[1] = (uint64_t)(int64_t)slot->call_fd;
		e.field[3] = slot->call_target;
		rc = deliver_made(s, &e);
	}
	return rc;
}

/* A stream cell's record says when its first call was: its event is of now, and took since then. */
static void date_streams(struct staging_slot *slot, uint64_t now)
{
	for (uint64_t *r = slot->words + slot->word_count;
	     r < slot->words + slot->word_count + slot->cell_words; r += lar_record_words(*r)) {
		uint64_t since = r[1] - r[2];

		r[1] = now > since ? now : since;
		r[2] = r[1] - since;
	}
}

/* The slot's records only tell which stacks there are. */
static int deliver_slot(struct taker *s, struct cursor *c, struct staging_slot *slot)
{
	struct event e;
	int rc;

	date_streams(slot, s->t->last_ticks);
	rc = cursor_start(c, s->t, slot->words, slot->word_count + slot->cell_words,
			  s->t->file.header.time_shift);
	while (!rc && c->at < slot->word_count)
		rc = cursor_next(c, s->t, &e);
	while (!rc && !cursor_at_end(c)) {
		rc = cursor_next(c, s->t, *s->place);
		(*s->place)->flags |= TRACE_FROM_CELL;
		if (!rc)
			rc = s->fn(s->arg, *s->place);
	}
	return rc;
}

static int deliver_streams(struct taker *s)
{
	struct staging *staging = &s->t->staging;
	struct cursor c;
	int rc = 0;

	cursor_init(&c);
	for (size_t i = 0; i < staging->count && !rc; i++)
		if (!staging->slots[i].sealed && staging->slots[i].cell_words)
			rc = deliver_slot(s, &c, &staging->slots[i]);
	cursor_fini(&c);
	return rc;
}

int stream_cells(struct trace *t, struct event **place, trace_event_fn *fn, void *arg)
{
	struct taker s = { t, place, fn, arg };
	int rc = deliver_streams(&s);

	if (!rc)
		rc = deliver_locks(&s);
	if (!rc)
		rc = deliver_calls(&s);
	return rc ? rc : deliver_cpu(&s);
}
