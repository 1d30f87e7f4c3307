/* SPDX-License-Identifier: MIT */
/* Patterns of use; see io_pattern.h. */
#include "io_pattern.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#define NO_OFFSET  UINT64_MAX
#define BLOCK	   4096u
#define PAGES_MOST 4096u /* of one read that are looked up */

int io_patterns_init(struct io_patterns *p, uint64_t cache_bytes)
{
	memset(p, 0, sizeof(*p));
	return io_cache_init(&p->cache, cache_bytes);
}

void io_patterns_fini(struct io_patterns *p, uint32_t count)
{
	for (uint32_t i = 0; i < count && i < p->size; i++) {
		for (unsigned w = 0; w < IO_WAYS; w++)
			histogram_fini(&p->target[i].way[w].size);
		free(p->target[i].range);
	}
	free(p->target);
	free(p->descriptor);
	keymap_fini(&p->map);
	io_cache_fini(&p->cache);
}

const struct io_pattern *io_patterns_of(const struct io_patterns *p, uint32_t index)
{
	return index < p->size && p->target[index].last_ticks ? &p->target[index] : NULL;
}

static struct io_descriptor *descriptor_of(struct io_patterns *p, int32_t fd)
{
	uint32_t n = keymap_number(&p->map, (uint32_t)fd);

	if (n == KEYMAP_NONE ||
	    array_reserve((void **)&p->descriptor, &p->descriptors, n, sizeof(*p->descriptor)))
		return NULL;
	return &p->descriptor[n];
}

/* Calls come in the order of their ends: those that had begun when an earlier one ended. */
static void count_in_flight(struct io_pattern *t, uint64_t start, uint64_t end, uint64_t step)
{
	uint32_t kept = t->recent < IO_PATTERN_RECENT ? t->recent : IO_PATTERN_RECENT;

	for (uint32_t i = 1; i <= kept; i++) {
		uint32_t at = (t->recent - i) % IO_PATTERN_RECENT;

		/* times are whole steps: one that ended within a step of this one's start was over
		 */
		if (t->end[at] <= start + step)
			break;
		if (++t->beside[at] > t->most_in_flight)
			t->most_in_flight = t->beside[at];
	}
	t->end[t->recent % IO_PATTERN_RECENT] = end;
	t->beside[t->recent++ % IO_PATTERN_RECENT] = 1;
	if (!t->most_in_flight)
		t->most_in_flight = 1;
}

/* Adds a range to what has been read; what of it was there already has been read again. */
static void read_range(struct io_pattern *t, uint64_t start, uint64_t end)
{
	uint32_t from = 0, to;

	while (from < t->ranges && t->range[from].end < start)
		from++;
	for (to = from; to < t->ranges && t->range[to].start <= end; to++) {
		uint64_t a = t->range[to].start, b = t->range[to].end;
		uint64_t low = a > start ? a : start, high = b < end ? b : end;

		t->read_again_bytes += high > low ? high - low : 0;
	}
	if (!t->range)
		t->range = calloc(IO_PATTERN_RANGES, sizeof(*t->range));
	if (!t->range || (to == from && t->ranges == IO_PATTERN_RANGES)) {
		t->read_again_at_least = true;
		return;
	}
	if (to > from) {
		start = t->range[from].start < start ? t->range[from].start : start;
		end = t->range[to - 1].end > end ? t->range[to - 1].end : end;
	}
	/* those from `from` to `to` become one */
	memmove(&t->range[from + 1], &t->range[to], (t->ranges - to) * sizeof(*t->range));
	t->ranges -= to - from;
	t->ranges++;
	t->range[from] = (struct io_range){ start, end };
}

static void replay(struct io_patterns *p, struct io_pattern *t, uint32_t index, uint64_t start,
		   uint64_t bytes)
{
	uint64_t first = start / IO_CACHE_PAGE, last = (start + bytes - 1) / IO_CACHE_PAGE;

	for (uint64_t page = first; page <= last && page - first < PAGES_MOST; page++) {
		t->cache_pages++;
		t->cache_hits += (uint64_t)io_cache_read(&p->cache, index, page);
	}
}

static void count_place(struct io_way_pattern *w, struct io_descriptor *d, enum io_way way,
			uint64_t offset, uint64_t bytes)
{
	int64_t gap = (int64_t)(offset - d->last[way].offset);

	if (offset == d->last[way].end)
		w->consecutive++;
	else if (gap == d->last[way].gap && gap)
		w->strided++;
	else if (offset > d->last[way].end)
		w->sequential++;
	else
		w->random++;
	d->last[way].gap = gap;
	d->last[way].offset = offset;
	d->last[way].end = offset + bytes;
}

/* A read or write of a file that moved bytes. */
static void moved(struct io_patterns *p, struct io_pattern *t, uint32_t index,
		  struct io_descriptor *d, enum io_way way, const struct event *e)
{
	uint64_t bytes = e->field[3], offset = e->field[5];
	bool placed = offset != NO_OFFSET, known = placed || d->known;

