/* SPDX-License-Identifier: MIT */
/*
 * What counts as one site: a call stack, all stacks that a fold puts together, or a thread. Gives
 * each site of a model a dense number, so that the model's figures are an array. One thread at a
 * time.
 */
#ifndef LARIAT_SITES_H
#define LARIAT_SITES_H

#include <stdbool.h>
#include <stdint.h>

#include "keymap.h"
#include "trace.h"

#define SITE_NONE UINT32_MAX

/* As a thread: all those whose figures a checkpoint has, which cannot be told apart. */
#define SITE_FOLDED_THREADS UINT32_MAX

/*
 * Which group a stack belongs to, for folds; called once per stack and model. Groups are numbered
 * from 0 without gaps. SITE_NONE = no memory.
 */
typedef uint32_t site_group_fn(void *arg, uint32_t stack);

/* How to tell sites apart; shared by the models of a run. */
struct site_rule {
	bool by_thread;
	site_group_fn *group; /* NULL = each stack is a site */
	void *group_arg;
};

struct sites {
	struct site_rule rule;
	bool few;	      /* so that the stack is a key, too, where it is no group */
	uint32_t *of_stack;   /* site + 1, 0 = not met yet */
	uint32_t stack_size;  /* elements of of_stack */
	struct keymap groups; /* group, thread or stack -> site */
	uint32_t *stack;      /* per site: a stack of it, the first met */
	uint32_t *thread;     /* per site: the thread that met it first */
	uint32_t size, thread_size;
	uint32_t count;
};

/* `rule` NULL = by stack. Afterwards `few` may be set: it then takes no memory for the stacks that
 * are no sites. */
void sites_init(struct sites *s, const struct site_rule *rule);
void sites_fini(struct sites *s);

/* The slow path of sites_number(). */
uint32_t sites_number_new(struct sites *s, uint32_t stack, uint32_t thread);

/* The site of a stack met by a thread; SITE_NONE when there is no memory. */
static inline uint32_t sites_number(struct sites *s, uint32_t stack, uint32_t thread)
{
	if (!s->rule.by_thread && stack < s->stack_size && s->of_stack[stack])
		return s->of_stack[stack] - 1;
	return sites_number_new(s, stack, thread);
}

#endif
