/* SPDX-License-Identifier: MIT */
/* Reads checkpoints; see checkpoint.h. */
#include "checkpoint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define MAX_RAW	  (512u << 20) /* of all tables */
#define MAX_COMP  (256u << 20)
#define MAX_TRIES 8 /* to read an area that is being written */
#define AREA_STEP 4096u

/*
 * What a reader has to know of a table: which columns are differences ('d'), and how many
 * histograms a row has.
 */
static const struct shape {
	const char *columns; /* NULL = not known to this version */
	uint8_t histograms, bits;
} shapes[LAR_TABLE_MAX] = {
	[LAR_TABLE_NODES] = { "d-d", 0, 0 },
	[LAR_TABLE_HEAP] = { "", 0, 0 },
	[LAR_TABLE_HEAP_SITES] = { "d", 1, HISTOGRAM_COARSE },
	[LAR_TABLE_LIVE] = { "d-d--", 0, 0 },
	[LAR_TABLE_HEAP_OPEN] = { "", 0, 0 },
	[LAR_TABLE_MAPS] = { "", 0, 0 },
	[LAR_TABLE_MAP_SITES] = { "d", 0, 0 },
	[LAR_TABLE_LAST_ALLOCATIONS] = { "d", 0, 0 },
	[LAR_TABLE_THREADS] = { "d----d", 0, 0 },
	[LAR_TABLE_IO] = { "", 1, HISTOGRAM_FINE },
	[LAR_TABLE_IO_TARGETS] = { "d", 1, HISTOGRAM_FINE },
	[LAR_TABLE_IO_SITES] = { "d", 1, HISTOGRAM_FINE },
	[LAR_TABLE_IO_SLOWEST] = { "-d", 0, 0 },
	[LAR_TABLE_IO_ERRORS] = { "", 0, 0 },
	[LAR_TABLE_LOCKS] = { "d", 2, HISTOGRAM_FINE },
	[LAR_TABLE_LOCK_SITES] = { "d", 2, HISTOGRAM_FINE },
	[LAR_TABLE_LOCK_PAIRS] = { "", 0, 0 },
	[LAR_TABLE_CONDITIONS] = { "d", 1, HISTOGRAM_FINE },
	[LAR_TABLE_POSITIONS] = { "d", 0, 0 },
	[LAR_TABLE_TIME] = { "", 0, 0 },
	[LAR_TABLE_TIMELINE] = { "dddddddddddddd", 0, 0 },
	[LAR_TABLE_SERIES] = { "", 0, 0 },
	[LAR_TABLE_THREAD_TOTALS] = { "", 0, 0 },
	[LAR_TABLE_IO_SPANS] = { "--d", 0, 0 },
	[LAR_TABLE_LOCK_TOTALS] = { "", 0, 0 },
	[LAR_TABLE_LOCK_ORDER] = { "", 0, 0 },
	[LAR_TABLE_LOCK_BLAME] = { "", 0, 0 },
	[LAR_TABLE_LOCK_WAITING] = { "", 0, 0 },
	[LAR_TABLE_IO_HEAT] = { "", 0, 0 },
	[LAR_TABLE_CPU] = { "d", 0, 0 },
};

/* Bytes that were checked before. */
static inline uint64_t varint(const uint8_t **p)
{
	uint64_t v = 0;
	unsigned shift = 0;

	for (; **p & 0x80; (*p)++, shift += 7)
		v |= (uint64_t)(**p & 0x7f) << shift;
	return v | (uint64_t) * (*p)++ << shift;
}

/* ---- checking ---- */

struct check {
	const uint8_t *at, *end;
	bool bad;
};

static uint64_t check_varint(struct check *c)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 70 && c->at < c->end; shift += 7) {
		uint8_t b = *c->at++;

		if (shift == 63 && b > 1)
			break;
		v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80))
			return v;
	}
	c->bad = true;
	return 0;
}

