/* SPDX-License-Identifier: MIT */
/* How the heap's memory grew; see growth_model.h. */
#include "growth_model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PAGE	       4096u
#define PAGE_SHIFT     12
#define TOP_PAD	       (128u << 10)
#define CHUNK_LEAST    32u	    /* MINSIZE */
#define TCACHE	       0x290u	    /* of a thread's cache, with its header */
#define MMAP_LEAST     (128u << 10) /* the threshold only goes up from there */
#define MMAP_OFFSET    16u	    /* of a block in its mapping */
#define ARENA_SHIFT    26
#define REGIONS	       (1u << 20)
#define MAPPINGS_START (UINT64_C(0x7) << 44) /* above are mappings, below programs and brk */
#define MAX_THREADS    (1u << 20)

static int block_born(void *arg, const struct live_block *b, const struct event *e);
static void block_died(void *arg, const struct live_block *b, const struct event *e, uint64_t now);
static int block_resized(void *arg, const struct live_block *old, const struct live_block *b,
			 const struct event *e);

int growth_model_init(struct growth_model *g, struct heap_model *heap)
{
	memset(g, 0, sizeof(*g));
	if (heap->watches == HEAP_WATCHES)
		return -EBUSY;
	g->heap = heap;
	g->near_key = UINT64_MAX;
	heap->watch[heap->watches++] =
		(struct heap_watch){ g, block_born, block_died, block_resized };
	return 0;
}

void growth_model_fini(struct growth_model *g)
{
	page_counts_fini(&g->pages);
	keymap_fini(&g->regions);
	free(g->reach);
	free(g->last_ns);
	free(g->event);
	memset(g, 0, sizeof(*g));
}

const char *growth_kind_name(unsigned kind)
{
	static const char *const name[GROWTH_KINDS] = { "brk", "arena", "mmap" };

	return kind < GROWTH_KINDS ? name[kind] : "unknown";
}

static int by_bytes(const void *x, const void *y)
{
	const struct growth_event *a = x, *b = y;

	if (a->bytes != b->bytes)
		return a->bytes > b->bytes ? -1 : 1;
	return a->at_ns < b->at_ns ? -1 : a->at_ns > b->at_ns;
}

static int by_time(const void *x, const void *y)
{
	const struct growth_event *a = x, *b = y;

	return a->at_ns < b->at_ns ? -1 : a->at_ns > b->at_ns;
}

/* When the list is full, the smaller half of it goes. */
static int event_add(struct growth_model *g, const struct growth_event *new)
{
	struct growth_totals *t = &g->total[new->kind][new->recorded];

	t->events++;
	t->bytes += new->bytes;
	t->took_ns += new->took_ns;
	if (new->took_ns > t->longest_ns)
		t->longest_ns = new->took_ns;
	if (new->bytes < g->least) {
		g->left_out++;
		return 0;
	}
	if (g->count == GROWTH_EVENTS) {
		qsort(g->event, g->count, sizeof(*g->event), by_bytes);
		g->count /= 2;
		g->left_out += GROWTH_EVENTS - g->count;
		g->least = g->event[g->count - 1].bytes;
	}
	if (array_reserve((void **)&g->event, &g->room, g->count, sizeof(*g->event)))
		return -ENOMEM;
	g->event[g->count++] = *new;
	return 0;
}

static struct growth_event event_of(const struct growth_model *g, const struct event *e,
				    enum growth_kind kind, uint64_t bytes)
{
	return (struct growth_event){ .at_ns = e->time_ns,
				      .bytes = bytes,
				      .heap_bytes = g->heap->total.live_bytes,
				      .stack = e->stack,
				      .thread = e->thread,
				      .kind = (uint8_t)kind };
}

/* ---- pages ---- */

static inline bool page_is_main(uint64_t page)
{
	return page < MAPPINGS_START >> PAGE_SHIFT;
}

static inline int page_get(struct growth_model *g, uint64_t page)
{
	int first = page_counts_add(&g->pages, page);

	if (__builtin_expect(first > 0, 0))
		g->main_pages += page_is_main(page);
	return first < 0 ? -ENOMEM : 0;
}

