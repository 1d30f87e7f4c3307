/* SPDX-License-Identifier: MIT */
/*
 * Where the paths of blocks lie in the tree of all stacks, as last looked up: each block brings its
 * paths anew, and most have been met before. What is known of a path is in one cache line. One
 * thread at a time.
 */
#ifndef LARIAT_PATH_MEMO_H
#define LARIAT_PATH_MEMO_H

#include <stdbool.h>
#include <stdint.h>

#define PATH_MEMO_FRAMES 4 /* of a path at most; longer ones are several */
#define PATH_MEMO_BITS	 16

struct path_memo_row {
	uint64_t address[PATH_MEMO_FRAMES];
	uint32_t node[PATH_MEMO_FRAMES];
	uint32_t parent; /* node of the tree that the path goes on from */
	uint32_t epoch;	 /* modmap_epoch(): of the modules that the nodes name */
	uint32_t count;	 /* of frames; 0 = an empty row */
	uint32_t reserved;
};
_Static_assert(sizeof(struct path_memo_row) == 64, "a cache line");

#define PATH_MEMO_MANY 1024 /* paths remembered: most of the memory's pages are in use */

struct path_memo {
	struct path_memo_row *row;
	void *memory;
	uint32_t remembered; /* counts up to PATH_MEMO_MANY */
};

int path_memo_init(struct path_memo *m); /* 0 or -ENOMEM; only rows in use take memory */

/*
 * When PATH_MEMO_MANY paths are remembered: begins anew on large pages, as each look is at a random
 * place. Where there is no memory for that, all stays as it is.
 */
void path_memo_spread(struct path_memo *m);
void path_memo_fini(struct path_memo *m);

/* Where a path of `count` addresses, at most PATH_MEMO_FRAMES, is if it is known. */
static inline struct path_memo_row *path_memo_row(const struct path_memo *m, uint32_t parent,
						  const uint64_t *address, uint32_t count)
{
	uint64_t hash = parent;

	for (uint32_t i = 0; i < count; i++)
		hash = (hash ^ address[i]) * 0x9e3779b97f4a7c15ull;
	return &m->row[hash >> (64 - PATH_MEMO_BITS)];
}

static inline bool path_memo_is(const struct path_memo_row *r, uint32_t parent, uint32_t epoch,
				const uint64_t *address, uint32_t count)
{
	if (r->count != count || r->parent != parent || r->epoch != epoch)
		return false;
	for (uint32_t i = 0; i < count; i++)
		if (r->address[i] != address[i])
			return false;
	return true;
}

#endif
