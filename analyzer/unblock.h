/* SPDX-License-Identifier: MIT */
/*
 * One block of the ring to raw records: header check, zstd, column codec.
 *
 * A struct unblock holds the working memory and is used again for the next block. One thread.
 */
#ifndef LARIAT_UNBLOCK_H
#define LARIAT_UNBLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "ringfile.h"
#include "ringindex.h"

struct unblock {
	void *dctx; /* ZSTD_DCtx */
	uint8_t *block, *encoded;
	uint64_t *scratch;
	size_t block_size, encoded_size, scratch_size; /* bytes allocated */
};

/* Raw records; owned by the caller, freed with free(words). */
struct raw_records {
	uint64_t *words;
	size_t count;	 /* words that hold records */
	size_t capacity; /* words allocated */
	uint32_t *paths; /* where PATH records are, the first of them; in the memory of words */
	uint32_t path_count;
};

int unblock_init(struct unblock *u);
void unblock_fini(struct unblock *u);

/*
 * Decodes a block into *out, growing it. Events of unknown kinds are counted in *skipped. Returns
 * 0, -EBADMSG (damaged), -ESTALE (overwritten by a newer block since the index was made), -ENOMEM
 * or the error of the read.
 */
int unblock_read(struct unblock *u, const struct ringfile *rf, const struct ring_block *b,
		 struct raw_records *out, uint32_t *skipped);

#endif
