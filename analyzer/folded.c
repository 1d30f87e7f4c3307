/* SPDX-License-Identifier: MIT */
/* A checkpoint beside blocks and slots; see folded.h. */
#include "folded.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NODES (1u << 22) /* 16 times what a recorder makes */

static struct staging_slot *find_slot(struct staging *st, uint64_t index)
{
	size_t low = 0, high = st->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (st->slots[mid].index < index)
			low = mid + 1;
		else
			high = mid;
	}
	return low < st->count && st->slots[low].index == index ? &st->slots[low] : NULL;
}

void folded_mark(struct trace *t)
{
	struct ringindex *ring = &t->ring;
	struct checkpoint_rows r;

	checkpoint_rows(&t->checkpoint, LAR_TABLE_POSITIONS, &r);
	while (checkpoint_next(&r)) {
		uint32_t fill = (uint32_t)r.value[1];
		struct staging_slot *slot = find_slot(&t->staging, r.value[0]);

		if (slot)
			slot->folded = follow_taken_of(slot->seq, slot->events, fill, r.value[2]);
		if (r.value[0] > UINT32_MAX)
			continue;
		for (size_t i = ringindex_slot(ring, (uint32_t)r.value[0]); i < ring->count; i++) {
			struct ring_block *b = &ring->blocks[ring->by_slot[i]];

			if (b->slot != r.value[0])
				break;
			b->folded =
				(uint32_t)follow_taken_of(b->slot_seq, b->events, fill, r.value[2]);
		}
	}
}

void folded_count(struct trace *t)
{
	struct trace_facts *f = &t->facts;
	uint64_t before = t->ring.count ? t->ring.blocks[0].events_before : 0;
	uint64_t gone = t->checkpoint.header.seq ? t->checkpoint.header.events : 0;
	uint64_t here = 0;

	f->events_folded = gone;
	for (size_t i = 0; i < t->ring.count; i++)
		here += t->ring.blocks[i].lost ? 0 : t->ring.blocks[i].folded;
	for (size_t i = 0; i < t->staging.count; i++)
		here += t->staging.slots[i].sealed ? 0 : t->staging.slots[i].folded;
	gone -= here < gone ? here : gone;
	f->events_overwritten = before > gone ? before - gone : 0;
	/* of the blocks that are missing between others, too */
	gone -= before < gone ? before : gone;
	f->damage.events_at_least -=
		gone < f->damage.events_at_least ? gone : f->damage.events_at_least;
}

/* A node on its way into the tree of all stacks. */
struct place {
	struct stacks_path path;
	uint32_t depth;
};

/* One frame below its parent, or the parent itself where there is no frame to be had. */
static struct place push_node(struct trace *t, const struct place *parent, uint64_t ra,
			      uint64_t ticks)
{
	uint32_t module = modmap_find(&t->modmap, ra, ticks);
	struct trace_frame frame = modmap_frame(&t->modmap, ra, module);
	struct stacks_path path[2] = { parent->path };

	/* the recorder's own frames are no part of the program */
	if (module != MODMAP_NONE && t->dictionary.modules[module].flags & LAR_MODULE_SELF)
		return *parent;
	if (parent->depth >= LAR_MAX_DEPTH) {
		t->stacks.folded++;
		return *parent;
	}
	stacks_push(&t->stacks, path, &frame, 1);
	return (struct place){ path[1], parent->depth + 1 };
}

uint32_t trace_misuse_stack(struct trace *t, const struct trace_misuse *m)
{
	struct place place = { { 0, 0 }, 0 };

	for (uint32_t i = 0; i < m->frames && i < LAR_MAX_DEPTH; i++) {
		uint64_t ra;

		memcpy(&ra, m->ra + (size_t)i * 8, sizeof(ra));
		place = push_node(t, &place, ra, m->ticks);
	}
	return place.path.node;
}

/* Of the address only the low half was kept: it is in the one module that has such an address. */
uint32_t trace_misuse_freed_stack(struct trace *t, const struct trace_misuse *m)
{
	struct place root = { { 0, 0 }, 0 };
	uint64_t found = 0;

	for (uint32_t i = 0; i < t->dictionary.module_count; i++) {
		const struct trace_module *module = &t->dictionary.modules[i];
		uint64_t ra = (module->start & ~UINT64_C(0xffffffff)) | m->freed_at;

		if (ra < module->start)
			ra += UINT64_C(1) << 32;
		if (ra >= module->end || ra == found || module->first_seen_ticks > m->ticks ||
		    module->unload_ticks <= m->ticks)
			continue;
		if (found)
			return 0;
		found = ra;
	}
	return found ? push_node(t, &root, found, m->ticks).path.node : 0;
}

int folded_stacks(struct trace *t)
{
	struct checkpoint *c = &t->checkpoint;
	struct checkpoint_rows r;
	struct place *place;
	uint32_t count;

	checkpoint_rows(c, LAR_TABLE_NODES, &r);
	count = r.left < MAX_NODES ? (uint32_t)r.left + 1 : MAX_NODES;
	t->stacks.folded += r.left + 1 - count;
	place = calloc(count, sizeof(*place));
	c->stack = calloc(count, sizeof(*c->stack));
	if (!place || !c->stack) {
		free(place);
		return -ENOMEM;
	}
	for (uint32_t node = 1; node < count && checkpoint_next(&r); node++) {
		/* the root for one that makes no sense */
		uint64_t parent = r.value[1] && r.value[1] < node ? node - r.value[1] : 0;

		place[node] = push_node(t, &place[parent], r.value[0], r.value[2]);
		c->stack[node] = place[node].path.node;
	}
	c->node_count = count;
	free(place);
	return 0;
}
