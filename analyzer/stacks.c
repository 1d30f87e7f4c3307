/* SPDX-License-Identifier: MIT */
/* Interns call stacks; see stacks.h. */
#include "stacks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define FIRST_BITS  10u /* of the number of nodes; the table has twice the places */
#define MAX_PROBES  256 /* a table at most half full never needs so many */
#define NO_PLACE    UINT32_MAX
#define SOME_FACTOR 0x9e3779b97f4a7c15ull

/* Multiplicative hashing: the high bits are the good ones. */
static inline uint64_t extend(const struct stacks *s, uint64_t hash, uint64_t address,
			      uint32_t module)
{
	uint64_t x = (hash ^ address ^ (uint64_t)module << 48) * s->multiplier;

	return x ^ x >> 32;
}

static inline uint32_t place_of(const struct stacks *s, uint64_t hash)
{
	return (uint32_t)(hash * SOME_FACTOR >> s->table_shift);
}

/* The first empty place for a hash, or NO_PLACE. */
static uint32_t find_empty(const struct stacks *s, uint64_t hash)
{
	uint32_t mask = s->capacity * 2 - 1, at = place_of(s, hash);

	for (int i = 0; i < MAX_PROBES; i++, at = (at + 1) & mask)
		if (!s->table[at])
			return at;
	return NO_PLACE;
}

/* Enters all nodes into the new table. */
static void rehash(struct stacks *s)
{
	for (uint32_t i = 1; i < s->count; i++) {
		uint32_t at = find_empty(s, s->hashes[i]);

		if (at != NO_PLACE)
			s->table[at] = i;
	}
}

static int grow(struct stacks *s, uint32_t capacity)
{
	uint64_t *hashes;
	struct stacks_node *nodes;
	uint32_t *table;

	if (capacity > STACKS_MAX_NODES)
		return -ENOMEM;
	hashes = realloc(s->hashes, capacity * sizeof(*hashes));
	if (!hashes)
		return -ENOMEM;
	s->hashes = hashes;
	nodes = realloc(s->nodes, capacity * sizeof(*nodes));
	if (!nodes)
		return -ENOMEM;
	s->nodes = nodes;
	table = calloc((size_t)capacity * 2, sizeof(*table));
	if (!table)
		return -ENOMEM;
	free(s->table);
	s->table = table;
	s->capacity = capacity;
	s->table_shift = 64 - (unsigned)__builtin_ctz(capacity * 2);
	rehash(s);
	return 0;
}

int stacks_init(struct stacks *s)
{
	int rc;

	memset(s, 0, offsetof(struct stacks, frames));
	if (getrandom(&s->multiplier, sizeof(s->multiplier), GRND_NONBLOCK) < 0)
		s->multiplier = SOME_FACTOR;
	s->multiplier |= 1;
	rc = grow(s, 1u << FIRST_BITS);
	if (rc)
		return rc;
	s->nodes[0] = (struct stacks_node){ 0, UINT32_MAX, 0 };
	s->hashes[0] = 0;
	s->count = 1;
	return 0;
}

void stacks_fini(struct stacks *s)
{
	free(s->nodes);
	free(s->hashes);
	free(s->table);
	memset(s, 0, offsetof(struct stacks, frames));
}

static uint32_t add_node(struct stacks *s, uint32_t parent, uint64_t hash,
			 const struct trace_frame *frame)
{
	uint32_t at;

	if (s->count == s->capacity && grow(s, s->capacity * 2))
		return 0;
	at = find_empty(s, hash);
	if (at == NO_PLACE)
		return 0;
	s->nodes[s->count] = (struct stacks_node){ frame->address, frame->module, parent };
	s->hashes[s->count] = hash;
	s->table[at] = s->count;
	return s->count++;
}

/* The node of a frame called from `parent`; 0 when there is no room for it. */
static inline uint32_t node_of(struct stacks *s, uint32_t parent, uint64_t hash,
			       const struct trace_frame *frame)
{
	uint32_t mask = s->capacity * 2 - 1, at = place_of(s, hash);

	for (int i = 0; i < MAX_PROBES; i++, at = (at + 1) & mask) {
		uint32_t id = s->table[at];
		const struct stacks_node *n = &s->nodes[id];

		if (!id)
			return add_node(s, parent, hash, frame);
		if (n->address == frame->address && n->parent == parent &&
		    n->module == frame->module)
			return id;
	}
	return 0;
}

void stacks_push(struct stacks *s, struct stacks_path *path, const struct trace_frame *frames,
		 uint32_t count)
{
	/*
	 * Nearly all the time goes into waiting for memory: the hashes need none, so all places
	 * are asked for at once, and then all nodes.
	 */
	for (uint32_t i = 0; i < count; i++) {
		path[i + 1].hash = extend(s, path[i].hash, frames[i].address, frames[i].module);
		__builtin_prefetch(&s->table[place_of(s, path[i + 1].hash)]);
	}
	for (uint32_t i = 0; count > 1 && i < count; i++)
		__builtin_prefetch(&s->nodes[s->table[place_of(s, path[i + 1].hash)]]);
	for (uint32_t i = 0; i < count; i++) {
		path[i + 1].node = node_of(s, path[i].node, path[i + 1].hash, &frames[i]);
		if (!path[i + 1].node) {
			/* those behind it would stand at the wrong place */
			s->folded += count - i;
			for (; i < count; i++)
				path[i + 1] = path[i];
		}
	}
}

uint32_t stacks_frames(struct stacks *s, uint32_t id, const struct trace_frame **frames)
{
	uint32_t depth = 0;

	*frames = s->frames;
	if (id >= s->count)
		return 0;
	for (uint32_t n = id; n; n = s->nodes[n].parent)
		depth++;
	/* a node's depth is that of the stacks it was made from: LAR_MAX_DEPTH at most */
	for (uint32_t n = id, i = depth; n; n = s->nodes[n].parent) {
		i--;
		s->frames[i].address = s->nodes[n].address;
		s->frames[i].module = s->nodes[n].module;
	}
	return depth;
}
