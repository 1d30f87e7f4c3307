/* SPDX-License-Identifier: MIT */
/* Finds the blocks of the ring; see ringindex.h. */
#include "ringindex.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BLOCKS (1u << 22) /* a full ring of 256 GiB with blocks of 64 KiB */
#define WINDOW_MIN 4096u
#define WINDOW_MAX (256u << 10)
#define MIN_RECORD 16u	       /* a record is at least two words */
#define MAX_RAW	   (64u << 20) /* no encoded byte makes more than 8 raw ones */
#define MAX_SHIFT  32
#define MAX_TRIES  8 /* to see the ring of a running process without a gap */
/* zstd adds less than a 128th to what it cannot compress */
#define MAX_TOTAL (LAR_BLOCK_MAX_ENCODED + (LAR_BLOCK_MAX_ENCODED >> 7) + 4096)

struct scan {
	const struct ringfile *rf;
	struct ringindex *index;
	uint64_t pos, end; /* in the file */
	uint8_t *window;
};

bool ring_block_valid(const struct lar_block *b, uint64_t room)
{
	return b->magic == LAR_BLOCK_MAGIC && b->total_size <= room && b->total_size <= MAX_TOTAL &&
	       b->total_size % LAR_BLOCK_ALIGN == 0 && b->total_size > sizeof(*b) &&
	       b->comp_size <= b->total_size - sizeof(*b) && b->encoded_size &&
	       b->encoded_size <= LAR_BLOCK_MAX_ENCODED && b->raw_size <= MAX_RAW &&
	       b->raw_size % 8 == 0 && b->events && b->events <= b->raw_size / MIN_RECORD &&
	       b->time_shift <= MAX_SHIFT && b->check == lar_block_check(b);
}

static uint64_t truncate_ticks(uint64_t ticks, unsigned shift)
{
	return ticks >> shift << shift;
}

static int add_block(struct ringindex *index, uint64_t offset, const struct lar_block *b)
{
	struct ring_block *r;

	if (index->count == MAX_BLOCKS) {
		index->refused++;
		return 0;
	}
	if (index->count == index->capacity) {
		size_t capacity = index->capacity ? 2 * index->capacity : 64;

		r = realloc(index->blocks, capacity * sizeof(*r));
		if (!r)
			return -ENOMEM;
		index->blocks = r;
		index->capacity = capacity;
	}
	r = &index->blocks[index->count++];
	*r = (struct ring_block){
		.offset = offset,
		.seq = b->seq,
		.events_before = b->events_before,
		.first_ticks = truncate_ticks(b->first_ticks, b->time_shift),
		.last_ticks = truncate_ticks(b->last_ticks, b->time_shift),
		.events = b->events,
		.total_size = b->total_size,
		.slot = b->slot,
		.slot_seq = b->slot_seq,
	};
	return 0;
}

/* Goes in steps of the alignment to the next whole header; 1 found, 0 none left, or -errno. */
static int find_next(struct scan *s)
{
	/* a short way first: much read for little in a file made of little pieces takes for ever */
	size_t window = WINDOW_MIN;

	while (s->pos < s->end) {
		uint64_t data = ringfile_next_data(s->rf, s->pos);
		size_t want = window, at = 0;
		ssize_t got;

		if (data >= s->end)
			return 0;
		/* pages and sections are aligned, so the step stays right behind a hole */
		if (data > s->pos)
			s->pos += (data - s->pos) / LAR_BLOCK_ALIGN * LAR_BLOCK_ALIGN;
		if (want > s->end - s->pos)
			want = s->end - s->pos;
		got = ringfile_read(s->rf, s->pos, s->window, want);
		if (got < (ssize_t)sizeof(struct lar_block))
			return got < 0 ? (int)got : 0;
		for (; at + sizeof(struct lar_block) <= (size_t)got; at += LAR_BLOCK_ALIGN) {
			struct lar_block b;
			uint32_t magic;

			memcpy(&magic, s->window + at, sizeof(magic));
			if (magic != LAR_BLOCK_MAGIC)
				continue;
			memcpy(&b, s->window + at, sizeof(b));
			if (ring_block_valid(&b, s->end - s->pos - at)) {
				s->pos += at;
				return 1;
			}
		}
		s->pos += at;
		if (window < WINDOW_MAX)
			window *= 2;
	}
	return 0;
}

