/* SPDX-License-Identifier: MIT */
/*
 * The recorder's own memory: anonymous mappings, never the program's heap. Every mapping is wiped
 * in a forked child (MADV_WIPEONFORK) or missing there, which therefore finds all of the recorder's
 * state zero and starts afresh, whichever way it was forked.
 */
#ifndef LARIAT_POOL_H
#define LARIAT_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed, page-aligned; NULL when there is no memory. Any thread, any context. */
void *pool_map(size_t size);
void pool_unmap(void *p, size_t size);

/*
 * The same of memory that is larger than what is used of it: a large piece does not count as
 * the program's data (RLIMIT_DATA), which untouched memory does, too. A forked child does not have
 * it, and calls pool_forked() before anything else here.
 */
void *pool_map_apart(size_t size);
void pool_forked(void);

/* Calls fn for each mapping there is; false when there have been too many to know them all. For a
 * moment at which no other thread runs. */
bool pool_each(void (*fn)(void *arg, uint64_t start, uint64_t end), void *arg);

#endif
