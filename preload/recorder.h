/* SPDX-License-Identifier: MIT */
/*
 * The one global state of the recorder. It lives in memory that the kernel wipes in a forked child
 * (pool.h): phase 0 there means "not started", and the child's first event starts its own trace.
 */
#ifndef LARIAT_RECORDER_H
#define LARIAT_RECORDER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "attr.h"
#include "config.h"
#include "format/trace_format.h"

enum phase {
	PHASE_NONE = 0, /* not started, or a fresh child */
	PHASE_STARTING = 1,
	PHASE_ON = 2,
	PHASE_OFF = 3, /* given up: every wrapper passes straight through */
};

/* A lock for the cold paths; taken with all signals blocked, never waited for without bound. */
struct spin {
	_Atomic uint64_t owner; /* an address in the holder's thread-local storage */
};

/* False after about a second, and at once in a signal handler on the thread that holds it: the
 * caller does without. */
bool spin_lock(struct spin *s);
void spin_unlock(struct spin *s);

struct fold;
struct inuse;
struct rules_table;
struct thread;

#define RECORDER_MAX_SLOTS   4096
#define RECORDER_MAX_MODULES 2048

#define RECORDER_STARTS	     1024 /* threads created and not yet running */
#define RECORDER_HANDLES     8192
#define RECORDER_TIDS	     4096
#define RECORDER_HELD	     64	   /* files of which it is said what is in them */
#define RECORDER_UNLOADS     64	   /* times of unloading that are told apart */
#define RECORDER_MISUSES     64	   /* places of wrong frees */
#define RECORDER_LOCKS	     16384 /* locks whose last owner is known */

/* From pthread_create to the new thread. */
struct recorder_start {
	_Atomic uint32_t taken;
	uint32_t number, creator;
	void *(*function)(void *);
	void *argument;
	uint64_t stack_size;
};

/* A thread's number by its pthread_t. */
struct recorder_handle {
	_Atomic uint64_t handle;
	_Atomic uint32_t number;
};

/*
 * What an address is a lock of, since when, and who took it last: low half the number of this life
 * of the lock, of all in the process; high half the thread, 0 = none yet.
 */
struct recorder_lock {
	_Atomic uint64_t addr; /* 0 = free */
	_Atomic uint64_t life;
};

/* A place of wrong frees. */
struct recorder_misuse {
	uint64_t hash; /* of its stack, 0 = none yet */
	uint64_t count;
	uint64_t written; /* the count in the file, 0 = it is not there */
	uint16_t kind;
};

struct recorder {
	_Atomic uint32_t phase;
	uint32_t pid;
	bool tsc; /* ticks are the time-stamp counter, else CLOCK_MONOTONIC */
	uint32_t time_shift;
	/* CPU time that the first thread had before: of the program that became this one by exec */
	uint64_t cpu_before_ns;

	/* the mapped trace */
	uint8_t *base;
	uint64_t map_size;
	struct lar_header *header;
	uint8_t *staging;
	struct lar_slot_sizes slot_sizes;
	uint32_t slot_most; /* bytes of the largest */
	uint32_t slot_count;
	uint8_t *dict;
	uint64_t dict_size;
	uint64_t dict_ready; /* bytes that have disk behind them */
	uint8_t *ring;
	uint64_t ring_size;
	uint64_t ring_ready;
	uint64_t ring_left; /* up to here its pages were left to the page cache */
	uint64_t ring_oldest_seq;
	uint8_t *accounts; /* two areas for checkpoints */
	uint64_t accounts_size;
	uint64_t area_ready[2];	       /* bytes of each that have disk behind them */
	struct fold *fold;	       /* NULL until the ring fills up */
	_Atomic(struct inuse *) inuse; /* NULL until a buffer is sealed */
	bool inuse_failed;	       /* there is to be none, or none any more */
	_Atomic uint32_t slots_used;   /* slots of single threads ever in use */
	_Atomic uint32_t slot_hand;    /* of which it was asked last whether its owner is gone */

	struct spin dict_lock, ring_lock, slot_lock, module_lock, rules_lock, seal_lock,
		target_lock, misuse_lock, sight_lock;
	bool bypassed; /* with sight_lock; it stays so */

	bool kernel_known; /* it says how many bytes it has counted; at the start: */
	uint64_t kernel_read, kernel_written, kernel_objects;
	bool kernel_threads; /* there have been several threads; before the second one started: */
	uint64_t kernel_children, children_read, children_written;

	_Atomic uint32_t generation;  /* grows when code may have gone away */
	_Atomic uint32_t threads;     /* numbers given out */
	_Atomic uint64_t tick_due_ns; /* CLOCK_MONOTONIC of the next TICK */
	uint64_t resident_due_ns;     /* of the next look at resident memory */
	uint64_t first_break;
	_Atomic uint32_t unloads; /* times that code went away */
	uint64_t unload_ticks[RECORDER_UNLOADS];
	_Atomic(struct rules_table *) rules;
	struct thread *thread[RECORDER_MAX_SLOTS]; /* by slot, kept for the slot's next owner */
	uint16_t slot_of_tid[RECORDER_TIDS]; /* the latest, by a kernel thread id's low bits */

	struct recorder_start start[RECORDER_STARTS];
	struct recorder_handle handle[RECORDER_HANDLES];

	uint32_t module_count;
	uint32_t module_ids; /* given out */
	struct module {
		uint64_t start, end, bias;
		uint32_t id; /* 0 = unloaded */
	} module[RECORDER_MAX_MODULES];

	uint32_t target_count;
	_Atomic uint32_t fd_high;	 /* of the descriptors in fd_target */
	uint32_t *fd_target;		 /* by descriptor: target id + 1, 0 = not known */
	struct name_slot *names;	 /* hash table */
	_Atomic uint32_t cwd_generation; /* times that the working folder changed */
	uint32_t held_count;
	uint32_t held[RECORDER_HELD];  /* targets whose contents are named in the dictionary */
	struct name_bases *name_bases; /* names that others begin like */
	uint64_t *sample_set;	       /* addresses of the recorded live blocks, when sampling */
	struct seal_context *seal_free;
	void *seal_memory; /* of the first context, until it is made */
	uint32_t seal_contexts;
	uint64_t seal_retry_ns; /* until then no block is tried: the disk is full. 0 = it is not */

	struct recorder_misuse misuse[RECORDER_MISUSES];
	_Atomic uint32_t lock_lives;	/* numbers given out */
	struct recorder_lock lock_none; /* of those for which there is no room: always 0 */
	struct recorder_lock lock[RECORDER_LOCKS];
	struct config config;
	char trace_path[1024];
};

/* Never NULL after recorder_reserve(); wiped on fork. */
extern LAR_LOCAL struct recorder *lar;

static always_inline uint64_t lar_tsc(void)
{
	uint64_t low, high; /* their upper halves are 0 */

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return high << 32 | low;
}

uint64_t lar_ticks_slow(void);

/* The slot of an index below lar->slot_count. */
static inline struct lar_slot *recorder_slot(uint32_t index)
{
	return (struct lar_slot *)(lar->staging + lar_slot_offset(&lar->slot_sizes, index));
}

/* Now, in ticks. */
static always_inline uint64_t lar_ticks(void)
{
	return likely(lar->tsc) ? lar_tsc() : lar_ticks_slow();
}

/* Counts what was not recorded. Any context. */
static inline void lar_lost_add(enum lar_lost reason, uint64_t n)
{
	if (lar && lar->header)
		__atomic_fetch_add(&lar->header->lost[reason], n, __ATOMIC_RELAXED);
}

#endif
