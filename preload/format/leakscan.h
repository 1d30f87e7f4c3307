/* SPDX-License-Identifier: MIT */
/*
 * What a leak scan found, in the section LAR_SECTION_LEAKS. FORMAT.md describes it.
 *
 * The section is two areas of equal size, written in turn, so that the last result is whole while
 * the next one is written. An area is a struct lar_leakscan and, for a scan that was done, one zstd
 * frame that names the lost blocks. Behind them is what else the scan found: a struct lar_equals
 * and its frame.
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
	LAR_LEAKSCAN_FORKED = 14,   /* not wanted in a fork of a recorded process */
	LAR_LEAKSCAN_LARGE = 15,    /* too much memory is mapped: detail is how many GiB */
	LAR_LEAKSCAN_DEBUGGED = 16, /* a debugger, process detail, has the threads */
	LAR_LEAKSCAN_APART = 17,    /* processes that it makes are in other namespaces */
};

enum lar_leakscan_flags {
	LAR_LEAKSCAN_AT_EXIT = 1,
	/* Blocks are in use of which nothing is known (events were lost, or inherited by fork): all
	 * of the allocator's memory that is no known block counts as in use and reachable. */
	LAR_LEAKSCAN_UNKNOWN_BLOCKS = 2,
	LAR_LEAKSCAN_BY_SIGNAL = 4, /* threads were stopped by a signal, not by ptrace */
	LAR_LEAKSCAN_FOREIGN = 8,   /* an allocator that is not libc's */
	/* It went on to look for equal contents: what it found follows, as soon as it is over. */
	LAR_LEAKSCAN_EQUALS = 16,
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

#define LAR_EQUALS_MAGIC 0x454d4153u /* "SAME" */

/*
 * Reachable blocks whose contents are equal, byte by byte; the contents are not told. At the
 * next multiple of 8 behind the scan's own frame.
 */
struct lar_equals {
	uint32_t magic; /* commit word */
	uint32_t check; /* lar_equals_check() */
	uint64_t seq;	/* of the scan that this belongs to: else it is an older one's */
	uint64_t
		looked_blocks; /* whose contents were compared: reachable, of least to most bytes */
	uint64_t looked_bytes;
	uint64_t unlooked_blocks; /* that should have been, but were too many */
	uint64_t unlooked_bytes;
	uint64_t zero_blocks; /* of those looked at, all zeros: in no group */
	uint64_t zero_bytes;
	uint64_t groups;      /* of two blocks or more of equal size and contents */
	uint64_t copies;      /* blocks in them */
	uint64_t saved_bytes; /* what all but one block of each group take */
	uint64_t listed;      /* groups that the frame has: those that save the most */
	uint32_t raw_size;    /* bytes before compression, 0 = no frame */
	uint32_t comp_size;   /* bytes of the frame behind this header, with content checksum */
	uint32_t least, most; /* bytes of a block that was looked at */
	uint64_t reserved[2];
};
_Static_assert(sizeof(struct lar_equals) == 128, "header of equal contents");

/*
 * The frame holds varints, for each group: size, blocks, addresses that follow, and the addresses,
 * rising, as differences (the first to 0) without their low address_shift bits. Of a large group
 * the addresses are an even choice.
 */

/* FNV-1a. */
static inline uint32_t lar_leakscan_fnv(const void *from, uint32_t size)
{
	const unsigned char *p = (const unsigned char *)from;
	uint32_t h = 2166136261u;

	for (uint32_t i = 0; i < size; i++)
		h = (h ^ p[i]) * 16777619u;
	return h;
}

/* Over the header's bytes behind `check`. */
static inline uint32_t lar_leakscan_check(const struct lar_leakscan *s)
{
	return lar_leakscan_fnv(&s->seq, sizeof(*s) - 8);
}

static inline uint32_t lar_equals_check(const struct lar_equals *s)
{
	return lar_leakscan_fnv(&s->seq, sizeof(*s) - 8);
}

static inline uint64_t lar_equals_offset(const struct lar_leakscan *s)
{
	return (sizeof(*s) + (uint64_t)s->comp_size + 7) & ~7ull;
}

#endif
