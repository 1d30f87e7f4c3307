/* SPDX-License-Identifier: MIT */
/* What programs ask of streams; see stdiocell.h. */
#include "stdiocell.h"

#include "hook.h"
#include "hook_io.h"
#include "span.h"
#include "target.h"

uint32_t stdio_generation;

/* Writes a cell's record at the head, where there is room. */
static void put(struct thread *t, struct stdio_cell *c)
{
	uint64_t *r = t->head;

	r[0] = lar_word0(LAR_EV_IO, c->target ? 0 : LAR_IO_NO_TARGET, c->call, c->node);
	r[1] = lar_ticks();
	r[2] = 0;
	r[3] = lar_fd_target(c->fd, c->target);
	r[4] = c->bytes;
	r[5] = c->calls;
	r[6] = IO_NO_OFFSET;
	t->head = r + STDIO_CELL_WORDS;
	FAULT_POINT(stdio_record);
	c->stream = NULL;
	t->stdio_used--;
}

void stdiocell_into_buffer(struct thread *t)
{
	if (!t->stdio_used)
		return;
	for (uint32_t i = 0; i < STDIO_CELLS; i++)
		if (t->stdio[i].stream)
			put(t, &t->stdio[i]);
	span_commit(t);
}

/* Making room may seal the buffer, and the cell has become a record then. */
static void flush(struct thread *t, struct stdio_cell *c)
{
	if (t->head + STDIO_CELL_WORDS > t->limit && !seal_make_room(t, STDIO_CELL_WORDS))
		return;
	if (!c->stream)
		return;
	put(t, c);
	span_commit(t);
}

void stdiocell_flush(struct thread *t, const void *stream)
{
	for (uint32_t i = 0; t->stdio_used && i < STDIO_CELLS; i++)
		if (t->stdio[i].stream && (!stream || t->stdio[i].stream == stream))
			flush(t, &t->stdio[i]);
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

void stdiocell_count(struct thread *t, const struct stdio_call *call, uint64_t frame)
{
	struct stdio_cell *c = stdiocell_place(t, call->stream, call->caller);
	uint32_t node;

	if (c->stream)
		flush(t, c);
	if (c->stream || !stack_node(t, frame, &node))
		return;
	*c = (struct stdio_cell){ .stream = call->stream,
				  .caller = call->caller,
				  .calls = 1,
				  .bytes = call->bytes,
				  .call = call->call,
				  .generation =
					  __atomic_load_n(&stdio_generation, __ATOMIC_RELAXED),
				  .node = node,
				  .target = target_of_fd(call->fd),
				  .fd = call->fd };
	t->stdio_used++;
	/* new frames are a PATH record of its own: the cell's comes later */
	span_commit(t);
	/* nobody would find the cell of a slot that is not the thread's own */
	if (t != lar_self)
		flush(t, c);
}
