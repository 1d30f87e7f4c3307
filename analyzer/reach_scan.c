/* SPDX-License-Identifier: MIT */
/* Reads leak scans; see reach_scan.h. */
#include "reach_scan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define MAX_RAW	   (1u << 30)
#define AREA_STEP  4096u
#define MAX_SHIFT  16
#define EQUALS_RAW (16u << 20)

const char *const reach_class_names[REACH_CLASSES] = { "unfreed", "definitely_lost",
						       "indirectly_lost", "still_reachable" };

static bool header_valid(const struct lar_leakscan *h, uint64_t room)
{
	return h->magic == LAR_LEAKSCAN_MAGIC && h->check == lar_leakscan_check(h) && h->seq &&
	       h->comp_size <= room - sizeof(*h) && h->raw_size <= MAX_RAW &&
	       !h->raw_size == !h->comp_size && h->listed <= h->raw_size &&
	       h->address_shift <= MAX_SHIFT;
}

/* Each block takes a byte at least. False when the bytes are not `listed` rising addresses. */
static bool decode_list(struct reach *r, const uint8_t *p, size_t size)
{
	const uint8_t *end = p + size;
	uint64_t address = 0;

	for (r->lost_count = 0; r->lost_count < r->scan.listed; r->lost_count++) {
		uint64_t v = 0;
		unsigned shift = 0;

		for (;; shift += 7) {
			if (p == end || shift > 63)
				return false;
			v |= (uint64_t)(*p & 0x7f) << shift;
			if (!(*p++ & 0x80))
				break;
		}
		if (v >> 1 >> (62 - r->scan.address_shift) || (r->lost_count && !(v >> 1)))
			return false;
		address += v >> 1 << r->scan.address_shift;
		if (address >> 63)
			return false;
		r->lost[r->lost_count] = address << 1 | (v & 1);
	}
	return p == end;
}

/* Reads the list of an area whose header is right; *whole tells whether it could be. */
static int read_list(struct reach *r, const struct ringfile *rf, uint64_t offset, bool *whole)
{
	const struct lar_leakscan *h = &r->scan;
	uint8_t *frame, *raw;
	size_t n;

	*whole = !h->raw_size && !h->listed;
	if (!h->raw_size)
		return 0;
	free(r->lost);
	frame = malloc(h->comp_size);
	raw = malloc(h->raw_size);
	r->lost = calloc(h->listed + 1, sizeof(*r->lost));
	if (!frame || !raw || !r->lost) {
		free(frame);
		free(raw);
		return -ENOMEM;
	}
	if (ringfile_read(rf, offset + sizeof(*h), frame, h->comp_size) == (ssize_t)h->comp_size) {
		n = ZSTD_decompress(raw, h->raw_size, frame, h->comp_size);
		*whole = !ZSTD_isError(n) && n == h->raw_size && decode_list(r, raw, n);
	}
	free(frame);
	free(raw);
	return 0;
}

static bool equals_valid(const struct lar_equals *h, uint64_t seq, uint64_t room)
{
	return h->magic == LAR_EQUALS_MAGIC && h->check == lar_equals_check(h) && h->seq == seq &&
	       h->comp_size <= room && h->raw_size <= EQUALS_RAW && !h->raw_size == !h->comp_size &&
	       h->listed <= h->raw_size;
}

/* What stands behind the scan's own frame; none of it where it is not whole. */
static int read_equals(struct reach *r, const struct ringfile *rf, uint64_t area, uint64_t room)
{
	uint64_t at = lar_equals_offset(&r->scan);
	struct lar_equals *h = &r->equals;
	uint8_t *frame;
	size_t n;

	if (!(r->scan.flags & LAR_LEAKSCAN_EQUALS) || at + sizeof(*h) > room ||
	    ringfile_read(rf, area + at, h, sizeof(*h)) != sizeof(*h) ||
	    !equals_valid(h, r->scan.seq, room - at - sizeof(*h))) {
		memset(h, 0, sizeof(*h));
		return 0;
	}
	if (!h->raw_size)
		return 0;
	frame = malloc(h->comp_size);
	r->equals_list = malloc(h->raw_size);
	if (!frame || !r->equals_list) {
		free(frame);
		return -ENOMEM;
	}
	n = 0;
	if (ringfile_read(rf, area + at + sizeof(*h), frame, h->comp_size) == (ssize_t)h->comp_size)
		n = ZSTD_decompress(r->equals_list, h->raw_size, frame, h->comp_size);
	free(frame);
	if (ZSTD_isError(n) || n != h->raw_size) {
		free(r->equals_list);
		r->equals_list = NULL;
		h->raw_size = h->comp_size = 0;
		h->listed = 0;
	}
	return 0;
}

static uint64_t area_seq(const struct ringfile *rf, uint64_t offset, uint64_t room)
{
	struct lar_leakscan h;

	if (ringfile_read(rf, offset, &h, sizeof(h)) != sizeof(h) || !header_valid(&h, room))
		return 0;
	return h.seq;
}

