/* SPDX-License-Identifier: MIT */
/*
 * I/O figures from a stream of events in time order: by operation, by target, by site, the
 * slowest, and errors. Times and durations are in ticks. One thread at a time. Memory grows with
 * sites, targets and threads.
 */
#ifndef LARIAT_IO_MODEL_H
#define LARIAT_IO_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "busy_time.h"
#include "histogram.h"
#include "io_buffered.h"
#include "io_errnos.h"
#include "io_overlap.h"
#include "io_pattern.h"
#include "io_wall.h"
#include "keymap.h"
#include "sites.h"
#include "trace.h"

enum io_op {
#define IO_OP(name, operation) IO_##operation,
	LAR_IO_OPS(IO_OP)
#undef IO_OP
		IO_OP_COUNT
};

/* The report's name of an operation. */
const char *io_op_name(enum io_op op);

/* What a program asked of its streams: no time is known of it, and it moves nothing by itself. */
static inline bool io_op_is_stdio(enum io_op op)
{
	return op == IO_STDIO_READ || op == IO_STDIO_WRITE;
}

struct io_figures {
	uint64_t calls, bytes, errors;
	uint64_t short_calls; /* moved some bytes, but fewer than asked */
	struct histogram latency;
	struct busy_time busy;
};

/* As a target: those that a checkpoint had no room to tell apart. */
#define IO_OTHERS UINT32_MAX

/* What is told apart per target. */
enum io_target_op {
	IO_TARGET_READ,
	IO_TARGET_WRITE,
	IO_TARGET_OTHER,
	IO_TARGET_STDIO_READ,
	IO_TARGET_STDIO_WRITE,
	IO_TARGET_FILL,	 /* those of the reads that streams made to fill their buffers */
	IO_TARGET_FLUSH, /* ... and of the writes */
	IO_TARGET_OPS
};

struct io_target {
	uint32_t id; /* index into the trace's targets; 0 = unknown, or IO_OTHERS */
	uint64_t calls, bytes, errors, short_calls, time_ticks; /* of all but streams' */
	struct io_figures op[IO_TARGET_OPS];
	struct io_errnos *errnos; /* of `errors`; NULL = none */
	struct io_buffered buffered;
};

struct io_site {
	uint64_t calls, bytes, errors, short_calls, time_ticks;
	uint64_t by_op[IO_OP_COUNT]; /* calls */
	uint64_t read_bytes, written_bytes;
	uint64_t stdio_calls, stdio_bytes; /* of streams; in none of the above but by_op */
	uint32_t target;		   /* the one met first */
	bool more_targets;
	struct histogram latency;
	struct io_errnos *errnos; /* NULL = none */
};

struct io_slow {
	uint64_t took_ticks, start_ticks;
	uint64_t asked_bytes;
	uint64_t offset; /* UINT64_MAX = the call named none */
	int64_t result;	 /* or -errno */
	uint32_t stack, thread, target;
	int32_t fd;
	uint16_t call;
	uint32_t beside; /* of the model's overlaps; IO_OVERLAP_NONE = not known */
};

#define IO_SLOWEST 1000 /* most that can be asked for */

struct io_error {
	enum io_op op;
	uint32_t number; /* errno */
	uint64_t count;
};

struct io_model {
	struct io_figures total[IO_OP_COUNT];
	struct io_figures stream[2]; /* reads and writes that streams made; io_model_finish() */
	struct keymap target_map;    /* id -> index of target */
	struct io_target *target;
	uint32_t target_size;
	struct sites sites;
	struct io_site *site;
	uint32_t site_size;
	struct io_slow *slow; /* a heap with the fastest on top until io_model_finish() */
	uint32_t slow_count, slow_limit;
	struct io_overlaps overlaps;
	struct keymap error_map;
	struct io_error *error;
	uint32_t error_size;
	struct io_patterns patterns; /* by target */
	struct io_wall wall;
	const struct trace_facts *facts; /* for the kinds of targets; NULL = not known */
	const struct trace *trace;	 /* for times; NULL = ticks are ns */
	uint64_t since_ns;
	uint64_t kernel_ticks; /* when the kernel was asked what it has counted */
	uint64_t seen_bytes; /* of those that the kernel counts, up to then; all where it was not */
	uint64_t unflushed_ticks; /* that data may stay in the buffer of a stream */
};

/* Operations that end before since_ns are left out; `slowest` operations are kept. */
int io_model_init(struct io_model *m, const struct site_rule *rule, uint64_t since_ns,
		  uint32_t slowest);
void io_model_fini(struct io_model *m);

/* Takes one event, of whatever kind; those of locks and threads for the time of threads. Returns 0
 * or -ENOMEM. */
int io_model_event(struct io_model *m, const struct event *e);

/*
 * For figures that come from elsewhere: a target and a site, made where they are new, NULL = no
 * memory; an operation that may be among the slowest; errors of a kind, 0 or -ENOMEM.
 */
struct io_target *io_model_target(struct io_model *m, uint32_t id);
struct io_site *io_model_site(struct io_model *m, uint32_t stack, uint32_t thread, uint32_t target);
void io_model_slow(struct io_model *m, const struct io_slow *s);
int io_model_error(struct io_model *m, enum io_op op, uint32_t number, uint64_t count);

/* I/O that goes past the recorder, NULL behind the last. */
extern const char *const io_unseen_classes[];

/* After the last event: sorts the slowest operations, the slowest first, and sums up streams. */
void io_model_finish(struct io_model *m);

#endif
