/* SPDX-License-Identifier: MIT */
/*
 * A trace as the commands see it: facts, tables and a stream of events with stacks.
 *
 * The file is hostile: whatever it holds, nothing here crashes, hangs or allocates without bound;
 * what is whole is read, what is not is counted in struct trace_damage. One thread at a time may
 * use a struct trace. Library functions return 0 or -Exxx and print nothing.
 */
#ifndef LARIAT_TRACE_H
#define LARIAT_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../preload/format/event.h"
#include "../preload/format/trace_format.h"

struct checkpoint;
struct reach;
struct trace;

/* Why a file could not be opened; text for the user, without file name or newline. */
struct trace_error {
	uint64_t offset; /* where in the file */
	char text[200];	 /* what is wrong and what follows */
};

struct trace_module {
	uint64_t start, end; /* addresses */
	uint64_t bias;
	uint64_t first_seen_ticks;
	uint64_t unload_ticks; /* UINT64_MAX = never */
	const char *path;
	const uint8_t *build_id;
	uint32_t build_id_size;
	uint32_t flags; /* LAR_MODULE_* */
};

struct trace_target {
	const char *name; /* "" when unknown */
	uint32_t kind;	  /* enum lar_target_kind */
	uint32_t holds;	  /* enum lar_holds, 0 = not known */
	char *own;	  /* what `name` points to when it had to be put together; else NULL */
};

struct trace_thread {
	uint32_t number; /* from 1; 1 is the thread that started recording */
	uint32_t tid;
	uint32_t creator; /* number, 0 = unknown */
	const char *name; /* "" when not named */
};

/* A wrong free that the recorder saw, as struct lar_dict_misuse. */
struct trace_misuse {
	uint64_t ticks, address, count;
	uint32_t id, thread;
	uint16_t kind, call; /* kind < LAR_MISUSE_KINDS */
	uint32_t state, freed_at, named_size;
	uint32_t frames;
	const uint8_t *ra; /* frames times 8 bytes, outermost first */
};

struct trace_damage {
	uint64_t blocks;	  /* damaged blocks of the ring */
	uint64_t events_at_least; /* events in them, as far as their headers or neighbours tell */
	uint64_t records;	  /* damaged dictionary records or slots */
	uint64_t skipped;	  /* events of kinds unknown to this version */
};

/* Facts that need no event; owned by the trace. */
struct trace_facts {
	const struct lar_header *header; /* a copy, checked */
	const char *path;		 /* of the file */
	const char *command, *executable, *host, *cwd;
	const char *const *argv;
	uint32_t argc;
	uint64_t file_bytes;	 /* apparent size */
	uint64_t disk_bytes;	 /* blocks allocated */
	uint64_t duration_ns;	 /* start to the end, the last sign of life, or now */
	uint64_t last_ticks;	 /* that end */
	bool running;		 /* the recorded process is alive (checked by pid and start time) */
	uint64_t events_written; /* ever committed: kept, folded, overwritten or damaged */
	uint64_t events_kept;	 /* that trace_events() delivers */
	uint64_t events_folded;	 /* that are in the checkpoint's figures */
	uint64_t events_overwritten, events_dropped;
	uint64_t events_stale; /* overwritten after the trace was opened; of events_overwritten */
	uint64_t folded_until_ns; /* time of the latest event in the checkpoint */
	uint64_t blocks_kept;
	struct trace_damage damage;
	uint64_t stacks_folded; /* frames that the reader had no room for, after trace_events() */
	bool clock_estimated;	/* times rest on a guess: the last of the notes says which */
	const struct trace_module *modules; /* path "" and no addresses: its record is damaged */
	uint32_t module_count;
	const struct trace_target *targets; /* index = id, [0] is "unknown" */
	uint32_t target_count;
	const char *const *notes;
	uint32_t note_count;
	const struct trace_misuse *misuses;
	uint32_t misuse_count;
	const char *bypassed_by;  /* who allocates out of sight; NULL = none */
	const char *other_malloc; /* ... who does if no allocation was seen */
};

/*
 * Opens `path` and reads all but the events. On success *out is the caller's, freed by
 * trace_close(). On failure returns -errno and fills *error: -ENOENT and kin from the system,
 * -EINVAL not a trace or too short, -EPROTONOSUPPORT a version or incompatible flag this reader
 * does not know (both versions are in the text).
 */
int trace_open(const char *path, struct trace **out, struct trace_error *error);
void trace_close(struct trace *t);

const struct trace_facts *trace_facts(const struct trace *t);

/* Nanoseconds since the process's recording started; saturates at 0. */
uint64_t trace_ns(const struct trace *t, uint64_t ticks);
/* A length of time in ticks as nanoseconds. */
uint64_t trace_span_ns(const struct trace *t, uint64_t ticks);

