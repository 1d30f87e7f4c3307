/* SPDX-License-Identifier: MIT */
/* Copies the staging slots; see staging.h. */
#include "staging.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BUFFER  (64u << 20)	  /* of one slot */
#define MAX_TOTAL   (1024u << 20) /* of all slots' records */
#define MAX_SLOTS   65536u
#define MAX_TRIES   8 /* to copy a slot that its thread keeps sealing */

#define CELL_RECORD 7 /* words */
#define CELLS_ROOM  (LAR_SLOT_STDIO_CELLS * CELL_RECORD * sizeof(uint64_t))

static uint32_t state_head(uint64_t state)
{
	return (uint32_t)state;
}
static uint32_t state_seq(uint64_t state)
{
	return (uint32_t)(state >> 32);
}

/* Removes a record of a kind that only later versions know, of the form that the header gives. */
static bool drop_unknown(const struct ringfile *rf, uint64_t *record, size_t *words)
{
	unsigned kind = lar_word0_kind(*record);
	uint8_t form = kind < LAR_KIND_FORMS ? rf->header.kind_form[kind] : 0;
	size_t n = 1 + (form & 0x7f);

	if (n < 2 || n > 1 + LAR_EVENT_MAX_FIELDS || n > *words)
		return false;
	*words -= n;
	memmove(record, record + n, *words * 8);
	return true;
}

/* Whether the record's node, or the parent of its nodes, is one of `nodes`, to which it may add. */
static bool check_node(uint64_t w0, uint32_t *nodes)
{
	unsigned kind = lar_word0_kind(w0);
	uint32_t node = lar_word0_node(w0);

	if (kind == LAR_EV_PATH) {
		if (node > *nodes || lar_word0_call(w0) > LAR_MAX_DEPTH)
			return false;
		*nodes += lar_word0_call(w0);
		return true;
	}
	return lar_event_shapes[kind].has_stack ? node <= *nodes : !node;
}

/* Keeps the whole records at the front, with their number and latest time. */
static void measure(struct staging *st, const struct ringfile *rf, struct staging_slot *s,
		    size_t words)
{
	size_t at = 0;

	while (at < words) {
		uint64_t w0 = s->words[at];
		uint32_t n = lar_record_words(w0);
		size_t left = words - at;

		if (!n) {
			if (!drop_unknown(rf, s->words + at, &left))
				break;
			words = at + left;
			st->skipped++;
			continue;
		}
		if (n > left || !check_node(w0, &s->nodes))
			break;
		if (lar_word0_kind(w0) != LAR_EV_PATH) {
			if (s->words[at + 1] > s->last_ticks)
				s->last_ticks = s->words[at + 1];
			s->events++;
		}
		at += n;
	}
	if (at < words)
		st->damaged++;
	s->word_count = at;
}

/*
 * What a stream cell sums up, as the record that it would have become; see LAR_EV_IO. Its time is
 * that of the first call.
 */
static bool cell_record(const struct lar_stdio_cell *c, uint32_t nodes, uint64_t *r)
{
	if (c->node > nodes || c->call >= LAR_CALL_MAX)
		return false;
	r[0] = lar_word0(LAR_EV_IO, c->target ? 0 : LAR_IO_NO_TARGET, c->call, c->node);
	r[1] = c->since;
	r[2] = 0;
	r[3] = lar_fd_target(c->fd, c->target);
	r[4] = c->bytes;
	r[5] = c->calls;
	r[6] = UINT64_MAX;
	return true;
}

/* Puts what the stream cells hold, and no record has, behind the records. */
static void copy_streams(struct staging *st, const struct lar_slot *header,
			 const struct lar_slot_stdio *streams, struct staging_slot *s)
{
	bool given_up = header->stdio_flush_state && header->state >= header->stdio_flush_state;

	for (uint32_t i = 0; i < LAR_SLOT_STDIO_CELLS; i++) {
		const struct lar_stdio_cell *c = &streams->cell[i];

		if (!c->stream || (given_up && header->stdio_flush_cells >> i & 1))
			continue;
		if (!cell_record(c, s->nodes, s->words + s->word_count + s->cell_words)) {
			st->damaged++;
			continue;
		}
		s->cell_words += CELL_RECORD;
		if (c->since > s->last_ticks)
			s->last_ticks = c->since;
	}
}

/* Copies the records at `offset`; 0, or -EAGAIN when the slot was sealed meanwhile. */
static int copy_records(struct staging *st, const struct ringfile *rf, uint64_t offset,
			const struct lar_slot *header, struct staging_slot *s)
{
	const uint64_t streams_at = sizeof(*header) + sizeof(struct lar_slot_holds);
	uint32_t head = state_head(header->state);
	struct lar_slot_stdio streams;
	uint64_t state;
	ssize_t got;
	bool has_streams;

	s->words = malloc(head + CELLS_ROOM);
	if (!s->words)
		return -ENOMEM;
	got = ringfile_read(rf, offset + rf->header.slot_header_size, s->words, head);
	if (got < 0)
		return (int)got;
	has_streams = rf->header.slot_header_size >= streams_at + sizeof(streams) &&
		      ringfile_read(rf, offset + streams_at, &streams, sizeof(streams)) ==
			      sizeof(streams);
	if (ringfile_read(rf, offset + offsetof(struct lar_slot, state), &state, 8) == 8 &&
	    state_seq(state) != s->seq)
		return -EAGAIN;
	if ((size_t)got < head)
		st->damaged++;
	measure(st, rf, s, (size_t)got / 8);
	if (has_streams)
		copy_streams(st, header, &streams, s);
	return 0;
}