static inline void page_put(struct growth_model *g, uint64_t page)
{
	if (__builtin_expect(page_counts_take(&g->pages, page), 0))
		g->main_pages -= page_is_main(page);
}

/* The first and last page of a block; those between are its own. */
struct span {
	uint64_t first, last;
};

static inline struct span span_of(const struct live_block *b)
{
	uint64_t size = b->size_bytes ? b->size_bytes : 1, end = b->address + size - 1;

	if (end < b->address)
		end = UINT64_MAX;
	return (struct span){ (b->address >> PAGE_SHIFT) + 1, (end >> PAGE_SHIFT) + 1 };
}

uint64_t growth_held_bytes(const struct growth_model *g)
{
	return (g->pages.pages + g->inner_pages) * PAGE;
}

static inline uint64_t held_pages(const struct growth_model *g)
{
	return g->pages.pages + g->inner_pages;
}

static __attribute__((noinline)) void held_changed(struct growth_model *g)
{
	g->heap->held_bytes = growth_held_bytes(g);
	g->heap->main_held_bytes = g->main_pages * PAGE;
	g->heap->own_mapped_bytes = g->mapped_bytes;
	if (g->heap->held_bytes > g->held_peak_bytes)
		g->held_peak_bytes = g->heap->held_bytes;
}

/* Pages between the first and the last are the block's own. */
static inline void inner_changed(struct growth_model *g, struct span s, bool more)
{
	uint64_t inner = s.last > s.first ? s.last - s.first - 1 : 0;
	bool main_heap = page_is_main(s.first);

	g->inner_pages += more ? inner : -inner;
	if (main_heap)
		g->main_pages += more ? inner : -inner;
}

/*
 * Since the thread's last heap event: what extended the heap in between took no longer. 0 = not
 * known. Notes this event.
 */
static inline uint64_t since_last(struct growth_model *g, const struct event *e)
{
	uint64_t before;

	if (__builtin_expect(e->thread >= g->last_size, 0) &&
	    (e->thread >= MAX_THREADS ||
	     array_reserve((void **)&g->last_ns, &g->last_size, e->thread, sizeof(*g->last_ns))))
		return 0;
	before = g->last_ns[e->thread];
	g->last_ns[e->thread] = e->time_ns;
	return before && e->time_ns > before ? e->time_ns - before : 0;
}

/* ---- regions ---- */

static inline bool has_own_mapping(const struct live_block *b)
{
	return b->size_bytes >= MMAP_LEAST && b->address >= MAPPINGS_START &&
	       b->address % PAGE == MMAP_OFFSET;
}

static uint64_t page_up(uint64_t v)
{
	return (v + PAGE - 1) & ~(uint64_t)(PAGE - 1);
}

static int region_grows(struct growth_model *g, uint32_t region, bool main_heap, uint64_t start,
			uint64_t end, const struct event *e, uint64_t took_ns)
{
	uint64_t reach = page_up(end + (main_heap ? TOP_PAD + CHUNK_LEAST : 0));
	struct growth_event new =
		event_of(g, e, main_heap ? GROWTH_BRK : GROWTH_ARENA, reach - start);

	g->reach[region] = reach;
	new.took_ns = took_ns;
	return event_add(g, &new);
}

/* Where the break was seen to have fallen, what lies above it is to be asked for again. */
static void follow_break(struct growth_model *g, uint32_t main_region)
{
	uint64_t bytes = g->heap->tick.heap_bytes, end = g->main_start + bytes;

	if (bytes < g->break_bytes && g->main_start && g->reach[main_region] > end)
		g->reach[main_region] = end;
	g->break_bytes = bytes;
}

#define NO_REGION UINT32_MAX

static inline uint64_t region_key(const struct live_block *b)
{
	return b->address < MAPPINGS_START ? 0 : b->address >> ARENA_SHIFT;
}

