/* SPDX-License-Identifier: MIT */
/*
 * Which parts of the mappings are no roots: what the allocator keeps its blocks in, the dead parts
 * of stacks, stacks of threads that have ended, and our own notes. See reach.h.
 */
#include "ownbreak.h"
#include "peek.h"
#include "reach.h"

#define PAGE	     4096ull
#define ARENA_SIZE   (64ull << 20) /* glibc, malloc/arena.c: HEAP_MAX_SIZE */
#define CHUNK_MAPPED 2u		   /* glibc, malloc/malloc.c: bits of a chunk's size */
#define CHUNK_ARENA  4u
#define RED_ZONE     128u
/* glibc, nptl/descr.h: struct pthread begins with the thread control block. */
#define TCB_TCB	     0
#define TCB_DTV	     8 /* what libc keeps for the next thread's variables */
#define TCB_SELF     16
#define TCB_ALIGN    64
#define PTHREAD_TID  720 /* checked before it is used */
#define PTHREAD_SIZE 2304

static bool plain(const struct reach_region *g)
{
	const uint32_t wanted = REACH_READ | REACH_WRITE;

	return (g->flags & (wanted | REACH_SHARED | REACH_FILE | REACH_IGNORE)) == wanted;
}

/* The arena's memory that an address is in; false when there is no such thing. */
static bool arena_range(const struct reach *r, uint64_t address, struct reach_range *range)
{
	uint64_t base = address & ~(ARENA_SIZE - 1), arena, before, size, opened;
	const struct reach_region *g = reach_region_at(r, base);

	if (!g || !plain(g) || base + 4 * 8 > g->end)
		return false;
	arena = peek_word(base);
	before = peek_word(base + 8);
	size = peek_word(base + 16);
	opened = peek_word(base + 24);
	/* struct heap_info: the first of an arena has the arena itself behind it */
	if (!size || size % PAGE || size > ARENA_SIZE || opened < size || opened % PAGE ||
	    opened > ARENA_SIZE)
		return false;
	if (before ? before % ARENA_SIZE != 0 : arena - base > 256 || arena <= base)
		return false;
	range->start = base;
	range->end = base + size;
	return true;
}

static void exclude_region(struct reach *r, const struct reach_region *g)
{
	if (g && !(g->flags & REACH_STACK))
		reach_add_range(r, &r->excluded, g->start, g->end);
}

static bool foreign(const struct reach *r)
{
	return r->result.flags & LAR_LEAKSCAN_FOREIGN;
}

/* But for what the program has there itself; other allocators take theirs in the same way. */
static void exclude_heap(struct reach *r, const struct reach_region *g)
{
	uint64_t at = g->start;

	for (uint32_t i = 0; i < ownbreaks && !foreign(r); i++) {
		const struct ownbreak *b = &ownbreak[i];

		/* protection and advice part the mapping */
		if (b->end <= at || b->start >= g->end)
			continue;
		if (b->start > at)
			reach_add_range(r, &r->excluded, at, b->start);
		at = b->end;
	}
	if (at < g->end)
		reach_add_range(r, &r->excluded, at, g->end);
}

/* Where glibc has the blocks that are in neither of its usual places. */
static void exclude_home(struct reach *r, const struct reach_region *g, const struct reach_block *b)
{
	uint64_t head;

	if (!(g->flags & REACH_READ) || b->start - 8 < g->start)
		return;
	head = peek_word(b->start - 8);
	if (head & CHUNK_MAPPED)
		reach_add_range(r, &r->excluded, b->start, b->start + b->size);
	else if (!(head & CHUNK_ARENA))
		exclude_region(r, g);
}

/* glibc's arenas: each begins at a multiple of its largest size. */
static void exclude_arenas(struct reach *r)
{
	struct reach_range range;

	for (size_t i = 0; i < r->regions; i++) {
		const struct reach_region *g = &r->region[i];
		uint64_t at = (g->start + ARENA_SIZE - 1) & ~(ARENA_SIZE - 1);

		if (g->flags & REACH_HEAP)
			exclude_heap(r, g);
		for (; plain(g) && !foreign(r) && at < g->end; at += ARENA_SIZE)
			if (arena_range(r, at, &range))
				reach_add_range(r, &r->excluded, range.start, range.end);
	}
}