	if (way == IO_WAY_WRITE && d->append && !placed) {
		t->way[way].consecutive++;
		return;
	}
	if (!placed) {
		offset = d->position;
		d->position += bytes;
	}
	if (offset + bytes < offset)
		return;
	count_place(&t->way[way], d, way, offset, bytes);
	if (!known)
		return;
	t->way[way].unaligned += offset % BLOCK || bytes % BLOCK;
	if (way == IO_WAY_READ) {
		read_range(t, offset, offset + bytes);
		replay(p, t, index, offset, bytes);
	}
}

/*
 * Small sends in a row and then an answer that takes long: the second waits until the peer has
 * confirmed the first (Nagle), and the peer delays that for 40 ms.
 */
static void talked(struct io_patterns *p, struct io_pattern *t, struct io_descriptor *d,
		   enum io_way way, const struct event *e)
{
	if (way == IO_WAY_WRITE) {
		d->small_sends = e->field[3] < p->small_bytes ? d->small_sends + 1 : 0;
		return;
	}
	if (d->small_sends > 1 && !d->no_delay && e->field[1] >= p->delayed_ticks)
		t->delayed_sends++;
	d->small_sends = 0;
}

static void data_call(struct io_patterns *p, struct io_pattern *t, uint32_t index,
		      struct io_descriptor *d, unsigned kind, const struct event *e)
{
	bool reads = call_operation(e->call) == LAR_OP_READ;
	enum io_way way = reads ? IO_WAY_READ : IO_WAY_WRITE;
	struct io_way_pattern *w = &t->way[way];

	if (!w->size.bits)
		histogram_init(&w->size, HISTOGRAM_FINE);
	histogram_add(&w->size, e->field[4]);
	w->one_byte += e->field[4] == 1;
	if (reads && d->last_operation == LAR_OP_SEEK)
		t->seeks_before_read++;
	if (reads && d->last_operation == LAR_OP_WRITE)
		t->turns++;
	if ((int64_t)e->field[3] <= 0)
		return;
	if (kind == LAR_TARGET_FILE)
		moved(p, t, index, d, way, e);
	else if (kind == LAR_TARGET_SOCKET)
		talked(p, t, d, way, e);
}

/* `d`: of the descriptor that the call was for, or made. */
static void life_call(struct io_patterns *p, struct io_pattern *t, struct io_descriptor *d,
		      unsigned operation, const struct event *e)
{
	int64_t result = (int64_t)e->field[3];

	switch (operation) {
	case LAR_OP_OPEN:
		t->opens += result >= 0;
		*d = (struct io_descriptor){ .known = true };
		d->append = e->field[5] != NO_OFFSET && e->field[5] & O_APPEND;
		break;
	case LAR_OP_CLOSE:
		*d = (struct io_descriptor){ 0 };
		break;
	case LAR_OP_SEEK:
		t->seeks++;
		if (result >= 0) {
			d->position = (uint64_t)result;
			d->known = true;
		}
		break;
	case LAR_OP_SYNC:
		t->syncs++;
		break;
	case LAR_OP_CONNECT:
		t->slow_connects += e->field[1] >= p->slow_connect_ticks;
		if (e->field[1] > t->longest_connect_ticks)
			t->longest_connect_ticks = e->field[1];
		break;
	default:
		if (e->call == LAR_CALL_setsockopt && !result && e->field[4] &&
		    e->field[5] == ((uint64_t)IPPROTO_TCP << 32 | TCP_NODELAY))
			d->no_delay = true;
		break;
	}
}

/* A copy of a descriptor goes on from where the other is: that one is not in the event. */
static bool is_copy(unsigned call)
{
	return call == LAR_CALL_dup || call == LAR_CALL_dup2 || call == LAR_CALL_dup3 ||
	       call == LAR_CALL___dup2 || call == LAR_CALL_fcntl_dupfd;
}

int io_patterns_event(struct io_patterns *p, uint32_t index, unsigned kind, const struct event *e)
{
	unsigned operation = call_operation(e->call);
	uint64_t start = e->ticks > e->field[1] ? e->ticks - e->field[1] : 0;
	struct io_descriptor *d = descriptor_of(p, (int32_t)(uint32_t)e->field[2]);
	struct io_pattern *t;

	if (!d || array_reserve((void **)&p->target, &p->size, index, sizeof(*p->target)))
		return -ENOMEM;
	t = &p->target[index];
	if (!t->last_ticks || start < t->first_ticks)
		t->first_ticks = start;
	t->last_ticks = e->ticks ? e->ticks : 1;
	count_in_flight(t, start, e->ticks, p->step_ticks);
	if (operation == LAR_OP_READ || operation == LAR_OP_WRITE) {
		data_call(p, t, index, d, kind, e);
	} else {
		life_call(p, t, d, operation, e);
		if (is_copy(e->call))
			d->known = false;
	}
	d->last_operation = operation;
	return 0;
}