/* The number of a block's region in *region, or NO_REGION. Returns 0 or -ENOMEM. */
static int region_of(struct growth_model *g, const struct live_block *b, uint32_t *region)
{
	uint64_t key = region_key(b);

	*region = NO_REGION;
	if (b->address + b->size_bytes < b->address)
		return 0;
	/* no process has so many: a made-up trace is not to fill the memory */
	if (g->regions.count >= REGIONS && keymap_find(&g->regions, key) == KEYMAP_NONE)
		return 0;
	*region = keymap_number(&g->regions, key);
	if (*region == KEYMAP_NONE ||
	    array_reserve((void **)&g->reach, &g->reach_size, *region, sizeof(*g->reach)))
		return -ENOMEM;
	g->near_key = key;
	g->near = *region;
	return 0;
}

/* Does the block lie within what its region is known to have? The last region is asked only. */
static inline bool region_has(const struct growth_model *g, const struct live_block *b)
{
	return region_key(b) == g->near_key && b->address + b->size_bytes <= g->reach[g->near] &&
	       (b->address >= MAPPINGS_START || g->heap->tick.heap_bytes == g->break_bytes);
}

/* Does the block lie beyond what its region has? Then the region was extended for it. */
static __attribute__((noinline)) int region_reach(struct growth_model *g,
						  const struct live_block *b, const struct event *e,
						  uint64_t took_ns)
{
	bool main_heap = b->address < MAPPINGS_START;
	uint64_t end = b->address + b->size_bytes, start = b->address & ~(uint64_t)(PAGE - 1);
	uint32_t region;
	int err = region_of(g, b, &region);

	if (err || region == NO_REGION)
		return err;
	if (main_heap)
		follow_break(g, region);
	if (main_heap && !g->reach[region] && !g->heap->since_ns)
		g->main_start = start;
	/* before its first block malloc makes room for its own cache */
	if (main_heap && !g->reach[region])
		err = region_grows(g, region, main_heap, start, start + TCACHE, e, took_ns);
	if (err || end <= g->reach[region])
		return err;
	/* a part far away is not an extension but another region under the same number */
	if (g->reach[region] && start < g->reach[region] + (UINT64_C(1) << ARENA_SHIFT))
		start = g->reach[region];
	return region_grows(g, region, main_heap, start, end, e, took_ns);
}

static __attribute__((noinline)) int span_take(struct growth_model *g, struct span s)
{
	uint64_t before = held_pages(g);

	if (page_get(g, s.first) || (s.last > s.first && page_get(g, s.last)))
		return -ENOMEM;
	inner_changed(g, s, true);
	if (held_pages(g) != before)
		held_changed(g);
	return 0;
}

static __attribute__((noinline)) void span_put(struct growth_model *g, struct span s)
{
	uint64_t before = held_pages(g);

	page_put(g, s.first);
	if (s.last > s.first)
		page_put(g, s.last);
	inner_changed(g, s, false);
	if (held_pages(g) != before)
		held_changed(g);
}

int growth_model_know(struct growth_model *g, const struct live_block *b)
{
	uint64_t end = b->address + b->size_bytes;
	uint32_t region;
	int err = span_take(g, span_of(b));

	if (has_own_mapping(b)) {
		g->mapped_bytes += b->size_bytes;
		return err;
	}
	if (!err)
		err = region_of(g, b, &region);
	if (!err && region != NO_REGION && g->reach[region] < end)
		g->reach[region] = page_up(end);
	return err;
}

static __attribute__((noinline)) int own_mapping_born(struct growth_model *g,
						      const struct live_block *b,
						      const struct event *e, uint64_t took_ns)
{
	struct growth_event new;

	g->mapped_bytes += b->size_bytes;
	if (span_take(g, span_of(b)))
		return -ENOMEM;
	held_changed(g);
	new = event_of(g, e, GROWTH_MMAP, page_up(b->size_bytes + MMAP_OFFSET));
	new.took_ns = took_ns;
	return event_add(g, &new);
}

/*
 * Most blocks lie on one page, on which others do: its number of blocks, NULL where that is not
 * so, or not quickly known.
 */
static inline __attribute__((always_inline)) uint32_t *usual_page(const struct growth_model *g,
								  const struct live_block *b)
{
	uint64_t last = b->address + b->size_bytes - (b->size_bytes != 0);

	if (b->size_bytes >= PAGE || (last ^ b->address) >> PAGE_SHIFT)
		return NULL;
	return page_counts_known(&g->pages, (b->address >> PAGE_SHIFT) + 1);
}

