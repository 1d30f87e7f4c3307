/* SPDX-License-Identifier: MIT */
/* Walks by any rule and on any stack; see unwind_walk.h. */
#include "unwind_walk.h"

#include <string.h>
#include <ucontext.h>

#include "cfi.h"
#include "memo.h"
#include "recorder.h"
#include "rules.h"
#include "stackput.h"
#include "sys.h"

#define PAGE_OF(a)     ((a) & ~4095ull)
#define DEEPEST_WALK   4000000u /* frames followed in search of the outermost ones */
#define FOREIGN_GROWTH (1ull << 24)

/* Whether the word may be read: inside the own stack at once, elsewhere by asking the kernel. */
static bool may_read(const struct stack *s, struct cursor *c, uint64_t addr)
{
	if (addr & 7)
		return false;
	if (addr >= c->rsp - 16 && addr < s->high && !c->foreign)
		return true;
	if (PAGE_OF(addr) == c->checked_page)
		return true;
	if (!sys_readable((const void *)addr))
		return false;
	c->checked_page = PAGE_OF(addr);
	return true;
}

enum step { STEP_ON, STEP_END, STEP_LOST };

/* From a signal handler's return trampoline to what it interrupted. */
static enum step step_signal(const struct stack *s, struct cursor *c)
{
	uint64_t regs = c->rsp + offsetof(ucontext_t, uc_mcontext.gregs);

	if (!may_read(s, c, regs) || !may_read(s, c, regs + REG_RIP * 8))
		return STEP_LOST;
	c->slot = regs + REG_RIP * 8;
	c->ra = word_at(c->slot);
	c->rbp = word_at(regs + REG_RBP * 8);
	c->rbp_from = 0;
	c->rsp = word_at(regs + REG_RSP * 8);
	c->flags = FRAME_NO_VERIFY | FRAME_EXACT;
	/* the handler may have run on a stack of its own; and may have been called from one */
	c->foreign = c->rsp < s->low || c->rsp >= s->high;
	return STEP_ON;
}

/* Whether rbp points at a saved rbp below a return address into a loaded object. */
static bool guess(const struct stack *s, struct cursor *c)
{
	struct cfi_object object;

	return !c->foreign && !(c->rbp & 7) && c->rbp >= c->rsp - 8 && c->rbp < s->high - 16 &&
	       cfi_find_object(word_at(c->rbp + 8), &object);
}

/* From the frame at c to its caller's; marks in *flags what the rule used. */
static __attribute__((noinline)) enum step step(const struct stack *s, struct cursor *c,
						uint64_t rule, uint32_t *flags)
{
	uint64_t cfa, rbp_at;

	switch (RULE_KIND(rule)) {
	case RULE_RSP:
		cfa = c->rsp + (uint64_t)RULE_CFA_OFFSET(rule);
		break;
	case RULE_RBP:
		cfa = c->rbp + (uint64_t)RULE_CFA_OFFSET(rule);
		*flags |= FRAME_CFA_RBP;
		break;
	case RULE_DRAP:
		cfa = c->rbp + (uint64_t)RULE_CFA_OFFSET(rule);
		if (!may_read(s, c, cfa))
			return STEP_LOST;
		cfa = word_at(cfa);
		*flags |= FRAME_CFA_RBP | FRAME_NO_VERIFY;
		break;
	case RULE_SIGNAL:
		*flags |= FRAME_NO_VERIFY;
		return step_signal(s, c);
	case RULE_END:
		return STEP_END;
	case RULE_GUESS:
		if (!guess(s, c))
			return STEP_LOST;
		cfa = c->rbp + 16;
		rule = RULE_RBP | RULE_RBP_SAVED | ((uint64_t)-16 & 0xffffff) << 8;
		*flags |= FRAME_CFA_RBP;
		break;
	default:
		return STEP_LOST;
	}
	/* callers are further up, and not absurdly so */
	if (unlikely(cfa < c->rsp + 8 || (cfa & 7) ||
		     (c->foreign ? cfa - c->rsp > FOREIGN_GROWTH : cfa > s->high)))
		return STEP_LOST;
	if (unlikely(c->foreign && !may_read(s, c, cfa - 8)))
		return STEP_LOST;
	if (rule & RULE_RBP_SAVED) {
		rbp_at = (rule & RULE_RBP_AT_RBP ? c->rbp : cfa) + (uint64_t)RULE_RBP_OFFSET(rule);
		if (rule & RULE_RBP_AT_RBP)
			*flags |= FRAME_CFA_RBP;
		if (unlikely((rbp_at < c->rsp - 16 || rbp_at >= cfa || c->foreign) &&
			     !may_read(s, c, rbp_at)))
			return STEP_LOST;
		c->rbp = word_at(rbp_at);
		c->rbp_from = (int32_t)(rbp_at - (cfa - 8));
	} else {
		*flags |= FRAME_RBP_SAME;
		c->rbp_from = 0;
	}
	c->slot = cfa - 8;
	c->ra = word_at(c->slot);
	c->rsp = cfa;
	c->flags = 0;
	return STEP_ON;
}

