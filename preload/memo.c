/* SPDX-License-Identifier: MIT */
/* Memories of walks; see memo.h. */
#include "memo.h"

#include <string.h>

#include "nodes.h"
#include "unwind.h"

/* Notes how far it is from frame to frame, where that is always as far. */
static void memo_keys(struct stack *s)
{
	const struct frame *f = s->frame + s->count - 1;

	for (uint32_t i = 1; i < s->count && i < MEMO_STEPS; i++, f--) {
		struct memo_key *key = memo_key(s, f->ra);
		uint64_t distance = f[-1].slot - f->slot;

		/* one that stands for no address has no place on the stack */
		key->ra = distance <= INT32_MAX ? f->ra : 0;
		key->distance = distance <= INT32_MAX ? distance : 0;
	}
}

void memo_save(struct stack *s, uint64_t slot, uint64_t ra, uint32_t kept)
{
	const struct frame *f = s->frame + s->count, *base;
	uint32_t n = s->count - kept;
	struct memo *m;

	if (n < MEMO_LEAST)
		n = MEMO_LEAST < s->count ? MEMO_LEAST : s->count - 1;
	if (!n || n >= s->count || n > MEMO_FRAMES || s->usable != s->count)
		return;
	kept = s->count - n;
	base = s->frame + kept - 1;
	memo_keys(s);
	m = memo_place(s, slot, ra);
	m->era = 0;
	m->rbps = 0;
	for (uint32_t i = 0; i < n; i++) {
		f--;
		if (f->flags & FRAME_NO_VERIFY || f->slot - slot > INT32_MAX)
			return;
		m->ra[i] = f->ra;
		m->at[i] = (int32_t)(f->slot - slot);
		m->rbp[i] = f->rbp - slot;
		m->rbp_from[i] = f->rbp_from;
		m->flags[i] = f->flags;
		if (f->flags & FRAME_NEED_RBP && f->rbp_from) {
			m->rbp_at[m->rbps] = m->at[i] + f->rbp_from;
			m->rbp_saved[m->rbps++] = f->rbp - slot;
		}
	}
	m->base_at = (int32_t)(base->slot - slot);
	m->base_rbp = base->rbp - slot;
	m->base_rbp_from = base->rbp_from;
	m->base_flags = base->flags;
	m->kept = kept;
	m->era = s->era;
	m->frames = (uint8_t)n;
	m->epoch = s->epoch - 1; /* its nodes are not known yet */
	s->top = m;
	s->top_slot = slot;
	s->top_kept = kept;
	*memo_hint(s, slot, ra) = (uint16_t)(m - s->memo);
}

void unwind_put_frames(struct stack *s)
{
	const struct memo *m = s->top;
	struct frame *to = s->frame + s->top_kept;
	struct watch *w;

	if (!m)
		return;
	w = s->watch + to[-1].watched;
	for (int32_t i = m->frames - 1; i >= 0; i--, to++) {
		to->slot = s->top_slot + (uint64_t)(int64_t)m->at[i];
		to->ra = m->ra[i];
		to->rbp = s->top_slot + m->rbp[i];
		to->rbp_from = m->rbp_from[i];
		to->flags = m->flags[i];
		frame_watch(to, &w, s->watch);
	}
	s->count = s->usable = s->top_kept + m->frames;
	if (s->sent > s->top_kept)
		s->sent = s->top_kept;
}

bool unwind_find_nodes(struct stack *s)
{
	struct memo *m = s->top;
	uint32_t node;

	if (!m || s->sent < s->top_kept)
		return false;
	node = s->node[s->top_kept - 1];
	for (int32_t i = m->frames - 1; i >= 0; i--) {
		node = nodes_find(&s->nodes, node, m->ra[i]);
		if (!node)
			return false;
	}
	m->epoch = s->epoch;
	m->base_node = s->node[s->top_kept - 1];
	m->leaf = s->leaf = node;
	s->known = true;
	return true;
}

void unwind_nodes_known(struct stack *s)
{
	struct memo *m = s->top;

	s->sent = s->count;
	s->leaf = s->count ? s->node[s->count - 1] : 0;
	s->known = true;
	if (!m)
		return;
	m->epoch = s->epoch;
	m->base_node = s->node[s->top_kept - 1];
	m->leaf = s->leaf;
}
