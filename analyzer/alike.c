/* SPDX-License-Identifier: MIT */
/* Stacks told apart; see alike.h. */
#include "alike.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct row {
	uint32_t stack;
	uint32_t lead, end, frames;
	uint64_t *name; /* what a reader sees of each frame, as a number */
};

struct alike {
	uint32_t count;
	struct row row[];
};

static uint64_t mix(uint64_t h, const char *text)
{
	for (; text && *text; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3ull;
	return h;
}

static uint64_t name_of(const struct frame *f)
{
	uint64_t h = mix(0xcbf29ce484222325ull, f->function);

	return mix(h ^ f->line, f->file);
}

static bool row_fill(struct row *r, struct frames *frames, uint32_t stack, unsigned callers)
{
	const struct frame *frame;

	r->stack = stack;
	r->frames = frames_of_stack(frames, stack, &frame);
	r->end = frames_shown(frame, r->frames, callers, &r->lead);
	r->name = malloc(r->frames * sizeof(*r->name));
	for (uint32_t i = 0; r->name && i < r->frames; i++)
		r->name[i] = name_of(&frame[i]);
	return r->name != NULL;
}

struct alike *alike_new(struct frames *frames, const uint32_t *stack, uint32_t count,
			unsigned callers)
{
	struct alike *l;

	if (count > ALIKE_ROWS)
		count = ALIKE_ROWS;
	l = count > 1 ? calloc(1, sizeof(*l) + count * sizeof(l->row[0])) : NULL;
	while (l && l->count < count) {
		if (!row_fill(&l->row[l->count], frames, stack[l->count], callers)) {
			alike_free(l);
			return NULL;
		}
		l->count++;
	}
	return l;
}

void alike_free(struct alike *l)
{
	for (uint32_t i = 0; l && i < l->count; i++)
		free(l->row[i].name);
	free(l);
}

/* The first frame of r, behind those shown, that another row which looks the same does not have. 0:
 * it looks different, or has no such frame. */
static uint32_t first_other(const struct row *r, const struct row *other)
{
	uint32_t shown = r->end - r->lead, i;

	if (other->end - other->lead != shown ||
	    memcmp(r->name + r->lead, other->name + other->lead, shown * sizeof(*r->name)))
		return 0;
	for (i = shown; r->lead + i < r->frames; i++)
		if (other->lead + i >= other->frames ||
		    r->name[r->lead + i] != other->name[other->lead + i])
			return r->lead + i;
	return 0;
}

unsigned alike_frames(const struct alike *l, uint32_t stack, uint32_t index[ALIKE_MOST])
{
	const struct row *r = NULL;
	uint32_t first = UINT32_MAX, last = 0;

	for (uint32_t i = 0; l && i < l->count && !r; i++)
		if (l->row[i].stack == stack)
			r = &l->row[i];
	for (uint32_t i = 0; r && i < l->count; i++) {
		uint32_t at = l->row[i].stack != stack ? first_other(r, &l->row[i]) : 0;

		if (at && at < first)
			first = at;
		if (at > last)
			last = at;
	}
	if (!last)
		return 0;
	index[0] = first;
	index[1] = last;
	return first < last ? 2 : 1;
}
