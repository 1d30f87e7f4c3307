/* SPDX-License-Identifier: MIT */
/* Takes the events of all slots' blocks by time; see fold.h. */
#define QUEUE_USUAL 8 /* blocks */
#define SNAPSHOTS   4 /* of slots, at most, each time that a block comes */
#define ZSTD_STATIC_LINKING_ONLY
#include <string.h>
#include <zstd.h>

#include "fold_impl.h"
#include "format/codec.h"
#include "pool.h"
#include "recorder.h"
#include "tracefile.h"

#define QUEUE_FIRST 4096u
#define AHEAD	    64 /* words, about */
#define NO_LIMIT    UINT64_MAX

static size_t fill_words(void)
{
	return (lar->slot_most - LAR_SLOT_HEADER_SIZE) / 8;
}

static struct fold_block *queued(struct fold *f, uint32_t id)
{
	return &f->queue[id & f->queue_mask];
}

static bool queue_grow(struct fold *f)
{
	uint32_t size = f->queue ? 2 * (f->queue_mask + 1) : QUEUE_FIRST;
	struct fold_block *wide = pool_map(size * sizeof(*wide));

	if (!wide)
		return false;
	for (uint32_t id = f->queue_head; id != f->queue_tail; id++)
		wide[id & (size - 1)] = *queued(f, id);
	if (f->queue)
		pool_unmap(f->queue, (f->queue_mask + 1ull) * sizeof(*wide));
	f->queue = wide;
	f->queue_mask = size - 1;
	return true;
}

/* ---- the sources as a heap: the next event of all on top ---- */

static bool next_frees(const struct fold_source *s)
{
	unsigned kind = s->open ? lar_word0_kind(s->words[s->at]) : 0;

	return kind == LAR_EV_FREE || kind == LAR_EV_FREE_SIZED;
}

/* At one time frees come first, then lower slots. */
static bool before(const struct fold *f, uint32_t a, uint32_t b)
{
	const struct fold_source *x = &f->source[a], *y = &f->source[b];

	if (x->key != y->key)
		return x->key < y->key;
	if (x->open != y->open) /* what has not been looked at may be a free */
		return y->open;
	if (next_frees(x) != next_frees(y))
		return next_frees(x);
	return a < b;
}

static void sink(struct fold *f, uint32_t at)
{
	uint32_t slot = f->heap[at];

	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child >= f->heap_count)
			break;
		if (child + 1 < f->heap_count && before(f, f->heap[child + 1], f->heap[child]))
			child++;
		if (!before(f, f->heap[child], slot))
			break;
		f->heap[at] = f->heap[child];
		at = child;
	}
	f->heap[at] = slot;
}