int reach_init(struct reach *r, const struct ringfile *rf)
{
	struct lar_section s = ringfile_section(rf, LAR_SECTION_LEAKS);
	uint64_t room = 0;
	unsigned first;
	int rc = 0;

	memset(r, 0, sizeof(*r));
	/* where the second area is does not depend on where the file was cut */
	for (unsigned i = 0; s.size && i < rf->header.section_count; i++)
		if (rf->header.sections[i].type == LAR_SECTION_LEAKS &&
		    rf->header.sections[i].offset == s.offset)
			room = rf->header.sections[i].size / 2 / AREA_STEP * AREA_STEP;
	if (room < sizeof(r->scan) || room > INT64_MAX / 4)
		return 0;
	first = area_seq(rf, s.offset + room, room) > area_seq(rf, s.offset, room);
	for (unsigned i = 0; i < 2 && !rc; i++) {
		uint64_t offset = s.offset + (first ^ i) * room;
		bool whole = false;

		if (ringfile_read(rf, offset, &r->scan, sizeof(r->scan)) != sizeof(r->scan) ||
		    !r->scan.magic)
			continue;
		if (header_valid(&r->scan, room))
			rc = read_list(r, rf, offset, &whole);
		if (whole)
			return rc ? rc : read_equals(r, rf, offset, room);
		r->damaged++;
	}
	memset(&r->scan, 0, sizeof(r->scan));
	r->lost_count = 0;
	return rc;
}

void reach_fini(struct reach *r)
{
	free(r->lost);
	free(r->equals_list);
	memset(r, 0, sizeof(*r));
}

enum reach_class reach_class_of(const struct reach *r, uint64_t address, uint64_t born_ticks,
				unsigned time_shift)
{
	size_t low = 0, high = r->lost_count;

	if (!reach_done(r) || born_ticks >> time_shift > r->scan.ticks >> time_shift ||
	    address >= r->scan.listed_until)
		return REACH_UNKNOWN;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (r->lost[middle] >> 1 < address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == r->lost_count || r->lost[low] >> 1 != address)
		return REACH_REACHABLE;
	return r->lost[low] & 1 ? REACH_INDIRECT : REACH_DEFINITE;
}

const char *reach_failure(const struct reach *r, char *buf, size_t size)
{
	unsigned long long detail = (unsigned long long)r->scan.detail;

	switch (r->scan.status) {
	case LAR_LEAKSCAN_BEGUN:
		snprintf(buf, size, "the process ended while it was under way");
		break;
	case LAR_LEAKSCAN_FORK:
		snprintf(buf, size, "the system refused a snapshot of the process (%s)",
			 strerror((int)detail));
		break;
	case LAR_LEAKSCAN_THREADS:
		snprintf(buf, size, "%llu thread%s could not be stopped", detail,
			 detail == 1 ? "" : "s");
		break;
	case LAR_LEAKSCAN_MEMORY:
		snprintf(buf, size, "there was no memory for it");
		break;
	case LAR_LEAKSCAN_PROC:
		snprintf(buf, size, "the process could not read its own mappings in /proc (%s)",
			 strerror((int)detail));
		break;
	case LAR_LEAKSCAN_TRACE:
		snprintf(buf, size, "the trace no longer told all blocks in use");
		break;
	case LAR_LEAKSCAN_TIME:
		snprintf(buf, size, "it took longer than %llu ms (--leak-scan-limit)", detail);
		break;
	case LAR_LEAKSCAN_SIGNAL:
		snprintf(buf, size, "signal %llu came while it was at it", detail);
		break;
	case LAR_LEAKSCAN_CRASH:
		snprintf(buf, size, "it ended early (wait status %llu)", detail);
		break;
	case LAR_LEAKSCAN_SAMPLED:
		snprintf(buf, size, "allocations were sampled: not all blocks are known");
		break;
	case LAR_LEAKSCAN_FILTERED:
		snprintf(buf, size, "the program filters its system calls");
		break;
	case LAR_LEAKSCAN_FORKED:
		snprintf(buf, size, "the process is a fork, and --leak-scan=main leaves those out");
		break;
	case LAR_LEAKSCAN_LARGE:
		snprintf(buf, size, "%llu GiB of memory are mapped, too many to look through",
			 detail);
		break;
	case LAR_LEAKSCAN_APART:
		snprintf(buf, size, "the process had left its PID or time namespace (unshare)");
		break;
	case LAR_LEAKSCAN_DEBUGGED:
		snprintf(buf, size, "a debugger had the threads (process %llu)", detail);
		break;
	case LAR_LEAKSCAN_NONE:
		snprintf(buf, size, r->damaged ? "its result is damaged" : "there was none");
		break;
	default:
		snprintf(buf, size, "it ended in a way that this version does not know (%u)",
			 r->scan.status);
		break;
	}
	return buf;
}
