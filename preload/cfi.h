/* SPDX-License-Identifier: MIT */
/*
 * Call frame information: from a program counter to the rule that finds its caller, read from the
 * module's .eh_frame (DWARF 4, section 6.4; System V ABI x86-64 supplement, section 3.7).
 *
 * A rule is one word:
 *	bits 0-3   enum rule_kind
 *	bit  4     the caller's rbp was saved; else rbp is unchanged
 *	bit  5     it was saved relative to rbp instead of to the CFA
 *	bits 8-31  signed offset of the saved rbp
 *	bits 32-63 signed offset of the CFA
 * The return address is always at CFA-8; anything else is RULE_NONE.
 */
#ifndef LARIAT_CFI_H
#define LARIAT_CFI_H

#include <stdbool.h>
#include <stdint.h>

enum rule_kind {
	RULE_NONE = 0,	 /* cannot be followed: the stack ends here, incomplete */
	RULE_RSP = 1,	 /* CFA = rsp + offset */
	RULE_RBP = 2,	 /* CFA = rbp + offset */
	RULE_DRAP = 3,	 /* CFA = *(rbp + offset): a function that realigned its stack */
	RULE_SIGNAL = 4, /* the frame that the kernel built for a signal handler */
	RULE_END = 5,	 /* the outermost frame */
	RULE_GUESS = 6,	 /* code without description: perhaps it keeps a frame pointer */
};

#define RULE_KIND(r)	   ((enum rule_kind)((r)&15))
#define RULE_RBP_SAVED	   0x10u
#define RULE_RBP_AT_RBP	   0x20u
#define RULE_PLAIN	   0x40u /* see rule_plain() */
#define RULE_RBP_OFFSET(r) ((int64_t)((int32_t)(uint32_t)(r) >> 8))
#define RULE_CFA_OFFSET(r) ((int64_t)(int32_t)((r) >> 32))

/*
 * Marks a rule that reads nothing but the saved rbp and the return address, both inside the frame
 * wherever the CFA lies 8 bytes or more above the stack pointer.
 */
static inline uint64_t rule_plain(uint64_t rule)
{
	int64_t cfa = RULE_CFA_OFFSET(rule), at = RULE_RBP_OFFSET(rule);
	int64_t lowest = RULE_KIND(rule) == RULE_RSP ? -cfa - 16 : -24;

	if (RULE_KIND(rule) == RULE_RSP ? cfa < 8 : RULE_KIND(rule) != RULE_RBP)
		return rule;
	if ((rule & RULE_RBP_SAVED) &&
	    ((rule & RULE_RBP_AT_RBP) || at < lowest || at > -8 || (at & 7)))
		return rule;
	return rule | RULE_PLAIN;
}

/* What the loader knows about the object that holds an address. */
struct cfi_object {
	uint64_t start, end; /* addresses */
	uint64_t bias;
	const char *name;	  /* link map's name, "" for the executable */
	const void *eh_frame_hdr; /* or NULL */
};

/* Lock-free and async-signal-safe. False when no loaded object holds pc. */
bool cfi_find_object(uint64_t pc, struct cfi_object *object);

/* A library was unloaded: nothing remembered of any function holds. */
void cfi_forget(void);

/*
 * The rule that holds at `pc` in `object`. `call` says that pc is a return address: the rule of
 * the call before it is wanted. Reads the object's memory only; any context.
 */
uint64_t cfi_rule(const struct cfi_object *object, uint64_t pc, bool call);

#endif
