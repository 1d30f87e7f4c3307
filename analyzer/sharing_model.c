/* SPDX-License-Identifier: MIT */
/* Blocks of different threads on one cache line; see sharing_model.h. */
#include "sharing_model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SHARED_LEAST 100 /* blocks of a site: less is not worth a line of code */

/* The lines that a block lies on: at most two, as only small ones are looked at. */
struct lines {
	uint64_t first, last;
};

static bool is_small(const struct live_block *b)
{
	return b->size_bytes <= SHARING_LINE && b->site != SITE_NONE;
}

static struct lines lines_of(const struct live_block *b)
{
	uint64_t size = b->size_bytes ? b->size_bytes : 1;

	return (struct lines){ b->address / SHARING_LINE, (b->address + size - 1) / SHARING_LINE };
}

static struct sharing_line *line_find(struct sharing_model *s, uint64_t number,
				      struct live_block **slot)
{
	*slot = live_find(&s->lines, number + 1);
	return *slot ? &s->line[(*slot)->size_bytes] : NULL;
}

/* NULL = no memory. */
static struct sharing_line *line_get(struct sharing_model *s, uint64_t number)
{
	struct live_block *slot;
	struct sharing_line *line = line_find(s, number, &slot);
	uint32_t place;

	if (line)
		return line;
	if (s->free_line && s->line) {
		place = s->free_line - 1;
		s->free_line = s->line[place].next_free;
	} else {
		place = s->line_count;
		if (array_reserve((void **)&s->line, &s->line_room, place, sizeof(*s->line)))
			return NULL;
		s->line_count++;
	}
	slot = live_insert(&s->lines, number + 1);
	if (!slot)
		return NULL;
	slot->size_bytes = place;
	s->line[place].count = 0;
	return &s->line[place];
}

static struct sharing_site *site_get(struct sharing_model *s, uint32_t site)
{
	if (site >= s->site_size &&
	    array_reserve((void **)&s->site, &s->site_size, site, sizeof(*s->site)))
		return NULL;
	return &s->site[site];
}

static int count_pair(struct sharing_model *s, const struct live_block *b,
		      const struct sharing_line *line, uint32_t other)
{
	struct sharing_site *site = site_get(s, b->site);

	if (!site)
		return -ENOMEM;
	site->blocks++;
	site->padding_bytes += SHARING_LINE - b->size_bytes;
	site->thread = b->thread;
	site->other_thread = line->block[other].thread;
	site->other_site = line->block[other].site;
	return 0;
}

static int put(struct sharing_model *s, const struct live_block *b)
{
	struct lines at = lines_of(b);
	bool counted = false;
	int err = 0;

	for (uint64_t n = at.first; !err && n <= at.last; n++) {
		struct sharing_line *line = line_get(s, n);

		if (!line)
			return -ENOMEM;
		for (uint32_t i = 0; !counted && !err && i < line->count; i++)
			if (line->block[i].thread != b->thread) {
				err = count_pair(s, b, line, i);
				counted = true;
			}
		if (line->count == SHARING_BLOCKS)
			continue;
		line->block[line->count].address = b->address;
		line->block[line->count].born_ticks = b->born_ticks;
		line->block[line->count].site = b->site;
		line->block[line->count++].thread = b->thread;
	}
	return err;
}

/* The time that two blocks of a line had together is the later one's site's. */
static void add_time(struct sharing_model *s, const struct sharing_line *line, uint32_t i,
		     uint32_t k, uint64_t now)
{
	uint32_t late = line->block[i].born_ticks >= line->block[k].born_ticks ? i : k;
	uint64_t from = line->block[late].born_ticks;
	uint32_t site = line->block[late].site;

	if (line->block[i].thread != line->block[k].thread && site < s->site_size && now > from)
		s->site[site].together_ticks += now - from;
}

static void take(struct sharing_model *s, const struct live_block *b, uint64_t now)
{
	struct lines at = lines_of(b);

	for (uint64_t n = at.first; n <= at.last; n++) {
		struct live_block *slot;
		struct sharing_line *line = line_find(s, n, &slot);
		uint32_t i = 0;

		while (line && i < line->count && line->block[i].address != b->address)
			i++;
		if (!line || i == line->count)
			continue;
		for (uint32_t k = 0; k < line->count; k++)
			add_time(s, line, i, k, now);
		line->block[i] = line->block[--line->count];
		if (line->count)
			continue;
		line->next_free = s->free_line;
		s->free_line = (uint32_t)slot->size_bytes + 1;
		live_remove(&s->lines, slot);
	}
}

/* A second thread: what the first has is put on its lines, but for the block that is new. */
static int begin(void *arg, const struct live_block *new)
{
	struct sharing_model *s = arg;
	const struct live_table *live = &s->heap->live;
	int err = 0;

	for (uint64_t i = 0; !err && i <= live->mask; i++)
		if (live->slots[i].address && &live->slots[i] != new &&is_small(&live->slots[i]))
			err = put(s, &live->slots[i]);
	return err;
}

static int block_born(void *arg, const struct live_block *b, const struct event *e)
{
	struct sharing_model *s = arg;

	s->last_ticks = e->ticks;
	return is_small(b) ? put(s, b) : 0;
}

static void block_died(void *arg, const struct live_block *b, const struct event *e, uint64_t now)
{
	struct sharing_model *s = arg;

	s->last_ticks = e->ticks;
	if (is_small(b))
		take(s, b, now);
}

int sharing_model_init(struct sharing_model *s, struct heap_model *heap)
{
	memset(s, 0, sizeof(*s));
	if (heap->watches == HEAP_WATCHES || heap->second.begin)
		return -EBUSY;
	s->heap = heap;
	heap->second = (struct heap_second){ begin, { s, block_born, block_died, NULL }, 0 };
	return 0;
}

void sharing_model_fini(struct sharing_model *s)
{
	live_fini(&s->lines);
	free(s->line);
	free(s->site);
	memset(s, 0, sizeof(*s));
}

int sharing_model_finish(struct sharing_model *s)
{
	uint32_t sites = s->heap->sites.count;

	for (uint64_t n = 0; s->lines.count && n <= s->lines.mask; n++) {
		const struct sharing_line *line;

		if (!s->lines.slots[n].address)
			continue;
		line = &s->line[s->lines.slots[n].size_bytes];
		for (uint32_t i = 0; i < line->count; i++)
			for (uint32_t k = i + 1; k < line->count; k++)
				add_time(s, line, i, k, s->last_ticks);
	}
	if (sites && !site_get(s, sites - 1))
		return -ENOMEM;
	for (uint32_t i = 0; i < sites; i++)
		if (s->site[i].blocks >= SHARED_LEAST)
			s->site[i].order = s->site[i].blocks;
	return 0;
}
