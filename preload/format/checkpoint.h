/* SPDX-License-Identifier: MIT */
/*
 * Checkpoints: the figures of all events whose blocks the ring has given up, in the section
 * LAR_SECTION_ACCOUNTS. FORMAT.md describes them.
 *
 * The section is two areas of equal size, written in turn, so that one is always whole. An area is
 * a struct lar_checkpoint and one zstd frame of tables. Events are taken in by time, whichever
 * block they are in, so a block can be taken in half: LAR_TABLE_POSITIONS says for each slot up to
 * where. A reader adds the events behind that, from blocks and from slots.
 */
#ifndef LARIAT_CHECKPOINT_H
#define LARIAT_CHECKPOINT_H

#include <stdint.h>

#define LAR_CHECKPOINT_MAGIC 0x504b434cu /* "LCKP" */

struct lar_checkpoint {
	uint32_t magic;	     /* commit word; 0 while the area is written */
	uint32_t check;	     /* lar_checkpoint_check() of the header with magic and check as 0 */
	uint64_t seq;	     /* 1, 2, 3, ...: the highest whole one counts */
	uint64_t blocks;     /* not used: see LAR_TABLE_POSITIONS */
	uint64_t events;     /* events in it */
	uint64_t raw_size;   /* bytes of the tables */
	uint64_t comp_size;  /* bytes of the frame behind this header, with content checksum */
	uint64_t last_ticks; /* latest time of an event in it */
	uint64_t reserved;
};
_Static_assert(sizeof(struct lar_checkpoint) == 64, "checkpoint header");

/* FNV-1a over the header's bytes behind `check`. */
static inline uint32_t lar_checkpoint_check(const struct lar_checkpoint *c)
{
	const unsigned char *p = (const unsigned char *)c;
	uint32_t h = 2166136261u;

	for (uint32_t i = 8; i < sizeof(*c); i++)
		h = (h ^ p[i]) * 16777619u;
	return h;
}

/*
 * The tables: varint id, varint rows, varint columns, then the rows. A column is a varint; `z` is
 * zigzag, `d` zigzag difference to the same column of the row before (the first to 0). Behind the
 * columns of a row stand its histograms (`h`), if the table has one: varint count and, unless that
 * is 0, varint sum, least, most, number of buckets that are not empty, and for each of those varint
 * distance of its index to the one before (the first to 0) and varint count. Times and durations
 * are in ticks, whole ones: less the bits that blocks lose. A reader skips columns that it does not
 * know at the end of a row; tables that it does not know end the reading.
 *
 * Buckets are those of a log-linear histogram with 2^bits buckets to a power of two: 2 bits for
 * lifetimes, 4 for all others.
 */
