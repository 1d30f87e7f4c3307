/* SPDX-License-Identifier: MIT */
/*
 * Marking: every aligned word of the roots that points into a block keeps it, and so does every
 * word of a block that is kept. See reach.h.
 *
 * Nearly all of the time goes into waiting for memory, so that a pointer is looked up in three
 * steps, each of which fetches what the next one needs, with others in between.
 */
#include <emmintrin.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "attr.h"
#include "peek.h"
#include "reach.h"
#include "reach_index.h"
#include "sys.h"

#define PAGE		4096ull
#define SPARSE_PLAIN	(32u << 10)  /* from this size on its pages may never have been written */
#define SPARSE_BLOCK	(256u << 10) /* ... where other processes or a file may have written them */
#define FEW_BLOCKS	(1u << 15)   /* that they and their index stay in the cache */
#define LINED_UP	32	     /* pointers between two steps */
#define COPY		(64u << 10)
#define ONLY_START	(1ull << 63)
#define LINKS		32 /* bytes of a free chunk in which glibc keeps the addresses of others */
#define CHUNK		16 /* ... which are multiples of this: others have a tag of the program's */
#define LOOK_EACH	256
#define INPLACE_MOST_NS 200000000ull
#define FETCH_AHEAD	128 /* words: into the next page, where the processor does not go by itself */

/* ---- looking at words ---- */

/* What one look at words needs. */
struct sieve {
	uint64_t low, span; /* from the first to the last block */
	const uint64_t *filter;
	__m128i first[REACH_SPANS], last[REACH_SPANS]; /* of r->span, with 2^31 as the lowest */
};

struct pending {
	uint64_t address; /* its top bit: only the start of a block is meant */
	const uint32_t *page;
};

static struct {
	struct pending a[LINED_UP], b[LINED_UP];
	unsigned a_count, b_count, a_next, b_next;
	const struct reach_cluster *cluster; /* of the last pointer */
	bool losing;	     /* telling lost blocks apart: nothing is held any more */
	uint32_t leader;     /* whose blocks are being looked at */
	bool libc;	     /* the words are of libc's data */
	uint64_t only_start; /* ONLY_START or 0 */
	struct sieve sieve;
} w;

static void push(struct reach *r, uint32_t block)
{
	r->todo[r->todo_count++] = block;
}

static void reached(struct reach *r, uint32_t i)
{
	unsigned state = r->state[i] & REACH_STATE;

	if (state != REACH_UNSEEN)
		return;
	if (!w.losing) {
		r->state[i] |= REACH_HELD;
		push(r, i);
	} else if (i != w.leader) {
		r->state[i] |= REACH_INDIRECT;
		if (!(r->state[i] & REACH_LEADER)) /* else its contents were looked at */
			push(r, i);
	}
}

/*
 * The lists of glibc's allocator hold the addresses of free chunks, which begin in the last words
 * of the block in front of them.
 */
static bool behind_block(const struct reach_block *b, uint64_t address)
{
	uint64_t head = peek_word(b->start - 8);

	return address == b->start + (head & ~15ull) - 16;
}

static void step_b(struct reach *r, const struct pending *p)
{
	uint64_t address = p->address & ~ONLY_START;
	uint32_t i = reach_find_in(r, p->page, address);

	if (i == UINT32_MAX || (w.libc && behind_block(&r->block[i], address)) ||
	    (p->address & ONLY_START && r->block[i].start != address && !(address % CHUNK)))
		return;
	reached(r, i);
}

static void step_a(struct reach *r, const struct pending *p)
{
	struct pending *to = &w.b[w.b_next];

	if (w.b_count == LINED_UP)
		step_b(r, to);
	else
		w.b_count++;
	*to = *p;
	w.b_next = (w.b_next + 1) % LINED_UP;
	__builtin_prefetch(&r->block[p->page[0]]);
	__builtin_prefetch(&r->state[p->page[0]]);
}

static void consider(struct reach *r, uint64_t address)
{
	const struct reach_cluster *c = w.cluster;
	struct pending *to = &w.a[w.a_next], now;

	if (!c || address < c->start || address >= c->end) {
		c = reach_cluster_of(r, address);
		if (!c)
			return;
		w.cluster = c;
	}
	now.address = address | w.only_start;
	now.page = &c->page[(address >> c->shift) - c->first_page];
	if (r->count < FEW_BLOCKS) {
		step_b(r, &now);
		return;
	}
	if (w.a_count == LINED_UP)
		step_a(r, to);
	else
		w.a_count++;
	*to = now;
	w.a_next = (w.a_next + 1) % LINED_UP;
	__builtin_prefetch(to->page);
}

/* What is lined up comes to its end; in the order in which it came does not matter here. */
static void settle(struct reach *r)
{
	for (unsigned i = 0; i < w.a_count; i++)
		step_a(r, &w.a[i]);
	w.a_count = w.a_next = 0;
	for (unsigned i = 0; i < w.b_count; i++)
		step_b(r, &w.b[i]);
	w.b_count = w.b_next = 0;
}

