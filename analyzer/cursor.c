/* SPDX-License-Identifier: MIT */
/* Raw records to events; see cursor.h. */
#include "cursor.h"

#include <string.h>

void cursor_start(struct cursor *c, const uint64_t *words, size_t count, unsigned time_shift)
{
	c->words = words;
	c->count = count;
	c->at = 0;
	c->time_shift = time_shift;
	c->thread = c->tid = 0;
	c->depth = 0;
	c->node[0] = 0;
}

static void read_thread(struct cursor *c, struct trace *t, const uint64_t *w)
{
	struct trace_thread *row = dictionary_thread(&t->dictionary, w[2]);

	c->tid = (uint32_t)w[1];
	c->thread = (uint32_t)w[2];
	if (!row)
		return;
	row->tid = c->tid;
	if (w[3])
		row->creator = (uint32_t)w[3];
}

static uint32_t push_frames(struct cursor *c, struct trace *t, uint64_t w0, uint64_t ticks,
			    const uint64_t *ra)
{
	uint32_t kept = lar_word0_kept(w0), pushed = lar_word0_pushed(w0);

	/* the decoder and the copy of the slot have checked kept and depth */
	for (uint32_t i = 0; i < pushed; i++) {
		uint32_t parent = c->node[kept + i];
		uint32_t module = modmap_find(&t->modmap, ra[i], ticks);

		/* the recorder's own frames are no part of the program */
		if (module != MODMAP_NONE && t->facts.modules[module].flags & LAR_MODULE_SELF)
			c->node[kept + i + 1] = parent;
		else
			c->node[kept + i + 1] = stacks_push(&t->stacks, parent, ra[i], module);
	}
	c->depth = kept + pushed;
	return c->node[c->depth];
}

void cursor_next(struct cursor *c, struct trace *t, struct event *e)
{
	const uint64_t *w = c->words + c->at;
	uint64_t w0 = w[0];
	unsigned kind = lar_word0_kind(w0);
	const struct lar_event_shape *shape = &lar_event_shapes[kind];
	unsigned fields = shape->fields;

	e->kind = (uint8_t)kind;
	e->flags = (uint8_t)lar_word0_flags(w0);
	e->call = (uint16_t)lar_word0_call(w0);
	e->ticks = cursor_time(c);
	e->time_ns = tickclock_ns(&t->clock, e->ticks);
	e->field[0] = e->ticks;
	for (unsigned f = 1; f < fields; f++)
		e->field[f] = w[1 + f];
	for (unsigned f = fields; f < LAR_EVENT_MAX_FIELDS; f++)
		e->field[f] = 0;
	if (kind == LAR_EV_THREAD)
		read_thread(c, t, w + 1);
	e->thread = c->thread;
	e->tid = c->tid;
	e->stack = shape->has_stack ? push_frames(c, t, w0, e->ticks, w + 1 + fields) : 0;
	c->at += 1 + fields + lar_word0_pushed(w0);
}