static void rise(struct fold *f, uint32_t slot)
{
	uint32_t at = f->heap_count++;

	while (at && before(f, slot, f->heap[(at - 1) / 2])) {
		f->heap[at] = f->heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	f->heap[at] = slot;
}

static void take_off(struct fold *f)
{
	f->heap[0] = f->heap[--f->heap_count];
	if (f->heap_count)
		sink(f, 0);
}

/* ---- decoding ---- */

static bool buffers_take(struct fold *f, struct fold_source *s)
{
	if (s->words)
		return true;
	if (f->free_words) {
		s->words = f->free_words;
		s->node = (uint32_t *)(s->words + fill_words());
		memcpy(&f->free_words, s->words, sizeof(f->free_words));
		return true;
	}
	s->words = pool_map(fill_words() * 8 + (fill_words() + 1) * sizeof(*s->node));
	s->node = (uint32_t *)(s->words + fill_words());
	return s->words;
}

static void buffers_give(struct fold *f, struct fold_source *s)
{
	memcpy(s->words, &f->free_words, sizeof(f->free_words));
	f->free_words = s->words;
	s->words = NULL;
}

static bool decode_memory(struct fold *f)
{
	size_t encoded = lar_encode_bound(fill_words()), dctx = ZSTD_estimateDCtxSize();
	uint8_t *p;

	if (f->encoded)
		return true;
	p = pool_map_apart(encoded + 8 * lar_decode_scratch(encoded) + dctx + 64);
	if (!p)
		return false;
	f->encoded_size = encoded;
	f->scratch = (uint64_t *)p;
	f->encoded = p + 8 * lar_decode_scratch(encoded);
	f->dctx = ZSTD_initStaticDCtx(
		(void *)(((uintptr_t)f->encoded + encoded + 15) & ~(uintptr_t)15), dctx);
	return f->dctx;
}

static bool decode(struct fold *f, struct fold_source *s, const struct lar_block *b)
{
	uint32_t skipped;
	int64_t words;
	size_t n;

	if (!decode_memory(f))
		return false;
	n = ZSTD_decompressDCtx(f->dctx, f->encoded, f->encoded_size, b + 1, b->comp_size);
	if (ZSTD_isError(n))
		return false;
	tracefile_leave((uint8_t *)b, b->total_size);
	words = lar_decode(f->encoded, n, b->events, b->time_shift, s->words, fill_words(),
			   f->scratch, &skipped);
	if (words < 0)
		return false;
	s->count = (size_t)words;
	return true;
}

/* Passes PATH records; false at the end. */
static lar_noinline bool settle_paths(struct fold *f, struct fold_source *s)
{
	size_t end = s->at;
	uint64_t ticks;

	while (end < s->count && lar_word0_kind(s->words[end]) == LAR_EV_PATH)
		end += lar_record_step(s->words[end]);
	if (end >= s->count)
		return false;
	ticks = s->words[end + 1] >> lar->time_shift << lar->time_shift;
	while (s->at < end) {
		const uint64_t *w = s->words + s->at;
		uint32_t parent = s->node[lar_word0_node(*w)], n = lar_word0_call(*w);

		for (uint32_t i = 1; i <= n; i++) {
			parent = fold_tree_node(f, parent, w[i], ticks);
			s->node[++s->nodes] = parent;
		}
		s->at += 1 + n;
	}
	s->key = ticks;
	return true;
}

static always_inline bool settle(struct fold *f, struct fold_source *s)
{
	if (unlikely(s->at >= s->count || lar_word0_kind(s->words[s->at]) == LAR_EV_PATH))
		return settle_paths(f, s);
	s->key = s->words[s->at + 1] >> lar->time_shift << lar->time_shift;
	return true;
}

static void source_begin(struct fold_source *s, uint32_t fill)
{
	s->skip = fill == s->fill ? s->taken : 0;
	if (fill != s->fill)
		s->taken = s->from_slot_words = 0;
	s->fill = fill;
	s->at = s->ahead = s->nodes = 0;
	s->node[0] = 0;
	s->open = true;
}

static void thread_of(struct fold_source *s)
{
	const uint64_t *w = s->words + s->at;

	if (lar_word0_kind(*w) != LAR_EV_THREAD)
		return;
	s->tid = (uint32_t)w[2];
	s->thread = (uint32_t)w[3];
	s->creator = (uint32_t)w[4];
}

/* Leaves out what was taken from the slot before it was sealed. */
static bool skip_taken(struct fold *f, struct fold_source *s)
{
	bool more = settle(f, s);

	for (; more && s->skip; s->skip--) {
		thread_of(s);
		s->at += lar_record_step(s->words[s->at]);
		more = settle(f, s);
	}
	return more;
}

/* All of the open fill is in the figures: on to the next, or out of the heap. */
static void source_end(struct fold *f, uint32_t slot)
{
	struct fold_source *s = &f->source[slot];

	buffers_give(f, s);
	s->open = false;
	if (!s->from_slot) {
		s->fill++;
		s->taken = s->from_slot_words = 0;
	}
	s->from_slot = false;
	if (!s->next) {
		take_off(f);
		return;
	}
	s->key = queued(f, s->next - 1)->first_ticks;
	sink(f, 0);
}

/* Decodes the next block of the slot on top of the heap. */
static bool source_open(struct fold *f, uint32_t slot)
{
	struct fold_source *s = &f->source[slot];
	struct fold_block *b = queued(f, s->next - 1);

	if (!buffers_take(f, s) || !decode(f, s, (const struct lar_block *)(lar->ring + b->offset)))
		return false;
	s->next = b->next;
	b->slot = UINT32_MAX;
	while (f->queue_head != f->queue_tail && queued(f, f->queue_head)->slot == UINT32_MAX)
		f->queue_head++;
	source_begin(s, b->fill);
	if (skip_taken(f, s))
		sink(f, 0);
	else
		source_end(f, slot);
	return true;
}

static void take_event(struct fold *f, struct fold_source *s)
{
	const uint64_t *w = s->words + s->at;
	struct fold_event e = { .kind = lar_word0_kind(*w),
				.flags = lar_word0_flags(*w),
				.call = lar_word0_call(*w),
				.ticks = s->key,
				.field = w + 1 };

	thread_of(s);
	e.node = s->node[lar_word0_node(*w)];
	e.thread = s->thread;
	e.tid = s->tid;
	e.creator = s->creator;
	f->events++;
	f->last_ticks = e.ticks;
	s->taken++;
	s->at += lar_record_words(*w);
	f->failed |= w == s->words + s->at; /* a slot that was written over */
	if (likely(fold_is_of_heap(e.kind))) {
		fold_heap_event(f, &f->heap_state, &e);
		fold_thread_event(f, &f->thread_state, &e);
		return;
	}
	switch (e.kind) {
	case LAR_EV_MAP:
	case LAR_EV_TICK:
		fold_heap_event(f, &f->heap_state, &e);
		break;
	case LAR_EV_IO:
		fold_heap_event(f, &f->heap_state, &e);
		fold_io_event(f, &f->io_state, &e);
		break;
	case LAR_EV_LOCK:
	case LAR_EV_LOCKSUM:
	case LAR_EV_LOCKHOLDS:
	case LAR_EV_LOCKORDER:
	case LAR_EV_LOCKWAIT:
	case LAR_EV_THREAD_END:
		fold_lock_event(f, &f->lock_state, &e);
		break;
	case LAR_EV_CPU:
		fold_cpu_event(f, &f->cpu_state, &e);
		break;
	default:
		break;
	}
	fold_thread_event(f, &f->thread_state, &e);
}

/* The record behind one; where it makes no sense, in a slot that was written over, the next word.
 */
static size_t behind(const struct fold_source *s, size_t at)
{
	uint32_t words = lar_record_words(s->words[at]);

	return at + (words ? words : 1);
}

/* Of the records some way behind the one whose turn it is, the next one. */
static lar_noinline void look_ahead(const struct fold *f, struct fold_source *s)
{
	const uint64_t *w;

	if (s->ahead <= s->at)
		for (s->ahead = s->at; s->ahead < s->count && s->ahead < s->at + AHEAD;)
			s->ahead = behind(s, s->ahead);
	if (s->ahead >= s->count)
		return;
	w = s->words + s->ahead;
	if (fold_is_of_heap(lar_word0_kind(*w)))
		fold_heap_fetch(f->heap_state, w[lar_word0_kind(*w) == LAR_EV_REALLOC ? 3 : 2]);
	s->ahead = behind(s, s->ahead);
}

/* ---- how far events may be taken ---- */

/*
 * The time of the first record of a slot that is not in the figures and not in a block, NO_LIMIT
 * when there is none. A thread's later events have later times; one that it is just about to record
 * concerns no address that events elsewhere concern, since the call has not returned.
 */
static uint64_t slot_limit(const struct fold_source *s, uint32_t index)
{
	struct lar_slot *slot = recorder_slot(index);
	const uint64_t *words = (const uint64_t *)((uint8_t *)slot + LAR_SLOT_HEADER_SIZE);
	uint64_t state = __atomic_load_n(&slot->state, __ATOMIC_ACQUIRE);
	uint32_t head = (uint32_t)state / 8, fill = (uint32_t)(state >> 32);
	uint32_t at = s->fill == fill ? s->from_slot_words : 0;

	if (slot->magic != LAR_SLOT_MAGIC || fill < s->noted)
		return NO_LIMIT;
	while (at < head && lar_word0_kind(words[at]) == LAR_EV_PATH)
		at += lar_record_step(words[at]);
	return at < head ? words[at + 1] : NO_LIMIT;
}

static uint64_t watermark(const struct fold *f, uint32_t *limiting)
{
	uint64_t least = lar_ticks(), slots = tracefile_section(LAR_SECTION_STAGING)->used;

	*limiting = UINT32_MAX;
	for (uint32_t i = 0; i < slots; i++) {
		uint64_t limit = slot_limit(&f->source[i], i);

		if (limit < least) {
			least = limit;
			*limiting = i;
		}
	}
	return least >> lar->time_shift << lar->time_shift;
}

/* Up to which time the source on top of the heap stays there, whatever comes at that time. */
static uint64_t on_top_until(const struct fold *f)
{
	uint64_t until = NO_LIMIT;

	for (uint32_t child = 1; child <= 2 && child < f->heap_count; child++)
		if (f->source[f->heap[child]].key < until)
			until = f->source[f->heap[child]].key;
	return until;
}

/* Folds events before `limit`; false when the memory or a block fails. */
static bool advance(struct fold *f, uint64_t limit, uint32_t budget)
{
	while (f->heap_count && budget && !f->failed) {
		uint32_t slot = f->heap[0];
		struct fold_source *s = &f->source[slot];
		uint64_t until;
		bool more, large = fold_heap_is_large(f->heap_state);

		if (s->key >= limit)
			break;
		if (!s->open) {
			f->failed |= !source_open(f, slot);
			continue;
		}
		until = on_top_until(f);
		if (limit < until)
			until = limit;
		do {
			if (unlikely(large))
				look_ahead(f, s);
			take_event(f, s);
			budget--;
			more = settle(f, s);
		} while (more && s->key < until && budget && !f->failed);
		if (more)
			sink(f, 0);
		else
			source_end(f, slot);
	}
	return !f->failed;
}

/* Makes what the slot holds a source: it keeps others from going on. */
static bool snapshot(struct fold *f, uint32_t index)
{
	struct lar_slot *slot = recorder_slot(index);
	struct fold_source *s = &f->source[index];
	uint64_t state = __atomic_load_n(&slot->state, __ATOMIC_ACQUIRE);

	if (s->open || s->next || !buffers_take(f, s))
		return false;
	s->count = (uint32_t)state / 8;
	memcpy(s->words, (uint8_t *)slot + LAR_SLOT_HEADER_SIZE, s->count * 8);
	if (__atomic_load_n(&slot->state, __ATOMIC_ACQUIRE) >> 32 != state >> 32) {
		buffers_give(f, s);
		return false; /* it is just being sealed */
	}
	source_begin(s, (uint32_t)(state >> 32));
	s->from_slot = true;
	s->from_slot_words = (uint32_t)s->count;
	if (!skip_taken(f, s)) {
		buffers_give(f, s);
		s->open = s->from_slot = false;
		return true;
	}
	rise(f, index);
	return true;
}

/* ---- from outside ---- */

void fold_note_block(uint64_t offset, const struct lar_block *b)
{
	struct fold *f = lar->fold;
	struct fold_source *s;
	uint32_t id;

	if (!f || f->failed)
		return;
	if ((!f->queue || f->queue_tail - f->queue_head > f->queue_mask) && !queue_grow(f)) {
		f->failed = true;
		return;
	}
	id = f->queue_tail++;
	*queued(f, id) =
		(struct fold_block){ offset, b->first_ticks >> lar->time_shift << lar->time_shift,
				     b->slot, b->slot_seq, 0 };
	s = &f->source[b->slot];
	s->noted = b->slot_seq + 1;
	if (s->next) {
		queued(f, s->newest - 1)->next = id + 1;
		s->newest = id + 1;
		return;
	}
	s->next = s->newest = id + 1;
	if (s->open)
		return;
	s->key = queued(f, id)->first_ticks;
	rise(f, b->slot);
}

/* More blocks wait than would if each thread's buffer were on its way to become one. */
static bool held_up(const struct fold *f)
{
	return f->queue_tail - f->queue_head >
	       QUEUE_USUAL + 2 * tracefile_section(LAR_SECTION_STAGING)->used;
}

void fold_some(uint32_t events)
{
	struct fold *f = lar->fold;

	for (unsigned i = 0; f && !f->failed && events; i++) {
		uint64_t before = f->events;
		uint32_t limiting;

		if (!advance(f, watermark(f, &limiting), events))
			return;
		events -= (uint32_t)(f->events - before);
		/* a thread that does nothing keeps others' events back: its own are taken early */
		if (!events || limiting == UINT32_MAX || i == SNAPSHOTS || !held_up(f) ||
		    !snapshot(f, limiting))
			return;
	}
}

bool fold_make_way(const struct lar_block *oldest)
{
	struct fold *f = lar->fold;
	const struct fold_source *s;

	if (!f || f->failed || oldest->slot >= lar->slot_count)
		return false;
	if (oldest->slot_seq < f->committed_fill[oldest->slot])
		return true;
	s = &f->source[oldest->slot];
	for (uint32_t i = 0; i <= 2 * lar->slot_count && s->fill <= oldest->slot_seq; i++) {
		uint32_t limiting;
		uint64_t limit = watermark(f, &limiting);

		if (!advance(f, limit, UINT32_MAX))
			return false;
		if (s->fill > oldest->slot_seq)
			break;
		if (limiting != UINT32_MAX && !snapshot(f, limiting))
			break;
	}
	if (s->fill <= oldest->slot_seq || !fold_checkpoint(f))
		f->failed = true;
	return !f->failed;
}

void fold_start(void)
{
	struct fold *f = pool_map(sizeof(*f));
	size_t slots = lar->slot_count;

	if (!f)
		return;
	f->source = pool_map(slots * sizeof(*f->source));
	f->heap = pool_map(slots * sizeof(*f->heap));
	f->committed_fill = pool_map(slots * sizeof(*f->committed_fill));
	fold_tree_init(f);
	f->failed |= !f->source || !f->heap || !f->committed_fill;
	lar->fold = f;
}