static int copy_locks(struct staging_slot *s, struct lar_slot *header,
		      const struct lar_slot_holds *holds)
{
	uint32_t n = 0;

	/* the figures of a cell that was just given up are in an event already */
	if (header->flush_state && header->state >= header->flush_state &&
	    header->flush_cell < LAR_SLOT_LOCK_CELLS)
		header->locks[header->flush_cell].addr = 0;
	for (uint32_t i = 0; i < LAR_SLOT_LOCK_CELLS; i++)
		n += header->locks[i].addr != 0;
	if (!n)
		return 0;
	s->locks = malloc(n * sizeof(*s->locks));
	s->holds = holds ? malloc(n * sizeof(*s->holds)) : NULL;
	if (!s->locks || (holds && !s->holds))
		return -ENOMEM;
	for (uint32_t i = 0; i < LAR_SLOT_LOCK_CELLS; i++) {
		if (!header->locks[i].addr)
			continue;
		if (holds)
			s->holds[s->lock_count] = holds->cell[i];
		s->locks[s->lock_count++] = header->locks[i];
	}
	return 0;
}

/* A thread that has recorded something since is not in that call any more, or in a signal handler
 * that came in between. */
static void copy_call(struct staging_slot *s, const struct lar_slot *header)
{
	if (!header->call_now || header->call_now >= LAR_CALL_MAX || !header->owner_tid ||
	    s->last_ticks > header->call_since)
		return;
	s->call = header->call_now;
	s->call_fd = header->call_fd;
	s->call_target = header->call_target;
	s->call_since = header->call_since;
}

static int append(struct staging *st, const struct staging_slot *s)
{
	if (st->count == st->capacity) {
		size_t capacity = st->capacity ? 2 * st->capacity : 16;
		struct staging_slot *p = realloc(st->slots, capacity * sizeof(*p));

		if (!p)
			return -ENOMEM;
		st->slots = p;
		st->capacity = capacity;
	}
	st->slots[st->count++] = *s;
	return 0;
}

/* One try; -EAGAIN when the slot changed hands under the copy. *total counts the bytes copied. */
static int copy_slot(struct staging *st, const struct ringfile *rf, uint64_t offset, uint64_t size,
		     uint32_t index, uint64_t *total)
{
	uint64_t room = size - rf->header.slot_header_size;
	struct staging_slot s = { .index = index };
	struct lar_slot_holds holds;
	struct lar_slot header;
	bool has_holds = rf->header.slot_header_size >= sizeof(header) + sizeof(holds);
	uint32_t head;
	int rc = 0;

	if (ringfile_read(rf, offset, &header, sizeof(header)) != sizeof(header)) {
		st->damaged++;
		return 0;
	}
	if (!header.magic && !header.state)
		return 0; /* taken, never used */
	head = state_head(header.state);
	if (header.magic != LAR_SLOT_MAGIC || header.index != index || head > room || head % 8 ||
	    *total + head > MAX_TOTAL) {
		st->damaged++;
		return 0;
	}
	s.seq = state_seq(header.state);
	s.thread = header.thread_no;
	s.tid = header.owner_tid;
	if (head)
		rc = copy_records(st, rf, offset, &header, &s);
	if (!rc)
		has_holds &= ringfile_read(rf, offset + sizeof(header), &holds, sizeof(holds)) ==
			     sizeof(holds);
	if (!rc)
		rc = copy_locks(&s, &header, has_holds ? &holds : NULL);
	if (!rc)
		copy_call(&s, &header);
	s.cpu_ns = header.owner_tid ? header.cpu_ns : 0;
	if (!rc && (s.word_count || s.lock_count || s.call || s.cpu_ns)) {
		rc = append(st, &s);
		if (!rc) {
			*total += head;
			return 0;
		}
	}
	free(s.words);
	free(s.locks);
	free(s.holds);
	return rc;
}

static bool good_size(const struct ringfile *rf, uint64_t size)
{
	return size > rf->header.slot_header_size &&
	       size - rf->header.slot_header_size <= MAX_BUFFER && size % 8 == 0;
}

int staging_init(struct staging *staging, const struct ringfile *rf)
{
	struct lar_section area = ringfile_section(rf, LAR_SECTION_STAGING);
	struct lar_slot_sizes sizes = lar_slot_sizes(&rf->header, area.unit_size);
	uint64_t total = 0, offset;

	memset(staging, 0, sizeof(*staging));
	if (!area.size)
		return 0;
	if (!good_size(rf, sizes.unit_size) || !good_size(rf, sizes.narrow_size) ||
	    (sizes.wide_slots && !good_size(rf, sizes.wide_size))) {
		staging->damaged++;
		return 0;
	}
	for (uint32_t i = 0; i < area.used && i < MAX_SLOTS; i++) {
		int rc = -EAGAIN;

		offset = lar_slot_offset(&sizes, i);
		if (offset >= area.size) /* the last one may be cut */
			break;
		for (int try = 0; rc == -EAGAIN && try < MAX_TRIES; try++)
			rc = copy_slot(staging, rf, area.offset + offset, lar_slot_size(&sizes, i),
				       i, &total);
		if (rc && rc != -EAGAIN)
			return rc;
	}
	return 0;
}

void staging_fini(struct staging *staging)
{
	for (size_t i = 0; i < staging->count; i++) {
		free(staging->slots[i].words);
		free(staging->slots[i].locks);
		free(staging->slots[i].holds);
	}
	free(staging->slots);
	memset(staging, 0, sizeof(*staging));
}