/* The allocator's memory: what is in use of it is known block by block. */
static void exclude_allocator(struct reach *r)
{
	struct reach_range range = { 0, 0 };
	const struct reach_region *g = NULL;

	exclude_arenas(r);
	for (uint32_t i = 0; i < r->count; i++) {
		uint64_t at = r->block[i].start;
		bool same = g && at >= g->start && at < g->end;

		if ((at >= range.start && at < range.end) ||
		    (same && (foreign(r) || g->flags & REACH_HEAP)))
			continue;
		g = same ? g : reach_region_at(r, at);
		if (!g || g->flags & REACH_HEAP)
			continue;
		if (foreign(r) && plain(g))
			exclude_region(r, g);
		else if (!foreign(r) && !arena_range(r, at, &range))
			exclude_home(r, g, &r->block[i]);
	}
}

/* What is a block is no root, wherever it is. */
static void exclude_blocks(struct reach *r)
{
	for (uint32_t i = 0; i < r->count; i++)
		reach_add_range(r, &r->excluded, r->block[i].start,
				r->block[i].start + r->block[i].size);
}

/* ---- stacks ---- */

/* From the end of what a stack can be to where it is in use. A stack pointer that is elsewhere (in
 * a block, on an alternate stack) tells nothing about the thread's own stack. */
static void exclude_dead_stack(struct reach *r, const struct snapshot_thread *t)
{
	const struct reach_region *g = reach_region_at(r, t->sp);
	uint64_t low, sp = t->sp - RED_ZONE;

	if (!g || !plain(g))
		return;
	low = g->start;
	if (!(g->flags & REACH_STACK)) {
		if (t->high ? t->sp < t->low || t->sp >= t->high : t->fs < t->sp || t->fs >= g->end)
			return;
		if (t->high && t->low > low)
			low = t->low;
	}
	if (sp > low)
		reach_add_range(r, &r->excluded, low, sp);
}

static bool is_running(const struct reach *r, uint64_t fs)
{
	for (uint32_t i = 0; i < r->s->threads; i++)
		if (r->s->thread[i].fs == fs)
			return true;
	return false;
}

/* Does libc keep a thread's kernel number where we think it does? */
static bool tid_known(const struct reach *r)
{
	const struct snapshot_thread *t = &r->s->thread[0];

	return peek_int(t->fs + PTHREAD_TID) == (int32_t)t->tid;
}

/*
 * A thread's descriptor above its stack that is not one of a running thread: libc keeps the stack
 * for the next one. Nothing on it is alive but, until it is joined, what the thread returned.
 */
static void look_for_ended(struct reach *r, uint64_t start, uint64_t end)
{
	const struct reach_region *g = reach_region_at(r, start);

	for (uint64_t at = (start + TCB_ALIGN - 1) & ~(TCB_ALIGN - 1ull); at + 64 <= end;
	     at += TCB_ALIGN) {
		uint64_t behind = at + PTHREAD_SIZE;
		int32_t tid = -1;

		if (peek_word(at + TCB_TCB) != at || peek_word(at + TCB_SELF) != at ||
		    is_running(r, at) || behind > g->end)
			continue;
		if (tid_known(r))
			tid = peek_int(at + PTHREAD_TID);
		reach_add_range(r, &r->excluded, g->start, at + TCB_DTV);
		if (tid == -1)
			reach_add_range(r, &r->excluded, at + TCB_SELF, behind);
	}
}

/* Stacks lie behind a guard. */
static void exclude_ended_stacks(struct reach *r)
{
	for (size_t i = 1; i < r->regions; i++) {
		const struct reach_region *g = &r->region[i], *guard = &r->region[i - 1];

		if (plain(g) && guard->flags & REACH_NONE && guard->end == g->start)
			reach_present(r, g->start, g->end, look_for_ended);
	}
}

void reach_exclude(struct reach *r)
{
	bool all = true;

	/* ours; right behind it the loader may have its first blocks, in the same mapping */
	reach_add_range(r, &r->excluded, r->s->self_start,
			(r->s->self_end + PAGE - 1) & ~(PAGE - 1));
	if (r->unknown_blocks)
		exclude_blocks(r);
	else
		exclude_allocator(r);
	for (uint32_t i = 0; i < r->s->threads; i++) {
		const struct snapshot_thread *t = &r->s->thread[i];

		if (t->gone)
			continue;
		all &= t->stopped;
		if (!t->stopped)
			continue;
		exclude_dead_stack(r, t);
		if (t->fs)
			reach_add_range(r, &r->excluded, t->fs + r->s->own_tls,
					t->fs + r->s->own_tls + r->s->own_tls_size);
	}
	if (all)
		exclude_ended_stacks(r);
	reach_sort_ranges(r, &r->excluded);
}