int32_t unwind_differs(const struct stack *s, uint32_t from, uint32_t count)
{
	int32_t i = (int32_t)from - 1;

	while (count && *s->watch[count - 1].at == s->watch[count - 1].value)
		count--;
	while (i >= 0 && s->frame[i].watched >= count)
		i--;
	return i + 1;
}

/*
 * Reads again what led from frame `from` outward to frame 0. Returns the index of the first frame
 * (going outward) that is not as it was, or -1 when all are.
 */
static always_inline int32_t verify(const struct stack *s, uint32_t from)
{
	uint32_t n = from ? s->frame[from - 1].watched : 0;

	return likely(watches_hold(s, n)) ? -1 : unwind_differs(s, from, n);
}

static always_inline void frame_save(struct frame *f, const struct cursor *c, uint32_t flags)
{
	f->slot = c->slot;
	f->ra = c->ra;
	f->rbp = c->rbp;
	f->rbp_from = c->rbp_from;
	f->flags = (uint16_t)(c->flags | flags);
}

static uint64_t rule_of(const struct cursor *c)
{
	struct rules_table *table = atomic_load_explicit(&lar->rules, memory_order_acquire);

	return rules_find(table, c->flags & FRAME_EXACT ? c->ra | RULES_EXACT : c->ra);
}

/* A frame that stands for no address: it holds as long as the frames further in do. */
static void frame_mark(struct frame *f, uint64_t what)
{
	static const uint64_t words[] = { 0, LAR_RA_CUT, LAR_RA_INCOMPLETE };

	memset(f, 0, sizeof(*f));
	f->slot = (uint64_t)&words[what];
	f->ra = what;
}

/* For a stack whose words cannot be watched: the next walk joins nothing. */
static void stack_put_foreign(struct stack *s, uint32_t n)
{
	stack_put(s, 0, n);
	s->usable = 0;
}

static uint32_t base_most(const struct stack *s)
{
	uint32_t quarter = s->capacity / 4;

	return quarter < 1 ? 1 : quarter < STACK_BASE_FRAMES ? quarter : STACK_BASE_FRAMES;
}

/* Whether the outermost frames found for an earlier deep stack are still in their places. */
static bool base_holds(const struct stack *s, const struct cursor *c)
{
	if (s->base_count < base_most(s) || c->foreign || c->slot >= s->base[0].slot)
		return false;
	for (uint32_t i = 0; i < s->base_count; i++)
		if (word_at(s->base[i].slot) != s->base[i].ra)
			return false;
	return true;
}

/* Walks on from c to the outermost frame, keeping the last few. */
static void base_find(struct stack *s, struct cursor *c)
{
	struct frame last[STACK_BASE_FRAMES];
	uint32_t most = base_most(s), found, first;
	enum step how = STEP_ON;

	for (found = 0; how == STEP_ON && found < DEEPEST_WALK; found++) {
		uint64_t rule = rule_of(c);
		uint32_t flags = 0;

		frame_save(&last[found % most], c, 0);
		how = step(s, c, rule, &flags);
		last[found % most].flags |= flags;
	}
	s->base_count = found < most ? found : most;
	first = found - s->base_count;
	for (uint32_t i = 0; i < s->base_count; i++)
		s->base[i] = last[(first + i) % most];
	s->base_complete = how == STEP_END;
}

/* The walk went beyond what is kept: the outermost frames stay, the middle is cut. */
static void stack_cut(struct stack *s, struct cursor *c, uint32_t n)
{
	uint32_t room = s->capacity - base_most(s) - 2;

	if (!base_holds(s, c))
		base_find(s, c);
	n = n < room ? n : room;
	frame_mark(&s->fresh[n++], LAR_RA_CUT);
	for (uint32_t i = 0; i < s->base_count; i++)
		s->fresh[n++] = s->base[i];
	if (!s->base_complete)
		frame_mark(&s->fresh[n++], LAR_RA_INCOMPLETE);
	lar_lost_add(LAR_LOST_STACK_CUT, 1);
	stack_put_foreign(s, n);
}