/* One decoded event. Valid during the callback only. */
struct event {
	uint8_t kind;	 /* enum lar_event_kind */
	uint8_t flags;	 /* LAR_LOCK_*, LAR_IO_*, ... */
	uint16_t call;	 /* enum lar_call */
	uint32_t thread; /* number; 0 = unknown */
	uint32_t tid;
	uint32_t stack; /* id for trace_stack(), 0 = none */
	uint64_t ticks;
	uint64_t time_ns;		      /* trace_ns(ticks) */
	uint64_t field[LAR_EVENT_MAX_FIELDS]; /* as in events.def, [0] is ticks */
};

/* In the flags of an event made from a cell of a lock or stream that was still in its slot. */
#define TRACE_FROM_CELL 0x80
#define TRACE_CELL_HELD 0x40 /* ... of a lock that the thread holds */

/* Return non-zero to stop; trace_events() then returns that value. */
typedef int trace_event_fn(void *arg, const struct event *e);

/*
 * Calls fn for every event that is not in the checkpoint and the file still has: ring blocks, then
 * what the slots hold. With `ordered` the events of all threads come merged by time (ties: frees
 * before allocations); without, each thread's are in order but threads are not. Can be called
 * again. A thread's events keep their order even where one's time is a little before that of the
 * one before. Cells of locks and streams still in slots are delivered as LOCKHOLDS and LOCKSUM, and
 * IO events at the end, with TRACE_FROM_CELL; they are not among the events that the facts count.
 */
int trace_events(struct trace *t, bool ordered, trace_event_fn *fn, void *arg);

/*
 * Where events go: each is made at **place, where fn may change and keep it: it sets *place to
 * where the next one is to be made. With `many`, and then `room`, not NULL: up to room() events, at
 * least one, are made from *place on, and then go to many() together.
 */
struct trace_taker {
	trace_event_fn *fn;
	void *arg;
	struct event **place;
	uint32_t (*room)(void *arg);
	int (*many)(void *arg, uint32_t count);
	/* where what is to be decoded is offered, when the taker has a thread besides the caller's;
	 * NULL = it has not */
	struct sparetime *spare;
};

/* As trace_events(). */
int trace_events_to(struct trace *t, bool ordered, const struct trace_taker *to);

/* The same with those that are in the checkpoint, as far as the file still has them. */
int trace_all_events(struct trace *t, bool ordered, trace_event_fn *fn, void *arg);

/*
 * For a trace that may still be written: delivers in order of time what it has not delivered to
 * `to` before, as far as the order can be known, which is up to the moment before the file was
 * read. The few events behind that go to `rest`, as do the lock cells, and will be delivered again.
 * When the process has ended all events go to `to`, only the lock cells to `rest`. After an error
 * only trace_close() is of use.
 */
int trace_follow(struct trace *t, const struct trace_taker *to, const struct trace_taker *rest);

/*
 * Reads again what the file has now, for the next trace_follow(); facts and tables are renewed, but
 * for those of what was lost before. -ESTALE when events that were not delivered are gone: then the
 * trace must be opened anew.
 */
int trace_refresh(struct trace *t);

/* Up to when trace_follow() has delivered, in ticks, and how often one came late behind that. */
uint64_t trace_followed_ticks(const struct trace *t);
uint64_t trace_followed_late(const struct trace *t);

/* The figures of what trace_events() leaves out; NULL when there are none. Owned by the trace. */
const struct checkpoint *trace_checkpoint(const struct trace *t);

/* The newest leak scan; seq 0 in it when there is none. Owned by the trace. */
const struct reach *trace_reach(const struct trace *t);

/* A frame of a stack: an address and the module that held it when it was recorded. */
struct trace_frame {
	uint64_t address; /* return address, or LAR_RA_CUT, LAR_RA_INCOMPLETE */
	uint32_t module;  /* index into facts->modules, UINT32_MAX = none */
};

/*
 * The frames of a stack that some event delivered or the checkpoint has, outermost first; frames
 * inside the recorder itself are left out. Valid until the next call of a trace_ function. Returns
 * their number.
 */
uint32_t trace_stack(struct trace *t, uint32_t stack, const struct trace_frame **frames);
uint32_t trace_stack_count(const struct trace *t);

/* The stack of a wrong free, and the innermost frame of where the block was given back before; 0 =
 * not known. */
uint32_t trace_misuse_stack(struct trace *t, const struct trace_misuse *m);
uint32_t trace_misuse_freed_stack(struct trace *t, const struct trace_misuse *m);

/* The innermost frame alone, in constant time; of the empty stack address 0 in no module. */
struct trace_frame trace_stack_leaf(const struct trace *t, uint32_t stack);

/* The module that stands in stacks for one: that of the first time that its file was loaded. */
uint32_t trace_module_in_stacks(const struct trace *t, uint32_t module);

/* Threads seen so far, complete after trace_events(). Index = number; [0] is unused. */
const struct trace_thread *trace_threads(const struct trace *t, uint32_t *count);

/* Names from the tables; "" for a number that this version does not know. */
const char *call_name(unsigned call);
enum lar_family call_family(unsigned call);
enum lar_operation call_operation(unsigned call);
const char *event_kind_name(unsigned kind);

#endif
