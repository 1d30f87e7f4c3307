/* SPDX-License-Identifier: MIT */
/*
 * Decodes blocks of the ring ahead of who reads them: in a thread of its own, or in others that
 * have nothing else to do. What a reader gets is the same as without, and it never waits for a
 * block that nobody has begun: that one it decodes itself. Memory has a bound: a few blocks at
 * once. One thread reads.
 */
#ifndef LARIAT_READAHEAD_H
#define LARIAT_READAHEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "ringfile.h"
#include "ringindex.h"
#include "unblock.h"

struct readahead;

/*
 * Starts on the blocks of the index, by time as a merge of all slots wants them or in their order.
 * The file and the index must stay as they are. NULL when it is not worth it (few blocks, one
 * processor) or cannot be done: then the reader does all itself. Blocks that are in the checkpoint
 * are left out, unless `folded` asks for them. With `helped`, the reader and one more thread call
 * readahead_help() when they have to wait, and a third is started only where it has a processor: of
 * three threads on two, those that hand work to each other may end up on the same one.
 */
struct readahead *readahead_start(const struct ringfile *file, const struct ringindex *index,
				  bool by_time, bool folded, bool helped);

/* Decodes a block, when one is wanted; false when none is. Any thread, before readahead_stop(); the
 * argument is a struct readahead. */
bool readahead_help(void *arg);

/* Ends the thread and frees what was not taken; NULL is nothing. */
void readahead_stop(struct readahead *r);

/*
 * The records of block number `block`, as unblock_read() into an empty *out would have given them:
 * its result in *rc. False when the block has not been begun; it is the caller's then.
 */
bool readahead_take(struct readahead *r, uint32_t block, struct raw_records *out, uint32_t *skipped,
		    int *rc);

#endif
