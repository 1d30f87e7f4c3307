/* SPDX-License-Identifier: MIT */
/*
 * A zstd frame around a few bytes as they are, with its checksum: a compressor's tables would cost
 * a short program more than all else that is written, and would save no page of the disk. By RFC
 * 8878; the checksum is XXH64, by its specification.
 */
#include <string.h>

#include "reach.h"

#define FRAME_MAGIC   0xfd2fb528u
#define SINGLE_PART   0x20u /* the content is one segment; its size follows */
#define WITH_CHECKSUM 0x04u
#define SIZE_IN_TWO   0x40u /* bytes of the content's size; less 256 */
#define LAST_BLOCK    1u    /* its type, raw, is 0 */

#define P1	      0x9e3779b185ebca87ull
#define P2	      0xc2b2ae3d27d4eb4full
#define P3	      0x165667b19e3779f9ull
#define P4	      0x85ebca77c2b2ae63ull
#define P5	      0x27d4eb2f165667c5ull

static uint64_t rotate(uint64_t v, unsigned by)
{
	return v << by | v >> (64 - by);
}

static uint64_t word(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t lane(uint64_t v, uint64_t input)
{
	return rotate(v + input * P2, 31) * P1;
}

static uint64_t lanes(const uint8_t *p, size_t size)
{
	uint64_t v[4] = { P1 + P2, P2, 0, 0 - P1 }, h;

	for (; size >= 32; size -= 32, p += 32)
		for (unsigned i = 0; i < 4; i++)
			v[i] = lane(v[i], word(p + 8 * i));
	h = rotate(v[0], 1) + rotate(v[1], 7) + rotate(v[2], 12) + rotate(v[3], 18);
	for (unsigned i = 0; i < 4; i++)
		h = (h ^ lane(0, v[i])) * P1 + P4;
	return h;
}

static uint64_t checksum(const uint8_t *p, size_t size)
{
	uint64_t h = (size >= 32 ? lanes(p, size) : P5) + size;
	uint32_t half;

	p += size / 32 * 32;
	size %= 32;
	for (; size >= 8; size -= 8, p += 8)
		h = rotate(h ^ lane(0, word(p)), 27) * P1 + P4;
	if (size >= 4) {
		memcpy(&half, p, sizeof(half));
		h = rotate(h ^ half * P1, 23) * P2 + P3;
		size -= 4;
		p += 4;
	}
	for (; size; size--, p++)
		h = rotate(h ^ *p * P5, 11) * P1;
	h = (h ^ h >> 33) * P2;
	h = (h ^ h >> 29) * P3;
	return h ^ h >> 32;
}

static size_t put(uint8_t *to, uint32_t v, unsigned bytes)
{
	memcpy(to, &v, bytes);
	return bytes;
}

uint8_t *reach_frame(struct reach *r, const uint8_t *from, size_t size, uint32_t *framed)
{
	uint8_t *to = reach_memory(r, size + REACH_FRAME_MORE);
	bool wide = size >= 256;
	size_t n;

	if (!to)
		return NULL;
	n = put(to, FRAME_MAGIC, 4);
	n += put(to + n, SINGLE_PART | WITH_CHECKSUM | (wide ? SIZE_IN_TWO : 0), 1);
	n += put(to + n, (uint32_t)(wide ? size - 256 : size), wide ? 2 : 1);
	n += put(to + n, LAST_BLOCK | (uint32_t)size << 3, 3);
	memcpy(to + n, from, size);
	n += size;
	n += put(to + n, (uint32_t)checksum(from, size), 4);
	*framed = (uint32_t)n;
	return to;
}
