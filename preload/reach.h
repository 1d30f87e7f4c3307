/* SPDX-License-Identifier: MIT */
/*
 * The leak scan itself: which blocks does nothing point to any more? It runs in a forked snapshot
 * of the process, where nothing else runs: no other thread, no signal handler, no code of the
 * program. There the recorder's own memory reads as zero, so that all it needs is in struct
 * snapshot, in the trace, which is still mapped, and in /proc.
 *
 * At the end of a small process with a single thread there need be no copy: the scan runs in place
 * (snapshot_inplace.h). The recorder's own memory is left out of the roots then, and a scan that
 * would have to do to the process what only a copy may suffer is given up.
 *
 * It calls no function of libc but memory and string ones, and takes memory by mmap alone. A crash
 * ends the snapshot, and nothing else.
 */
#ifndef LARIAT_REACH_H
#define LARIAT_REACH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/leakscan.h"
#include "snapshot.h"

/* A run of addresses. */
struct reach_range {
	uint64_t start, end;
};

/* A growing array of ranges. */
struct reach_ranges {
	struct reach_range *range;
	size_t count, room;
};

enum reach_region_flags {
	REACH_READ = 1,
	REACH_WRITE = 2,
	REACH_SHARED = 4,
	REACH_FILE = 8,	   /* of a file, a device or shared memory */
	REACH_HEAP = 16,   /* what brk gave */
	REACH_STACK = 32,  /* of the initial thread */
	REACH_IGNORE = 64, /* ours, a device's or the kernel's */
	REACH_LIBC = 128,  /* data of libc, where its allocator has its lists */
	REACH_NONE = 256,  /* no access: guards */
	REACH_CODE = 512,  /* of a file, to be executed and not written */
};

struct reach_region {
	uint64_t start, end;
	uint32_t flags;
};

/* A block in use. */
struct reach_block {
	uint64_t start, size;
};

/* By block. */
enum reach_state {
	REACH_UNSEEN = 0, /* definitely lost, in the end */
	REACH_HELD = 1,	  /* still reachable */
	REACH_INDIRECT = 2,
	REACH_STATE = 3,
	REACH_UNREADABLE = 4, /* its contents cannot be looked at */
	REACH_LEADER = 8,     /* unseen, and it was looked at what it points to */
};

/* Runs of blocks that are near each other, each with an index by page: of a size that suits them.
 */
struct reach_cluster {
	uint64_t start, end;
	uint64_t first_page;
	unsigned shift;	      /* log2 of a page's size */
	uint32_t first, last; /* blocks; last is behind the run */
	uint32_t *page;	      /* by page: the first block that ends behind its start */
};

/* A range of addresses with blocks in it, in units of 2^REACH_SPAN_SHIFT bytes: `more` behind the
 * first. All are numbers of 32 bits that wrap. */
#define REACH_SPANS	 4
#define REACH_SPAN_SHIFT 16
struct reach_span {
	uint32_t first, more;
};

/* As the kernel tells of them. */
struct reach_run {
	uint64_t start, end, categories;
};

struct reach {
	const struct snapshot *s;
	const struct lar_header *header;
	struct reach_block *block; /* by address */
	uint8_t *state;
	uint32_t count;
	struct reach_cluster *cluster;
	uint32_t clusters;
	uint64_t low, high;		     /* of all blocks */
	struct reach_span span[REACH_SPANS]; /* together they hold all blocks */
	uint64_t *filter; /* a bit for each place where blocks may be: reach_index.h */
	uint32_t *todo;	  /* blocks to be looked at: a stack */
	uint32_t todo_count;
	struct reach_region *region;
	size_t regions;
	struct reach_ranges excluded; /* parts of regions that are no roots; sorted */
	int pagemap;		      /* descriptor of /proc/self/pagemap, or negative */
	struct reach_run *own;	      /* pages of the process's own, up to own_until; sorted */
	size_t owns;
	uint64_t own_until;
	bool own_asked;
	int mem;		/* of /proc/self/mem */
	bool failed;		/* no memory */
	bool needs_copy;	/* it cannot be done in place */
	uint32_t blocks_looked; /* blocks that it has looked at, in place */
	bool unknown_blocks;	/* as LAR_LEAKSCAN_UNKNOWN_BLOCKS */
	uint8_t *area;		/* where the result stands, once it is written */
	uint64_t area_size;
	struct lar_leakscan result;
};

