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
#define BASE_FAR       8192u /* frames that are not walked again at each look for the outermost */
#define CUT_KNOWN      16u   /* frames behind a cut, the same in the same places: so is the rest */

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
	s->usable = s->cut = s->cut_gap = 0;
}

static uint32_t base_most(const struct stack *s)
{
	uint32_t quarter = s->capacity / 4;

	return quarter < 1 ? 1 : quarter < STACK_BASE_FRAMES ? quarter : STACK_BASE_FRAMES;
}

/*
 * Whether the outermost frames found for an earlier deep stack are still in their places, further
 * out than `slot`. Others may have left these words where they are: it counts where there is
 * another sign of it, too.
 */
static bool base_holds(struct stack *s, uint64_t slot)
{
	if (!s->base_count || slot >= s->base[0].slot)
		return false;
	for (uint32_t i = 0; i < s->base_count; i++)
		if (word_at(s->base[i].slot) != s->base[i].ra)
			return false;
	for (struct frame *f = s->base; f < s->base + s->base_count; f++)
		if (f->rbp_from)
			f->rbp = word_at(f->slot + (uint64_t)(int64_t)f->rbp_from);
	return true;
}

/* Walks on from c, behind the last of s->fresh, to the outermost frame, keeping the last few.
 * Returns how many frames the stack has; *foreign: some of them cannot be watched. */
static uint32_t base_find(struct stack *s, struct cursor *c, bool *foreign)
{
	struct frame last[STACK_BASE_FRAMES];
	uint32_t most = base_most(s), found, at = 0; /* at: the innermost of them */
	enum step how = STEP_ON;

	for (found = 0; found < most; found++)
		last[found] = s->fresh[s->capacity - 2 - most + found];
	for (; how == STEP_ON && found < DEEPEST_WALK; found++) {
		uint64_t rule = rule_of(c);
		uint32_t flags = 0;

		frame_save(&last[at], c, 0);
		how = step(s, c, rule, &flags);
		last[at].flags |= flags;
		at = at + 1 < most ? at + 1 : 0;
		*foreign |= c->foreign;
	}
	for (uint32_t i = 0; i < most; i++)
		s->base[i] = last[at + i < most ? at + i : at + i - most];
	s->base_count = most;
	s->base_complete = how == STEP_END;
	return s->capacity - 2 - most + found;
}

/* The outermost frames of the array, which is whole, and of which `kept` hold. */
static bool base_take(struct stack *s, uint32_t kept)
{
	uint32_t most = base_most(s);

	if (kept < most || s->frame[0].ra == LAR_RA_INCOMPLETE)
		return false;
	for (uint32_t i = 0; i < most; i++)
		s->base[i] = s->frame[most - 1 - i];
	s->base_count = most;
	s->base_complete = true;
	return true;
}

/*
 * Where a stack that is too deep is cut: at most `room` frames are kept behind the cut, and no less
 * than two thirds as many. Of the frames with so many or more further in, the innermost at a place
 * of the stack where cuts may be is the first behind it. So one stack is always cut in the same
 * way, and as the program goes in and out, the cut mostly stays, and all frames behind it with it.
 */
static uint32_t cut_room(const struct stack *s)
{
	return s->capacity - base_most(s) - 2;
}

static uint32_t cut_least(const struct stack *s)
{
	return cut_room(s) - cut_room(s) / 3;
}

/* About every sixteenth place where the room is that of the default; by the stack's own end, which
 * does not change from run to run as its address does. */
static bool cut_may_be(const struct stack *s, const struct frame *f)
{
	uint32_t bits = 31 - (uint32_t)__builtin_clz(cut_room(s) / 12 | 1);

	return !(((s->high - f->slot) * 0x9e3779b97f4a7c15ull) >> 32 & ((1u << bits) - 1));
}

/* The outermost frame of the array, from that one on inward, where a cut may be; or their count. */
static uint32_t cut_find(const struct stack *s, uint32_t from)
{
	while (from < s->count && !cut_may_be(s, &s->frame[from]))
		from++;
	return from;
}

/* Frames of the array's stack, of which so many are behind its cut. */
static uint32_t cut_total(const struct stack *s, uint32_t behind)
{
	return s->base_count + s->cut_gap + behind;
}

