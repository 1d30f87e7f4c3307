/* SPDX-License-Identifier: MIT */
/* How numbers are written into the columns of a block; only for encode.c. */
#ifndef LARIAT_ENCODE_PUT_H
#define LARIAT_ENCODE_PUT_H

#include <stdint.h>

#define MAX_VARINT 10

/* The builtin, since the recorder is compiled without memcpy as one. */
static inline void put_word(uint8_t *p, uint64_t v)
{
	__builtin_memcpy(p, &v, 8);
}

static inline uint8_t *put_varint(uint8_t *p, uint64_t v)
{
	while (v >= 0x80) {
		*p++ = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	*p++ = (uint8_t)v;
	return p;
}

/*
 * The same for numbers below 2^14, of which some need one byte and some two, which no processor can
 * predict: no branch. May write one byte more than it returns.
 */
static inline uint8_t *put_symbol(uint8_t *p, uint32_t v)
{
	uint32_t two = (0x7f - v) >> 31;

	p[0] = (uint8_t)(v | two << 7);
	p[1] = (uint8_t)(v >> 7);
	return p + 1 + two;
}

/* Such a number that is written many times: its bytes, the first one lowest, and how many. */
struct symbol {
	uint16_t bytes;
	uint8_t size;
};

static inline struct symbol symbol_of(uint32_t v)
{
	uint8_t bytes[2], *end = put_symbol(bytes, v);

	return (struct symbol){ (uint16_t)(bytes[0] | bytes[1] << 8), (uint8_t)(end - bytes) };
}

static inline uint8_t *put_again(uint8_t *p, struct symbol s)
{
	__builtin_memcpy(p, &s.bytes, sizeof(s.bytes));
	return p + s.size;
}

/* The same for any number, of which nearly all are below 2^14. */
static inline uint8_t *put_short(uint8_t *p, uint64_t v)
{
	return __builtin_expect(v >> 14 != 0, 0) ? put_varint(p, v) : put_symbol(p, (uint32_t)v);
}

/*
 * The same for numbers that are seldom short: up to 56 bits with neither a loop nor a branch on
 * their length. Always writes 8 bytes, as many as a region has left behind the longest stream.
 */
static inline uint8_t *put_long_varint(uint8_t *p, uint64_t v)
{
	unsigned bytes = (70 - (unsigned)__builtin_clzll(v | 1)) / 7;

	if (__builtin_expect(v >> 56, 0))
		return put_varint(p, v);
	/* groups of 28, then 14, then 7 bits move to where their bytes are */
	v = (v & 0xfffffff) | (v & 0xfffffff0000000) << 4;
	v = (v & 0x3fff00003fff) | (v & 0xfffc0000fffc000) << 2;
	v = (v & 0x7f007f007f007f) | (v & 0x3f803f803f803f80) << 1;
	v |= 0x8080808080808080 & ((1ull << (8 * bytes - 8)) - 1);
	put_word(p, v);
	return p + bytes;
}

static inline uint64_t zigzag(int64_t v)
{
	return (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
}

static inline uint32_t zigzag32(uint32_t v)
{
	return v << 1 ^ (uint32_t)((int32_t)v >> 31);
}

/*
 * Addresses change by multiples of 8 nearly always: 0 bit, sign, distance / 8. Else the byte 1
 * and the address in 8 bytes.
 */
static inline uint8_t *put_address(uint8_t *p, uint64_t addr, uint64_t last)
{
	uint64_t delta = addr - last;
	uint64_t negative = delta >> 63;
	uint64_t distance = negative ? 0 - delta : delta;

	if ((distance & 7) == 0 && distance < 1ull << 62)
		return put_long_varint(p, (distance >> 3) << 2 | negative << 1);
	*p++ = 1;
	put_word(p, addr);
	return p + 8;
}

#endif
