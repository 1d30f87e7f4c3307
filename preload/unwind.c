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
#include "sys.h"
#include "unwind_check.h"

#define PAGE_OF(a)     ((a) & ~4095ull)
#define DEEPEST_WALK   4000000u /* frames followed in search of the outermost ones */
#define FOREIGN_GROWTH (1ull << 24)

/* Position of a walk: the innermost frame not yet looked at. */
struct cursor {
	uint64_t slot, ra, rbp;
	uint64_t rsp; /* after the return */
	uint32_t flags;
	int32_t rbp_from;      /* as in struct frame */
	uint64_t checked_page; /* foreign stacks: last page known to be readable */
	bool foreign;	       /* not on the thread's own stack: read with care */
};

static always_inline uint64_t load(uint64_t addr)
{
	return *(const uint64_t *)addr;
}

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
	c->ra = load(c->slot);
	c->rbp = load(regs + REG_RBP * 8);
	c->rbp_from = 0;
	c->rsp = load(regs + REG_RSP * 8);
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
	       cfi_find_object(load(c->rbp + 8), &object);
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
		cfa = load(cfa);
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
		c->rbp = load(rbp_at);
		c->rbp_from = (int32_t)(rbp_at - (cfa - 8));
	} else {
		*flags |= FRAME_RBP_SAME;
		c->rbp_from = 0;
	}
	c->slot = cfa - 8;
	c->ra = load(c->slot);
	c->rsp = cfa;
	c->flags = 0;
	return STEP_ON;
}

/* The frame of the outermost `count` entries of the watch list that is not as it was. */
static int32_t differs(const struct stack *s, uint32_t from, uint32_t count)
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

	return likely(watches_hold(s, n)) ? -1 : differs(s, from, n);
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
		if (load(s->base[i].slot) != s->base[i].ra)
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
		c->rbp = load(cfa + (uint64_t)RULE_RBP_OFFSET(rule));
		c->rbp_from = (int32_t)RULE_RBP_OFFSET(rule) + 8;
	} else {
		*flags |= FRAME_RBP_SAME;
		c->rbp_from = 0;
	}
	c->slot = cfa - 8;
	c->ra = load(cfa - 8);
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

/* Walks until the outermost frame or an unchanged rest; false when it became too deep. */
static always_inline bool walk(struct stack *s, struct cursor start, uint32_t k, uint32_t *kept)
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
 * The same as walk() for nearly all stacks: a few frames on the thread's own stack, found by plain
 * rules, then one that the last stack has too. False: none of that, and nothing has changed.
 */
static always_inline bool walk_plain(struct stack *s, uint64_t at, uint32_t *kept)
{
	const struct rules_table *table = atomic_load_explicit(&lar->rules, memory_order_acquire);
	struct frame *to = s->fresh, *const full = to + PLAIN_MOST;
	uint32_t most = s->usable;
	uint64_t slot = at + 8, rbp = load(at);
	int32_t rbp_from = -8;

	if (unlikely(!table || s->capacity < PLAIN_MOST + 2 + s->usable))
		return false;
	for (; to < full; to++) {
		uint64_t ra = load(slot), rule, saved, mask;
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
			most = (uint32_t)differs(s, (uint32_t)(f - s->frame), watches);
		}
		to->slot = slot;
		to->ra = ra;
		to->rbp = rbp;
		to->rbp_from = rbp_from;
		rule = plain_rule(s, table, ra);
		if (unlikely(!rule || !plain_step(to, rule, &slot, &rbp, &rbp_from) ||
			     slot + 8 > s->high))
			return false;
		saved = load(slot + (uint64_t)(int64_t)rbp_from);
		mask = -(uint64_t)(rbp_from != 0);
		rbp = (saved & mask) | (rbp & ~mask);
	}
	return false;
}

static struct cursor cursor_at(const struct stack *s, uint64_t frame)
{
	return (struct cursor){ .slot = frame + 8,
				.ra = load(frame + 8),
				.rbp = load(frame),
				.rbp_from = -8,
				.rsp = frame + 16,
				.foreign = frame < s->low || frame >= s->high };
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

/* By walking. */
static lar_noinline void capture_walk(struct stack *s, uint64_t frame, struct memo *memo)
{
	struct cursor c = cursor_at(s, frame);
	uint32_t generation = atomic_load_explicit(&lar->generation, memory_order_relaxed);
	uint32_t kept;

	if (unlikely(s->generation != generation))
		forget(s, generation);
	if (unlikely(c.foreign || !s->usable || !walk_plain(s, frame, &kept)))
		if (unlikely(!walk(s, c, c.foreign ? 0 : s->usable, &kept))) {
			c = cursor_at(s, frame);
			walk(s, c, 0, &kept);
		}
	if (likely(!c.foreign))
		memo_save(s, memo, frame + 8, load(frame + 8), kept);
}

static always_inline void capture(struct stack *s, uint64_t frame)
{
	struct memo *memo = NULL;

	if (unlikely(s->generation !=
			     atomic_load_explicit(&lar->generation, memory_order_relaxed) ||
		     !memo_try(s, frame + 8, load(frame + 8), &memo)))
		capture_walk(s, frame, memo);
	unwind_number(s);
}

bool unwind_fresh(struct stack *s, uint64_t frame)
{
	struct cursor c = cursor_at(s, frame);
	uint32_t kept;

	s->count = s->usable = s->base_count = 0;
	return walk(s, c, 0, &kept);
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
	if (!walk(s, start, start.foreign ? 0 : s->usable, &kept))
		walk(s, start, 0, &kept);
	if (s->count) {
		s->frame[s->count - 1].ra++;
		if (!frame_nodes(s, s->count - 1))
			stack_renew_nodes(s);
	}
	unwind_number(s);
}

void unwind_capture(struct stack *s, uint64_t frame)
{
	capture(s, frame);
#ifdef LAR_UNWIND_CHECK
	unwind_check(s, frame);
#endif
}
