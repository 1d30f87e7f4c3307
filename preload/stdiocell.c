/* SPDX-License-Identifier: MIT */
/* What programs ask of streams; see stdiocell.h. */
#include "stdiocell.h"

#include "hook.h"
#include "hook_io.h"
#include "span.h"
#include "target.h"

uint32_t stdio_generation;

/* Writes a cell's record at the head, where there is room. */
static void put(struct thread *t, const struct lar_stdio_cell *c)
{
	uint64_t *r = t->head, now = lar_ticks();

	r[0] = lar_word0(LAR_EV_IO, c->target ? 0 : LAR_IO_NO_TARGET, c->call, c->node);
	r[1] = now;
	r[2] = now - c->since;
	r[3] = lar_fd_target(c->fd, c->target);
	r[4] = c->bytes;
	r[5] = c->calls;
	r[6] = IO_NO_OFFSET;
	t->head = r + STDIO_CELL_WORDS;
	FAULT_POINT(stdio_record);
}

static void clear(struct thread *t, uint64_t cells)
{
	for (uint32_t i = 0; i < LAR_SLOT_STDIO_CELLS; i++) {
		struct lar_stdio_cell *c = stdiocell_at(t, i);

		if (!(cells >> i & 1) || !c->stream)
			continue;
		__atomic_store_n(&c->stream, 0, __ATOMIC_RELEASE);
		t->stdio_used--;
		FAULT_POINT(stdio_cleared);
	}
	__atomic_store_n(&t->slot->stdio_flush_state, 0, __ATOMIC_RELEASE);
	FAULT_POINT(stdio_flushed);
}

/*
 * The records of these cells have been put. Says so before they are committed: a reader of a
 * process that was killed before the cells are free takes them once.
 */
static void commit(struct thread *t, uint64_t cells)
{
	struct lar_slot *slot = t->slot;
	uint64_t head = (uint64_t)((uint8_t *)t->head - (uint8_t *)t->buffer);

	slot->stdio_flush_cells = cells;
	FAULT_POINT(stdio_named);
	__atomic_store_n(&slot->stdio_flush_state, t->slot_seq | head, __ATOMIC_RELEASE);
	FAULT_POINT(stdio_announced);
	span_commit(t);
	clear(t, cells);
}

void stdiocell_into_buffer(struct thread *t)
{
	uint64_t cells = 0;

	if (!t->stdio_used)
		return;
	for (uint32_t i = 0; i < LAR_SLOT_STDIO_CELLS; i++) {
		if (!stdiocell_at(t, i)->stream)
			continue;
		put(t, stdiocell_at(t, i));
		cells |= 1ull << i;
	}
	commit(t, cells);
}

/* Making room may seal the buffer, and the cell has become a record then. */
static void flush(struct thread *t, uint32_t cell)
{
	if (t->head + STDIO_CELL_WORDS > t->limit && !seal_make_room(t, STDIO_CELL_WORDS))
		return;
	if (!stdiocell_at(t, cell)->stream)
		return;
	put(t, stdiocell_at(t, cell));
	commit(t, 1ull << cell);
}

void stdiocell_flush(struct thread *t, const void *stream)
{
	for (uint32_t i = 0; t->stdio_used && i < LAR_SLOT_STDIO_CELLS; i++) {
		uint64_t s = stdiocell_at(t, i)->stream;

		if (s && (!stream || s == (uint64_t)stream))
			flush(t, i);
	}
}

void stdiocell_take_back(struct thread *t)
{
	struct lar_slot *slot = t->slot;

	if (slot->stdio_flush_state && slot->state >= slot->stdio_flush_state)
		clear(t, slot->stdio_flush_cells);
	__atomic_store_n(&slot->stdio_flush_state, 0, __ATOMIC_RELEASE);
	t->stdio_used = 0;
	for (uint32_t i = 0; i < LAR_SLOT_STDIO_CELLS; i++)
		t->stdio_used += stdiocell_at(t, i)->stream != 0;
}

/* The node of the caller's stack in the buffer as it is now, with room for a record. */
static bool stack_node(struct thread *t, uint64_t frame, uint32_t *node)
{
	struct stack *s = &t->stack;

	unwind_capture(s, frame);
	if ((!s->known || t->head + STDIO_CELL_WORDS > t->limit) &&
	    !seal_make_nodes(t, STDIO_CELL_WORDS))
		return false;
	*node = s->leaf;
	return true;
}

static void fill(struct lar_stdio_cell *c, const struct stdio_call *call, uint32_t node,
		 uint32_t target)
{
	c->place = stdiocell_place(call->call, call->caller);
	c->calls = 1;
	c->bytes = call->bytes;
	c->since = lar_ticks();
	c->call = call->call;
	c->node = node;
	c->target = target;
	c->fd = call->fd;
	c->generation = __atomic_load_n(&stdio_generation, __ATOMIC_RELAXED);
}

void stdiocell_count(struct thread *t, const struct stdio_call *call, uint64_t frame)
{
	uint32_t cell = stdiocell_number(call->stream, call->caller), target, node;
	struct lar_stdio_cell *c = stdiocell_at(t, cell);

	if (c->stream)
		flush(t, cell);
	if (c->stream)
		return;
	target = target_of_fd(call->fd);
	if (!stack_node(t, frame, &node))
		return;
	/* new frames are a PATH record of its own: the cell's comes later */
	span_commit(t);
	fill(c, call, node, target);
	FAULT_POINT(stdio_filled);
	__atomic_store_n(&c->stream, (uint64_t)call->stream, __ATOMIC_RELEASE);
	t->stdio_used++;
	FAULT_POINT(stdio_made);
	/* nobody would find the cell of a slot that is not the thread's own */
	if (t != lar_self)
		flush(t, cell);
}