static void check_histogram(struct check *c, unsigned bits)
{
	uint64_t n, bucket = 0;

	if (!check_varint(c))
		return;
	for (int i = 0; i < 3; i++)
		check_varint(c);
	n = check_varint(c);
	for (uint64_t i = 0; i < n && !c->bad; i++) {
		uint64_t step = check_varint(c);

		if (step > LAR_HISTOGRAM_BUCKETS(bits) ||
		    (bucket += step) >= LAR_HISTOGRAM_BUCKETS(bits))
			c->bad = true;
		check_varint(c);
	}
}

/* Each column takes a byte at least, so that rows and columns cannot be more than there is. */
static void check_rows(struct check *c, const struct checkpoint_table *t, const struct shape *shape)
{
	uint64_t left = (uint64_t)(c->end - c->at);

	if (t->rows && (!t->columns || t->columns > left || t->rows > left / t->columns))
		c->bad = true;
	for (uint64_t row = 0; row < t->rows && !c->bad; row++) {
		for (uint64_t i = 0; i < t->columns && !c->bad; i++)
			check_varint(c);
		for (unsigned i = 0; i < shape->histograms && !c->bad; i++)
			check_histogram(c, shape->bits);
	}
}

/* Finds the tables; false when they are not whole. An unknown one ends the search. */
static bool find_tables(struct checkpoint *c)
{
	struct check k = { c->bytes, c->bytes + c->size, false };

	memset(c->table, 0, sizeof(c->table));
	for (;;) {
		uint64_t id = check_varint(&k);
		struct checkpoint_table *t = &c->table[id < LAR_TABLE_MAX ? id : 0];

		if (k.bad)
			return false;
		if (id == LAR_TABLE_END || id >= LAR_TABLE_MAX || !shapes[id].columns)
			return true;
		if (t->at)
			return false;
		t->rows = check_varint(&k);
		t->columns = check_varint(&k);
		t->at = (size_t)(k.at - c->bytes);
		check_rows(&k, t, &shapes[id]);
	}
}

/* ---- reading areas ---- */

enum area_state { AREA_NONE, AREA_WHOLE, AREA_DAMAGED };

static bool header_valid(const struct lar_checkpoint *h, uint64_t room)
{
	return h->magic == LAR_CHECKPOINT_MAGIC && h->check == lar_checkpoint_check(h) && h->seq &&
	       room > sizeof(*h) && h->comp_size <= room - sizeof(*h) && h->comp_size <= MAX_COMP &&
	       h->raw_size && h->raw_size <= MAX_RAW;
}

/* Decompresses an area whose header is right into *c. */
static int read_tables(struct checkpoint *c, const struct ringfile *rf, uint64_t offset,
		       enum area_state *state)
{
	const struct lar_checkpoint *h = &c->header;
	uint8_t *frame = malloc(h->comp_size);
	ssize_t got;
	size_t n;

	free(c->bytes);
	c->bytes = malloc(h->raw_size);
	c->size = h->raw_size;
	if (!frame || !c->bytes) {
		free(frame);
		return -ENOMEM;
	}
	got = ringfile_read(rf, offset + sizeof(*h), frame, h->comp_size);
	if (got == (ssize_t)h->comp_size) {
		n = ZSTD_decompress(c->bytes, c->size, frame, h->comp_size);
		if (!ZSTD_isError(n) && n == c->size && find_tables(c))
			*state = AREA_WHOLE;
	}
	free(frame);
	return 0;
}

/* Reads one area into *c, whole or not. */
static int read_area(struct checkpoint *c, const struct ringfile *rf, uint64_t offset,
		     uint64_t room, enum area_state *state)
{
	ssize_t got = ringfile_read(rf, offset, &c->header, sizeof(c->header));
	int rc = 0;

	*state = AREA_NONE;
	if (got != sizeof(c->header) || !c->header.magic)
		return 0;
	*state = AREA_DAMAGED;
	if (header_valid(&c->header, room))
		rc = read_tables(c, rf, offset, state);
	return rc;
}

