/* SPDX-License-Identifier: MIT */
/*
 * What threads spent their time with: running, or in calls that wait for files, the network, locks,
 * events or time. And when calls took how long. Both of the events that are in the trace. One
 * thread at a time; memory grows with threads.
 */
#ifndef LARIAT_IO_WALL_H
#define LARIAT_IO_WALL_H

#include <stdint.h>

#include "keymap.h"
#include "trace.h"

/* IO_TIME(name in reports, identifier) */
#define IO_TIMES(IO_TIME)                                                                          \
	IO_TIME(file, FILE)                                                                        \
	IO_TIME(network, NETWORK)                                                                  \
	IO_TIME(lock, LOCK)                                                                        \
	IO_TIME(event, EVENT)                                                                      \
	IO_TIME(sleep, SLEEP)

enum io_time {
#define IO_TIME(name, id) IO_TIME_##id,
	IO_TIMES(IO_TIME)
#undef IO_TIME
		IO_TIME_COUNT
};

#define IO_WALL_SPANS 32

struct io_wall_thread {
	uint32_t number;
	uint64_t first_ticks, last_ticks;
	uint64_t ticks[IO_TIME_COUNT];
	/* the latest calls, disjoint: one that comes later may have had them in it */
	struct {
		uint64_t start, end;
	} span[IO_WALL_SPANS];
	uint32_t spans;
};

#define IO_HEAT_COLUMNS 64
#define IO_HEAT_ROWS	48

/* Calls by when they ended and by the power of two of the ticks that they took. */
struct io_heat {
	uint64_t column_ns; /* doubles as the run grows */
	uint32_t columns;   /* used */
	uint32_t calls[IO_HEAT_ROWS][IO_HEAT_COLUMNS];
};

struct io_wall {
	struct io_wall_thread *thread;
	uint32_t size;
	struct keymap map; /* number -> index */
	struct io_heat heat;
};

/* `calls` of 2^(row - 1) ticks and more ended then. */
void io_heat_add(struct io_heat *h, uint64_t at_ns, unsigned row, uint32_t calls);

void io_wall_fini(struct io_wall *w);

/* Any event; `kind` is that of an I/O event's target. Returns 0 or -ENOMEM. */
int io_wall_event(struct io_wall *w, const struct event *e, unsigned kind);

#endif
