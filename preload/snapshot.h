/* SPDX-License-Identifier: MIT */
/*
 * A snapshot of the process for the leak scan: the other threads are stopped for the moment that a
 * fork takes, and the scan runs in the forked copy, which the program cannot see: it sends no
 * signal when it ends, and no wait() of the program's returns it.
 */
#ifndef LARIAT_SNAPSHOT_H
#define LARIAT_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "attr.h"
#include "format/leakscan.h"
#include "inuse.h"

/* How many times threads have been stopped, or may have been; in front of their going on. */
extern LAR_LOCAL _Atomic uint32_t snapshot_stops;

#define SNAPSHOT_REGISTERS 16
#define SNAPSHOT_ARGUMENTS 1024

struct snapshot_thread {
	uint32_t tid;
	uint32_t signal; /* that the stop has kept from it, to be given back */
	bool seized, stopped, gone;
	uint64_t sp;	    /* stack below it is dead */
	uint64_t fs;	    /* thread pointer */
	uint64_t low, high; /* of its own stack; 0 = not known */
	uint64_t registers[SNAPSHOT_REGISTERS];
};

/* What a thread's buffer held. */
struct snapshot_slot {
	bool used;
	bool sealed;   /* the tables of blocks in use have it */
	uint32_t fill; /* number of the buffer's fill: high half of lar_slot.state */
	uint32_t words;
	const uint64_t *record;
};

/* In memory that the scan shares with the process. */
struct snapshot_shared {
	_Atomic uint64_t pause_ns;
	_Atomic uint32_t over; /* the scan is; who waits for that is woken (futex) */
};

/* Everything that the scan cannot find in the trace. In memory that a fork does not wipe. */
struct snapshot {
	uint64_t size; /* of this mapping */
	uint8_t *base; /* the trace */
	uint64_t map_size;
	uint64_t slot_most; /* bytes of the largest slot */
	uint32_t slot_count;
	uint64_t ring_used;	       /* bytes of the ring that ever held something */
	uint64_t self_start, self_end; /* the recorder's own module */
	uint64_t c_start, c_end;       /* libc */
	uint64_t libc_start, libc_end; /* the same, when malloc is libc's; else 0 */
	uint64_t own_tls;	       /* our pointers to blocks, less the thread pointer */
	uint64_t own_tls_size;
	uint64_t begin_ns; /* CLOCK_MONOTONIC */
	bool folded;	   /* there may be checkpoints */
	bool tables;	   /* what was sealed is in `table`, and need not be read */
	struct addrtable table[INUSE_SHARDS];
	bool inplace; /* the scan runs in the process itself: nothing is copied */
	struct snapshot_shared *shared;
	struct snapshot_slot *slot; /* by index; a mapping with what they point to */
	uint32_t slots;
	uint64_t slots_bytes; /* of the mapping */
	uint64_t ticks;
	uint64_t seq;
	uint32_t flags; /* enum lar_leakscan_flags */
	uint32_t room;	/* elements of `thread` */
	uint32_t threads;
	uint32_t arguments;
	uint64_t argument[SNAPSHOT_ARGUMENTS]; /* of threads that are not running yet */
	/* between the asking thread and whoever stops the others */
	_Atomic uint32_t phase;
	uint32_t refused;  /* threads that could not be stopped */
	uint32_t debugger; /* who has them */
	bool late;	   /* ... in time */
	uint32_t pid, tid;
	uint32_t tracer; /* the process that stops threads; 0 = none */
	bool restricted; /* it needs a permission */
	uint32_t signal; /* ... or the signal */
	uint8_t *stack;	 /* for the process that stops threads */
	uint64_t stack_size;
	struct snapshot_thread thread[]; /* the first is the one that asks */
};

/*
 * Scans at the end of the process, and waits for the result. `frame` is where the program's part of
 * the calling thread's stack begins. With signals open; errno is kept. Does nothing where no scan
 * is wanted.
 */
void snapshot_at_exit(uint64_t frame);

/*
 * A scan while the program runs: as asked for by a signal, or by a word in the trace. Does not wait
 * for it. `sp` is where the program's part of the calling thread's stack begins; registers (at most
 * SNAPSHOT_REGISTERS) as far as they are known, NULL: as they are. Any context; the calling thread
 * holds no lock of the recorder that an event needs.
 */
void snapshot_now(uint64_t sp, const uint64_t *registers, unsigned count);

/* Copies what buffers hold, while nobody writes; only says where it is when the scan is in place.
 * u: the tables of blocks in use, or NULL. False when there is no memory. */
bool snapshot_copy_slots(struct snapshot *s, const struct inuse *u);
void snapshot_free_slots(struct snapshot *s);

/* Whether a reader has asked for one by a word in the trace. */
bool snapshot_asked(void);

/* Installs the handler for the signal that asks, if there is to be one. */
void snapshot_listen(void);

/* Says in the header where a thread can be sent that sleeps when a scan is asked for. */
void snapshot_offer(void);

#endif