/* The sequence number that an area claims, 0 = none. */
static uint64_t area_seq(const struct ringfile *rf, uint64_t offset, uint64_t room)
{
	struct lar_checkpoint h;

	if (ringfile_read(rf, offset, &h, sizeof(h)) != sizeof(h) || !header_valid(&h, room))
		return 0;
	return h.seq;
}

/* One look at both areas, the one with the higher number first. */
static int read_newest(struct checkpoint *c, const struct ringfile *rf, uint64_t offset,
		       uint64_t room)
{
	unsigned first = area_seq(rf, offset + room, room) > area_seq(rf, offset, room);
	enum area_state state = AREA_NONE;
	int rc = 0;

	c->damaged = 0;
	for (unsigned i = 0; i < 2 && !rc; i++) {
		rc = read_area(c, rf, offset + (first ^ i) * room, room, &state);
		if (state == AREA_WHOLE)
			break;
		c->damaged += state == AREA_DAMAGED;
		c->header.seq = 0;
	}
	return rc;
}

int checkpoint_init(struct checkpoint *c, const struct ringfile *rf)
{
	struct lar_section s = ringfile_section(rf, LAR_SECTION_ACCOUNTS);
	uint64_t room = 0;
	int rc = 0;

	memset(c, 0, sizeof(*c));
	/* where the second area is does not depend on where the file was cut */
	for (unsigned i = 0; s.size && i < rf->header.section_count; i++)
		if (rf->header.sections[i].type == LAR_SECTION_ACCOUNTS &&
		    rf->header.sections[i].offset == s.offset)
			room = rf->header.sections[i].size / 2 / AREA_STEP * AREA_STEP;
	if (!room || room > INT64_MAX / 4)
		return 0;
	/* in a live file both can be overwritten while they are read, one after the other */
	for (int try = 0; try < MAX_TRIES && !rc && !c->header.seq; try++) {
		rc = read_newest(c, rf, s.offset, room);
		if (!c->damaged)
			break;
	}
	if (!c->header.seq)
		memset(c->table, 0, sizeof(c->table));
	return rc;
}

void checkpoint_fini(struct checkpoint *c)
{
	free(c->bytes);
	free(c->stack);
	memset(c, 0, sizeof(*c));
}

/* ---- rows ---- */

void checkpoint_rows(const struct checkpoint *c, enum lar_table table, struct checkpoint_rows *r)
{
	const struct checkpoint_table *t = &c->table[table];

	memset(r, 0, sizeof(*r));
	if (!t->at)
		return;
	r->at = c->bytes + t->at;
	r->left = t->rows;
	r->columns = t->columns;
	r->per_row = shapes[table].histograms;
	r->bits = shapes[table].bits;
	for (unsigned i = 0; shapes[table].columns[i]; i++)
		if (shapes[table].columns[i] == 'd')
			r->differences |= UINT64_C(1) << i;
}

bool checkpoint_next(struct checkpoint_rows *r)
{
	while (r->histograms)
		checkpoint_histogram(r, NULL, 0);
	if (!r->left)
		return false;
	r->left--;
	for (uint64_t i = 0; i < r->columns; i++) {
		uint64_t v = varint(&r->at);

		if (i >= CHECKPOINT_COLUMNS)
			continue;
		if (i < 64 && r->differences >> i & 1)
			r->value[i] += (uint64_t)checkpoint_signed(v);
		else
			r->value[i] = v;
	}
	r->histograms = r->per_row;
	return true;
}

void checkpoint_histogram(struct checkpoint_rows *r, struct histogram *h, uint64_t times)
{
	struct histogram part = { 0 };
	uint64_t n, bucket = 0;

	if (!r->histograms)
		return;
	r->histograms--;
	part.count = varint(&r->at);
	if (!part.count)
		return;
	part.sum = varint(&r->at);
	part.min = varint(&r->at);
	part.max = varint(&r->at);
	n = varint(&r->at);
	if (h)
		histogram_add_sums(h, &part, times);
	for (uint64_t i = 0; i < n; i++) {
		bucket += varint(&r->at);
		part.count = varint(&r->at);
		if (h)
			histogram_add_bucket(h, (unsigned)bucket, part.count * times);
	}
}