static int scan_ring(struct scan *s)
{
	int rc;

	while (s->pos < s->end) {
		struct lar_block b;
		ssize_t got = ringfile_read(s->rf, s->pos, &b, sizeof(b));

		if (got < (ssize_t)sizeof(b))
			return got < 0 ? (int)got : 0;
		if (ring_block_valid(&b, s->end - s->pos)) {
			rc = add_block(s->index, s->pos, &b);
			if (rc)
				return rc;
			s->pos += b.total_size;
			continue;
		}
		rc = find_next(s);
		if (rc <= 0)
			return rc;
	}
	return 0;
}

static int by_seq(const void *a, const void *b)
{
	const struct ring_block *x = a, *y = b;

	if (x->seq != y->seq)
		return x->seq < y->seq ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Leaves out doubles, and counts what is missing between the blocks that are there. */
static void count_gaps(struct ringindex *index)
{
	size_t kept = 0;

	for (size_t i = 0; i < index->count; i++) {
		struct ring_block *b = &index->blocks[i];
		struct ring_block *last = kept ? &index->blocks[kept - 1] : NULL;

		if (last && b->seq == last->seq) {
			index->refused++;
			continue;
		}
		if (last && b->seq != last->seq + 1) {
			uint64_t next = last->events_before + last->events;

			index->gap_blocks += b->seq - last->seq - 1;
			if (b->events_before > next)
				index->gap_events += b->events_before - next;
		}
		index->blocks[kept++] = *b;
	}
	index->count = kept;
}

static int by_slot(const void *a, const void *b, void *arg)
{
	const struct ring_block *blocks = arg;
	uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;

	if (blocks[i].slot != blocks[j].slot)
		return blocks[i].slot < blocks[j].slot ? -1 : 1;
	return i < j ? -1 : i > j;
}

static int order_by_slot(struct ringindex *index)
{
	if (!index->count)
		return 0;
	index->by_slot = malloc(index->count * sizeof(*index->by_slot));
	if (!index->by_slot)
		return -ENOMEM;
	for (size_t i = 0; i < index->count; i++)
		index->by_slot[i] = (uint32_t)i;
	qsort_r(index->by_slot, index->count, sizeof(*index->by_slot), by_slot, index->blocks);
	return 0;
}

static int scan_once(struct ringindex *index, const struct ringfile *rf, struct lar_section ring,
		     uint8_t *window)
{
	struct scan s = { rf, index, ring.offset, ring.offset + ring.size, window };
	int rc;

	memset(index, 0, sizeof(*index));
	rc = scan_ring(&s);
	if (index->count > 1)
		qsort(index->blocks, index->count, sizeof(*index->blocks), by_seq);
	count_gaps(index);
	return rc;
}

/* Blocks ever sealed, as the writer says by now. */
static uint64_t sealed_now(const struct ringfile *rf)
{
	uint64_t blocks = 0;

	ringfile_read(rf, offsetof(struct lar_header, ring_blocks), &blocks, sizeof(blocks));
	return blocks;
}

int ringindex_init(struct ringindex *index, const struct ringfile *rf)
{
	struct lar_section ring = ringfile_section(rf, LAR_SECTION_RING);
	uint8_t *window;
	uint64_t before;
	int rc;

	memset(index, 0, sizeof(*index));
	if (!ring.size)
		return 0;
	window = malloc(WINDOW_MAX);
	if (!window)
		return -ENOMEM;
	/* a writer that comes round once while a small ring is looked through leaves a gap in what
	 * was seen, which there is not in the ring */
	for (int try = 0;; try++) {
		before = sealed_now(rf);
		rc = scan_once(index, rf, ring, window);
		if (rc || !(index->gap_blocks || index->refused) || try == MAX_TRIES ||
		    sealed_now(rf) == before)
			break;
		ringindex_fini(index);
	}
	free(window);
	return rc ? rc : order_by_slot(index);
}

void ringindex_fini(struct ringindex *index)
{
	free(index->blocks);
	free(index->by_slot);
	memset(index, 0, sizeof(*index));
}

size_t ringindex_slot(const struct ringindex *index, uint32_t slot)
{
	size_t low = 0, high = index->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (index->blocks[index->by_slot[mid]].slot < slot)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct ring_block *ringindex_find(const struct ringindex *index, uint32_t slot, uint32_t slot_seq)
{
	for (size_t i = ringindex_slot(index, slot); i < index->count; i++) {
		struct ring_block *b = &index->blocks[index->by_slot[i]];

		if (b->slot != slot)
			break;
		if (b->slot_seq == slot_seq)
			return b;
	}
	return NULL;
}
