/* SPDX-License-Identifier: MIT */
/*
 * What a leak scan found, in the section LAR_SECTION_LEAKS. FORMAT.md describes it.
 *
 * The section is two areas of equal size, written in turn, so that the last result is whole while
 * the next one is written. An area is a struct lar_leakscan and, for a scan that was done, one zstd
 * frame that names the lost blocks.
 */
#ifndef LARIAT_LEAKSCAN_H
#define LARIAT_LEAKSCAN_H

#include <stdint.h>

#define LAR_LEAKSCAN_MAGIC 0x4b41454cu /* "LEAK" */

/* How a scan ended. Numbers are never used again. */
enum lar_leakscan_status {
	LAR_LEAKSCAN_NONE = 0,
	LAR_LEAKSCAN_DONE = 1,
	LAR_LEAKSCAN_BEGUN = 2,	   /* under way, or the process ended meanwhile */
	LAR_LEAKSCAN_FORK = 3,	   /* the system refused the snapshot: detail is the errno */
	LAR_LEAKSCAN_THREADS = 4,  /* detail threads could not be stopped */
	LAR_LEAKSCAN_MEMORY = 5,   /* no memory for the scan */
	LAR_LEAKSCAN_PROC = 6,	   /* the list of mappings could not be read: detail is the errno */
	LAR_LEAKSCAN_TRACE = 7,	   /* the blocks in use could not be told from the trace */
	LAR_LEAKSCAN_TIME = 8,	   /* it took longer than it may: detail is the limit in ms */
	LAR_LEAKSCAN_CRASH = 9,	   /* it ended early: detail is the wait status */
	LAR_LEAKSCAN_SAMPLED = 10, /* not all blocks are known: sampling */
	LAR_LEAKSCAN_FILTERED = 11, /* the program filters its system calls */
	LAR_LEAKSCAN_OFF = 12,	    /* not wanted */
	LAR_LEAKSCAN_SIGNAL = 13,   /* a signal came that ends the process: detail is its number */
};

enum lar_leakscan_flags {
	LAR_LEAKSCAN_AT_EXIT = 1,
	/* Blocks are in use of which nothing is known (events were lost, or inherited by fork): all
	 * of the allocator's memory that is no known block counts as in use and reachable. */
	LAR_LEAKSCAN_UNKNOWN_BLOCKS = 2,
	LAR_LEAKSCAN_BY_SIGNAL = 4, /* threads were stopped by a signal, not by ptrace */
	LAR_LEAKSCAN_FOREIGN = 8,   /* an allocator that is not libc's */
};

struct lar_leakscan {
	uint32_t magic;	 /* commit word; 0 while the area is written */
	uint32_t check;	 /* lar_leakscan_check() of the header with magic and check as 0 */
	uint64_t seq;	 /* 1, 2, 3, ...: the highest counts */
	uint64_t ticks;	 /* time of the snapshot: later blocks are in no class */
	uint32_t status; /* enum lar_leakscan_status */
	uint32_t flags;	 /* enum lar_leakscan_flags */
	uint64_t detail;
	uint32_t threads;  /* that there were */
	uint32_t stopped;  /* whose registers are known, the one that asked for the scan included */
	uint64_t pause_ns; /* that the program's threads were stopped */
	uint64_t duration_ns; /* from the beginning to the end */
	uint64_t root_bytes;  /* memory outside of blocks that was searched for pointers */
	uint64_t definite_blocks, definite_bytes;
	uint64_t indirect_blocks, indirect_bytes;
	uint64_t reachable_blocks, reachable_bytes;
	uint64_t listed;	/* lost blocks that the frame names */
	uint64_t listed_until;	/* it names all lost blocks below this address, no others */
	uint32_t raw_size;	/* bytes before compression, 0 = no frame */
	uint32_t comp_size;	/* bytes of the frame behind this header, with content checksum */
	uint32_t address_shift; /* low bits that are 0 in all addresses that the frame names */
	uint32_t reserved0;
	uint64_t reserved[3];
};
_Static_assert(sizeof(struct lar_leakscan) == 176, "leak scan header");

/*
 * The frame holds a varint for each lost block in the order of the addresses: difference to the
 * address before (the first to 0), less its low address_shift bits, * 2, + 1 if it is indirectly
 * lost.
 */

/* FNV-1a over the header's bytes behind `check`. */
static inline uint32_t lar_leakscan_check(const struct lar_leakscan *s)
{
	const unsigned char *p = (const unsigned char *)s;
	uint32_t h = 2166136261u;

	for (uint32_t i = 8; i < sizeof(*s); i++)
		h = (h ^ p[i]) * 16777619u;
	return h;
}

#endif