/* Whether the array's stack would be cut where it is. Counted as another one that is. */
static bool cut_stays(struct stack *s)
{
	uint32_t behind = s->count - s->cut;

	if (behind < cut_least(s) || s->count - s->cut_next >= cut_least(s) ||
	    (behind < cut_room(s) && !cut_may_be(s, &s->frame[s->cut])) ||
	    cut_total(s, behind) <= s->capacity - 2)
		return false;
	lar_lost_add(LAR_LOST_STACK_CUT, 1);
	return true;
}

/* Whether the frames left out were too many to walk again at each event, and may be so again: what
 * lies between `slot` and the outermost ones has room for them. */
static bool is_far(const struct stack *s, uint64_t slot)
{
	return s->cut_gap > BASE_FAR && s->base_count && slot < s->base[0].slot &&
	       s->base[0].slot - slot > 16ull * BASE_FAR;
}

/*
 * The walk has filled s->fresh and goes on: the outermost frames stay, the middle is cut. foreign:
 * some of what it found cannot be watched. total: the frames of the stack where the outermost are
 * those of before, 0 = that is not known.
 */
static void stack_cut(struct stack *s, struct cursor *c, bool foreign, uint32_t total)
{
	uint32_t n;

	n = cut_least(s);
	while (n < cut_room(s) && !cut_may_be(s, &s->fresh[n - 1]))
		n++;
	if (!total && is_far(s, s->fresh[n - 1].slot))
		total = cut_total(s, n);
	/* the walk has seen more frames than fit: a lower number is of another stack */
	if (foreign || total <= s->capacity - 2 || !base_holds(s, s->fresh[n - 1].slot))
		total = base_find(s, c, &foreign);
	s->cut_gap = total - s->base_count - n;
	frame_mark(&s->fresh[n++], LAR_RA_CUT);
	for (uint32_t i = 0; i < s->base_count; i++)
		s->fresh[n++] = s->base[i];
	if (!s->base_complete)
		frame_mark(&s->fresh[n++], LAR_RA_INCOMPLETE);
	lar_lost_add(LAR_LOST_STACK_CUT, 1);
	stack_put(s, 0, n);
	s->cut = s->base_count + !s->base_complete + 1;
	s->cut_next = cut_find(s, s->cut + 1);
	s->usable = s->count;
	if (foreign)
		s->usable = s->base_count = 0;
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
		s->cut = s->cut_gap = 0;
	}
	return true;
}

/*
 * The walk of n frames has met the array, of which `kept` hold. False when the stack is to be cut,
 * or elsewhere than the array's; *total then says how many frames it has where its outermost ones
 * are s->base.
 */
static always_inline bool walk_join(struct stack *s, uint32_t kept, uint32_t n, uint32_t *total)
{
	bool behind_cut = s->cut && kept > s->cut;

	if (likely(!behind_cut)) {
		if (unlikely(kept + n > s->capacity - 2)) {
			*total = !s->cut && base_take(s, kept) ? kept + n : 0;
			return false;
		}
		s->cut = s->cut_gap = 0;
	} else {
		uint32_t behind = kept - s->cut + n;

		*total = kept - s->cut >= CUT_KNOWN ? cut_total(s, behind) : 0;
		if (!*total || behind > cut_room(s))
			return false;
	}
	stack_put(s, kept, n);
	s->usable = s->count;
	if (likely(!behind_cut))
		return true;
	if (s->cut_next >= kept)
		s->cut_next = cut_find(s, kept);
	return cut_stays(s);
}

/* False when the stack is to be cut: then with k = 0. */
static bool walk(struct stack *s, struct cursor start, uint32_t k, uint32_t *kept, uint32_t *total)
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
				*kept = k;
				return walk_join(s, k, (uint32_t)(to - s->fresh), total);
			}
			/* not the same further out: walk on, past the frame that differs */
			f = s->frame + bad - 1;
		}
		if (unlikely(to >= full)) {
			slow = c;
			stack_cut(s, &slow, foreign, *total);
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

void unwind_walk(struct stack *s, struct cursor start, uint32_t k, uint32_t *kept)
{
	uint32_t total = 0;

	if (unlikely(!walk(s, start, k, kept, &total)))
		walk(s, start, 0, kept, &total);
}
