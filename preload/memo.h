/* SPDX-License-Identifier: MIT */
/*
 * Memories of walks (struct memo): what a stack that was walked before looks like, found by the
 * innermost return addresses. A memory is believed only where every word that led the walk holds
 * what it held, relative to the place of the innermost frame; then a walk would give the same.
 *
 * Only for the thread's own stack; the array of frames (struct stack) is that of the last walk.
 */
#ifndef LARIAT_MEMO_H
#define LARIAT_MEMO_H

#include <stdbool.h>
#include <stdint.h>

#include "attr.h"
#include "thread.h"

/* From the innermost outward: the sooner what differs is met. */
static always_inline bool watches_hold(const struct watch *first, const struct watch *w)
{
	for (; w - first >= 4; w -= 4)
		if (unlikely(((*w[-1].at ^ w[-1].value) | (*w[-2].at ^ w[-2].value) |
			      (*w[-3].at ^ w[-3].value) | (*w[-4].at ^ w[-4].value)) != 0))
			return false;
	for (; w > first; w--)
		if (unlikely(*w[-1].at != w[-1].value))
			return false;
	return true;
}

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

#define MEMO_HASH(x) ((x)*0x9e3779b97f4a7c15ull)

static always_inline uint64_t memo_load(uint64_t addr)
{
	return *(const uint64_t *)addr;
}

static always_inline struct memo_key *memo_key(const struct stack *s, uint64_t ra)
{
	return &s->key[MEMO_HASH(ra) >> 54];
}
_Static_assert(MEMO_KEYS == 1 << 10, "bits that memo_key() takes");

/* The place of the memory of the stack at slot: by its innermost return addresses. */
static always_inline struct memo *memo_place(const struct stack *s, uint64_t slot, uint64_t ra)
{
	uint64_t h = ra;

	for (unsigned i = 1; i < MEMO_STEPS; i++) {
		const struct memo_key *key = memo_key(s, ra);

		slot += key->distance;
		if (unlikely(key->ra != ra || slot >= s->high))
			break;
		ra = memo_load(slot);
		h = MEMO_HASH(h) ^ ra;
	}
	return &s->memo[MEMO_HASH(h) >> 55];
}
_Static_assert(MEMO_COUNT == 1 << 9, "bits that memo_place() takes");

/* The frame of the array that the memory joined, or NULL. */
static always_inline const struct frame *memo_base(const struct stack *s, const struct memo *m,
						   uint64_t slot)
{
	uint64_t want = slot + (uint64_t)(int64_t)m->base_at;
	uint32_t k = likely(m->kept <= s->usable) ? m->kept : s->usable;
	const struct frame *f = s->frame + k - 1, *last = s->frame + s->usable - 1;

	/* places fall from the first frame to the last; before the first is one above all */
	while (unlikely(f->slot > want) && f < last)
		f++;
	while (unlikely(f->slot < want))
		f--;
	if (f->slot != want || f->flags != m->base_flags || f->rbp_from != m->base_rbp_from ||
	    (f->flags & FRAME_NEED_RBP && f->rbp - slot != m->base_rbp))
		return NULL;
	return f;
}

/* Whether the words between are what the memory says. */
static always_inline bool memo_same(const struct memo *m, uint64_t slot)
{
	for (int32_t i = 1; i < m->frames; i++)
		if (unlikely(memo_load(slot + (uint64_t)(int64_t)m->at[i]) != m->ra[i]))
			return false;
	for (uint32_t i = 0; i < m->rbps; i++)
		if (unlikely(memo_load(slot + (uint64_t)(int64_t)m->rbp_at[i]) - slot !=
			     m->rbp_saved[i]))
			return false;
	return true;
}

static always_inline bool memo_holds(struct stack *s, struct memo *m, uint64_t slot, uint64_t ra)
{
	const struct frame *base;
	uint32_t kept;

	if (m->ra[0] != ra || m->era != s->era || !(base = memo_base(s, m, slot)) ||
	    !memo_same(m, slot) || !watches_hold(s->watch, s->watch + base->watched))
		return false;
	kept = (uint32_t)(base - s->frame) + 1;
	if (unlikely(kept + m->frames > s->capacity - 2))
		return false; /* too deep to keep: a walk cuts it */
	m->kept = kept;
	s->top = m;
	s->top_slot = slot;
	s->top_kept = kept;
	s->leaf = m->leaf;
	s->known = m->epoch == s->epoch && kept <= s->sent && m->base_node == s->node[kept - 1];
	return true;
}

static always_inline uint16_t *memo_hint(struct stack *s, uint64_t slot, uint64_t ra)
{
	return &s->hint[MEMO_HASH(slot ^ ra << 3) >> 56];
}
_Static_assert(MEMO_HINTS == 1 << 8, "bits that memo_hint() takes");

/* First the one that was right last time at this place. */
static always_inline bool memo_try(struct stack *s, uint64_t slot, uint64_t ra)
{
	uint16_t *hint = memo_hint(s, slot, ra);
	struct memo *m = &s->memo[*hint];

	if (memo_holds(s, m, slot, ra))
		return true;
	m = memo_place(s, slot, ra);
	if (m == &s->memo[*hint] || !memo_holds(s, m, slot, ra))
		return false;
	*hint = (uint16_t)(m - s->memo);
	return true;
}

/* Remembers the walk that has just found the frames behind the first `kept` of the array, for the
 * stack whose innermost return address is `ra` at `slot`. */
void memo_save(struct stack *s, uint64_t slot, uint64_t ra, uint32_t kept);

#endif
