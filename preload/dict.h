/* SPDX-License-Identifier: MIT */
/* The dictionary: append-only records beside the ring, never overwritten. */
#ifndef LARIAT_DICT_H
#define LARIAT_DICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/trace_format.h"

/*
 * Appends a record. Blocks signals and takes a lock; usable in any context. False when the
 * dictionary or the disk is full; nothing is written then.
 */
bool dict_append(enum lar_dict_type type, uint32_t id, const void *payload, size_t size);
/* The same for a caller that has blocked signals already. */
bool dict_append_blocked(enum lar_dict_type type, uint32_t id, const void *payload, size_t size);

#endif
