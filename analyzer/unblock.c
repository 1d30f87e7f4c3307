/* SPDX-License-Identifier: MIT */
/* Decodes blocks of the ring; see unblock.h. */
#include "unblock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "../preload/format/codec.h"

#define PATH_SHARE 128 /* a place to be told for so many bytes of records */

int unblock_init(struct unblock *u)
{
	memset(u, 0, sizeof(*u));
	u->dctx = ZSTD_createDCtx();
	return u->dctx ? 0 : -ENOMEM;
}

void unblock_fini(struct unblock *u)
{
	ZSTD_freeDCtx(u->dctx);
	free(u->block);
	free(u->encoded);
	free(u->scratch);
	memset(u, 0, sizeof(*u));
}

/* Makes *buf hold `want` bytes; what it held is gone. */
static int reserve(void *buf, size_t *size, size_t want)
{
	void **p = buf;

	if (want <= *size)
		return 0;
	free(*p);
	*size = 0;
	*p = malloc(want);
	if (!*p)
		return -ENOMEM;
	*size = want;
	return 0;
}

static int read_block(struct unblock *u, const struct ringfile *rf, const struct ring_block *b,
		      struct lar_block *header)
{
	ssize_t got;

	if (reserve(&u->block, &u->block_size, b->total_size))
		return -ENOMEM;
	got = ringfile_read(rf, b->offset, u->block, b->total_size);
	if (got < 0)
		return (int)got;
	if (got < (ssize_t)sizeof(*header))
		return -EBADMSG;
	memcpy(header, u->block, sizeof(*header));
	if (!ring_block_valid(header, b->total_size) || header->seq != b->seq)
		return -ESTALE;
	return (size_t)got < sizeof(*header) + header->comp_size ? -EBADMSG : 0;
}

static int decode(struct unblock *u, const struct lar_block *header, struct raw_records *out,
		  uint32_t *skipped)
{
	struct lar_places paths = { .room = (uint32_t)(header->raw_size / PATH_SHARE) };
	size_t out_bytes = out->capacity * 8, n;
	int64_t words;
	int rc;

	if (reserve(&u->encoded, &u->encoded_size, header->encoded_size) ||
	    reserve(&u->scratch, &u->scratch_size, lar_decode_scratch(header->encoded_size) * 8))
		return -ENOMEM;
	n = ZSTD_decompressDCtx(u->dctx, u->encoded, header->encoded_size,
				u->block + sizeof(*header), header->comp_size);
	if (ZSTD_isError(n) || n != header->encoded_size)
		return -EBADMSG;
	rc = reserve(&out->words, &out_bytes, header->raw_size + paths.room * sizeof(*paths.at));
	out->capacity = out_bytes / 8;
	if (rc)
		return rc;
	paths.at = (uint32_t *)(out->words + header->raw_size / 8);
	words = lar_decode_places(u->encoded, n, header->events, header->time_shift, out->words,
				  header->raw_size / 8, u->scratch, skipped, &paths);
	if (words < 0)
		return -EBADMSG;
	out->count = (size_t)words;
	out->paths = paths.at;
	out->path_count = paths.count;
	return 0;
}

int unblock_read(struct unblock *u, const struct ringfile *rf, const struct ring_block *b,
		 struct raw_records *out, uint32_t *skipped)
{
	struct lar_block header;
	int rc = read_block(u, rf, b, &header);

	if (!rc)
		rc = decode(u, &header, out, skipped);
	/* in a live file the block may have been overwritten while it was copied */
	if (rc == -EBADMSG && read_block(u, rf, b, &header) == -ESTALE)
		rc = -ESTALE;
	return rc;
}
