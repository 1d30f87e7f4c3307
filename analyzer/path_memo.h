/* SPDX-License-Identifier: MIT */
/*
 * Where the paths of blocks lie in the tree of all stacks, as last looked up: each block brings its
 * paths anew, and most have been met before. What is known of a path is in one cache line. One
 * thread at a time.
 */
#ifndef LARIAT_PATH_MEMO_H
#define LARIAT_PATH_MEMO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PATH_MEMO_FRAMES 4 /* of a path at most; longer ones are several */
#define PATH_MEMO_BITS	 16

struct path_memo_row {
	uint64_t address[PATH_MEMO_FRAMES]; /* those behind `count` are 0 */
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
	size_t size;	     /* of it */
	uint32_t remembered; /* counts up to PATH_MEMO_MANY */
};

int path_memo_init(struct path_memo *m); /* 0 or -ENOMEM; only rows in use take memory */

/*
 * When PATH_MEMO_MANY paths are remembered: begins anew on large pages, as each look is at a random
 * place. Where there is no memory for that, all stays as it is.
 */
void path_memo_spread(struct path_memo *m);
void path_memo_fini(struct path_memo *m);

/*
 * Of how many addresses a path is nobody can foresee, so these work on as many as there can be:
 * those behind the path's are 0.
 */

/*
 * Of a path and of the paths that end before it does, from that of the path in front of it: the
 * same wherever the path is cut.
 */
static inline void path_memo_hash(uint32_t before, const uint64_t address[PATH_MEMO_FRAMES],
				  uint32_t hash[PATH_MEMO_FRAMES])
{
	uint64_t h = before;

	for (uint32_t i = 0; i < PATH_MEMO_FRAMES; i++) {
		h = ((h << 32 ^ address[i]) * 0x9e3779b97f4a7c15ull) >> 32;
		hash[i] = (uint32_t)h;
	}
}

/* Where a path of that hash is if it is known. */
static inline struct path_memo_row *path_memo_row(const struct path_memo *m, uint32_t hash)
{
	return &m->row[hash >> (32 - PATH_MEMO_BITS)];
}

static inline bool path_memo_is(const struct path_memo_row *r, uint32_t parent, uint32_t epoch,
				const uint64_t address[PATH_MEMO_FRAMES], uint32_t count)
{
	uint64_t other = (r->count ^ count) | (r->parent ^ parent) | (r->epoch ^ epoch);

	for (uint32_t i = 0; i < PATH_MEMO_FRAMES; i++)
		other |= r->address[i] ^ address[i];
	return !other;
}

#endif
