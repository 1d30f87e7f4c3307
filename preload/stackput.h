/* SPDX-License-Identifier: MIT */
/*
 * How the frames that a walk has found get into the array of the last stack (struct stack), with
 * their nodes and the words that are to be watched.
 */
#ifndef LARIAT_STACKPUT_H
#define LARIAT_STACKPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "attr.h"
#include "nodes.h"
#include "thread.h"

/* The nodes of the array's frames behind the first `from`; false when the tree is full. */
static always_inline bool frame_nodes(struct stack *s, uint32_t from)
{
	struct frame *f = s->frame + from, *const end = s->frame + s->count;
	uint32_t id = from ? f[-1].node : 0, hash = from ? f[-1].hash : 0;

	for (; f < end; f++) {
		uint32_t parent = id;

		hash = nodes_hash(hash, f->ra);
		id = nodes_find(&s->nodes, parent, f->ra, hash);
		if (unlikely(!id))
			id = nodes_add(&s->nodes, parent, f->ra, hash);
		if (unlikely(!id))
			return false;
		f->node = id;
		f->hash = hash;
	}
	s->last = id;
	return true;
}

/* The tree begins anew with this stack. */
void stack_renew_nodes(struct stack *s);

/* Notes at *w what must stay as it is for this frame; its flags are whole. */
static always_inline void frame_watch(struct frame *f, struct watch **w, const struct watch *first)
{
	static const uint64_t never;

	*(*w)++ = (struct watch){ (const uint64_t *)f->slot, f->ra };
	if (unlikely(f->flags & FRAME_NO_VERIFY))
		(*w)[-1] = (struct watch){ &never, 1 };
	if (f->flags & FRAME_NEED_RBP && f->rbp_from)
		*(*w)++ = (struct watch){
			(const uint64_t *)(f->slot + (uint64_t)(int64_t)f->rbp_from), f->rbp
		};
	f->watched = (uint16_t)(*w - first);
}

/* Puts s->fresh[0..n) (innermost first) on top of the outermost `kept` frames. */
static always_inline void stack_put(struct stack *s, uint32_t kept, uint32_t n)
{
	struct frame *to = s->frame + kept;
	const struct frame *from = s->fresh + n;
	uint32_t need = kept ? to[-1].flags >> 2 & 1 : 0;
	struct watch *const first = s->watch, *w = first + (kept ? to[-1].watched : 0);

	for (; from > s->fresh; to++) {
		uint32_t flags = (--from)->flags;

		*to = *from;
		need = (flags & FRAME_CFA_RBP) | (flags >> 1 & need);
		to->flags = (uint16_t)((flags & ~FRAME_NEED_RBP) | need << 2);
		frame_watch(to, &w, first);
	}
	s->count = kept + n;
	if (unlikely(!frame_nodes(s, kept)))
		stack_renew_nodes(s);
}

#endif
