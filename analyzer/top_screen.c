/* SPDX-License-Identifier: MIT */
/* The live view's loop; see top_screen.h. */
#include "top_screen.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "top_terminal.h"

#define LONG_NS 300000000u /* a refresh that takes so long is announced */

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void top_screen_order(struct top_screen *s)
{
	struct top_entry *e = top_screen_entry(s);
	uint32_t *index, old = s->chosen && s->chosen < s->count ? s->index[s->chosen] : UINT32_MAX;
	int64_t n;

	if (s->ordered)
		return;
	n = top_rows_rank(&e->rows[s->view], e->process, s->filtered ? &s->regex : NULL,
			  s->by[s->view], &index);
	if (n < 0)
		return;
	free(s->index);
	s->index = index;
	s->count = (uint32_t)n;
	s->ordered = true;
	for (uint32_t i = 0; i < s->count && old != UINT32_MAX; i++)
		if (s->index[i] == old) {
			s->chosen = i;
			break;
		}
	if (s->chosen >= s->count)
		s->chosen = s->count ? s->count - 1 : 0;
}

static void refresh_set(struct top_screen *s)
{
	if (s->set->cpu_ns > LONG_NS) {
		snprintf(s->message, sizeof(s->message), "reading ...");
		top_draw(s);
		*s->message = 0;
	}
	if (top_set_refresh(s->set))
		snprintf(s->message, sizeof(s->message), "no memory: figures are not complete");
	s->ordered = false;
}

static int wait_ms(uint64_t next)
{
	uint64_t now = clock_ns();

	return next <= now		  ? 0
	       : next - now > 60000000000 ? 60000
					  : (int)((next - now) / 1000000) + 1;
}

static void loop(struct top_screen *s)
{
	uint64_t last = clock_ns();

	while (!s->quit) {
		uint64_t next = last + top_set_pace(s->set, s->interval_ns);
		int key;

		if (s->again || (!s->paused && !s->typing && clock_ns() >= next)) {
			last = clock_ns();
			s->again = false;
			refresh_set(s);
			continue;
		}
		top_draw(s);
		key = top_terminal_key(s->paused || s->typing ? 1000 : wait_ms(next));
		for (; key != TOP_KEY_NONE && !s->quit; key = top_terminal_key(0)) {
			if (key == TOP_KEY_CLOSED)
				s->quit = true;
			else
				top_keys_take(s, key);
		}
	}
}

int top_screen_run(struct top_set *set)
{
	const struct cmd_context *c = set->c;
	struct top_screen s = { .set = set,
				.view = (enum top_view)c->top.view,
				.page = set->count > 1 ? TOP_PAGE_PROCESSES : TOP_PAGE_TABLE,
				.interval_ns = c->top.interval_ns };

	for (unsigned v = 0; v < TOP_VIEWS; v++)
		s.by[v] = top_column((enum top_view)v, c->sort);
	if (c->filter) {
		snprintf(s.filter, sizeof(s.filter), "%s", c->filter);
		s.filtered = !regcomp(&s.regex, c->filter, REG_EXTENDED | REG_NOSUB);
	}
	loop(&s);
	if (s.filtered)
		regfree(&s.regex);
	free(s.index);
	return CMD_DONE;
}
