/* SPDX-License-Identifier: MIT */
/* Time of threads, and the heat map; see io_wall.h. */
#include "io_wall.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_COLUMN_NS (1u << 20)
#define NO_TIME		IO_TIME_COUNT

void io_wall_fini(struct io_wall *w)
{
	free(w->thread);
	keymap_fini(&w->map);
}

static enum io_time time_of_wait(unsigned call)
{
	switch (call) {
	case LAR_CALL_nanosleep:
	case LAR_CALL___nanosleep:
	case LAR_CALL_clock_nanosleep:
	case LAR_CALL_usleep:
	case LAR_CALL_sleep:
	case LAR_CALL_thrd_sleep:
		return IO_TIME_SLEEP;
	case LAR_CALL_flock:
	case LAR_CALL_lockf:
	case LAR_CALL_lockf64:
	case LAR_CALL_fcntl_setlkw:
	case LAR_CALL_semop:
	case LAR_CALL_semtimedop:
		return IO_TIME_LOCK;
	case LAR_CALL_sched_yield:
	case LAR_CALL___sched_yield:
		return NO_TIME;
	default:
		return IO_TIME_EVENT;
	}
}

static enum io_time time_of_io(const struct event *e, unsigned kind)
{
	unsigned operation = call_operation(e->call);

	if (lar_io_is_stdio(operation))
		return NO_TIME;
	if (operation == LAR_OP_WAIT)
		return time_of_wait(e->call);
	if (operation == LAR_OP_CONNECT || kind == LAR_TARGET_SOCKET ||
	    e->call == LAR_CALL_accept || e->call == LAR_CALL_accept4)
		return IO_TIME_NETWORK;
	/* somebody else's turn; a named pipe is opened by both sides together */
	if (operation == LAR_OP_OPEN && kind == LAR_TARGET_PIPE)
		return IO_TIME_EVENT;
	if ((operation == LAR_OP_READ || operation == LAR_OP_WRITE) &&
	    (kind == LAR_TARGET_PIPE || kind == LAR_TARGET_TTY || kind == LAR_TARGET_ANON))
		return IO_TIME_EVENT;
	return IO_TIME_FILE;
}

static enum io_time time_of(const struct event *e, unsigned kind)
{
	switch (e->kind) {
	case LAR_EV_IO:
		return time_of_io(e, kind);
	case LAR_EV_LOCK:
		return call_operation(e->call) == LAR_OP_CONDWAIT ? IO_TIME_EVENT : IO_TIME_LOCK;
	case LAR_EV_THREAD_JOIN:
		return IO_TIME_EVENT;
	default:
		return NO_TIME;
	}
}

/* Ticks of a call less those of the calls in it, which have come before. */
static uint64_t own_ticks(struct io_wall_thread *t, uint64_t start, uint64_t end)
{
	uint64_t inside = 0;

	while (t->spans && t->span[t->spans - 1].start >= start) {
		t->spans--;
		inside += t->span[t->spans].end - t->span[t->spans].start;
	}
	/* clocks' steps: never into the one before */
	if (t->spans && start < t->span[t->spans - 1].end)
		start = t->span[t->spans - 1].end < end ? t->span[t->spans - 1].end : end;
	if (t->spans == IO_WALL_SPANS)
		memmove(t->span, t->span + 1, --t->spans * sizeof(t->span[0]));
	t->span[t->spans].start = start;
	t->span[t->spans++].end = end;
	return end - start > inside ? end - start - inside : 0;
}

void io_heat_add(struct io_heat *h, uint64_t at_ns, unsigned row, uint32_t calls)
{
	uint32_t column;

	if (!h->column_ns)
		h->column_ns = FIRST_COLUMN_NS;
	while (at_ns / h->column_ns >= IO_HEAT_COLUMNS) {
		for (unsigned r = 0; r < IO_HEAT_ROWS; r++) {
			for (unsigned c = 0; c < IO_HEAT_COLUMNS / 2; c++)
				h->calls[r][c] = h->calls[r][2 * c] + h->calls[r][2 * c + 1];
			memset(&h->calls[r][IO_HEAT_COLUMNS / 2], 0,
			       IO_HEAT_COLUMNS / 2 * sizeof(h->calls[0][0]));
		}
		h->column_ns *= 2;
		h->columns = (h->columns + 1) / 2;
	}
	column = (uint32_t)(at_ns / h->column_ns);
	h->columns = h->columns > column ? h->columns : column + 1;
	h->calls[row < IO_HEAT_ROWS ? row : IO_HEAT_ROWS - 1][column] += calls;
}

static int thread_of(struct io_wall *w, const struct event *e, struct io_wall_thread **out)
{
	uint32_t n = keymap_number(&w->map, e->thread);

	if (n == KEYMAP_NONE || array_reserve((void **)&w->thread, &w->size, n, sizeof(*w->thread)))
		return -ENOMEM;
	*out = &w->thread[n];
	return 0;
}

int io_wall_event(struct io_wall *w, const struct event *e, unsigned kind)
{
	enum io_time time = time_of(e, kind);
	struct io_wall_thread *t;
	uint64_t start = e->ticks, own;

	if (thread_of(w, e, &t))
		return -ENOMEM;
	if (time != NO_TIME)
		start = e->ticks > e->field[1] ? e->ticks - e->field[1] : 0;
	if (!t->number || start < t->first_ticks)
		t->first_ticks = start;
	t->number = e->thread;
	if (e->ticks > t->last_ticks)
		t->last_ticks = e->ticks;
	if (time == NO_TIME)
		return 0;
	own = own_ticks(t, start, e->ticks);
	t->ticks[time] += own;
	if (e->kind == LAR_EV_IO && call_operation(e->call) != LAR_OP_WAIT)
		io_heat_add(&w->heat, e->time_ns,
			    e->ticks > start ? 64 - (unsigned)__builtin_clzll(e->ticks - start) : 0,
			    1);
	return 0;
}