/* Whether the walk stands at this frame of the last stack. */
static always_inline bool meets(const struct frame *f, const struct cursor *c)
{
	return f->slot == c->slot && f->ra == c->ra && !(f->flags & FRAME_NO_VERIFY) &&
	       (!(f->flags & FRAME_NEED_RBP) || f->rbp == c->rbp);
}

/* step() for a plain rule on the own stack. */
static always_inline enum step step_plain(const struct stack *s, struct cursor *c, uint64_t rule,
					  uint32_t *flags)
{
	uint64_t cfa;

	if (likely(RULE_KIND(rule) == RULE_RSP)) {
		cfa = c->rsp + (uint64_t)RULE_CFA_OFFSET(rule);
		*flags = 0;
	} else {
		cfa = c->rbp + (uint64_t)RULE_CFA_OFFSET(rule);
		*flags = FRAME_CFA_RBP;
		if (unlikely(cfa < c->rsp + 8 || (cfa & 7)))
			return STEP_LOST;
	}
	if (unlikely(cfa > s->high))
		return STEP_LOST;
	if (rule & RULE_RBP_SAVED) {
		c->rbp = word_at(cfa + (uint64_t)RULE_RBP_OFFSET(rule));
		c->rbp_from = (int32_t)RULE_RBP_OFFSET(rule) + 8;
	} else {
		*flags |= FRAME_RBP_SAME;
		c->rbp_from = 0;
	}
	c->slot = cfa - 8;
	c->ra = word_at(cfa - 8);
	c->rsp = cfa;
	c->flags = 0;
	return STEP_ON;
}

static bool walk_end(struct stack *s, enum step how, uint32_t n, bool foreign)
{
	if (how == STEP_LOST)
		frame_mark(&s->fresh[n++], LAR_RA_INCOMPLETE);
	if (unlikely(foreign)) {
		stack_put_foreign(s, n);
	} else {
		stack_put(s, 0, n);
		s->usable = s->count;
	}
	return true;
}

bool unwind_walk(struct stack *s, struct cursor start, uint32_t k, uint32_t *kept)
{
	struct rules_table *table = atomic_load_explicit(&lar->rules, memory_order_acquire);
	const struct frame *f = s->frame + k - 1; /* the frame before the first ends the search */
	struct cursor c = start, slow;
	bool foreign = c.foreign;
	struct frame *to = s->fresh, *const full = s->fresh + s->capacity - 2;
	enum step how = STEP_ON;

	*kept = 0;
	while (how == STEP_ON) {
		uint64_t rule;
		uint32_t flags = 0;

		while (f->slot < c.slot)
			f--;
		if (f->slot == c.slot && meets(f, &c)) {
			int32_t bad = verify(s, (uint32_t)(f - s->frame));

			if (bad < 0) {
				k = (uint32_t)(f - s->frame) + 1;
				if (unlikely(k + (to - s->fresh) > s->capacity - 2))
					return false;
				stack_put(s, k, (uint32_t)(to - s->fresh));
				s->usable = s->count;
				*kept = k;
				return true;
			}
			/* not the same further out: walk on, past the frame that differs */
			f = s->frame + bad - 1;
		}
		if (unlikely(to >= full)) {
			slow = c;
			stack_cut(s, &slow, (uint32_t)(to - s->fresh));
			return true;
		}
		to->slot = c.slot;
		to->ra = c.ra;
		to->rbp = c.rbp;
		to->rbp_from = c.rbp_from;
		rule = likely(!(c.flags & FRAME_EXACT)) ? rules_find(table, c.ra) : rule_of(&c);
		to->flags = (uint16_t)c.flags;
		if (likely((rule & RULE_PLAIN) && !c.foreign)) {
			how = step_plain(s, &c, rule, &flags);
		} else {
			slow = c;
			how = step(s, &slow, rule, &flags);
			c = slow;
		}
		to++->flags |= (uint16_t)flags;
		foreign |= c.foreign;
	}
	return walk_end(s, how, (uint32_t)(to - s->fresh), foreign);
}
