/* SPDX-License-Identifier: MIT */
/* Incremental call stacks; see unwind.h. */
#include "unwind.h"

#include <string.h>
#include <ucontext.h>

#include "cfi.h"
#include "memo.h"
#include "nodes.h"
#include "recorder.h"
#include "rules.h"
#include "stackput.h"
#include "unwind_check.h"
#include "unwind_walk.h"

#define PLAIN_MOST 48 /* frames of a walk that goes by plain rules only */

/* The rule of a return address; 0 when it is not known yet, or is not plain. */
static always_inline uint64_t plain_rule(const struct stack *s, const struct rules_table *table,
					 uint64_t ra)
{
	struct known_rule *known = &s->rule[ra * 0x9e3779b97f4a7c15ull >> 54];
	uint64_t rule, e;
	uint32_t i;

	if (unlikely((ra - 1) >> 47)) /* 0 as well */
		return 0;
	if (likely(known->ra == ra))
		return known->rule;
	for (i = rules_place(ra);; i++) {
		e = atomic_load_explicit(&table->entry[i & table->mask], memory_order_acquire);
		if (e >> 16 == ra)
			break;
		if (!e)
			return 0;
	}
	rule = table->distinct[e & 0xffff];
	if (unlikely(!(rule & RULE_PLAIN)))
		return 0;
	known->ra = ra;
	known->rule = rule;
	return rule;
}
_Static_assert(RULES_KNOWN == 1 << 10, "bits that plain_rule() takes");

/* From the frame at to on; false where it cannot be. Whether rbp was saved cannot be predicted. */
static always_inline bool plain_step(struct frame *to, uint64_t rule, uint64_t *slot, uint64_t *rbp,
				     int32_t *rbp_from)
{
	uint32_t saved = -(uint32_t)(rule / RULE_RBP_SAVED & 1), flags = FRAME_RBP_SAME & ~saved;

	*slot += 8;
	if (unlikely(RULE_KIND(rule) != RULE_RSP)) {
		if (unlikely(*rbp + (uint64_t)RULE_CFA_OFFSET(rule) < *slot + 8 || (*rbp & 7)))
			return false;
		*slot = *rbp;
		flags |= FRAME_CFA_RBP;
	}
	*slot += (uint64_t)RULE_CFA_OFFSET(rule) - 8;
	*rbp_from = (int32_t)(((uint32_t)RULE_RBP_OFFSET(rule) + 8) & saved);
	to->flags = (uint16_t)flags;
	return true;
}

/*
 * A frame of the array, of the outermost `most`, at which a walk may stand; NULL if none, or where
 * another frame has taken its place: then the walk joins the array further out.
 */
static always_inline const struct frame *frame_at(const struct stack *s, uint32_t most,
						  uint64_t slot, uint64_t ra)
{
	uint32_t i = *stack_place(s, slot);
	const struct frame *f = &s->frame[i];

	return ((f->slot ^ slot) | (f->ra ^ ra)) == 0 && i < most ? f : NULL;
}

/*
 * The same as unwind_walk() for nearly all stacks: a few frames on the thread's own stack, found by
 * plain rules, then one that the last stack has too. False: none of that, and nothing has changed.
 */
static always_inline bool walk_plain(struct stack *s, uint64_t at, uint32_t *kept)
{
	const struct rules_table *table = atomic_load_explicit(&lar->rules, memory_order_acquire);
	struct frame *to = s->fresh, *const full = to + PLAIN_MOST;
	uint32_t most = s->usable;
	uint64_t slot = at + 8, rbp = word_at(at);
	int32_t rbp_from = -8;

	if (unlikely(!table || s->cut || s->capacity < PLAIN_MOST + 2 + s->usable))
		return false;
	for (; to < full; to++) {
		uint64_t ra = word_at(slot), rule, saved, mask;
		const struct frame *f = frame_at(s, most, slot, ra);

		if (f && !(f->flags & FRAME_NO_VERIFY) &&
		    (!(f->flags & FRAME_NEED_RBP) || f->rbp == rbp)) {
			uint32_t watches = f > s->frame ? f[-1].watched : 0;

			/* the frames behind the first are near it */
			if (likely(to > s->fresh))
				nodes_prefetch(&s->nodes, nodes_hash(f->hash, to[-1].ra));
			if (likely(watches_hold(s, watches))) {
				*kept = (uint32_t)(f - s->frame) + 1;
				stack_put(s, *kept, (uint32_t)(to - s->fresh));
				s->usable = s->count;
				return true;
			}
			/* none but those further out than what differs */
			most = (uint32_t)unwind_differs(s, (uint32_t)(f - s->frame), watches);
		}
		to->slot = slot;
		to->ra = ra;
		to->rbp = rbp;
		to->rbp_from = rbp_from;
		rule = plain_rule(s, table, ra);
		if (unlikely(!rule || !plain_step(to, rule, &slot, &rbp, &rbp_from) ||
			     slot + 8 > s->high))
			return false;
		saved = word_at(slot + (uint64_t)(int64_t)rbp_from);
		mask = -(uint64_t)(rbp_from != 0);
		rbp = (saved & mask) | (rbp & ~mask);
	}
	return false;
}

