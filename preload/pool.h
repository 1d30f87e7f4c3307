/* SPDX-License-Identifier: MIT */
/*
 * The recorder's own memory: anonymous mappings, never the program's heap. Every mapping is wiped
 * in a forked child (MADV_WIPEONFORK), which therefore finds all of the recorder's state zero and
 * starts afresh, whichever way it was forked.
 */
#ifndef LARIAT_POOL_H
#define LARIAT_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed, page-aligned; NULL when there is no memory. Any thread, any context. */
void *pool_map(size_t size);
void pool_unmap(void *p, size_t size);

/* Calls fn for each mapping there is; false when there have been too many to know them all. For a
 * moment at which no other thread runs. */
bool pool_each(void (*fn)(void *arg, uint64_t start, uint64_t end), void *arg);

#endif
