/* SPDX-License-Identifier: MIT */
/* Memories of walks; see memo.h. */
#include "memo.h"

#define LED_AWAY_MOST 32

/* A first place whose stack does not come back leads to places that depend on nothing. */
static struct memo *replace_first(struct memo *first, struct memo *to)
{
	if (++first->led_away > LED_AWAY_MOST)
		to = first;
	return to;
}

void memo_save(struct stack *s, struct memo *to, uint64_t slot, uint64_t ra, uint32_t kept)
{
	struct memo *m = replace_first(memo_place(s, slot, ra), to);
	const struct frame *base;
	const struct watch *from;
	uint32_t n;

	if (kept == s->count) /* the same stack again */
		kept--;
	if (!kept || s->usable != s->count || s->cut) /* cuts are counted by who walks */
		return;
	base = s->frame + kept - 1;
	from = s->watch + base->watched;
	n = s->frame[s->count - 1].watched - base->watched;
	if (n > MEMO_WATCHES)
		return;
	m->slot = slot;
	m->led_away = 0;
	m->era = s->era;
	m->last = s->last;
	m->kept = kept;
	m->base_node = base->node;
	m->base_slot = base->slot;
	m->base_rbp = base->rbp;
	m->base_rbp_from = base->rbp_from;
	m->watches = (uint16_t)n;
	for (uint32_t i = 0; i < n; i++)
		m->watch[i] = from[n - 1 - i];
}
