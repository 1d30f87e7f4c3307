/* SPDX-License-Identifier: MIT */
/*
 * Numbers as unwind tables have them: LEB128 (DWARF 4, section 7.6), fixed sizes, and the pointer
 * encodings of .eh_frame (Linux Standard Base, "DWARF Exception Header Encoding"). A reader never
 * goes behind its end: what is missing reads as 0.
 */
#ifndef LARIAT_DWARFREAD_H
#define LARIAT_DWARFREAD_H

#include <stddef.h>
#include <stdint.h>

enum {
	DW_EH_PE_ABSPTR = 0x00,
	DW_EH_PE_ULEB128 = 0x01,
	DW_EH_PE_UDATA2 = 0x02,
	DW_EH_PE_UDATA4 = 0x03,
	DW_EH_PE_UDATA8 = 0x04,
	DW_EH_PE_SLEB128 = 0x09,
	DW_EH_PE_SDATA2 = 0x0a,
	DW_EH_PE_SDATA4 = 0x0b,
	DW_EH_PE_SDATA8 = 0x0c,
	DW_EH_PE_PCREL = 0x10,
	DW_EH_PE_DATAREL = 0x30,
	DW_EH_PE_OMIT = 0xff,
};

struct reader {
	const uint8_t *p, *end;
};

static inline uint64_t read_uleb(struct reader *r)
{
	uint64_t v = 0;
	unsigned shift = 0;

	while (r->p < r->end) {
		uint8_t b = *r->p++;

		if (shift < 64)
			v |= (uint64_t)(b & 0x7f) << shift;
		shift += 7;
		if (!(b & 0x80))
			break;
	}
	return v;
}

static inline int64_t read_sleb(struct reader *r)
{
	uint64_t v = 0;
	unsigned shift = 0;
	uint8_t b = 0;

	while (r->p < r->end) {
		b = *r->p++;
		if (shift < 64)
			v |= (uint64_t)(b & 0x7f) << shift;
		shift += 7;
		if (!(b & 0x80))
			break;
	}
	if (shift < 64 && (b & 0x40))
		v |= ~0ull << shift;
	return (int64_t)v;
}

/* size: 1, 2, 4 or 8 */
static inline uint64_t read_fixed(struct reader *r, unsigned size)
{
	uint64_t v = 0;

	if ((size_t)(r->end - r->p) < size) {
		r->p = r->end;
		return 0;
	}
	/* constant sizes: the recorder is built without builtins, and a call costs more than this
	 */
	if (size == 1)
		v = *r->p;
	else if (size == 2)
		__builtin_memcpy(&v, r->p, 2);
	else if (size == 4)
		__builtin_memcpy(&v, r->p, 4);
	else
		__builtin_memcpy(&v, r->p, 8);
	r->p += size;
	return v;
}

/* The 4 bytes at p, wherever they lie. */
static inline uint32_t read_word(const uint8_t *p)
{
	uint32_t v;

	__builtin_memcpy(&v, p, 4);
	return v;
}

/* A pointer in one of the encodings that compilers and linkers use; data = base of DATAREL. */
static inline uint64_t read_encoded(struct reader *r, uint8_t encoding, uint64_t data)
{
	uint64_t at = (uint64_t)r->p, v;

	/* what nearly all tables are made of */
	if (encoding == (DW_EH_PE_PCREL | DW_EH_PE_SDATA4) && r->end - r->p >= 4) {
		v = (uint64_t)(int64_t)(int32_t)read_word(r->p);
		r->p += 4;
		return v ? v + at : 0;
	}
	switch (encoding & 0x0f) {
	case DW_EH_PE_ULEB128:
		v = read_uleb(r);
		break;
	case DW_EH_PE_SLEB128:
		v = (uint64_t)read_sleb(r);
		break;
	case DW_EH_PE_UDATA2:
		v = read_fixed(r, 2);
		break;
	case DW_EH_PE_SDATA2:
		v = (uint64_t)(int16_t)read_fixed(r, 2);
		break;
	case DW_EH_PE_UDATA4:
		v = read_fixed(r, 4);
		break;
	case DW_EH_PE_SDATA4:
		v = (uint64_t)(int32_t)read_fixed(r, 4);
		break;
	default:
		v = read_fixed(r, 8);
		break;
	}
	if (!v)
		return 0;
	if ((encoding & 0x70) == DW_EH_PE_PCREL)
		v += at;
	else if ((encoding & 0x70) == DW_EH_PE_DATAREL)
		v += data;
	return v;
}

#endif
