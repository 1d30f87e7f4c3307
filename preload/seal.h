/* SPDX-License-Identifier: MIT */
/* A full buffer becomes a compressed block of the ring. */
#ifndef LARIAT_SEAL_H
#define LARIAT_SEAL_H

#include <stdbool.h>
#include <stdint.h>

#include "thread.h"

/*
 * Makes room for `words` more words in t's buffer: more of the slot, or by sealing what is there.
 * All signals are blocked meanwhile. False when the record cannot be kept; it is counted. No
 * frame has a node after a seal.
 */
bool seal_make_room(struct thread *t, uint32_t words);

/*
 * The same for a record of `words` words about the thread's stack, after a PATH record for those of
 * its frames that have no node in this buffer: all frames have one then.
 */
bool seal_make_nodes(struct thread *t, uint32_t words);

/* Seals, or takes more of the slot, before there is need: the thread is about to take a lock, and
 * must not do that while it holds it. t's records end behind t->early. */
void seal_early(struct thread *t);

/* Sets the address space aside that the first seal needs, should none be had later. */
void seal_prepare(void);

/* Takes more of the slot into use; false when all of it is, or the disk is full. */
bool seal_grow(struct thread *t);

/*
 * Seals what t has, unless it is little, and gives back the disk of its slot that holds nothing,
 * which later events take again; for the end of the process. Call with signals blocked.
 */
void seal_finish(struct thread *t);

/* Enters the THREAD record that every buffer starts with, where it is not there; false when there
 * is no disk for it. */
bool seal_begin(struct thread *t);

#endif