static __attribute__((noinline)) int unusual_born(struct growth_model *g,
						  const struct live_block *b, const struct event *e)
{
	uint64_t took_ns = since_last(g, e);

	if (__builtin_expect(has_own_mapping(b), 0))
		return own_mapping_born(g, b, e, took_ns);
	if (span_take(g, span_of(b)))
		return -ENOMEM;
	return region_has(g, b) ? 0 : region_reach(g, b, e, took_ns);
}

/* Calls nothing but at its end, so that the usual block costs no registers. */
static int block_born(void *arg, const struct live_block *b, const struct event *e)
{
	struct growth_model *g = arg;
	uint32_t *blocks = usual_page(g, b);

	if (__builtin_expect(!blocks || e->thread >= g->last_size || !region_has(g, b), 0))
		return unusual_born(g, b, e);
	++*blocks;
	g->last_ns[e->thread] = e->time_ns;
	return 0;
}

static __attribute__((noinline)) void
unusual_died(struct growth_model *g, const struct live_block *b, const struct event *e)
{
	span_put(g, span_of(b));
	if (__builtin_expect(has_own_mapping(b), 0)) {
		g->mapped_bytes -= b->size_bytes;
		g->unmapped_bytes += b->size_bytes;
		held_changed(g);
	}
	since_last(g, e);
}

static void block_died(void *arg, const struct live_block *b, const struct event *e, uint64_t now)
{
	struct growth_model *g = arg;
	uint32_t *blocks = usual_page(g, b);

	(void)now;
	if (__builtin_expect(!blocks || *blocks == 1 || e->thread >= g->last_size, 0)) {
		unusual_died(g, b, e);
		return;
	}
	--*blocks;
	g->last_ns[e->thread] = e->time_ns;
}

/* The pages of a block that stays where it is: only its last one changes, and its own. */
static inline int span_move_end(struct growth_model *g, struct span old, struct span s)
{
	uint64_t before = held_pages(g);

	if (old.last > old.first)
		page_put(g, old.last);
	inner_changed(g, old, false);
	if (s.last > s.first && page_get(g, s.last))
		return -ENOMEM;
	inner_changed(g, s, true);
	if (held_pages(g) != before)
		held_changed(g);
	return 0;
}

static int block_resized(void *arg, const struct live_block *old, const struct live_block *b,
			 const struct event *e)
{
	struct growth_model *g = arg;
	struct span was = span_of(old), is = span_of(b);

	if (__builtin_expect(
		    has_own_mapping(old) || has_own_mapping(b) || e->thread >= g->last_size, 0)) {
		block_died(g, old, e, e->ticks);
		return block_born(g, b, e);
	}
	g->last_ns[e->thread] = e->time_ns;
	if (was.last != is.last && span_move_end(g, was, is))
		return -ENOMEM;
	return region_has(g, b) ? 0 : region_reach(g, b, e, 0);
}

int growth_model_event(struct growth_model *g, const struct event *e)
{
	struct growth_event new;

	if (e->time_ns < g->heap->since_ns || (int64_t)e->field[6] < 0)
		return 0;
	switch (e->call) {
	case LAR_CALL_munmap:
		return 0;
	case LAR_CALL_mremap:
		if (e->field[3] <= e->field[5])
			return 0;
		new = event_of(g, e, GROWTH_MMAP, e->field[3] - e->field[5]);
		break;
	case LAR_CALL_brk:
	case LAR_CALL_sbrk:
		if (!e->field[3]) /* given back, or brk(2), of which only the end is known */
			return 0;
		new = event_of(g, e, GROWTH_BRK, e->field[3]);
		break;
	default:
		new = event_of(g, e, GROWTH_MMAP, e->field[3]);
	}
	new.recorded = true;
	new.took_ns = e->field[1];
	return event_add(g, &new);
}

void growth_model_finish(struct growth_model *g)
{
	if (g->count)
		qsort(g->event, g->count, sizeof(*g->event), by_time);
}