/* The nodes of the array's frames behind the first `from`; false when the tree is full. */
static bool frame_nodes(struct stack *s, uint32_t from)
{
	uint32_t id = from ? s->frame[from - 1].node : 0;
	uint32_t hash = from ? s->frame[from - 1].hash : 0;
	bool full = false;

	for (struct frame *f = s->frame + from; f < s->frame + s->count && !full; f++) {
		hash = nodes_hash(hash, f->ra);
		f->node = id = nodes_of(&s->nodes, id, f->ra, hash, &full);
		f->hash = hash;
	}
	s->last = id;
	return !full;
}

void stack_renew_nodes(struct stack *s)
{
	nodes_forget(&s->nodes);
	s->era++;
	s->last = 0;
	frame_nodes(s, 0);
}

/* Code may have gone away: nothing that is remembered is to be relied on. */
static void forget(struct stack *s, uint32_t generation)
{
	s->generation = generation;
	stack_forget(s);
	stack_void_numbers(s);
	memset(s->rule, 0, RULES_KNOWN * sizeof(*s->rule));
}

lar_noinline void unwind_capture_walk(struct stack *s, uint64_t frame, struct memo *memo)
{
	struct cursor c = cursor_at(s, frame);
	uint32_t generation = atomic_load_explicit(&lar->generation, memory_order_relaxed);
	uint32_t kept;

	if (unlikely(s->generation != generation))
		forget(s, generation);
	if (unlikely(c.foreign || !s->usable || !walk_plain(s, frame, &kept)))
		unwind_walk(s, c, c.foreign ? 0 : s->usable, &kept);
	if (likely(!c.foreign))
		memo_save(s, memo, frame + 8, word_at(frame + 8), kept);
}

void unwind_fresh(struct stack *s, uint64_t frame)
{
	struct cursor c = cursor_at(s, frame);
	uint32_t kept;

	s->count = s->usable = s->base_count = s->cut = 0;
	unwind_walk(s, c, 0, &kept);
}

void unwind_capture_context(struct stack *s, const ucontext_t *u)
{
	uint32_t generation = atomic_load_explicit(&lar->generation, memory_order_relaxed);
	uint64_t rsp = (uint64_t)u->uc_mcontext.gregs[REG_RSP];
	struct cursor start = { .slot = rsp - 8, /* the signal frame may be elsewhere */
				.ra = (uint64_t)u->uc_mcontext.gregs[REG_RIP],
				.rbp = (uint64_t)u->uc_mcontext.gregs[REG_RBP],
				.rsp = rsp,
				.flags = FRAME_NO_VERIFY | FRAME_EXACT,
				.foreign = rsp < s->low || rsp >= s->high };
	uint32_t kept;

	if (unlikely(s->generation != generation))
		forget(s, generation);
	unwind_walk(s, start, start.foreign ? 0 : s->usable, &kept);
	if (s->count) {
		s->frame[s->count - 1].ra++;
		if (!frame_nodes(s, s->count - 1))
			stack_renew_nodes(s);
	}
	unwind_number(s);
}

#ifdef LAR_UNWIND_CHECK
void unwind_captured(const struct stack *s, uint64_t frame)
{
	unwind_check(s, frame);
}
#endif

void unwind_capture(struct stack *s, uint64_t frame)
{
	struct memo *memo = memo_place(s, frame + 8, word_at(frame + 8));

	unwind_capture_ahead(s, frame, (struct unwind_ahead){ s, memo });
}
