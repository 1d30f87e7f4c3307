/* SPDX-License-Identifier: MIT */
/*
 * Reads of the program's memory. Without memcpy and memcmp: in a program with a sanitizer those are
 * its runtime's, which complains of memory that was freed or that another thread writes.
 */
#ifndef LARIAT_PEEK_H
#define LARIAT_PEEK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline uint64_t peek_word(uint64_t address)
{
	uint64_t v;

	__builtin_memcpy(&v, (const void *)address, sizeof(v));
	return v;
}

static inline int32_t peek_int(uint64_t address)
{
	int32_t v;

	__builtin_memcpy(&v, (const void *)address, sizeof(v));
	return v;
}

/* The bytes of a word that is cut, n below 8; those that are not there are 0. */
static inline uint64_t peek_part(uint64_t address, size_t n)
{
	uint64_t v = 0;

	while (n-- > 0)
		v = v << 8 | *(const volatile uint8_t *)(address + n);
	return v;
}

static inline bool peek_same(uint64_t a, uint64_t b, size_t size)
{
	size_t at = 0;

	while (at + 8 <= size && peek_word(a + at) == peek_word(b + at))
		at += 8;
	return at + 8 > size && peek_part(a + at, size - at) == peek_part(b + at, size - at);
}

#endif