enum lar_table {
	LAR_TABLE_END = 0,
	/* d return address, node less parent, d time it was first seen; nodes count from 1 */
	LAR_TABLE_NODES = 1,
	/* one row: allocations, their bytes, frees of known blocks, their bytes, temporary,
	 * reallocations, failed; live blocks, live bytes, peak bytes, time of the peak; frees of
	 * unknown blocks, frees that were not seen: the address was given out again; live blocks
	 * that LAR_TABLE_LIVE leaves out: there was no room; allocations that were recorded. Of a
	 * sampled process sums of allocations and frees are units (format/weight.h) */
	LAR_TABLE_HEAP = 2,
	/* d node, allocations, their bytes, frees of its blocks, their bytes, temporary, failed,
	 * least size, largest size, most bytes held at once, bytes and blocks held when the
	 * process held most; h lifetimes (2 bits) */
	LAR_TABLE_HEAP_SITES = 3,
	/* blocks in use: d address, size, d born, node, thread */
	LAR_TABLE_LIVE = 4,
	/*
	 * What events behind the checkpoint can still have to do with, by the rules of the
	 * analyzer's heap model: address, time, 0 and the size of a block that was given out again
	 * then, so that a realloc that freed it may come; or 1 and the thread of a free then of a
	 * block that was not known; or 2 and the thread of a free then of one that was.
	 */
	LAR_TABLE_HEAP_OPEN = 5,
	/* one row: maps, bytes, unmaps, bytes, remaps, breaks, failed */
	LAR_TABLE_MAPS = 6,
	/* d node, maps, bytes */
	LAR_TABLE_MAP_SITES = 7,
	/* per thread: d number, address of its last heap event's block if that was an allocation
	 * (0 = it was not) */
	LAR_TABLE_LAST_ALLOCATIONS = 8,
	/*
	 * In the tables from here to LAR_TABLE_CONDITIONS a site in a first column is its node + 1;
	 * rows for which a table had no room share the one whose first column is 0. In other
	 * columns a site is 0 for none, 1 for those that share a row, else its node + 2.
	 *
	 * Figures of I/O are four columns: calls, bytes, errors, short calls; three of the union of
	 * the times that the calls took: sum of the spans that are over, their end, 1 if it is only
	 * a lower bound; and h durations. LAR_TABLE_IO_SPANS has the spans that are not over.
	 *
	 * Figures of locks are nine columns: acquisitions, failed tries, timeouts, errors, ticks
	 * held, longest hold, acquisitions from an owner that had died, times that others waited at
	 * its release, times that another thread had taken it last; and h waits of contended
	 * acquisitions, h holds.
	 */
	/* d number, flags (1 created, 2 started, 4 ended, 8 joined, 16 detached), kernel thread id,
	 * creator, node of its creation, d start, z end less start, CPU ns; allocations, their
	 * bytes, I/O calls, bytes, ticks, waits for locks, ticks waited, ticks without work, bytes
	 * of its stack, bytes of it that were used; CPU samples, missed ones, those in the
	 * recorder; samples in waits for locks, in I/O, in waits without work; CPU ns
	 * before its first CPU event, where that is no sample; waits without work, and of
	 * the stack that may have most of their time (format/idle.h): weight, node, call */
	LAR_TABLE_THREADS = 9,
	/* operation (LAR_IO_OPS), figures with a column more: the bytes that the kernel counts */
	LAR_TABLE_IO = 10,
	/* d target + 1, direction (0 read, 1 write, 2 other; what was asked of streams: 3 read,
	 * 4 write; of 0 and 1 those that streams made: 5 reads, 6 writes), figures */
	LAR_TABLE_IO_TARGETS = 11,
	/* d site, bytes read, written, errors, short calls, first target, 1 if there were others,
	 * calls by operation, bytes asked of streams; h durations */
	LAR_TABLE_IO_SITES = 12,
	/* the slowest, in no order: ticks, d start, node, thread, target, z descriptor, call, bytes
	 * asked for, z result or -errno, offset + 1 (0 = none) */
	LAR_TABLE_IO_SLOWEST = 13,
	/* operation, errno, how often; site and target (in their number's place 2 more, 1 = those
	 * that share a row, 0 = not told) */
	LAR_TABLE_IO_ERRORS = 14,
	/* d address, call, site of the first event, acquisitions by readers, number of its life (0
	 * = not known), further lives that share the row, figures */
	LAR_TABLE_LOCKS = 15,
	/* d site, lock (0 = others, 1 = the first row of LAR_TABLE_LOCKS, ...) that came first, 1
	 * if there were more, waits of others that what was taken here has caused, their ticks;
	 * figures */
	LAR_TABLE_LOCK_SITES = 16,
	/* first uses whose LOCKSUM is not in the checkpoint: thread, address, return address of
	 * the call, node, lock as above */
	LAR_TABLE_LOCK_PAIRS = 17,
	/* d site, call, timeouts, errors, signals, of them: in vain; h waits */
	LAR_TABLE_CONDITIONS = 18,
	/* d slot, fill (the slot's seq, as block.slot_seq has it), events of that fill that are in
	 * the checkpoint; all of the slot's earlier fills are, none of its later ones. Slots that
	 * are not named have nothing in it. */
	LAR_TABLE_POSITIONS = 19,
	/* one row: a sample of the timeline is 2^this ticks wide; samples to a slot of a series.
	 * Both begin with the recording (clock_start). */
	LAR_TABLE_TIME = 20,
	/* per sample, all columns d: live bytes at its end, least, most; allocations so far, their
	 * bytes, frees, their bytes, frees of unknown blocks; mapped bytes; resident, heap bytes
	 * and threads by the last TICK; I/O calls so far, bytes read and written */
	LAR_TABLE_TIMELINE = 21,
	/* live bytes of sites that were not without any in all slots: node, bytes now, then for
	 * each of 64 slots zigzag least less the most of the slot before (the first less 0), most
	 * less least. Slots behind the present sample's are 0. */
	LAR_TABLE_SERIES = 22,
	/* one row: created, failures to create, running, most at once, time of that; of those that
	 * share a row: threads, neither joined nor detached, 1 more than the highest number */
	LAR_TABLE_THREAD_TOTALS = 23,
	/* 0 = all targets, else target + 2 or 1; operation, or direction of a target; d start,
	 * ticks */
	LAR_TABLE_IO_SPANS = 24,
	/* one row: unlocks by threads that did not hold the lock, LOCKORDERs left out; then, of
	 * conditions, semaphores and futexes: signals, of them: in vain; forks by a thread that
	 * held a lock, node of the first; nodes of the first unlock; locks held when
	 * their thread ended, node of where the first was taken */
	LAR_TABLE_LOCK_TOTALS = 25,
	/* LOCKORDERs: lock, held one (both as in LAR_TABLE_LOCK_SITES), node, node of where the
	 * held one was taken, thread, last field, time */
	LAR_TABLE_LOCK_ORDER = 26,
	/* who waited for whom: site that waited, site that had taken it, lock as above, waits,
	 * their ticks, longest */
	LAR_TABLE_LOCK_BLAME = 27,
	/* waits that are not over: thread, node, call, address, time, node + 1 of where the one
	 * that is in the way took it */
	LAR_TABLE_LOCK_WAITING = 28,
	/* d site, CPU samples, of them: in a system call */
	LAR_TABLE_CPU = 29,
	/* when calls but waits took how long: the middle of a span of time, in ticks since
	 * clock_start; bits of the ticks that they took; calls that ended in that span */
	LAR_TABLE_IO_HEAT = 30,
	LAR_TABLE_MAX = 64
};

#define LAR_HISTOGRAM_BUCKETS(bits) ((65u - (bits)) << (bits))

/* The bucket of a value: values below 2^bits have one each, then 2^bits to each power of two. */
static inline uint32_t lar_histogram_bucket(uint64_t v, unsigned bits)
{
	unsigned e;

	if (v < 1ull << bits)
		return (uint32_t)v;
	e = 63 - (unsigned)__builtin_clzll(v);
	return ((e - bits + 1) << bits) + (uint32_t)(v >> (e - bits) & ((1u << bits) - 1));
}

#endif
