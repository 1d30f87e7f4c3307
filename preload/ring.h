/* SPDX-License-Identifier: MIT */
/* The ring of sealed blocks: the oldest give way. */
#ifndef LARIAT_RING_H
#define LARIAT_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "format/trace_format.h"

/*
 * Writes a block. *block has all but magic, total_size, seq, events_before and check filled in;
 * payload is block->comp_size bytes. Call with signals blocked. False when there is no room or
 * the ring's lock cannot be had; nothing is written then.
 */
bool ring_append(struct lar_block *block, const void *payload);

/* Gives back the disk that a ring which has not wrapped took ahead; for the end of the process. */
void ring_trim(void);

/* Whether the disk was full before the ring had room for one block. */
bool ring_without_disk(void);

#endif