static always_inline bool sieve_passes(const struct sieve *v, uint64_t word)
{
	return (word - v->low < v->span) & reach_filter_passes(v->filter, word);
}

/* Ones for each of four words that is in no span. Its bits 16 to 47 alone say so. */
static always_inline __m128i sieve_outside(const struct sieve *v, const uint64_t *p)
{
	__m128i a = _mm_srli_epi64(_mm_loadu_si128((const void *)p), REACH_SPAN_SHIFT);
	__m128i b = _mm_srli_epi64(_mm_loadu_si128((const void *)(p + 2)), REACH_SPAN_SHIFT);
	__m128i x = _mm_castps_si128(
		_mm_shuffle_ps(_mm_castsi128_ps(a), _mm_castsi128_ps(b), _MM_SHUFFLE(2, 0, 2, 0)));
	__m128i outside = _mm_cmpgt_epi32(_mm_sub_epi32(x, v->first[0]), v->last[0]);

#pragma GCC unroll 4
	for (unsigned i = 1; i < REACH_SPANS; i++)
		outside = _mm_and_si128(outside,
					_mm_cmpgt_epi32(_mm_sub_epi32(x, v->first[i]), v->last[i]));
	return outside;
}
_Static_assert(REACH_SPAN_SHIFT == 16, "bits that sieve_outside() looks at");

static void sieve_make(struct sieve *v, const struct reach *r)
{
	v->low = r->low;
	v->span = r->high - r->low;
	v->filter = r->filter;
	for (unsigned i = 0; i < REACH_SPANS; i++) {
		v->first[i] = _mm_set1_epi32((int)(r->span[i].first + (1u << 31)));
		v->last[i] = _mm_set1_epi32((int)(r->span[i].more - (1u << 31)));
	}
}

static void look_at(struct reach *r, uint64_t start, uint64_t end)
{
	const struct sieve *v = &w.sieve;
	const uint64_t *p = (const uint64_t *)((start + 7) & ~7ull);
	const uint64_t *last = (const uint64_t *)(end & ~7ull);

	/* eight without a branch between them: which words are pointers cannot be foretold */
	for (; last - p >= 8; p += 8) {
		__builtin_prefetch(p + FETCH_AHEAD);
		if (likely(_mm_movemask_epi8(_mm_and_si128(sieve_outside(v, p),
							   sieve_outside(v, p + 4))) == 0xffff))
			continue;
		for (unsigned i = 0; i < 8; i++)
			if (sieve_passes(v, p[i]))
				consider(r, p[i]);
	}
	for (; p < last; p++)
		if (sieve_passes(v, *p))
			consider(r, *p);
}

/*
 * A large block may have pages that were never written: to look at one makes it be there, which
 * takes longer than to look at a whole one.
 */
static bool sparse(const struct reach *r, uint64_t start, uint64_t size)
{
	const struct reach_region *g;

	if (size < SPARSE_PLAIN || size >= SPARSE_BLOCK)
		return size >= SPARSE_BLOCK;
	g = reach_region_at(r, start);
	return g && !(g->flags & (REACH_FILE | REACH_SHARED)) && start + size <= g->end;
}

static void look_at_part(struct reach *r, uint64_t start, uint64_t end)
{
	if (sparse(r, start, end - start))
		reach_present(r, start, end, look_at);
	else
		look_at(r, start, end);
}

/*
 * What the program never wrote may have been left there by the allocator: the first words of a free
 * chunk name others, which lie inside or at the end of what are other blocks now. Where lost blocks
 * are told apart, that is not to make one the head of others.
 */
static void look_at_block(struct reach *r, uint32_t i)
{
	const struct reach_block *b = &r->block[i];
	uint64_t at = b->start, end = b->start + b->size;

	if (r->state[i] & REACH_UNREADABLE)
		return;
	if (w.losing && !(r->result.flags & LAR_LEAKSCAN_FOREIGN)) {
		at = b->size < LINKS ? end : b->start + LINKS;
		w.only_start = ONLY_START;
		look_at(r, b->start, at);
		w.only_start = 0;
	}
	look_at_part(r, at, end);
}

/* In place the program waits: what takes long goes on in a copy. */
static bool late(struct reach *r)
{
	if (!r->s->inplace || r->blocks_looked++ % LOOK_EACH)
		return r->needs_copy;
	r->needs_copy |= sys_clock_ns(CLOCK_MONOTONIC) - r->s->begin_ns > INPLACE_MOST_NS;
	return r->needs_copy;
}

/* All that can be reached from what is lined up and to be done. */
static void drain(struct reach *r)
{
	do {
		while (r->todo_count && !late(r)) {
			uint32_t i = r->todo[--r->todo_count];

			if (r->todo_count)
				__builtin_prefetch(
					(const void *)r->block[r->todo[r->todo_count - 1]].start);
			look_at_block(r, i);
		}
		settle(r);
	} while (r->todo_count && !r->needs_copy);
}

