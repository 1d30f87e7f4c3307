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

/* The node of `ra` below `parent`, made if there is none; *full: that it cannot be. */
static always_inline uint32_t nodes_of(struct nodes *n, uint32_t parent, uint64_t ra, uint32_t hash,
				       bool *full)
{
	uint32_t id = nodes_find(n, parent, ra, hash);

	if (unlikely(!id)) {
		id = nodes_add(n, parent, ra, hash);
		*full |= !id;
	}
	return id;
}

/* Where the array's frame whose return address is at `slot` may be found. */
static always_inline uint16_t *stack_place(const struct stack *s, uint64_t slot)
{
	return &s->place[slot >> 3 & (STACK_PLACES - 1)];
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
	uint32_t need = 0, id = 0, hash = 0;
	struct watch *const first = s->watch, *w = first;
	bool full = false;

	if (likely(kept)) {
		need = to[-1].flags >> 2 & 1;
		id = to[-1].node;
		hash = to[-1].hash;
		w += to[-1].watched;
	}
	for (; from > s->fresh; to++) {
		uint32_t flags = (--from)->flags;

		to->slot = from->slot;
		to->ra = from->ra;
		to->rbp = from->rbp;
		to->rbp_from = from->rbp_from;
		need = (flags & FRAME_CFA_RBP) | (flags >> 1 & need);
		to->flags = (uint16_t)((flags & ~FRAME_NEED_RBP) | need << 2);
		frame_watch(to, &w, first);
		*stack_place(s, to->slot) = (uint16_t)(to - s->frame);
		hash = nodes_hash(hash, to->ra);
		to->node = id = nodes_of(&s->nodes, id, to->ra, hash, &full);
		to->hash = hash;
	}
	s->count = kept + n;
	s->last = id;
	if (unlikely(full))
		stack_renew_nodes(s);
}

#endif
