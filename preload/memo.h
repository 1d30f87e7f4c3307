/* SPDX-License-Identifier: MIT */
/*
 * Memories of walks (struct memo): the inner frames of a stack that was found by walking from the
 * same place before. A memory is believed only where every word that led the walk holds what it
 * held; then a walk would give the same.
 *
 * Only for the thread's own stack; the array of frames (struct stack) is that of the last walk.
 */
#ifndef LARIAT_MEMO_H
#define LARIAT_MEMO_H

#include <stdbool.h>
#include <stdint.h>

#include "attr.h"
#include "thread.h"

/*
 * Whether the first `count` entries hold. From the innermost outward: the sooner what differs is
 * met. By four, without a rest: in front of a list are WATCH_GUARDS entries that always hold.
 */
static always_inline bool watches_hold(const struct stack *s, uint32_t count)
{
	for (const struct watch *w = s->watch + count; w > s->watch; w -= 4)
		if (unlikely(((*w[-1].at ^ w[-1].value) | (*w[-2].at ^ w[-2].value) |
			      (*w[-3].at ^ w[-3].value) | (*w[-4].at ^ w[-4].value)) != 0))
			return false;
	return true;
}
_Static_assert(WATCH_GUARDS == 3, "entries that watches_hold() may read too many");

static always_inline struct memo *memo_place(const struct stack *s, uint64_t slot, uint64_t ra)
{
	return &s->memo[((slot ^ ra << 3) * 0x9e3779b97f4a7c15ull) >> 55];
}
_Static_assert(MEMO_COUNT == 1 << 9, "bits that memo_place() takes");

/* Asks for what memo_try() will look at first: while the program's own call is under way. */
static always_inline struct memo *memo_prefetch(const struct stack *s, uint64_t slot, uint64_t ra)
{
	struct memo *m = memo_place(s, slot, ra);

	__builtin_prefetch(m);
	__builtin_prefetch(m->watch);
	return m;
}

/* Whether the walk that it is of would join the array at f. */
static always_inline bool memo_joins(const struct memo *m, const struct frame *f)
{
	return f->slot == m->base_slot && f->node == m->base_node &&
	       f->rbp_from == m->base_rbp_from &&
	       (!(f->flags & FRAME_NEED_RBP) || f->rbp == m->base_rbp);
}

/* The innermost word that is not what it was, or NULL. */
static always_inline const struct watch *memo_differs(const struct memo *m)
{
	for (uint32_t i = 0; i < m->watches; i++)
		if (*m->watch[i].at != m->watch[i].value)
			return &m->watch[i];
	return NULL;
}

/*
 * Whether the stack whose innermost return address is at `slot`, and whose memory is at *to if
 * anywhere, is a known one: then it is the last now. Where the memory of that place is of another
 * stack, the first word that differs says where the one of this stack would be. *to: where it is to
 * be saved if there is none.
 */
static always_inline bool memo_try(struct stack *s, uint64_t slot, struct memo **to)
{
	struct memo *m = *to;
	const struct watch *other;
	const struct frame *f;

	if (m->slot != slot || m->era != s->era)
		return false;
	other = memo_differs(m);
	if (other) {
		m = *to = memo_place(s, slot, *other->at);
		if (m->slot != slot || m->era != s->era || memo_differs(m))
			return false;
	}
	f = s->frame + m->kept - 1;
	if (m->kept > s->usable || !memo_joins(m, f) || !watches_hold(s, f->watched))
		return false;
	s->last = m->last;
	return true;
}

/* Remembers at `to`, which memo_try() gave, the walk that has just found the frames behind the
 * first `kept` of the array. */
void memo_save(struct stack *s, struct memo *to, uint64_t slot, uint64_t ra, uint32_t kept);

#endif