/* ---- roots ---- */

/* Shared memory is not copied by a fork, and may be shorter than its mapping: what is there is
 * copied by the kernel, which takes no harm. */
static void look_at_shared(struct reach *r, uint64_t start, uint64_t end)
{
	static uint64_t copy[COPY / 8];
	unsigned char resident[COPY / PAGE];

	for (uint64_t at = start; at < end; at += COPY) {
		uint64_t size = end - at < COPY ? end - at : COPY;

		if (sys_call3(SYS_mincore, (long)at, (long)size, (long)resident))
			continue;
		for (uint64_t i = 0; i < size / PAGE; i++) {
			if (!(resident[i] & 1) ||
			    sys_pread(r->mem, copy, PAGE, (off_t)(at + i * PAGE)) != (ssize_t)PAGE)
				continue;
			look_at(r, (uint64_t)copy, (uint64_t)copy + PAGE);
		}
	}
}

static void look_at_root(struct reach *r, uint64_t start, uint64_t end)
{
	r->result.root_bytes += end - start;
	look_at(r, start, end);
}

/* The parts of a region that are not excluded. */
static void region_roots(struct reach *r, const struct reach_region *g, size_t *next)
{
	uint64_t at = g->start;

	while (at < g->end) {
		const struct reach_range *x = &r->excluded.range[*next];
		uint64_t end = g->end;

		if (*next < r->excluded.count && x->end <= at) {
			++*next;
			continue;
		}
		if (*next < r->excluded.count && x->start < end)
			end = x->start < at ? at : x->start;
		if (g->flags & REACH_SHARED)
			look_at_shared(r, at, end);
		else if (at < end)
			reach_present(r, at, end, look_at_root);
		at = *next < r->excluded.count && x->start < g->end ? x->end : g->end;
	}
}

static void mark_threads(struct reach *r)
{
	const struct snapshot *s = r->s;

	for (uint32_t i = 0; i < s->threads; i++) {
		const struct snapshot_thread *t = &s->thread[i];
		uint32_t block;

		if (t->gone)
			continue;
		look_at(r, (uint64_t)t->registers, (uint64_t)(t->registers + SNAPSHOT_REGISTERS));
		/* a stack in a block: swapcontext and kin */
		block = t->sp >= r->low && t->sp < r->high ? reach_find(r, t->sp) : UINT32_MAX;
		if (block != UINT32_MAX)
			reached(r, block);
	}
	look_at(r, (uint64_t)s->argument, (uint64_t)(s->argument + s->arguments));
}

static void mark_regions(struct reach *r)
{
	size_t next = 0;

	for (size_t i = 0; i < r->regions; i++) {
		const struct reach_region *g = &r->region[i];

		if (!(g->flags & REACH_READ) || g->flags & (REACH_IGNORE | REACH_CODE))
			continue;
		if (g->flags & REACH_SHARED && !(g->flags & REACH_WRITE))
			continue;
		w.libc = g->flags & REACH_LIBC;
		region_roots(r, g, &next);
		settle(r);
		w.libc = false;
		drain(r);
	}
}

/* The program may have shut its blocks against itself. */
static bool open_region(struct reach *r, const struct reach_region *g)
{
	if (g->flags & REACH_READ)
		return true;
	r->needs_copy |= r->s->inplace;
	return !r->needs_copy &&
	       !sys_call3(SYS_mprotect, (long)g->start, (long)(g->end - g->start), PROT_READ);
}

static void open_blocks(struct reach *r)
{
	const struct reach_region *g = NULL;

	for (uint32_t i = 0; i < r->count; i++) {
		if (!g || r->block[i].start >= g->end || r->block[i].start < g->start) {
			g = reach_region_at(r, r->block[i].start);
			if (g && !open_region(r, g))
				g = NULL;
		}
		if (!g || reach_block_end(&r->block[i]) > g->end)
			r->state[i] |= REACH_UNREADABLE;
	}
}

/*
 * Lost blocks: those that another lost one points to are lost with it. Each is looked at once, in
 * the order of the addresses; of blocks that point to each other in a circle, one is the head.
 */
static void tell_lost(struct reach *r)
{
	w.losing = true;
	for (uint32_t i = 0; i < r->count; i++) {
		if ((r->state[i] & REACH_STATE) != REACH_UNSEEN)
			continue;
		w.leader = i;
		r->state[i] |= REACH_LEADER;
		look_at_block(r, i);
		settle(r);
		drain(r);
	}
}

void reach_mark(struct reach *r)
{
	if (!r->count)
		return;
	memset(&w, 0, sizeof(w));
	sieve_make(&w.sieve, r);
	open_blocks(r);
	if (r->needs_copy)
		return;
	mark_threads(r);
	drain(r);
	mark_regions(r);
	drain(r);
	tell_lost(r);
}