/* Zeroed; NULL and r->failed when there is none. */
void *reach_memory(struct reach *r, size_t size);
/* The same, all of which is going to be written to. */
void *reach_memory_filled(struct reach *r, size_t size);
void reach_memory_free(void *p, size_t size);
/* The scan's own memory, and the recorder's where it is there, are no roots; false: not all of it
 * is known. */
bool reach_exclude_own(struct reach *r);
void reach_add_range(struct reach *r, struct reach_ranges *a, uint64_t start, uint64_t end);
/* Sorts by address and joins what overlaps. */
void reach_sort_ranges(struct reach *r, struct reach_ranges *a);

/* The blocks in use, from the trace. False: they cannot be told. */
bool reach_live(struct reach *r);

/* A reader of the newest whole checkpoint: calls fn for each row of the two tables; false when
 * there is one that cannot be read. */
typedef void reach_row_fn(void *arg, unsigned table, const uint64_t *column);
bool reach_checkpoint(struct reach *r, reach_row_fn *fn, void *arg);

/* The mappings of the process; 0 or -errno. */
int reach_regions(struct reach *r);
/* The region that holds an address, or NULL. */
const struct reach_region *reach_region_at(const struct reach *r, uint64_t address);
/* Fills r->excluded: what in the regions is no root. After reach_live(). */
void reach_exclude(struct reach *r);

/* Calls fn for the parts of [start, end) that hold something of this process's own: pages that were
 * never written are left out. */
typedef void reach_part_fn(struct reach *r, uint64_t start, uint64_t end);
void reach_present(struct reach *r, uint64_t start, uint64_t end, reach_part_fn *fn);

/* The block that an address points into, or UINT32_MAX. */
uint32_t reach_find(const struct reach *r, uint64_t address);
/* Makes r->cluster; blocks are sorted. */
void reach_index(struct reach *r);
/* Marks what the roots hold, and tells the lost ones apart. */
void reach_mark(struct reach *r);

/* Writes the result, with the lost blocks' addresses, into the trace. */
void reach_write(struct reach *r);
/* Looks for blocks of equal content, and writes that behind the result. After reach_write(). */
void reach_equals(struct reach *r);
/* The same for what was found; the frame holds h->comp_size bytes. */
void reach_write_equals(struct reach *r, struct lar_equals *h, const uint8_t *frame);
/* A few bytes as a frame that is not compressed, in memory of its own; NULL when there is none. */
#define REACH_FRAME_MOST 1536 /* then it stays within the page that the result takes anyway */
#define REACH_FRAME_MORE 16
uint8_t *reach_frame(struct reach *r, const uint8_t *from, size_t size, uint32_t *framed);
/* Compresses into memory of its own, what is worth it; NULL when there is none. */
uint8_t *reach_compress(struct reach *r, const uint8_t *from, size_t size, uint32_t *compressed);
size_t reach_put_varint(uint8_t *to, uint64_t v);
/* A result without blocks: how a scan failed. Also used outside of a snapshot. */
void reach_write_status(uint8_t *base, const struct lar_leakscan *result);
/* The highest number of a result in the trace. */
uint64_t reach_last_seq(const uint8_t *base);

/* A scan and its result; 0: there is none. In place only a good result is written. */
long reach_scan(const struct snapshot *s);
/* Gives back what a scan in place has taken; also when it was left half-way. */
void reach_tidy(void);
/* All of it in the copy. Does not return. */
void reach_run(const struct snapshot *s) __attribute__((noreturn));

#endif
