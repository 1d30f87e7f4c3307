/* SPDX-License-Identifier: MIT */
/* Numbers for sites; see sites.h. */
#include "sites.h"

#include <stdlib.h>
#include <string.h>

void sites_init(struct sites *s, const struct site_rule *rule)
{
	memset(s, 0, sizeof(*s));
	if (rule)
		s->rule = *rule;
}

void sites_fini(struct sites *s)
{
	free(s->of_stack);
	free(s->stack);
	free(s->thread);
	keymap_fini(&s->groups);
	memset(s, 0, sizeof(*s));
}

static uint32_t site_add(struct sites *s, uint32_t stack, uint32_t thread)
{
	if (array_reserve((void **)&s->stack, &s->size, s->count, sizeof(*s->stack)) ||
	    array_reserve((void **)&s->thread, &s->thread_size, s->count, sizeof(*s->thread)))
		return SITE_NONE;
	s->stack[s->count] = stack;
	s->thread[s->count] = thread;
	return s->count++;
}

static uint32_t site_of_key(struct sites *s, uint64_t key, uint32_t stack, uint32_t thread)
{
	uint32_t known = s->groups.count;
	uint32_t number = keymap_number(&s->groups, key);

	if (number == KEYMAP_NONE)
		return SITE_NONE;
	if (number == known && site_add(s, stack, thread) == SITE_NONE)
		return SITE_NONE;
	return number;
}

uint32_t sites_number_new(struct sites *s, uint32_t stack, uint32_t thread)
{
	uint32_t site;

	if (s->rule.by_thread)
		return site_of_key(s, thread, stack, thread);
	if (s->few && !s->rule.group)
		return site_of_key(s, stack, stack, thread);
	if (array_reserve((void **)&s->of_stack, &s->stack_size, stack, sizeof(*s->of_stack)))
		return SITE_NONE;
	if (s->of_stack[stack])
		return s->of_stack[stack] - 1;
	if (s->rule.group) {
		uint32_t group = s->rule.group(s->rule.group_arg, stack);

		site = group == SITE_NONE ? SITE_NONE : site_of_key(s, group, stack, thread);
	} else {
		site = site_add(s, stack, thread);
	}
	if (site != SITE_NONE)
		s->of_stack[stack] = site + 1;
	return site;
}
