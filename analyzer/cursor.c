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
	c->path[0] = (struct stacks_path){ 0, 0 };
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

#define CHUNK 32

static void push_frames(struct cursor *c, struct trace *t, uint32_t kept, uint32_t pushed,
			uint64_t ticks, const uint64_t *ra)
{
	struct stacks_path *path = &c->path[kept];
	struct trace_frame frames[CHUNK];
	uint32_t run = 0;

	for (uint32_t i = 0; i < pushed; i++) {
		uint32_t module = modmap_find(&t->modmap, ra[i], ticks);
		bool self =
			module != MODMAP_NONE && t->facts.modules[module].flags & LAR_MODULE_SELF;

		if (!self)
			frames[run++] = (struct trace_frame){ ra[i], module };
		if (self || run == CHUNK || i + 1 == pushed) {
			stacks_push(&t->stacks, path, frames, run);
			path += run;
			run = 0;
		}
		if (self) {
			/* the recorder's own frames are no part of the program */
			path[1] = path[0];
			path++;
		}
	}
}

/* The stack's id; the decoder and the copy of the slot have checked kept and the depth. */
static inline uint32_t read_stack(struct cursor *c, struct trace *t, uint64_t w0, uint64_t ticks,
				  const uint64_t *ra)
{
	uint32_t kept = lar_word0_kept(w0), pushed = lar_word0_pushed(w0);

	if (pushed)
		push_frames(c, t, kept, pushed, ticks, ra);
	return c->path[kept + pushed].node;
}

void cursor_next(struct cursor *c, struct trace *t, struct event *e)
{
	const uint64_t *w = c->words + c->at;
	uint64_t w0 = w[0];
	unsigned kind = lar_word0_kind(w0);
	const struct lar_event_shape *shape = &lar_event_shapes[kind];
	unsigned fields = shape->fields;

	e->kind = (uint8_t)kind;
	e->flags = (uint8_t)(lar_word0_flags(w0) & ~TRACE_FROM_LOCK_CELL);
	e->call = (uint16_t)lar_word0_call(w0);
	e->ticks = cursor_time(c);
	e->time_ns = tickclock_ns(&t->clock, e->ticks);
	/* all of them: a length known here costs less than a loop over the rest */
	memset(e->field, 0, sizeof(e->field));
	e->field[0] = e->ticks;
	for (unsigned f = 1; f < fields; f++)
		e->field[f] = w[1 + f];
	if (kind == LAR_EV_THREAD)
		read_thread(c, t, w + 1);
	e->thread = c->thread;
	e->tid = c->tid;
	e->stack = shape->has_stack ? read_stack(c, t, w0, e->ticks, w + 1 + fields) : 0;
	c->at += 1 + fields + lar_word0_pushed(w0);
}
