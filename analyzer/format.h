/* SPDX-License-Identifier: MIT */
/*
 * Figures as people read them. Each function writes into `buf` of at least FORMAT_SIZE bytes and
 * returns it. No state.
 */
#ifndef LARIAT_FORMAT_H
#define LARIAT_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#define FORMAT_SIZE 48

/* 0 B, 999 B, 1.50 KiB, 34.2 MiB, 1023 GiB: three digits that count. */
const char *format_bytes(char *buf, uint64_t bytes);

/* 1,234,567 */
const char *format_count(char *buf, uint64_t count);

/* 1 block, 2 blocks: `thing` is the singular, at most 15 bytes, and takes an s. */
const char *format_things(char *buf, uint64_t count, const char *thing);

/* 0 ns, 15 ns, 1.50 us, 34.2 ms, 1.23 s, 2 min 05 s, 1 h 05 min. */
const char *format_time(char *buf, uint64_t ns);

/* part of whole: 0 %, <1 %, 35 %, >99 %, 100 %; "-" when whole is 0. */
const char *format_percent(char *buf, uint64_t part, uint64_t whole);

/* 2026-02-03 04:05:06 in local time. */
const char *format_date(char *buf, uint64_t unix_ns);

#endif
